package sctpcore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// This file tests RFC 4895 with literal packets from a peer that requires DATA to be authenticated.

// authPeer returns an established association with SCTP-AUTH.
func authPeer(t *testing.T, config *Config) *testPeer {
	t.Helper()
	p := newTestPeer(t, config)
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit+peerAuth))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	p.wantEvent(EventUp)
	return p
}

// associationKey computes the association shared key from the exchanged packets. See RFC 4895,
// Section 6.1.
func (p *testPeer) associationKey(secret string) []byte {
	peer, err := authchunk.ParseParams(unhex(peerAuth))
	if err != nil {
		p.t.Fatal(err)
	}
	return authchunk.AssociationKey([]byte(secret), p.core.auth.KeyVector(), peer.KeyVector())
}

// signed returns an AUTH chunk followed by the chunks.
func (p *testPeer) signed(id authchunk.HMACID, key uint16, secret string, chunks ...[]byte) []byte {
	var all []byte
	for _, c := range chunks {
		all = append(all, c...)
	}
	return append(authchunk.AppendAuth(nil, id, key, p.associationKey(secret), all), all...)
}

// verifyLast verifies the AUTH chunk of the last packet from the core.
func (p *testPeer) verifyLast(secret string) {
	p.t.Helper()
	for chunks := p.last[headerLen:]; len(chunks) > 0; {
		c, rest, _ := nextChunk(chunks)
		if c.typ == chunkAuth {
			if err := authchunk.VerifyAuth(chunks, p.associationKey(secret)); err != nil {
				p.t.Fatal(err)
			}
			return
		}
		chunks = rest
	}
	p.t.Fatal("no AUTH chunk")
}

func TestAuthAgreed(t *testing.T) {
	p := authPeer(t, &Config{Auth: true, AuthChunks: []byte{chunkData, chunkForwardTSN,
		chunkShutdown}})
	i := p.assoc.Auth()
	if !i.Agreed || i.HMAC != authchunk.HMACSHA256 || fmt.Sprint(i.PeerChunks) != "[0]" ||
		fmt.Sprint(i.PeerHMACs) != "[HMAC-SHA-256 HMAC-SHA-1]" {
		t.Errorf("%+v", i)
	}
	if got := p.core.auth.Chunks; fmt.Sprint(got) != "[0 192 7]" {
		t.Error("INIT ACK lists", got)
	}
	p.send(chunkShutdown, 0, "00000000")
	p.wantNothing("SHUTDOWN came without AUTH")
	p.wantState(StateEstablished)
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA1, 0, "",
		peerChunk(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))))
	p.want("SHUTDOWN-ACK")
}

// TestNoAuth checks that a peer without SCTP-AUTH is accepted, and that an event reports it.
func TestNoAuth(t *testing.T) {
	p := acceptPeer(t, &Config{Auth: true})
	p.wantEvent(EventNoAuth)
	p.raw(p.core.tag, data(1000, whole, 0, 0, "x"))
	p.want("SACK 1000")
	if p.assoc.Auth().Agreed {
		t.Error("agreed")
	}
}

// TestAuthDemanded checks that chunks which this side lists are discarded without AUTH. See RFC
// 4895, Section 6.3.
func TestAuthDemanded(t *testing.T) {
	p := authPeer(t, &Config{Auth: true})
	p.raw(p.core.tag, data(1000, whole, 0, 0, "forged"))
	p.wantNothing("DATA came without AUTH")
	d := data(1000, whole, 0, 0, "hello")
	p.raw(p.core.tag, d, p.signed(authchunk.HMACSHA256, 0, ""))
	p.wantNothing("DATA came before AUTH")
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 0, "", d))
	p.want("SACK 1000")
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA1, 0, "", data(1001, whole, 0, 1, "sha1")))
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 0, "",
		peerChunk(chunkHeartbeat, 0, "0001 0008 11111111"), data(1002, whole, 0, 2, "both")))
	p.want("HEARTBEAT-ACK 0001000811111111 | SACK 1002")
	p.wantRead("0:hello", "0:sha1", "0:both")
}

