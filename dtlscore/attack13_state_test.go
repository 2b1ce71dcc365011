package dtlscore

import (
	"crypto/tls"
	"slices"
	"testing"
)

// D4: DTLS 1.3 has no HelloRequest. RFC 8446, Section 4.
func TestAttackD4HelloRequest13(t *testing.T) {
	for _, lead := range []func(s *script13){
		func(s *script13) { s.serverHello() },
		func(s *script13) { s.toFinishedFrom() },
	} {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		lead(s)
		s.sendMessage(typeHelloRequest, nil)
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	}
	s := newScriptedServer13(t, testClientConfig13())
	s.completeServer(false)
	s.sendMessage(typeHelloRequest, nil)
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

// toFinishedFrom is toFinished, starting after the ClientHello has been read.
func (s *script13) toFinishedFrom() {
	s.serverHello()
	s.encryptedExtensions()
	s.certificate()
	s.verify()
}

// D7: a message must not span a key change, and nothing may follow the last message of an epoch in
// its record.
func TestAttackD7MessageAcrossKeyChange13(t *testing.T) {
	part := func(m message, seq uint16, at, n int) []byte {
		raw := must(appendMessage(nil, seq, m))
		h, body, _, _ := parseFragment(raw)
		h.fragmentOffset, h.fragmentLength = at, n
		return append(h.append(nil), body[at:at+n]...)
	}
	t.Run("after ServerHello in its record", func(t *testing.T) {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		m := s.newServerHello()
		share, _, err := respond(s.group, s.offer.keyShares[1].data)
		s.check(err)
		m.keyShares = []keyShare{{s.group, share}}
		s.sendRecord(contentHandshake, append(must(appendMessage(nil, 0, m)),
			part(new(encryptedExtensions), 1, 0, 1)...))
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("begun before ServerHello", func(t *testing.T) {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.sendRecord(contentHandshake, part(new(encryptedExtensions), 1, 0, 1))
		s.serverHello()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("after ClientHello in its record", func(t *testing.T) {
		s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
		c := &Conn{config: testClientConfig13(), isClient: true}
		wait := &clientWaitServerHello{hello: must(c.newClientHello())}
		s.check(wait.offer13(c))
		s.sendRecord(contentHandshake, append(must(appendMessage(nil, 0, wait.hello)),
			part(&finished{make([]byte, 32)}, 1, 0, 5)...))
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	for _, isClient := range []bool{true, false} {
		t.Run("after Finished in its record", func(t *testing.T) {
			var s *script13
			var more message = new(keyUpdate)
			if isClient {
				s = newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
				s.clientHello()
				s.serverFlight()
			} else {
				s = newScriptedServer13(t, testClientConfig13())
				s.toFinished(false)
				more = &newSessionTicket13{lifetime: 1, ticket: []byte{1}}
			}
			both := must(appendMessage(nil, s.conn.nextSendSeq, s.hs.finished(isClient)))
			s.sendRecord(contentHandshake, append(both,
				must(appendMessage(nil, s.conn.nextSendSeq+1, more))...))
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		})
	}
	t.Run("message of epoch 3 before Finished", func(t *testing.T) {
		s, application := waitFinished13(t)
		s.conn.writeIn(application)
		s.finished()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
}

// D8: other records between fragments, and several messages in one record.
func TestAttackD8Interleaving13(t *testing.T) {
	s := newScriptedServer13(t, testClientConfig13())
	s.readClientHello()
	s.serverHello()
	var flight []byte
	for _, m := range []message{new(encryptedExtensions),
		&certificate13{entries: []certificateEntry{{data: s.cert.Certificate[0]}}}} {
		raw := must(appendMessage(nil, s.conn.nextSendSeq, m))
		s.conn.nextSendSeq++
		s.hs.transcript.addMessages(raw)
		flight = append(flight, raw...)
	}
	s.sendRecord(contentHandshake, flight)
	s.verify()
	m := s.hs.finished(false)
	raw := must(appendMessage(nil, s.conn.nextSendSeq, m))
	h, body, _, _ := parseFragment(raw)
	for at := range body {
		h.fragmentOffset, h.fragmentLength = at, 1
		s.sendRecord(contentHandshake, append(h.append(nil), body[at]))
		s.sendRecord(contentACK, []byte{0, 0})
	}
	s.wantComplete()
}

// D12, D13: a repeated message is dropped without an answer, whatever it contains.
func TestAttackD12D13RepeatedMessages13(t *testing.T) {
	s := newScriptedClient13(t, testServerConfig13(tls.RequireAnyClientCert))
	s.clientHello()
	s.serverFlight()
	s.certificate()
	s.under.story = nil
	for _, typ := range []handshakeType{typeClientHello, typeFinished, typeCertificate} {
		for seq := range uint16(2) {
			h := handshakeHeader{typ: typ, seq: seq, length: 3, fragmentLength: 3}
			s.sendRecord(contentHandshake, append(h.append(nil), 1, 2, 3))
		}
	}
	s.wantAlive("whatever is in it")
	if len(s.under.story) > 0 {
		t.Errorf("answered with %q", s.under.story)
	}
	s.verify()
	s.finished()
	s.wantComplete()

	s = newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
	s.clientHello()
	s.serverFlight()
	s.conn.nextSendSeq += futureMessages
	s.finished()
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

// F11: each bit of each message matters. A protected record would not decrypt, so its plaintext is
// changed before it is protected.
func TestAttackF11EveryBitCounts13(t *testing.T) {
	sizes := make(map[string]int)
	play := func(change func(e *testEnd, kind string, a *action)) *testPair {
		p := newTestPair(t, testClientConfig13(), testServerConfig13(tls.RequireAndVerifyClientCert))
		for _, e := range []*testEnd{p.client, p.server} {
			e.before = func(a *action) {
				if a.kind == EventSend && a.content == contentHandshake {
					change(e, describe(*a), a)
				}
			}
		}
		p.start()
		p.run()
		return p
	}
	play(func(e *testEnd, kind string, a *action) { sizes[e.name+" "+kind] = len(a.data) })
	if len(sizes) != 10 {
		t.Fatalf("messages: %v", sizes)
	}
	for name, size := range sizes {
		step := 1 + size/100
		for at := 0; at < size; at += step {
			var receiver *testEnd
			p := play(func(e *testEnd, kind string, a *action) {
				if e.name+" "+kind == name && at < len(a.data) {
					a.data = slices.Clone(a.data)
					a.data[at] ^= 1 << (at % 8)
					receiver = e.peer
				}
			})
			if receiver != nil && receiver.done != 0 && p.server.done+p.client.done == 2 {
				t.Errorf("%s: byte %d of %d changed, and the handshake is complete", name, at, size)
			}
		}
	}
}

// F12: peers with another label prefix cannot connect. RFC 9147, Section 5.9.
func TestAttackF12LabelPrefix13(t *testing.T) {
	for _, prefix := range []string{"tls13 ", "dtls13 "} {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.hs.choose(s.conn, s.offer, suiteByID(TLS_AES_128_GCM_SHA256, VersionDTLS13))
		s.hs.prefix = prefix
		s.serverHello()
		s.encryptedExtensions()
		s.wantAlert(AlertBadRecordMAC, ErrPeerMisbehaved)
	}
}
