//go:build kernel

package sctpdtls

import (
	"sync"
	"testing"
	"time"
)

// kernelPair returns both ends of a connection over the loopback, which both may renegotiate.
func kernelPair(t *testing.T, streams uint16) *testPair {
	t.Helper()
	client, server := clientConfig(), serverConfig()
	client.MaxVersion, server.MaxVersion = VersionDTLS12, VersionDTLS12
	client.Renegotiation, server.Renegotiation = RenegotiateFreely, RenegotiateFreely
	client.SCTP.OutStreams, server.SCTP.OutStreams = streams, streams
	return kernelPairOf(t, client, server)
}

// kernelPairOf returns both ends of a connection over the loopback.
func kernelPairOf(t *testing.T, client, server *Config) *testPair {
	t.Helper()
	ln, err := Listen("sctp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	p := &testPair{t: t}
	if p.client, err = Dial("sctp", ln.Addr().String(), client); err != nil {
		t.Fatal(err)
	}
	if p.server, err = ln.AcceptConn(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// closeBoth ends both ends of a kernelPair.
func (p *testPair) closeBoth() {
	p.t.Helper()
	var closes sync.WaitGroup
	for _, c := range []*Conn{p.client, p.server} {
		closes.Go(func() {
			if err := c.Close(); err != nil {
				p.t.Errorf("%v: Close: %v", c.LocalAddr(), err)
			}
		})
	}
	closes.Wait()
}

// With the real kernel, as fast as it goes: nothing is lost, doubled or reordered. Attacks
// H9, D11.
func TestKernelAttackH9RenegotiateUnderLoad(t *testing.T) {
	for _, begins := range []string{"client", "server", "both"} {
		t.Run(begins, func(t *testing.T) {
			const streams, times = 16, 6
			p := kernelPair(t, streams)
			f := startTraffic(p, streams, func(n uint32) int { return int(n * 977 % 3000) })
			for n := range times {
				start := time.Now()
				p.renegotiate(t, begins)
				t.Logf("renegotiation took %v", time.Since(start).Round(time.Millisecond))
				p.awaitHandshakes(n + 2)
				time.Sleep(100 * time.Millisecond) // under load
			}
			p.wantHandshakes(times + 1)
			start := time.Now()
			n := f.end(p, time.Second, p.closeBoth)
			t.Logf("%d messages, the end took %v", n, time.Since(start).Round(time.Millisecond))
		})
	}
}

// Many in a row, without load: none waits for a timer.
func TestKernelRenegotiateInARow(t *testing.T) {
	p := kernelPair(t, 2)
	ends := []<-chan error{reader(p.client), reader(p.server)}
	for n := range 12 {
		start := time.Now()
		if err := []*Conn{p.client, p.server}[n%2].Renegotiate(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Logf("renegotiation took %v", time.Since(start).Round(time.Millisecond))
		p.awaitHandshakes(n + 2) // lest the other end waits for the end of this one
		p.wantHandshakes(n + 2)
	}
	p.closeBoth()
	for _, end := range ends {
		<-end
	}
}

// awaitHandshakes waits until both ends have completed so many handshakes.
func (p *testPair) awaitHandshakes(n int) {
	p.t.Helper()
	for _, c := range []*Conn{p.client, p.server} {
		limit := time.Now().Add(patience)
		for c.ConnectionState().Handshakes < n {
			if time.Now().After(limit) {
				p.t.Fatalf("%v: %d handshakes, want %d", c.LocalAddr(), c.ConnectionState().Handshakes, n)
			}
			time.Sleep(time.Millisecond)
		}
	}
}
