//go:build kernel

package netns

import (
	"context"
	"strings"
	"testing"
	"time"
)

// An association comes up although its COOKIE ACK is lost, on kernels too whose accepted sockets do
// not know the listener's cookie when it comes again (Linux 7.2): Dial starts over.
func TestLostCookieACK(t *testing.T) {
	p := newOpenSSLPair(t) // hosts and certificates; there is no OpenSSL here
	ln := p.listen(t, p.config(t, "server", nil))
	tc := func(args string) { p.server.Run(t, "tc", strings.Fields(args)...) }
	tc("qdisc add dev eth0 clsact")
	// The type of the first chunk, behind 20 bytes of IP and 12 of SCTP, is 11.
	tc("filter add dev eth0 egress protocol ip u32 match u8 0x0b 0xff at 32 action drop")
	time.AfterFunc(time.Second, func() { tc("qdisc del dev eth0 clsact") })
	start := time.Now()
	conn, err := p.dial(t, p.config(t, "client", nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("connected after %v", time.Since(start).Round(time.Millisecond))
	if time.Since(start) < time.Second {
		t.Error("no COOKIE ACK was lost")
	}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	server, err := ln.AcceptConn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	closeBoth(t, conn, server)
}
