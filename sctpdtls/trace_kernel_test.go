//go:build kernel

package sctpdtls

import (
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"

	"github.com/ishidawataru/sctp"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// Trace reports all notifications of the kernel, from the beginning of the association to its end.
func TestKernelTrace(t *testing.T) {
	var client, server story
	cc, sc := clientConfig(), serverConfig()
	cc.Trace, sc.Trace = client.trace(), server.trace()
	sc.SCTP.MaxInStreams = 4
	ln, err := Listen("sctp", "127.0.0.1/127.0.0.2:0", sc)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := Dial("sctp", ln.Addr().String(), cc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.AcceptConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Abort()
	if _, _, err := s.ReadMessage(nil); err == nil {
		t.Error("no end")
	}
	s.Close()
	for _, tt := range []struct {
		who  string
		told []string
		want []string
	}{
		{"the client", client.take(), []string{
			"stream.AssocChange{State:up Cause:0 OutStreams:4 InStreams:10}", "key 1 installed",
			"key 1 active", "epoch 3", "handshake true <nil>",
		}},
		{"the server", server.take(), []string{
			"stream.AssocChange{State:up Cause:0 OutStreams:10 InStreams:4}", "key 1 active",
			"handshake true <nil>",
			"stream.AssocChange{State:aborted Cause:12 OutStreams:0 InStreams:0}",
		}},
	} {
		at := -1
		for _, want := range tt.want {
			i := slices.Index(tt.told, want)
			if i <= at {
				t.Errorf("%s was told %q, want %q in its place", tt.who, tt.told, want)
			}
			at = i
		}
	}
}

// A Listener that shuts out a peer without SCTP-AUTH reports why.
func TestKernelTraceOfRefusal(t *testing.T) {
	done := make(chan error, 1)
	config := serverConfig()
	config.Trace = &Trace{HandshakeDone: func(_ net.Addr, _ ConnectionState, err error) {
		done <- err
	}}
	ln, err := Listen("sctp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	// The refusal may come before the dial has returned.
	if plain, err := sctp.DialSCTP("sctp", nil, ln.Addr().(*Addr)); err == nil {
		defer plain.Close()
	} else if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Fatal(err)
	}
	if _, ok := errtype.As[*AuthUnsupportedError](<-done); !ok {
		t.Error("the refusal is not told")
	}
}