// TestAuthWrong checks that a packet is discarded from a wrong AUTH chunk on. See RFC 4895, Section
// 6.3.
func TestAuthWrong(t *testing.T) {
	d := data(1000, whole, 0, 0, "hello")
	for _, test := range []struct {
		name string
		make func(p *testPeer) []byte
	}{
		{"changed", func(p *testPeer) []byte {
			b := p.signed(authchunk.HMACSHA256, 0, "", d)
			b[len(b)-4] ^= 1
			return b
		}},
		{"changed padding", func(p *testPeer) []byte {
			b := p.signed(authchunk.HMACSHA256, 0, "", d)
			b[len(b)-1] ^= 1
			return b
		}},
		{"changed HMAC", func(p *testPeer) []byte {
			b := p.signed(authchunk.HMACSHA256, 0, "", d)
			b[9] ^= 1
			return b
		}},
		{"another secret", func(p *testPeer) []byte {
			return p.signed(authchunk.HMACSHA256, 0, "wrong", d)
		}},
		{"unknown key", func(p *testPeer) []byte { return p.signed(authchunk.HMACSHA256, 9, "", d) }},
		{"short HMAC", func(p *testPeer) []byte {
			return append(peerChunk(chunkAuth, 0, "0000 0003 11111111"), d...)
		}},
		{"two AUTH chunks", func(p *testPeer) []byte {
			return p.signed(authchunk.HMACSHA256, 0, "", p.signed(authchunk.HMACSHA256, 0, "", d))
		}},
	} {
		p := authPeer(t, &Config{Auth: true})
		p.raw(p.core.tag, test.make(p))
		p.wantNothing(test.name)
		p.wantRead()
		if p.assoc.Stats().AuthFailures != 1 && test.name != "two AUTH chunks" {
			t.Error(test.name, p.assoc.Stats())
		}
	}
	p := authPeer(t, &Config{Auth: true})
	p.raw(p.core.tag, peerChunk(chunkAuth, 0, "0000 0002 1111111111111111111111111111111111111111"), d)
	p.want("ERROR unsupported HMAC identifier 0002")
}

// TestAuthKeys checks that a message is bound to the key that is active when it is passed to Send,
// that a packet never contains chunks of different keys, and that a retransmission uses the same
// key even if it was deleted. See RFC 6458, Section 8.1.18. Linux behaves in the same way.
func TestAuthKeys(t *testing.T) {
	p := authPeer(t, &Config{Auth: true})
	p.write("zero", Info{})
	p.set(1, "one")
	p.write("one", Info{})
	p.write("one too", Info{})
	p.want("AUTH key 0 HMAC-SHA-256 | DATA +0 stream 0 ssn 0 EB \"zero\"",
		"AUTH key 1 HMAC-SHA-256 | DATA +1 stream 0 ssn 1 EB \"one\" | DATA +2 stream 0 ssn 2 EB "+
			"\"one too\"")
	p.verifyLast("one")
	if err := p.assoc.DeleteAuthKey(0); err != nil {
		t.Fatal(err)
	}
	p.sleep(time.Second)
	if got := p.next(); got != "AUTH key 0 HMAC-SHA-256 | DATA +0 stream 0 ssn 0 EB \"zero\"" {
		t.Fatal(got)
	}
	p.verifyLast("")
	p.want(
		"AUTH key 1 HMAC-SHA-256 | DATA +1 stream 0 ssn 1 EB \"one\" | DATA +2 stream 0 ssn 2 EB " +
			"\"one too\"")
	p.sack(0, 65536, "")
	// Key 0 no longer authenticates received packets.
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 0, "", data(1000, whole, 0, 0, "x")))
	p.wantNothing("key 0 is deleted")
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 1, "one", data(1000, whole, 0, 0, "x")))
	p.want("SACK 1000")
}

func (p *testPeer) set(id uint16, secret string) {
	p.t.Helper()
	if err := p.assoc.SetAuthKey(id, []byte(secret)); err != nil {
		p.t.Fatal(err)
	}
	if err := p.assoc.SetActiveAuthKey(id); err != nil {
		p.t.Fatal(err)
	}
}

