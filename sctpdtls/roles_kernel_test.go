//go:build kernel

package sctpdtls

import (
	"context"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// Who opened the association may be the server of DTLS: RFC 6083, Section 4.2.
func TestKernelRolesAreIndependent(t *testing.T) {
	addr, err := ResolveAddr(t.Context(), "sctp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := listenKernel("sctp", addr, new(Config))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	done := make(chan error, 1)
	client, server := clientConfig(), serverConfig()
	go func() {
		a, err := ln.Accept()
		if err != nil {
			done <- err
			return
		}
		core, err := dtlscore.Client(client.core())
		if err != nil {
			done <- err
			return
		}
		c, err := newConn(a, client, core)
		if err == nil {
			err = c.WriteMessage([]byte("from the end that accepted"), MessageInfo{Stream: 1})
		}
		if err == nil {
			err = c.Close()
		}
		done <- err
	}()
	a, err := dialKernel(context.Background(), "sctp", nil, ln.Addr().(*Addr), new(Config))
	if err != nil {
		t.Fatal(err)
	}
	core, err := dtlscore.Server(server.core())
	if err != nil {
		t.Fatal(err)
	}
	c, err := newConn(a, server, core)
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, _, err := c.ReadMessage(buf)
	if string(buf[:n]) != "from the end that accepted" || err != nil {
		t.Errorf("ReadMessage = %q, %v", buf[:n], err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
