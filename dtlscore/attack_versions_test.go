package dtlscore

import (
	"bytes"
	"crypto/tls"
	"errors"
	"slices"
	"testing"
)

// This file tests the attacks that are the same in both versions.

// A peerScript is what the scripts of both versions can do.
type peerScript interface {
	common() *script
	clientHello(...func(*clientHello))
	serverFlight()
	finished(...func(*finished))
	completeClient()
	changeCipherSpec()
	send(message)
	sendMessage(handshakeType, []byte)
	sendData(data string)
	sendRecord(contentType, []byte)
	sendAlert(alertLevel, Alert)
	wantComplete()
	wantAlert(Alert, error)
	wantAlive(why string)
}

// common returns what the scripts share.
func (s *script) common() *script { return s }

// scriptedClient returns a script of the version's client.
func (v testVersion) scriptedClient(t *testing.T, auth tls.ClientAuthType) peerScript {
	t.Helper()
	if v.number == VersionDTLS13 {
		return newScriptedClient13(t, testServerConfig13(auth))
	}
	return newScriptedClient(t, testServerConfig(auth))
}

// openClient returns the script of a client after a handshake.
func (v testVersion) openClient(t *testing.T) peerScript {
	t.Helper()
	s := v.scriptedClient(t, tls.NoClientCert)
	s.completeClient()
	return s
}

// beforeFinished returns a script that has sent everything but its Finished, and a function that
// sends application data with the next keys.
func (v testVersion) beforeFinished(t *testing.T) (s peerScript, send func(data string)) {
	t.Helper()
	if v.number == VersionDTLS13 {
		s, application := waitFinished13(t)
		return s, func(data string) { s.sendDataIn(application, data) }
	}
	s12 := waitFinished(t)
	s12.changeCipherSpec()
	s12.useKeys()
	return s12, s12.sendData
}

// inEachVersion runs a test for each version.
func inEachVersion(t *testing.T, run func(t *testing.T, v testVersion)) {
	t.Helper()
	for _, v := range eachVersion {
		t.Run(v.name, func(t *testing.T) { run(t, v) })
	}
}

// certify sends the certificate of a script.
func certify(s peerScript) {
	switch s := s.(type) {
	case *script:
		s.certificate()
	case *script13:
		s.certificate()
	}
}

// proceed sends what follows the certificate of a client without the proof of its key.
func proceed(s peerScript) {
	switch s := s.(type) {
	case *script:
		s.keyExchange()
		s.changeCipherSpec()
	case *script13:
		s.finished()
	}
}

// A1: a client presents a certificate and does not prove that it has the key.
func TestAttackA1CertificateWithoutVerify(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v testVersion) {
		s := v.scriptedClient(t, tls.RequireAndVerifyClientCert)
		s.clientHello()
		s.serverFlight()
		certify(s)
		proceed(s)
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		if s.common().under.conn.ConnectionState().PeerCertificates != nil {
			t.Error("the server reports who the client is")
		}
	})
}

// A2: a client has no certificate, or does not mention it.
func TestAttackA2NoClientCertificate(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v testVersion) {
		for _, auth := range []tls.ClientAuthType{tls.RequireAnyClientCert,
			tls.RequireAndVerifyClientCert} {
			var empty message = new(certificate12)
			alert := AlertHandshakeFailure
			if v.number == VersionDTLS13 {
				empty, alert = new(certificate13), AlertCertificateRequired
			}
			s := v.scriptedClient(t, auth)
			s.clientHello()
			s.serverFlight()
			s.send(empty)
			s.wantAlert(alert, ErrPeerUntrusted)

			s = v.scriptedClient(t, auth)
			s.clientHello()
			s.serverFlight()
			proceed(s)
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		}
	})
}

// D6: a client that was not asked sends no certificate, and a server that did not ask rejects one.
func TestAttackD6UnrequestedCertificate(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v testVersion) {
		client, server := v.configs(tls.NoClientCert)
		p := newTestPair(t, client, server)
		p.handshake()
		if slices.Contains(p.client.story, "Send Certificate") {
			t.Error("client sent a certificate unasked")
		}
		s := v.scriptedClient(t, tls.NoClientCert)
		s.clientHello()
		s.serverFlight()
		certify(s)
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
}