// TestAuthKeyStates tests RFC 6458, Sections 6.1.8, 8.1.18 and 8.3.3 to 8.3.5.
func TestAuthKeyStates(t *testing.T) {
	p := authPeer(t, &Config{Auth: true})
	a := p.assoc
	for name, err := range map[string]error{
		"activate unknown":   a.SetActiveAuthKey(7),
		"delete active":      a.DeleteAuthKey(0),
		"deactivate active":  a.DeactivateAuthKey(0),
		"delete unknown":     a.DeleteAuthKey(7),
		"deactivate unknown": a.DeactivateAuthKey(7),
	} {
		if !errors.Is(err, ErrKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.write("zero", Info{})
	p.want("AUTH key 0 HMAC-SHA-256 | DATA +0 stream 0 ssn 0 EB \"zero\"")
	p.set(1, "one")
	if err := a.DeactivateAuthKey(0); err != nil {
		t.Fatal(err)
	}
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 0, "", data(1000, whole, 0, 0, "x")))
	p.wantNothing("key 0 is deactivated")
	if e, ok := a.NextEvent(); ok {
		t.Errorf("%+v: a message needs the key", e)
	}
	p.sack(0, 65536, "")
	if e := p.wantEvent(EventFreeKey); e.Key != 0 {
		t.Error(e)
	}
	if err := a.SetActiveAuthKey(0); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
	// EventNewKey precedes each message under a key that is not the active one.
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 1, "one", data(1000, whole, 0, 0, "x")))
	p.wantRead("0:x")
	if err := a.SetAuthKey(2, []byte("two")); err != nil {
		t.Fatal(err)
	}
	for i := range uint32(2) {
		signed := p.signed(authchunk.HMACSHA256, 2, "two", data(1001+i, whole, 0, uint16(1+i), "y"))
		p.raw(p.core.tag, signed)
		p.raw(p.core.tag, signed) // a duplicate
	}
	for range 2 {
		if e := p.wantEvent(EventNewKey); e.Key != 2 {
			t.Error(e)
		}
		p.wantRead("0:y")
	}
	p.wantEvent(EventNewKey) // of the last duplicate
	if e, ok := a.NextEvent(); ok {
		t.Error(e)
	}
	if err := a.DeleteAuthKey(0); err != nil {
		t.Error(err)
	}
	none := acceptPeer(t, nil)
	if err := none.assoc.SetAuthKey(1, nil); !errors.Is(err, ErrNoAuth) {
		t.Error(err)
	}
}

// TestTakeRepeated checks that under the restricted key, only data that has arrived before is
// acknowledged again.
func TestTakeRepeated(t *testing.T) {
	p := authPeer(t, &Config{Auth: true, PartialReliability: true})
	p.set(1, "one")
	old := p.signed(authchunk.HMACSHA256, 0, "", data(1000, whole, 0, 0, "old"))
	p.raw(p.core.tag, old)
	p.wantEvent(EventNewKey)
	p.wantRead("0:old")
	p.want("SACK 1000")
	p.assoc.TakeRepeated(0, 1000)
	p.raw(p.core.tag, old)
	p.wantEvent(EventNewKey)
	p.want("SACK 1000 dup 1000")
	for name, chunks := range map[string][]byte{
		"another message": data(1001, whole, 0, 1, "new"),
		"one behind a duplicate": slices.Concat(
			data(1000, whole, 0, 0, "old"), data(1001, whole, 0, 1, "new")),
		"FORWARD TSN":      {chunkForwardTSN, 0, 0, 8, 0, 0, 1000 >> 8, 1001 & 0xff},
		"a cut DATA chunk": {chunkData, whole, 0, 6, 0, 0, 0, 0},
	} {
		p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 0, "", chunks))
		if p.assoc.HighestTSN() != 1000 || p.assoc.Readable() || p.assoc.State() != StateEstablished {
			t.Errorf("%s was taken", name)
		}
		p.wantEvent(EventNewKey)
	}
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 1, "one", data(1001, whole, 0, 1, "key 1")))
	p.wantRead("0:key 1")
	p.assoc.TakeAll()
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 0, "", data(1002, whole, 0, 2, "again")))
	p.wantEvent(EventNewKey)
	p.wantRead("0:again")
}

// TestAuthOnlyWhatIsListed checks that control chunks which the peer does not list precede AUTH, so
// that a peer without the key can process them.
func TestAuthOnlyWhatIsListed(t *testing.T) {
	p := authPeer(t, &Config{Auth: true})
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 0, "", data(1000, whole, 0, 0, "x")))
	p.write("y", Info{})
	p.want("SACK 1000 | AUTH key 0 HMAC-SHA-256 | DATA +0 stream 0 ssn 0 EB \"y\"")
	p.verifyLast("")
}

