//go:build kernel && linux

package sctpsock

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// restart goes through with it, and sends a message without AUTH.
func (m *impostor) restart(params []byte) {
	m.t.Helper()
	m.sendInit(params)
	m.send(chunk(nil, chunkCookieEcho, 0, m.cookie()))
	if _, ok := m.receive(chunkCookieAck, 0); !ok {
		m.t.Fatal("no COOKIE ACK")
	}
	m.send(dataChunk(impostorTSN, "forged"))
}

// authParams are those of an endpoint that uses SCTP-AUTH. RFC 4895, Section 3.
func authParams() []byte {
	p := append([]byte{0x80, 0x02, 0, 36}, bytes.Repeat([]byte{7}, 32)...) // RANDOM
	p = append(p, 0x80, 0x03, 0, 6, 0, 0xc0, 0, 0)                         // CHUNKS, padded
	p = append(p, 0x80, 0x04, 0, 8, 0, 3, 0, 1)                            // HMAC-ALGO
	return append(p, 0x80, 0x08, 0, 5, 15, 0, 0, 0)                        // supported: AUTH, padded
}

// protectedPair is an association as it is after a handshake.
func protectedPair(t *testing.T) (c, s *Socket) {
	t.Helper()
	c, s = pair(t, withAuth(), withAuth())
	for _, end := range []*Socket{c, s} {
		must(t, end.SetAuthKey(1, []byte("one")), end.SetActiveAuthKey(1), end.DeleteAuthKey(0))
	}
	return c, s
}

func TestAttackH1Restart(t *testing.T) { // RFC 6083, Section 4.2
	tests := []struct {
		name   string
		params []byte
		auth   bool // afterwards
	}{
		{"without AUTH", nil, false},
		{"with AUTH", authParams(), true}, // on, because Accept has made the settings again
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, s := protectedPair(t)
			send(t, c, "before", stream.Info{SackImmediately: true})
			wantMessage(t, s, "before")
			newImpostor(t, c, s).restart(tt.params)
			wantState(t, s, stream.AssocRestarted)
			wantError(t, s, ErrRestarted)
			if err := s.Send([]byte("secret"), stream.Info{}); err != ErrRestarted {
				t.Errorf("sending after the restart: error %v", err)
			}
			if auth, err := s.AuthSupported(); err != nil || auth != tt.auth {
				t.Errorf("AUTH after the restart is %v, error %v, want %v", auth, err, tt.auth)
			}
		})
	}
}

func TestAttackH12BlindInit(t *testing.T) {
	c, s := protectedPair(t)
	m := newImpostor(t, c, s)
	m.sendInit(nil)
	m.cookie() // but it is not echoed
	send(t, c, "still here", stream.Info{})
	wantMessage(t, s, "still here")
	send(t, s, "so am I", stream.Info{})
	wantMessage(t, c, "so am I")
	wantNothing(t, s)
}

func TestAttackH1RefuseRestart(t *testing.T) {
	l := listenLoopback(t, withAuth())
	c := dialListener(t, l, withAuth())
	s := accept(t, l)
	wantState(t, c, stream.AssocUp)
	wantState(t, s, stream.AssocUp)
	must(t, s.RefuseRestart(), s.TakeRepeated(9, 0)) // which filters as well
	m := newImpostor(t, c, s)
	m.sendInit(nil)
	must(t, s.TakeAll())
	m.sendInit(nil)

	// The association lives, and others can be set up.
	send(t, c, "still here", stream.Info{})
	wantMessage(t, s, "still here")
	send(t, s, "so am I", stream.Info{})
	wantMessage(t, c, "so am I")
	dialListener(t, l, withAuth())
	accept(t, l)
	wantNothing(t, s)
	if _, ok := m.receive(chunkInitAck, unix.MSG_DONTWAIT); ok {
		t.Error("the INIT was answered")
	}
	// It ends as usual.
	must(t, c.Shutdown())
	wantEvent[stream.PeerShutdown](t, s)
	wantEOF(t, s)
}

// Where nobody relies on SCTP-AUTH an association can be used on that its peer has restarted.
func TestKeepRestarted(t *testing.T) {
	c, s := pair(t, nil, &Options{KeepRestarted: true})
	send(t, c, "before", stream.Info{SackImmediately: true})
	wantMessage(t, s, "before")
	newImpostor(t, c, s).restart(nil)
	wantState(t, s, stream.AssocRestarted)
	wantMessage(t, s, "forged")
	if err := s.Renew(); err != nil {
		t.Errorf("Renew: %v", err)
	}
	if err := s.Send([]byte("to the new one"), stream.Info{}); err != nil {
		t.Errorf("sending after the restart: %v", err)
	}
}