// C2, E4: application data that arrives before Finished is held. RFC 6083, Section 4.7; RFC 9147,
// Sections 7 and 8.
func TestAttackC2E4EarlyDataIsHeldAndBounded(t *testing.T) {
	for _, v := range eachVersion {
		t.Run("delivered in order/"+v.name, func(t *testing.T) {
			s, send := v.beforeFinished(t)
			send("1")
			send("2")
			under := s.common().under
			if n := len(under.conn.in.held); n != 2 || len(under.data) > 0 {
				t.Fatalf("holds %d, delivered %q", n, under.data)
			}
			s.finished()
			s.wantComplete()
			send("3")
			if got := bytes.Join(under.data, nil); string(got) != "123" || len(under.conn.in.held) != 0 {
				t.Fatalf("delivered %q, holds %d", got, len(under.conn.in.held))
			}
		})
		t.Run("dropped with a wrong Finished/"+v.name, func(t *testing.T) {
			s, send := v.beforeFinished(t)
			send("evil")
			s.finished(func(m *finished) { m.verifyData[0] ^= 1 })
			s.wantAlert(AlertDecryptError, ErrPeerMisbehaved)
			if under := s.common().under; len(under.data) > 0 || len(under.conn.in.held) != 0 {
				t.Errorf("delivered %q, holds %d", under.data, len(under.conn.in.held))
			}
		})
		t.Run("too many/"+v.name, func(t *testing.T) {
			s, send := v.beforeFinished(t)
			for range maxHeldRecords {
				send("x")
			}
			s.wantAlive("the limit is reached")
			send("x")
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		})
		t.Run("too much/"+v.name, func(t *testing.T) {
			s, send := v.beforeFinished(t)
			overhead := recordHeaderLen + gcmExplicitLen + aeadTagLen
			if v.number == VersionDTLS13 {
				overhead = unifiedHeaderLen + 1 + aeadTagLen
			}
			big := string(make([]byte, maxPlaintext))
			for range maxHeldBytes / (maxPlaintext + overhead) {
				send(big)
			}
			s.wantAlive("the limit is not reached")
			send(big)
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		})
	}
}

// C3: no data is sent before the handshake is complete, in particular not by a server that has not
// authenticated its client yet. RFC 6083, Section 4.7; RFC 9147, Section 7.
func TestAttackC3NoDataBeforeTheHandshakeIsComplete(t *testing.T) {
	for _, v := range eachVersion {
		client, server := v.configs(tls.RequireAndVerifyClientCert)
		p := newTestPair(t, client, server)
		closed := func(when string) {
			t.Helper()
			for _, e := range []*testEnd{p.client, p.server} {
				if _, err := e.conn.Seal(nil, nil); e.done == 0 && !errors.Is(err, ErrNotOpen) {
					t.Errorf("%s: %s: Seal %s: %v", v.name, e.name, when, err)
				}
			}
		}
		closed("before Start")
		p.start()
		for len(p.client.inbox)+len(p.server.inbox) > 0 {
			closed("during the handshake")
			p.server.receiveNext()
			p.client.receiveNext()
		}
		_, err := p.client.conn.Seal(nil, make([]byte, MaxPlaintext+1))
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: too much data: %v", v.name, err)
		}
	}
}

// C6: after a fatal alert or close_notify nothing is delivered.
func TestAttackC6NothingAfterTheEnd(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v testVersion) {
		s := v.openClient(t)
		under := s.common().under
		s.sendAlert(levelFatal, AlertInternalError)
		wantPeerAlert(t, under, AlertInternalError)
		s.sendData("late")
		if len(under.data) > 0 {
			t.Errorf("delivered %q", under.data)
		}

		s = v.openClient(t)
		under = s.common().under
		s.sendAlert(levelWarning, AlertCloseNotify)
		under.story = nil
		s.sendData("late")
		s.sendAlert(levelFatal, AlertInternalError)
		s.sendRecord(contentHandshake, []byte("rubbish"))
		if len(under.data) > 0 || !under.closed || under.err != nil || len(under.story) > 0 {
			t.Errorf("after close_notify: %q %v %q", under.data, under.err, under.story)
		}
	})
}

// C6: close_notify during a handshake is not a clean close.
func TestAttackC6CloseDuringHandshake(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v testVersion) {
		s := v.scriptedClient(t, tls.NoClientCert)
		s.clientHello()
		s.serverFlight()
		s.sendAlert(levelWarning, AlertCloseNotify)
		wantPeerAlert(t, s.common().under, AlertCloseNotify)
		if s.common().under.closed {
			t.Error("taken as a clean close")
		}
	})
}

// C7: RFC 6083, Section 4.9; RFC 9147, Section 5.10.
func TestAttackC7CloseOrder(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v testVersion) {
		client, server := v.configs(tls.NoClientCert)
		p := newTestPair(t, client, server)
		p.handshake()
		p.client.story, p.server.story = nil, nil

		p.client.write("last words")
		late := p.server.inbox[0]
		p.server.inbox = nil
		p.client.conn.Close()
		p.client.obey()
		if _, err := p.client.conn.Seal(nil, nil); !errors.Is(err, ErrNotOpen) {
			t.Errorf("Seal after Close: %v", err)
		}
		wantStory(t, p.client, []string{"AwaitDry", "Send alert close_notify"})

		// Data that arrives on another stream after close_notify was sent before it.
		p.server.inbox = append(p.server.inbox, late)
		p.server.write("crossing")
		p.run()
		wantStory(t, p.server, []string{"ReadPending", "data last words", "PeerClosed", "AwaitDry",
			"Send alert close_notify"})
		wantStory(t, p.client, []string{"data crossing", "ReadPending", "PeerClosed"})

		// Data that arrives later is not delivered.
		p.server.receive(late)
		p.client.conn.Close()
		p.client.obey()
		if len(p.server.story)+len(p.client.story) > 0 || p.client.err != nil || p.server.err != nil {
			t.Errorf("after the end: %q %v, %q %v", p.client.story, p.client.err, p.server.story,
				p.server.err)
		}
	})
}

