//go:build kernel

package sctpdtls

import (
	"crypto/tls"
	"errors"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

const peerToKill = "SCTPDTLS_PEER_TO_KILL" // the address that it dials

// A peer whose process is killed is seen at once, for its kernel ends the association: as a
// truncation, by SHUTDOWN, or by an ABORT if it had not read all. RFC 6083, Section 4.9; attacks
// C6, H11. The scenarios called “killed” close the descriptor, which is the same to the kernel.
func TestKernelAttackH11KilledPeer(t *testing.T) {
	if addr := os.Getenv(peerToKill); addr != "" {
		waitToBeKilled(t, addr)
		return
	}
	w := &kernelWorld{t: t}
	for _, unread := range []bool{false, true} {
		config := serverConfig() // another process has another authority
		config.ClientAuth = tls.NoClientCert
		ln, err := Listen("sctp", "127.0.0.1:0", config)
		must(t, err)
		peer := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		peer.Env = append(os.Environ(), peerToKill+"="+ln.Addr().String())
		stdin, err := peer.StdinPipe()
		must(t, err)
		must(t, peer.Start())
		c, err := ln.AcceptConn(t.Context())
		must(t, err)
		buf := make([]byte, 100)
		n, _, err := c.ReadMessage(buf)
		if err != nil || string(buf[:n]) != "ready" {
			t.Fatalf("ReadMessage = %q, %v", buf[:n], err)
		}
		if unread {
			for range 2 * stream.MaxBatch { // one takes the room, and some are read in one call
				must(t, c.WriteMessage([]byte("nobody takes this"), MessageInfo{}))
			}
			for w.outstanding(c.assoc.(association)) ||
				w.entryOf(c.RemoteAddr(), c.LocalAddr()).received == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		must(t, peer.Process.Kill())
		start := time.Now()
		_, _, err = c.ReadMessage(buf)
		e, ok := errtype.As[*AssociationError](err)
		if !ok || !errors.Is(err, io.ErrUnexpectedEOF) ||
			e.State != AssocShutdown && e.State != AssocAborted ||
			unread && e.State != AssocAborted {
			t.Errorf("unread %v: ReadMessage: %v", unread, err)
		}
		if d := time.Since(start); d > patience/2 {
			t.Errorf("it took %v", d)
		}
		peer.Wait() // it was killed
		stdin.Close()
		c.Close()
		must(t, ln.Close())
		for limit := time.Now().Add(patience); w.left() != ""; time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("left over: %s", w.left())
			}
		}
	}
}

// waitToBeKilled is what the peer does.
func waitToBeKilled(t *testing.T, addr string) {
	c, err := Dial("sctp", addr, &Config{InsecureSkipVerify: true, ReadQueue: 1})
	must(t, err)
	must(t, c.WriteMessage([]byte("ready"), MessageInfo{}))
	// A wait for nothing would be a deadlock to Go's runtime, once the queue is full.
	io.Copy(io.Discard, os.Stdin)
}
