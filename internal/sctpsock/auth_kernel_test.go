//go:build kernel && linux

package sctpsock

import (
	"bytes"
	"errors"
	"slices"
	"syscall"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// must fails the test at the first error.
func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// authOf returns all that a socket reports about SCTP-AUTH.
func authOf(t *testing.T, s *Socket) (supported bool, local, peer []byte) {
	t.Helper()
	supported, err1 := s.AuthSupported()
	local, err2 := s.LocalAuthChunks()
	peer, err3 := s.PeerAuthChunks()
	must(t, err1, err2, err3)
	slices.Sort(local)
	slices.Sort(peer)
	return supported, local, peer
}

func TestAuthAgreed(t *testing.T) { // RFC 6083, Section 4.5
	all := []byte{0, 0x40, 0x80, 0x82, 0xc0, 0xc1, 0xc2}
	c, s := pair(t, withAuth(), &Options{AuthChunks: all})
	tests := []struct {
		name        string
		end         *Socket
		local, peer []byte
	}{{"client", c, authChunkList, all}, {"server", s, all, authChunkList}}
	for _, tt := range tests {
		supported, local, peer := authOf(t, tt.end)
		if !supported || !bytes.Equal(local, tt.local) || !bytes.Equal(peer, tt.peer) {
			t.Errorf("%s: AUTH %v, local %x, peer %x, want true, %x, %x", tt.name, supported, local, peer,
				tt.local, tt.peer)
		}
	}
}

// Partial reliability is there if both ends ask for it, whatever chunks are listed.
func TestPartialReliabilityAgreed(t *testing.T) {
	for _, client := range []bool{false, true} {
		for _, server := range []bool{false, true} {
			co, so := withAuth(), withAuth()
			co.PartialReliability, so.PartialReliability = client, server
			c, s := pair(t, co, so)
			for name, end := range map[string]*Socket{"client": c, "server": s} {
				if pr, err := end.PartialReliability(); err != nil || pr != (client && server) {
					t.Errorf("asked for by client %v, server %v; %s: %v, error %v", client, server, name, pr, err)
				}
			}
		}
	}
}

func TestAttackB8PeerWithoutAuth(t *testing.T) { // the kernel lets the peer in; we must see it
	tests := []struct {
		name           string
		client, server *Options
	}{{"client", nil, withAuth()}, {"server", withAuth(), nil}}
	for _, tt := range tests {
		t.Run(tt.name+" without", func(t *testing.T) {
			c, s := pair(t, tt.client, tt.server)
			for _, end := range []*Socket{c, s} {
				if supported, _, peer := authOf(t, end); supported || peer != nil {
					t.Errorf("AUTH %v, peer's list %x", supported, peer)
				}
			}
		})
	}
}

func TestAuthOptions(t *testing.T) { // RFC 6083, Section 4.5
	many := make([]byte, 21)
	for i := range many {
		many[i] = byte(0x20 + i)
	}
	tests := []struct {
		name   string
		chunks []byte
		hmacs  []uint16
		ok     bool
	}{
		{"both HMACs", []byte{0}, []uint16{3, 1}, true},
		{"SHA-1", []byte{0}, []uint16{1}, true},
		{"no SHA-1", []byte{0}, []uint16{3}, false},
		{"the same chunk twice", []byte{0, 0}, nil, true},
		{"16 chunk types", many[:16], nil, true},
		{"21 chunk types", many, nil, false},
		{"INIT", []byte{0, 1}, nil, false},
		{"AUTH", []byte{0, 15}, nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Listen(loopback, &Options{AuthChunks: tt.chunks, HMACs: tt.hmacs})
			if err == nil {
				l.Close()
			}
			if (err == nil) != tt.ok || err != nil && !errors.Is(err, syscall.EINVAL) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestKeyChange(t *testing.T) { // while both ends hold both keys, either is taken
	c, s := pair(t, withAuth(), withAuth())
	echo := func(what string) {
		t.Helper()
		send(t, c, what, stream.Info{})
		wantMessage(t, s, what)
		send(t, s, what, stream.Info{})
		wantMessage(t, c, what)
	}
	echo("key 0")
	for id := uint16(1); id <= 3; id++ {
		secret := bytes.Repeat([]byte{byte(id)}, 64)
		must(t, c.SetAuthKey(id, secret), s.SetAuthKey(id, secret))
		echo("installed")
		must(t, c.SetActiveAuthKey(id))
		echo("active at the client")
		must(t, s.SetActiveAuthKey(id))
		echo("active at both")
		must(t, c.DeleteAuthKey(id-1))
		echo("old key deleted by the client")
		must(t, s.DeleteAuthKey(id-1))
		echo("old key deleted by both")
	}
}

func TestKeyBoundToMessage(t *testing.T) { // and so the sender may forget it at once
	c, s := pair(t, fast(), fast())
	must(t, c.SetAuthKey(1, []byte("one")), s.SetAuthKey(1, []byte("one")))
	deaf(t, s)
	send(t, c, "under key 0", stream.Info{})
	must(t, c.SetActiveAuthKey(1), c.DeleteAuthKey(0))
	send(t, c, "under key 1", stream.Info{})
	hearing(t, s)
	wantMessage(t, s, "under key 0")
	wantMessage(t, s, "under key 1")
}

func TestMissingKey(t *testing.T) { // no error anywhere, and all is well when the key comes
	c, s := pair(t, fast(), fast())
	must(t, c.SetAuthKey(1, []byte("one")), c.SetActiveAuthKey(1))
	send(t, c, "early", stream.Info{Stream: 1})
	askDry(t, c)
	send(t, s, "meanwhile", stream.Info{SackImmediately: true})
	wantMessage(t, c, "meanwhile")
	wantNothing(t, c) // not dry
	wantNothing(t, s)
	must(t, s.SetAuthKey(1, []byte("one")))
	wantMessage(t, s, "early")
	wantEvent[stream.Dry](t, c)
}

func TestAttackH4OldKey(t *testing.T) { // key 0 is everybody's
	for _, how := range []string{"deleted", "replaced"} {
		t.Run(how, func(t *testing.T) {
			c, s := pair(t, fast(), fast())
			must(t, c.SetAuthKey(1, []byte("one")), s.SetAuthKey(1, []byte("one")), s.SetActiveAuthKey(1))
			switch how {
			case "deleted":
				must(t, s.DeleteAuthKey(0))
			case "replaced":
				must(t, s.SetAuthKey(0, []byte("not empty")))
			}
			send(t, c, "under key 0", stream.Info{Stream: 1})
			must(t, c.SetActiveAuthKey(1))
			// What comes later on another stream overtakes what is dropped.
			send(t, c, "under key 1", stream.Info{Stream: 2})
			wantMessage(t, s, "under key 1")
			wantNothing(t, s)
			// It was only the key.
			must(t, s.SetAuthKey(0, nil))
			wantMessage(t, s, "under key 0")
		})
	}
}

// TestAttackH4TakeRepeated has nothing new come under a key that is still there.
func TestAttackH4TakeRepeated(t *testing.T) { // RFC 6083, Section 4.8
	c, s := pair(t, fast(), fast())
	for _, end := range []*Socket{c, s} {
		must(t, end.SetAuthKey(1, []byte("one")))
	}
	send(t, c, "old", stream.Info{Stream: 1})
	p, b := recv(t, s)
	if string(b) != "old" {
		t.Fatalf("received %q, %+v", b, p)
	}
	must(t, s.TakeRepeated(0, p.TSN))
	send(t, c, "new under the old key", stream.Info{Stream: 2})
	wantNothing(t, s)
	must(t, c.SetActiveAuthKey(1), s.SetActiveAuthKey(1))
	send(t, c, "under the new key", stream.Info{Stream: 3})
	wantMessage(t, s, "under the new key")
	must(t, s.TakeAll())
	wantMessage(t, s, "new under the old key") // which comes again
}

func TestKeyErrors(t *testing.T) {
	c, _ := pair(t, withAuth(), withAuth())
	must(t, c.SetAuthKey(1, []byte("one")))
	tests := []struct {
		name string
		err  error
	}{
		{"activating a key that is missing", c.SetActiveAuthKey(2)},
		{"deleting the active key", c.DeleteAuthKey(0)},
	}
	for _, tt := range tests {
		if !errors.Is(tt.err, syscall.EINVAL) {
			t.Errorf("%s: error %v", tt.name, tt.err)
		}
	}
	plain, _ := pair(t, nil, nil)
	var unavailable *authchunk.UnsupportedError
	if err := plain.SetAuthKey(1, []byte("one")); !errors.As(err, &unavailable) {
		t.Errorf("a key without SCTP-AUTH: error %v", err)
	}
}

func TestAuthEvents(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	must(t, s.Subscribe(EventAuthentication, true))
	must(t, c.SetAuthKey(1, []byte("one")), s.SetAuthKey(1, []byte("one")), c.SetActiveAuthKey(1))
	send(t, c, "under key 1", stream.Info{})
	if got, want := wantEvent[stream.NewKey](t, s), (stream.NewKey{ID: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	wantMessage(t, s, "under key 1")
}
