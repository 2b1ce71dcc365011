package dtlscore

import (
	"bytes"
	"crypto/tls"
	"testing"
)

func TestAttackC1DataInEpochZero(t *testing.T) {
	ways := map[string]func() *script{
		"before the handshake": func() *script {
			return newScriptedClient(t, testServerConfig(tls.NoClientCert))
		},
		"during the handshake": func() *script {
			s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
			s.clientHello()
			return s
		},
		"between ChangeCipherSpec and Finished": func() *script {
			s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
			s.clientHello()
			s.serverFlight()
			s.keyExchange()
			s.changeCipherSpec()
			return s
		},
		"after the handshake": func() *script {
			s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
			s.completeClient()
			s.conn.written = s.conn.sent
			return s
		},
		"to a client": func() *script { return newScriptedServer(t, testClientConfig()) },
	}
	for name, lead := range ways {
		t.Run(name, func(t *testing.T) {
			s := lead()
			record := recordHeader{typ: contentApplicationData, version: VersionDTLS12, sequence: 50,
				length: 4}.append(nil)
			s.under.receive(testRecord{append(record, "evil"...), false})
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
			if len(s.under.data) > 0 {
				t.Errorf("delivered %q", s.under.data)
			}
		})
	}
}

// waitFinished brings the connection to where the server's keys have changed and its Finished has
// not arrived.
func waitFinished(t *testing.T) *script {
	s := newScriptedServer(t, testClientConfig())
	s.flights()
	return s
}

// sendData sends application data on a stream other than 0.
func (s *script) sendData(data string) {
	record := must(s.conn.written.seal(nil, contentApplicationData, []byte(data)))
	s.under.receive(testRecord{record, false})
}