// A badRecord ends an open connection at once.
type badRecord[S peerScript] struct {
	name    string
	record  func(s S) []byte
	control bool
	alert   Alert
	fault   error
}

// sealed returns a record with the keys of a script.
func sealed(s peerScript, typ contentType, data string) []byte {
	return must(s.common().conn.written.seal(nil, typ, []byte(data)))
}

// send sends the record to a connection that the script has opened.
func (b *badRecord[S]) send(t *testing.T, s S) {
	under := s.common().under
	under.receive(testRecord{b.record(s), b.control})
	s.wantAlert(b.alert, b.fault)
	if len(under.data) > 0 {
		t.Errorf("delivered %q", under.data)
	}
}

// badRecords are the same in both versions. See RFC 6083, Sections 4.1 and 4.4, and RFC 6347,
// Section 4.1.2.7.
var badRecords = []badRecord[peerScript]{
	{"changed", func(s peerScript) []byte {
		r := sealed(s, contentApplicationData, "data")
		r[len(r)-1] ^= 1
		return r
	}, false, AlertBadRecordMAC, ErrPeerMisbehaved},
	{"reflected", func(s peerScript) []byte {
		return must(s.common().under.conn.Seal(nil, []byte("data")))
	}, false, AlertBadRecordMAC, ErrPeerMisbehaved},
	{"truncated", func(s peerScript) []byte {
		r := sealed(s, contentApplicationData, "data")
		return r[:len(r)-1]
	}, false, AlertDecodeError, ErrInvalidMessage},
	{"two records", func(s peerScript) []byte {
		return slices.Concat(sealed(s, contentApplicationData, "1"),
			sealed(s, contentApplicationData, "2"))
	}, false, AlertDecodeError, ErrInvalidMessage},
	{"B10: not DTLS", func(peerScript) []byte { return []byte("GET / HTTP/1.1\r\n") }, false,
		AlertUnexpectedMessage, ErrPeerMisbehaved},
	{"empty", func(peerScript) []byte { return nil }, false, AlertDecodeError, ErrInvalidMessage},
	{"handshake on another stream", func(s peerScript) []byte {
		return sealed(s, contentHandshake, "x")
	}, false, AlertUnexpectedMessage, ErrPeerMisbehaved},
	{"alert on another stream", func(s peerScript) []byte {
		return sealed(s, contentAlert, "\x01\x00")
	}, false, AlertUnexpectedMessage, ErrPeerMisbehaved},
	{"D9: empty handshake record", func(s peerScript) []byte {
		return sealed(s, contentHandshake, "")
	}, true, AlertUnexpectedMessage, ErrPeerMisbehaved},
	{"D9: empty alert", func(s peerScript) []byte { return sealed(s, contentAlert, "") }, true,
		AlertDecodeError, ErrInvalidMessage},
	{"D10: short alert", func(s peerScript) []byte { return sealed(s, contentAlert, "\x01") }, true,
		AlertDecodeError, ErrInvalidMessage},
	{"D10: two alerts", func(s peerScript) []byte {
		return sealed(s, contentAlert, "\x01\x5a\x01\x5a")
	}, true, AlertDecodeError, ErrInvalidMessage},
}

func TestBadRecords(t *testing.T) {
	for _, b := range badRecords {
		t.Run(b.name, func(t *testing.T) {
			inEachVersion(t, func(t *testing.T, v testVersion) { b.send(t, v.openClient(t)) })
		})
	}
}

// D9: an application may send any number of empty messages.
func TestAttackD9EmptyData(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v testVersion) {
		s := v.openClient(t)
		for range 10_000 {
			s.sendData("")
		}
		s.wantAlive("every message is accepted")
	})
}

// D10, E10: too many warnings without application data between them end the connection.
func TestAttackD10E10Warnings(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v testVersion) {
		s := v.openClient(t)
		for range 2 {
			for range maxWarnings {
				s.sendAlert(levelWarning, AlertUserCanceled)
			}
			s.wantAlive("the limit is reached")
			s.sendData("x")
		}
		for range maxWarnings {
			s.sendAlert(levelWarning, AlertUserCanceled)
		}
		s.sendAlert(levelWarning, AlertUserCanceled)
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
}
