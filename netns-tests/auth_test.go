//go:build kernel

package netns

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// TestWireKernelAuth compares the model of RFC 4895 in package authchunk with
// the kernel: each AUTH chunk of an association whose ends change keys, without
// DTLS, is computed again.
//
//	client ──── server, captured at the server
func TestWireKernelAuth(t *testing.T) {
	client, server := NewPair(t)
	for _, tt := range []struct {
		name  string
		hmacs []uint16 // of the client; the server offers the default
	}{
		{"SHA-256", nil},
		{"SHA-1 preferred by the client", []uint16{1, 3}},
		{"SHA-1 alone", []uint16{1}},
	} {
		t.Run(tt.name, func(t *testing.T) { testKernelAuth(t, client, server, tt.hmacs) })
	}
}

func testKernelAuth(t *testing.T, client, server *Host, hmacs []uint16) {
	c := startCapture(t, server)
	list := []byte{0, 0xc0}
	a, b := connectSockets(t, client, server, &sctpsock.Options{AuthChunks: list, HMACs: hmacs},
		&sctpsock.Options{AuthChunks: list})
	secrets := map[uint16][]byte{1: bytes.Repeat([]byte{0x11}, 64), 2: []byte("short")}

	var sent []string // by whom, and under which key
	transfer := func(from, to *sctpsock.Socket, key uint16, size int, info stream.Info) {
		t.Helper()
		message := bytes.Repeat([]byte{byte(len(sent) + 1)}, size)
		if err := from.Send(message, info); err != nil {
			t.Fatal(err)
		}
		if got := receiveMessage(t, to); !bytes.Equal(got, message) {
			t.Fatalf("message %d: %d bytes came of %d", len(sent), len(got), size)
		}
		side := wire.Initiator
		if from == b {
			side = wire.Responder
		}
		sent = append(sent, fmt.Sprintf("%v, %d bytes, key %d, stream %d, PPID %d, unordered %t, I %t",
			side, size, key, info.Stream, info.PPID, info.Unordered, info.SackImmediately))
	}
	both := func(key uint16) {
		t.Helper()
		transfer(a, b, key, 1, stream.Info{Stream: 1, PPID: 66})
		transfer(b, a, key, 1001, stream.Info{Stream: 2, Unordered: true})
		// in fragments
		transfer(a, b, key, 18445, stream.Info{Stream: 3, PPID: 47, SackImmediately: true})
	}
	both(0)
	for _, key := range []uint16{1, 2} {
		for _, s := range []*sctpsock.Socket{a, b} {
			if err := s.SetAuthKey(key, secrets[key]); err != nil {
				t.Fatal(err)
			}
		}
		if err := a.SetActiveAuthKey(key); err != nil { // b still has the old one
			t.Fatal(err)
		}
		transfer(a, b, key, 100, stream.Info{})
		transfer(b, a, key-1, 100, stream.Info{})
		if err := b.SetActiveAuthKey(key); err != nil {
			t.Fatal(err)
		}
		both(key)
	}
	if err := a.Shutdown(); err != nil {
		t.Fatal(err)
	}

	assoc := checkCapture(t, stopCapture(t, c, 1), wire.Options{NoDTLS: true, Secrets: secrets})
	if len(assoc.Messages) != len(sent) {
		t.Errorf("%d messages were captured, %d sent", len(assoc.Messages), len(sent))
	}
	for i, m := range assoc.Messages {
		got := fmt.Sprintf("%v, %d bytes, key %d, stream %d, PPID %d, unordered %t, I %t",
			m.From, len(m.Data), m.KeyID, m.Stream, m.PPID, m.Unordered, m.SackImmediately)
		if i < len(sent) && got != sent[i] {
			t.Errorf("message %d: %s, sent was: %s", i, got, sent[i])
		}
	}
}

// connectSockets returns both ends of an association without DTLS.
func connectSockets(t *testing.T, client, server *Host, ofClient, ofServer *sctpsock.Options) (a,
	b *sctpsock.Socket) {
	t.Helper()
	var l *sctpsock.Listener
	server.Do(t, func() {
		var err error
		if l, err = sctpsock.Listen([]netip.AddrPort{netip.AddrPortFrom(server.Addrs[0], 5868)},
			ofServer); err != nil {
			t.Fatal(err)
		}
	})
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	client.Do(t, func() {
		var err error
		if a, err = sctpsock.Dial(ctx, nil, l.Addrs(), ofClient); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { a.Abort() })
	l.SetDeadline(time.Now().Add(Patience))
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Abort() })
	for _, s := range []*sctpsock.Socket{a, b} {
		s.SetReadDeadline(time.Now().Add(Patience))
		s.SetWriteDeadline(time.Now().Add(Patience))
	}
	return a, b
}

// bytesBuffer is a stream.Buffer of the same bytes whenever they are wanted.
type bytesBuffer []byte

func (b bytesBuffer) Get() []byte { return b }
func (b bytesBuffer) Put()        {}

// receiveMessage reads one message, passing over events.
func receiveMessage(t *testing.T, s *sctpsock.Socket) []byte {
	t.Helper()
	var message []byte
	for b := make([]byte, 32<<10); ; {
		p, err := s.Recv(bytesBuffer(b), true)
		if err != nil {
			t.Fatal(err)
		}
		message = append(message, b[:p.N]...)
		if p.Event == nil && p.End {
			return message
		}
	}
}