// C2: RFC 6083, Section 4.7. See also TestAttackC2E4EarlyDataIsHeldAndBounded.
func TestAttackC2EarlyDataIsHeld(t *testing.T) {
	t.Run("from before ChangeCipherSpec", func(t *testing.T) {
		s := waitFinished(t)
		old := s.conn.written
		s.useKeys()
		s.sendData("1")
		renewed := s.conn.written
		s.conn.written = old
		s.changeCipherSpec()
		s.conn.written = renewed
		s.sendData("2")
		if len(s.under.conn.in.held) != 2 || len(s.under.data) > 0 {
			t.Fatalf("holds %d, delivered %q", len(s.under.conn.in.held), s.under.data)
		}
		s.finished()
		s.wantComplete()
		s.sendData("3")
		if got := bytes.Join(s.under.data, nil); string(got) != "123" || len(s.under.conn.in.held) != 0 {
			t.Fatalf("delivered %q, holds %d", got, len(s.under.conn.in.held))
		}
	})
	t.Run("found while draining", func(t *testing.T) {
		// Everything has arrived when ChangeCipherSpec is processed.
		p := newTestPair(t, testClientConfig(), testServerConfig(tls.NoClientCert))
		p.start()
		p.server.receiveNext()
		for len(p.client.inbox) > 0 {
			p.client.receiveNext()
		}
		for len(p.server.inbox) > 0 {
			p.server.receiveNext()
		}
		p.server.write("early")
		in := p.client.inbox // ChangeCipherSpec, Finished, data
		p.client.inbox = []testRecord{in[2], in[0], in[1]}
		p.run()
		if p.client.done != 1 || len(p.client.data) != 1 || string(p.client.data[0]) != "early" {
			t.Fatalf("%v, delivered %q\n%q", p.client.err, p.client.data, p.client.story)
		}
	})
	t.Run("before keys are agreed", func(t *testing.T) {
		s := newScriptedServer(t, testClientConfig())
		record := recordHeader{typ: contentApplicationData, version: VersionDTLS12, epoch: 1,
			length: 4}.append(nil)
		s.under.receive(testRecord{append(record, "evil"...), false})
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
}

// Seal changes its keys when the driver takes EventHandshakeComplete, not before: the driver must
// execute the earlier events first.
func TestSealWaitsForHandshakeCompleteEvent(t *testing.T) {
	s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
	s.clientHello()
	s.serverFlight()
	s.keyExchange()
	s.changeCipherSpec()
	s.useKeys()
	if err := s.hs.send(s.conn, &finished{s.hs.verifyData(true)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.under.conn.Receive(s.conn.NextEvent().Data, true, Tag{}); err != nil {
		t.Fatal(err)
	}
	for {
		_, sealErr := s.under.conn.Seal(nil, nil)
		state := s.under.conn.ConnectionState()
		e := s.under.conn.NextEvent()
		if e.Kind == EventNone {
			t.Fatal("handshake is not complete")
		}
		if sealErr == nil || state.HandshakeComplete {
			t.Fatalf("open before event %v", eventNames[e.Kind])
		}
		if e.Kind == EventHandshakeComplete {
			break
		}
	}
	if _, err := s.under.conn.Seal(nil, nil); err != nil ||
		!s.under.conn.ConnectionState().HandshakeComplete {
		t.Errorf("Seal after the event: %v", err)
	}
}

func TestAttackC5PlaintextAlert(t *testing.T) {
	for _, a := range []Alert{AlertCloseNotify, AlertInternalError, AlertUserCanceled} {
		s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
		plain := s.conn.written
		s.completeClient()
		s.conn.written = plain
		s.sendAlert(levelFatal, a)
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		if s.under.closed {
			t.Errorf("alert %v is taken as a clean close", a)
		}
	}
}

// C6: what arrives on stream 0 after close_notify, while the driver still reads.
func TestAttackC6ControlRecordsWhileClosing(t *testing.T) {
	p := newTestPair(t, testClientConfig(), testServerConfig(tls.NoClientCert))
	p.handshake()
	p.client.conn.Close()
	p.client.obey()
	p.client.conn.pushRecord(contentAlert, appendAlert(nil, levelFatal, AlertInternalError))
	p.client.obey()
	p.run()
	if p.server.err != nil || !p.server.closed {
		t.Errorf("server: %v", p.server.err)
	}
}

// Records that end a connection at once: RFC 6083, Sections 4.1 and 4.4; RFC 6347, Section 4.1.2.7;
// RFC 5246, Section 6.2.
func TestBadRecords12(t *testing.T) {
	for _, b := range []badRecord[*script]{
		{"ChangeCipherSpec on another stream",
			func(s *script) []byte { return sealed(s, contentChangeCipherSpec, "\x01") }, false,
			AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"ACK, which is of 1.3", func(s *script) []byte { return sealed(s, contentACK, "\x00\x00") },
			true, AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"future epoch", func(s *script) []byte {
			return must(must(newWriteEpoch12(s.hs.suite, 2, s.hs.keys.clientKey,
				s.hs.keys.clientIV)).seal(nil, contentApplicationData, nil))
		}, false, AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"too long", func(s *script) []byte {
			r := s.conn.written.sealer.seal(nil, contentApplicationData, 1000, make([]byte, maxPlaintext+1))
			return r
		}, false, AlertRecordOverflow, ErrPeerMisbehaved},
		{"part of a header", func(s *script) []byte { return sealed(s, contentHandshake, "\x00\x00") },
			true, AlertDecodeError, ErrInvalidMessage},
	} {
		t.Run(b.name, func(t *testing.T) {
			s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
			s.completeClient()
			b.send(t, s)
		})
	}
	t.Run("D10: unknown alert level", func(t *testing.T) {
		s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
		s.completeClient()
		s.sendAlert(9, AlertUserCanceled)
		wantPeerAlert(t, s.under, AlertUserCanceled)
	})
}

// RFC 6083, Section 3.3: there is no replay window. Sequence numbers may skip millions and
// decrease.
func TestNoReplayWindow(t *testing.T) {
	s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
	s.completeClient()
	for _, n := range []uint64{1 << 40, 5, 1 << 20, 6, maxSequence} {
		s.under.receive(testRecord{s.conn.written.sealer.seal(nil, contentApplicationData, n,
			[]byte("x")), false})
		s.wantAlive("any order will do")
	}
	if len(s.under.data) != 5 {
		t.Errorf("delivered %q", s.under.data)
	}
}
