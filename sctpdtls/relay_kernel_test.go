//go:build kernel

package sctpdtls_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/relaytest"
	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls/relay"
)

// The ends change over to one successor after the other while both write on 16 streams as fast as
// they can, and lose nothing: RFC 4895, Section 9.
func TestKernelRelay(t *testing.T) {
	pki := testpki.Get()
	client := &sctpdtls.Config{
		Certificates: []tls.Certificate{pki.Client}, RootCAs: pki.Roots, ServerName: testpki.ServerName,
	}
	server := &sctpdtls.Config{
		Certificates: []tls.Certificate{pki.Server}, ClientCAs: pki.Roots,
		ClientAuth: tls.RequireAndVerifyClientCert,
	}
	client.SCTP.OutStreams, server.SCTP.OutStreams = 16, 16
	// Beside 32 writers, a handshake takes an emulated machine long.
	const limit = 2 * time.Minute
	for _, c := range []*sctpdtls.Config{client, server} {
		c.HandshakeTimeout, c.CloseTimeout = limit, limit
	}
	ln, err := sctpdtls.Listen("sctp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dial := func(ctx context.Context) (*sctpdtls.Conn, error) {
		return sctpdtls.DialContext(ctx, "sctp", ln.Addr().String(), client)
	}
	first, err := dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.AcceptConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ends := [2]*relay.Relay{relay.New(first), relay.New(accepted)}
	finish := relaytest.Traffic(t, ends, func() {})
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		taken := make(chan error, 1)
		go func() {
			next, err := ln.AcceptConn(ctx)
			if err == nil {
				err = ends[1].Take(next)
			}
			taken <- err
		}()
		start := time.Now()
		err := ends[0].Redial(ctx, dial)
		if err != nil {
			cancel() // nobody comes
		}
		if err := errors.Join(err, <-taken); err != nil {
			t.Error(err)
		}
		cancel()
		t.Logf("changed over in %v", time.Since(start).Round(time.Millisecond))
		time.Sleep(100 * time.Millisecond)
	}
	finish()
	closed := make(chan error, 1)
	go func() { closed <- ends[1].Close() }()
	if err := errors.Join(ends[0].Close(), <-closed); err != nil {
		t.Error(err)
	}
	if s := ends[0].Conn(); s == first {
		t.Error("nothing has changed")
	}
}
