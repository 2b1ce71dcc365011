package dtlscore

import (
	"crypto"
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// D2: RFC 5246, Section 7.4.9.
func TestAttackD2ChangeCipherSpec(t *testing.T) {
	lead := func(t *testing.T) *script {
		s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
		s.clientHello()
		s.serverFlight()
		s.keyExchange()
		return s
	}
	for _, content := range []string{"", "\x00", "\x02", "\x01\x01", strings.Repeat("\x01", 1000)} {
		s := lead(t)
		s.sendRecord(contentChangeCipherSpec, []byte(content))
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	}
	t.Run("second in the old epoch", func(t *testing.T) {
		s := lead(t)
		s.changeCipherSpec()
		s.changeCipherSpec()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("second in the new epoch", func(t *testing.T) {
		s := lead(t)
		s.changeCipherSpec()
		s.useKeys()
		s.changeCipherSpec()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("a thousand while draining", func(t *testing.T) {
		s := lead(t)
		s.conn.pushRecord(contentChangeCipherSpec, []byte{1})
		first := s.conn.NextEvent().Data
		for range 1000 {
			s.under.inbox = append(s.under.inbox, testRecord{first, true})
		}
		s.under.receiveNext()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("on an open connection", func(t *testing.T) {
		s := lead(t)
		s.finish()
		s.readFinished()
		s.changeCipherSpec()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
}

// D4: a HelloRequest during a handshake is ignored and not hashed, but not an unlimited number of
// them.
func TestAttackD4HelloRequestDuringHandshake(t *testing.T) {
	s := newScriptedServer(t, testClientConfig())
	s.readClientHello()
	s.sendMessage(typeHelloRequest, nil)
	s.serverHello()
	s.sendMessage(typeHelloRequest, nil)
	s.certificate()
	s.serverKeyExchange()
	s.sendMessage(typeHelloRequest, nil)
	s.send(new(serverHelloDone))
	s.clientFlight()
	s.finish()
	s.wantComplete()

	s = newScriptedServer(t, testClientConfig())
	for range maxWarnings {
		s.sendMessage(typeHelloRequest, nil)
	}
	s.wantAlive("a few are harmless")
	s.sendMessage(typeHelloRequest, nil)
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

// D7: a message must not span a key change.
func TestAttackD7MessageAcrossKeyChange(t *testing.T) {
	lead := func(t *testing.T) (s *script, fragments [][]byte) {
		s = newScriptedClient(t, testServerConfig(tls.NoClientCert))
		s.clientHello()
		s.serverFlight()
		s.keyExchange()
		raw := must(appendMessage(nil, s.conn.nextSendSeq, &finished{s.hs.verifyData(true)}))
		h, body, _, _ := parseFragment(raw)
		for _, at := range []int{0, 6} {
			h.fragmentOffset, h.fragmentLength = at, 6
			fragments = append(fragments, append(h.append(nil), body[at:at+6]...))
		}
		return s, fragments
	}
	t.Run("begun before", func(t *testing.T) {
		s, fragments := lead(t)
		s.sendRecord(contentHandshake, fragments[0])
		s.changeCipherSpec()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("part of another after Finished", func(t *testing.T) {
		s, fragments := lead(t)
		s.changeCipherSpec()
		s.useKeys()
		next := slices.Clone(fragments[0])
		next[5]++ // message_seq
		s.sendRecord(contentHandshake, slices.Concat(fragments[0], fragments[1], next))
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("another message after Finished", func(t *testing.T) {
		s, fragments := lead(t)
		s.changeCipherSpec()
		s.useKeys()
		another := handshakeHeader{typ: typeHelloRequest, seq: s.conn.nextSendSeq + 1}.append(nil)
		s.sendRecord(contentHandshake, slices.Concat(fragments[0], fragments[1], another))
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
}

// D8: other records between fragments, and several messages in one record.
func TestAttackD8Interleaving(t *testing.T) {
	s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
	s.offer = must((&Conn{config: testClientConfig()}).newClientHello())
	raw := must(s.conn.send(s.offer))
	s.hs.transcript.addMessages(raw)
	for i, fragment := range refragment(s.conn.NextEvent().Data, 100) {
		if i == 1 {
			s.sendAlert(levelWarning, AlertUserCanceled)
		}
		s.under.receive(testRecord{fragment, true})
	}
	s.serverFlight()
	s.wantAlive("a warning between fragments is harmless")

	s = newScriptedServer(t, testClientConfig())
	s.readClientHello()
	s.serverHello()
	var both []byte
	for _, m := range []message{&certificate12{chain: s.cert.Certificate}, nil} {
		if m == nil {
			s.key = must(generateKey(tls.X25519))
			e := &serverKeyExchange{kx: kxECDHEECDSA, group: tls.X25519, public: s.key.share(),
				scheme: tls.ECDSAWithP256AndSHA256}
			e.signature = must(sign(s.cert.PrivateKey.(crypto.Signer), e.scheme,
				e.signed(&s.hs.clientRandom, &s.hs.serverRandom)))
			m = e
		}
		raw := must(appendMessage(nil, s.conn.nextSendSeq, m))
		s.conn.nextSendSeq++
		s.hs.transcript.addMessages(raw)
		both = append(both, raw...)
	}
	s.sendRecord(contentHandshake, both)
	s.send(new(serverHelloDone))
	s.clientFlight()
	s.finish()
	s.wantComplete()
}

// E10: warnings during the handshake are limited too.
func TestAttackE10WarningsDuringHandshake(t *testing.T) {
	s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
	s.sendAlert(levelWarning, AlertUserCanceled)
	s.clientHello()
	s.sendAlert(levelWarning, AlertUserCanceled)
	s.serverFlight()
	s.sendAlert(levelWarning, AlertUserCanceled)
	s.keyExchange()
	s.sendAlert(levelWarning, AlertUserCanceled)
	s.wantAlive("the limit is reached")
	s.sendAlert(levelWarning, AlertUserCanceled)
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

// D12, D13: a repeated message is dropped without an answer, whatever it contains. RFC 6347,
// Section 4.2.2.
func TestAttackD12D13RepeatedMessages(t *testing.T) {
	p := newTestPair(t, testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert))
	for _, e := range []*testEnd{p.client, p.server} {
		e.tamper = func(kind string, record []byte) []byte {
			h, _, _ := parseRecord(record)
			if h.typ == contentHandshake && kind != "Send Finished" {
				e.peer.inbox = append(e.peer.inbox, testRecord{record, true})
			}
			return record
		}
	}
	p.handshake()
	if n := len(p.server.sent); n != 7 {
		t.Errorf("server sent %d records", n)
	}
	p.exchangeData()

	s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
	s.clientHello()
	s.under.story = nil
	for _, typ := range []handshakeType{typeClientHello, typeFinished, typeCertificate,
		typeHelloRequest /* of no bytes */, 99} {
		h := handshakeHeader{typ: typ, length: 3, fragmentLength: 3}
		s.sendRecord(contentHandshake, append(h.append(nil), 1, 2, 3))
	}
	s.wantAlive("whatever is in it")
	if len(s.under.story) > 0 {
		t.Errorf("answered with %q", s.under.story)
	}
	s.serverFlight()
	s.keyExchange()
	s.finish()
	s.wantComplete()
}

func TestAttackD12FutureMessages(t *testing.T) {
	t.Run("held", func(t *testing.T) {
		p := newTestPair(t, testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert))
		p.start()
		p.server.receiveNext()
		slices.Reverse(p.client.inbox)
		p.run()
		if p.client.done != 1 || p.server.done != 1 {
			t.Errorf("%v, %v", p.client.err, p.server.err)
		}
	})
	t.Run("too far", func(t *testing.T) {
		s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
		s.conn.nextSendSeq = futureMessages
		s.clientHello()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("never processed early", func(t *testing.T) {
		s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
		s.conn.nextSendSeq = 1
		s.clientHello()
		if len(s.under.story) > 0 {
			t.Errorf("answered with %q", s.under.story)
		}
	})
}

// F11: each bit of each message matters. One bit of each byte is flipped on the way, and the
// receiver must not complete the handshake.
func TestAttackF11EveryBitCounts(t *testing.T) {
	sizes := make(map[string]int)
	{
		p := newTestPair(t, testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert))
		for _, e := range []*testEnd{p.client, p.server} {
			e.tamper = func(kind string, record []byte) []byte {
				if record[0] == byte(contentHandshake) {
					sizes[e.name+" "+kind] = len(record)
				}
				return record
			}
		}
		p.handshake()
	}
	if len(sizes) != 11 {
		t.Fatalf("messages: %v", sizes)
	}
	for name, size := range sizes {
		// Most of a certificate is the key, the signature and other long fields, for which some of
		// the positions are enough.
		step := 1 + size/200
		for at := recordHeaderLen; at < size; at += step {
			p := newTestPair(t, testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert))
			var receiver *testEnd
			for _, e := range []*testEnd{p.client, p.server} {
				e.tamper = func(kind string, record []byte) []byte {
					if e.name+" "+kind == name && at < len(record) {
						record[at] ^= 1 << (at % 8)
						receiver = e.peer
					}
					return record
				}
			}
			p.start()
			p.run()
			if receiver == nil {
				continue // this signature is shorter
			}
			if receiver.done != 0 {
				t.Errorf("%s: byte %d of %d changed, and the handshake is complete", name, at, size)
			}
		}
	}
}

// F3, RFC 9325, Section 7.4: key shares are never reused.
func TestAttackF3FreshKeys(t *testing.T) {
	seen := make(map[string]bool)
	for range 10 {
		s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
		s.clientHello()
		s.serverFlight()
		if share := fmt.Sprintf("%x", s.serverExchange.public); seen[share] {
			t.Fatal("a key share again")
		} else {
			seen[share] = true
		}
	}
}

// F4: points that are not on the curve, points at infinity, and wrong encodings.
func TestAttackF4InvalidPoints(t *testing.T) {
	offCurve := append([]byte{4}, make([]byte, 64)...)
	offCurve[64] = 1
	tests := []struct {
		name   string
		group  tls.CurveID
		public []byte
	}{
		{"not on the curve", tls.CurveP256, offCurve},
		{"infinity", tls.CurveP256, []byte{0}},
		{"compressed", tls.CurveP256, append([]byte{2}, make([]byte, 32)...)},
		{"short", tls.CurveP256, offCurve[:64]},
		{"zero", tls.X25519, make([]byte, 32)},
		{"short X25519", tls.X25519, make([]byte, 31)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			server := testServerConfig(tls.NoClientCert)
			server.CurvePreferences = []tls.CurveID{test.group}
			s := newScriptedClient(t, server)
			s.clientHello()
			s.serverFlight()
			s.send(&clientKeyExchange{kx: s.hs.suite.kx, public: test.public})
			s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)

			s = newScriptedServer(t, testClientConfig())
			s.readClientHello()
			s.serverHello()
			s.certificate()
			s.serverKeyExchange(func(m *serverKeyExchange) {
				m.group, m.public = test.group, test.public
				m.signature = must(sign(s.cert.PrivateKey.(crypto.Signer), m.scheme,
					m.signed(&s.hs.clientRandom, &s.hs.serverRandom)))
			})
			s.send(new(serverHelloDone))
			s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
		})
	}
}