// TestAuthCookieEcho checks that a listener that lists COOKIE ECHO creates no association from an
// unauthenticated one. See RFC 4895, Section 6.3.
func TestAuthCookieEcho(t *testing.T) {
	p := newTestPeer(t, &Config{Auth: true, AuthChunks: []byte{chunkData, chunkCookieEcho}})
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit+peerAuth))
	p.want("INIT-ACK")
	echo := chunkOf(chunkCookieEcho, 0, p.cookie)
	p.raw(p.core.tag, echo)
	p.wantNothing("COOKIE ECHO came without AUTH")
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 0, "wrong", echo))
	p.wantNothing("AUTH is wrong")
	if p.assoc != nil {
		t.Fatal("there is an association")
	}
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 0, "", echo, data(1000, whole, 0, 0, "early")))
	p.want("COOKIE-ACK | SACK 1000")
	p.wantEvent(EventUp)
	p.wantRead("0:early")
	p.raw(p.core.tag, p.signed(authchunk.HMACSHA256, 0, "", echo))
	p.want("COOKIE-ACK")
}

// TestAuthVectors checks that the key vectors are compared as numbers, so that both ends use the
// same order. See RFC 4895, Section 6.1.
func TestAuthVectors(t *testing.T) {
	for seed := range uint64(20) {
		n := newSimNet(t, seed)
		c, s := n.pair(&Config{Auth: true, AuthChunks: []byte{0}},
			&Config{Auth: true, AuthChunks: []byte{0, 3, 192}}, 1)
		c.send("one", Info{})
		s.send("two", Info{})
		n.until(time.Second, func() bool { return len(c.got) == 1 && len(s.got) == 1 })
	}
}

// TestAuthLateKey checks that data under a key that is not known yet is delivered later.
func TestAuthLateKey(t *testing.T) {
	n := newSimNet(t, 3)
	c, s := n.pair(&Config{Auth: true}, &Config{Auth: true}, 1)
	for _, f := range []func() error{
		func() error { return c.assoc.SetAuthKey(1, []byte("s")) },
		func() error { return c.assoc.SetActiveAuthKey(1) },
	} {
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	c.send("early", Info{})
	n.run(1500 * time.Millisecond)
	if len(s.got) != 0 || s.assoc.Stats().AuthFailures == 0 {
		t.Fatal("delivered without the key")
	}
	if err := s.assoc.SetAuthKey(1, []byte("s")); err != nil {
		t.Fatal(err)
	}
	n.until(10*time.Second, func() bool { return len(s.got) == 1 })
}

// TestAuthRestart checks that a restart keeps the shared keys and uses new key vectors.
func TestAuthRestart(t *testing.T) {
	p := authPeer(t, &Config{Auth: true})
	p.set(1, "one")
	p.write("before", Info{})
	p.next()
	p.raw(0, peerChunk(chunkInit, 0, "0000bbbb"+peerInit[8:]+peerAuth))
	if got := p.next(); got != "tag bbbb | INIT-ACK" {
		t.Fatal(got)
	}
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	if got := p.next(); got != "tag bbbb | COOKIE-ACK" {
		t.Fatal(got)
	}
	p.wantEvent(EventRestart)
	p.endpoint.Bind(p.assoc)
	p.write("x", Info{})
	if got := p.next(); got != "tag bbbb | AUTH key 1 HMAC-SHA-256 | DATA +0 stream 0 ssn 0 EB \"x\"" {
		t.Fatal(got)
	}
	p.verifyLast("one")
}

// TestAuthSecretsAreWiped checks that secrets are overwritten when nothing needs them.
func TestAuthSecretsAreWiped(t *testing.T) {
	p := authPeer(t, &Config{Auth: true})
	p.set(1, "secret one")
	p.write("x", Info{})
	p.next()
	secret := p.assoc.auth.keys[1].secret
	p.set(2, "secret two")
	if err := p.assoc.DeleteAuthKey(1); err != nil {
		t.Fatal(err)
	}
	if binary.BigEndian.Uint64(secret) == 0 {
		t.Error("wiped while a message needs it")
	}
	p.sack(0, 65536, "")
	for _, b := range secret {
		if b != 0 {
			t.Fatal("not wiped")
		}
	}
}
