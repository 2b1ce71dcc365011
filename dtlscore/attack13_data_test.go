package dtlscore

import (
	"bytes"
	"crypto/tls"
	"math"
	"slices"
	"testing"
)

// waitFinished13 returns a client that has sent everything but its Finished, and the keys of the
// next epoch.
func waitFinished13(t *testing.T) (s *script13, application *writeEpoch) {
	s = newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
	s.clientHello()
	s.serverFlight()
	return s, must(s.hs.writeEpoch(s.conn, epochApplication))
}

// sendDataIn sends application data in any epoch, on a stream other than 0.
func (s *script13) sendDataIn(e *writeEpoch, data string) {
	s.under.receive(testRecord{must(e.seal(nil, contentApplicationData, []byte(data))), false})
}

func TestAttackC1DataWithoutKeys13(t *testing.T) {
	plain := func(s *script13) {
		record := recordHeader{typ: contentApplicationData, version: VersionDTLS12, sequence: 50,
			length: 4}.append(nil)
		s.under.receive(testRecord{append(record, "evil"...), false})
	}
	ways := map[string]func() *script13{
		"after HelloRetryRequest": func() *script13 {
			s := newScriptedClient13(t, retryingServer13())
			s.clientHello()
			plain(s)
			return s
		},
		"during the handshake": func() *script13 { s, _ := waitFinished13(t); plain(s); return s },
		"after the handshake": func() *script13 {
			s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
			s.completeClient()
			plain(s)
			return s
		},
		"to a client": func() *script13 {
			s := newScriptedServer13(t, testClientConfig13())
			s.readClientHello()
			s.serverHello()
			plain(s)
			return s
		},
		"in epoch 2": func() *script13 {
			s, _ := waitFinished13(t)
			s.sendDataIn(s.conn.written, "evil")
			return s
		},
		"in epoch 2, to a client": func() *script13 {
			s := newScriptedServer13(t, testClientConfig13())
			s.readClientHello()
			s.serverHello()
			s.sendDataIn(s.conn.written, "evil")
			return s
		},
	}
	for name, lead := range ways {
		t.Run(name, func(t *testing.T) {
			s := lead()
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
			if len(s.under.data) > 0 {
				t.Errorf("delivered %q", s.under.data)
			}
		})
	}
}

// C2: RFC 9147, Sections 7 and 8. See also TestAttackC2E4EarlyDataIsHeldAndBounded.
func TestAttackC2EarlyDataIsHeld13(t *testing.T) {
	t.Run("of a server that does not wait for us", func(t *testing.T) { // our server does wait
		s := newScriptedServer13(t, testClientConfig13())
		s.toFinished(false)
		m := s.hs.finished(false)
		s.hs.transcript.add(typeFinished, 0, m.verifyData)
		s.check(s.hs.deriveMaster(s.conn))
		s.flush()
		application := must(s.hs.writeEpoch(s.conn, epochApplication))
		s.sendDataIn(application, "early")
		if len(s.under.data) > 0 {
			t.Errorf("delivered %q", s.under.data)
		}
		must(s.conn.send(m))
		s.flush()
		s.wantComplete()
		if len(s.under.data) != 1 {
			t.Errorf("delivered %q", s.under.data)
		}
	})
	t.Run("held record that does not decrypt", func(t *testing.T) {
		s, application := waitFinished13(t)
		record := must(application.seal(nil, contentApplicationData, []byte("x")))
		record[len(record)-1] ^= 1
		s.under.receive(testRecord{record, false})
		s.finished()
		s.wantAlert(AlertBadRecordMAC, ErrPeerMisbehaved)
	})
	t.Run("held record that is not data", func(t *testing.T) {
		s, application := waitFinished13(t)
		s.under.receive(testRecord{must(application.seal(nil, contentAlert, []byte{1, 0})), false})
		s.finished()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("on the control channel, where it cannot be early", func(t *testing.T) {
		s, application := waitFinished13(t)
		s.under.receive(testRecord{must(application.seal(nil, contentApplicationData, []byte("x"))),
			true})
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("before keys are agreed", func(t *testing.T) {
		s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
		s.under.receive(testRecord{append([]byte{0x2f, 0, 0, 0, 20}, make([]byte, 20)...), false})
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
}

// C3: a server accepts data that a client sends right after its Finished, as other clients do.
func TestAttackC3DataRightAfterFinished13(t *testing.T) {
	p := newTestPair(t, testClientConfig13(), testServerConfig13(tls.NoClientCert))
	p.start()
	p.server.receiveNext()
	for len(p.client.inbox) > 0 {
		p.client.receiveNext()
	}
	p.client.conn.app.Store(p.client.conn.written)
	p.client.write("at once")
	slices.Reverse(p.server.inbox) // data overtakes Finished
	p.run()
	if p.server.done != 1 || len(p.server.data) != 1 {
		t.Errorf("%v, delivered %q", p.server.err, p.server.data)
	}
}

// C4: early data is not offered. If a client sends it anyway, it is dropped until the handshake is
// complete. RFC 9147, Section 7; RFC 8446, Section 8.
func TestAttackC4EarlyData13(t *testing.T) {
	client, server := resumingConfigs13(tls.NoClientCert)
	newTestPair(t, client, server).handshake()
	s := newScriptedServer13(t, client)
	s.readClientHello()
	if s.offer.earlyData || s.offer.identities == nil {
		t.Errorf("offer: %+v", s.offer)
	}

	early := append([]byte{unifiedFixed | unifiedSequence | unifiedLength | epochEarlyData, 0, 0, 0,
		20}, make([]byte, 20)...)
	s = resumingScript13(t, client, server)
	s.clientHello(func(m *clientHello) { m.earlyData = true; m.binders[0] = make([]byte, 32) })
	s.wantAlert(AlertDecryptError, ErrPeerUntrusted) // the binder covers the early_data extension

	s = newScriptedClient13(t, server)
	s.clientHello(func(m *clientHello) { m.earlyData = true })
	for range 10 {
		s.under.receive(testRecord{early, false})
	}
	s.serverFlight()
	s.clientFlight()
	if len(s.under.data) > 0 || len(s.under.conn.in.held) > 0 {
		t.Errorf("delivered %q, held %d", s.under.data, len(s.under.conn.in.held))
	}
	s.under.receive(testRecord{early, false})
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)

	s = newScriptedClient13(t, server)
	s.clientHello(func(m *clientHello) { m.earlyData = true })
	for range maxHeldRecords {
		s.under.receive(testRecord{early, false})
	}
	s.wantAlive("the limit is reached")
	s.under.receive(testRecord{early, false})
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)

	s = newScriptedClient13(t, server)
	s.clientHello()
	s.under.receive(testRecord{early, false})
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

func plainAlert(a Alert) testRecord {
	h := recordHeader{typ: contentAlert, version: VersionDTLS12, sequence: 9, length: 2}
	return testRecord{appendAlert(h.append(nil), levelFatal, a), true}
}

// C5: a plaintext alert counts only from a peer that may have no keys.
func TestAttackC5PlaintextAlert13(t *testing.T) {
	for _, a := range []Alert{AlertCloseNotify, AlertInternalError, AlertUserCanceled} {
		ways := map[string]func() *script13{
			"open": func() *script13 {
				s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
				s.completeClient()
				return s
			},
			"client that used its keys": func() *script13 {
				s := newScriptedClient13(t, testServerConfig13(tls.RequireAnyClientCert))
				s.clientHello()
				s.serverFlight()
				s.certificate()
				return s
			},
			"server after ServerHello": func() *script13 {
				s := newScriptedServer13(t, testClientConfig13())
				s.readClientHello()
				s.serverHello()
				return s
			},
		}
		for name, lead := range ways {
			s := lead()
			s.under.receive(plainAlert(a))
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
			if s.under.closed {
				t.Errorf("%s: alert %v is taken as a clean close", name, a)
			}
		}
		s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
		s.clientHello()
		s.under.receive(plainAlert(a))
		wantPeerAlert(t, s.under, a)
		if s.under.closed {
			t.Errorf("alert %v during the handshake is taken as a clean close", a)
		}
		s = newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.retry(func(m *serverHello) { m.cookie13 = []byte{1} })
		s.under.receive(plainAlert(a))
		wantPeerAlert(t, s.under, a)
	}
}

// Records that end an open connection at once: RFC 6083, Sections 4.1 and 4.4; RFC 6347, Section
// 4.1.2.7; RFC 9147, Sections 4 and 4.1; RFC 8446, Section 5.4; attacks D2, D9, D10, F6, F7, F8.
func TestBadRecords13(t *testing.T) {
	raw := func(s *script13, inner []byte) []byte { // any inner plaintext
		p := s.conn.written.sealer.(*protection13)
		record := []byte{unifiedFixed | unifiedSequence | unifiedLength | byte(p.epoch)&unifiedEpoch, 0,
			99, 0, 0}
		n := len(inner) + aeadTagLen
		record[3], record[4] = byte(n>>8), byte(n)
		record = p.aead.Seal(record, p.nonce(make([]byte, 16), 99), inner, record)
		mask := p.mask(make([]byte, 16), record[unifiedHeaderLen:])
		record[1] ^= mask[0]
		record[2] ^= mask[1]
		return record
	}
	for _, b := range []badRecord[*script13]{
		{"F6: number changed", func(s *script13) []byte {
			r := sealed(s, contentApplicationData, "data")
			r[2] ^= 1
			return r
		}, false, AlertBadRecordMAC, ErrPeerMisbehaved},
		{"F6: moved to another epoch", func(s *script13) []byte {
			r := sealed(s, contentApplicationData, "data")
			r[0] ^= 1
			return r
		}, false, AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"F6: length field gone", func(s *script13) []byte {
			r := sealed(s, contentApplicationData, "data")
			r[0] ^= unifiedLength
			return slices.Delete(r, 3, 5)
		}, false, AlertBadRecordMAC, ErrPeerMisbehaved},
		{"F7: less than the sample", func(s *script13) []byte {
			return append([]byte{0x2f, 0, 0, 0, 15}, make([]byte, 15)...)
		}, false, AlertDecodeError, ErrInvalidMessage},
		{"F7: header only", func(s *script13) []byte { return []byte{0x2f, 0} }, false, AlertDecodeError,
			ErrInvalidMessage},
		{"connection identifier", func(s *script13) []byte {
			r := sealed(s, contentApplicationData, "data")
			r[0] |= unifiedCID
			return r
		}, false, AlertIllegalParameter, ErrPeerMisbehaved},
		{"F8: only padding", func(s *script13) []byte { return raw(s, make([]byte, 20)) }, false,
			AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"F8: no byte at all", func(s *script13) []byte { return raw(s, nil) }, false,
			AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"F8: too long", func(s *script13) []byte {
			return raw(s, append(make([]byte, maxPlaintext+1), byte(contentApplicationData)))
		}, false, AlertRecordOverflow, ErrPeerMisbehaved},
		{"F8: much too long", func(s *script13) []byte { return raw(s, make([]byte, maxCiphertext13)) },
			false, AlertRecordOverflow, ErrPeerMisbehaved},
		{"record of 1.2", func(s *script13) []byte {
			return append(recordHeader{typ: contentApplicationData, version: VersionDTLS12, epoch: 3,
				length: 30}.append(nil), make([]byte, 30)...)
		}, false, AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"I7: version of a plaintext record", func(s *script13) []byte {
			return append(recordHeader{typ: contentHandshake, version: versionDTLS10, length: 1}.append(nil),
				0)
		}, true, AlertProtocolVersion, ErrPeerMisbehaved},
		{"plaintext handshake", func(s *script13) []byte {
			m := must(appendMessage(nil, 2, new(finished)))
			return append(recordHeader{typ: contentHandshake, version: VersionDTLS12,
				length: len(m)}.append(nil), m...)
		}, true, AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"G7: plaintext ACK", func(s *script13) []byte {
			return append(recordHeader{typ: contentACK, version: VersionDTLS12, length: 2}.append(nil), 0, 0)
		}, true, AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"D2: plaintext ChangeCipherSpec", func(s *script13) []byte {
			return append(recordHeader{typ: contentChangeCipherSpec, version: VersionDTLS12,
				length: 1}.append(nil), 1)
		}, true, AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"D2: ChangeCipherSpec", func(s *script13) []byte {
			return sealed(s, contentChangeCipherSpec, "\x01")
		}, true, AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"unknown content type", func(s *script13) []byte { return sealed(s, 99, "x") }, true,
			AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"ACK on another stream", func(s *script13) []byte {
			return sealed(s, contentACK, "\x00\x00")
		}, false, AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"G7: ACK of odd length", func(s *script13) []byte {
			return sealed(s, contentACK, "\x00\x03abc")
		}, true, AlertDecodeError, ErrInvalidMessage},
		{"G7: ACK cut off", func(s *script13) []byte { return sealed(s, contentACK, "\x00\x10abc") },
			true, AlertDecodeError, ErrInvalidMessage},
		{"G7: empty ACK record", func(s *script13) []byte { return sealed(s, contentACK, "") }, true,
			AlertDecodeError, ErrInvalidMessage},
	} {
		t.Run(b.name, func(t *testing.T) {
			s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
			s.completeClient()
			b.send(t, s)
		})
	}
}

// F7: short sequence numbers, no length field, and padding. RFC 9147, Section 4.
func TestAttackF7RecordForms13(t *testing.T) {
	s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
	s.completeClient()
	p := s.conn.written.sealer.(*protection13)
	for i, form := range []byte{0, unifiedSequence, unifiedLength, unifiedSequence | unifiedLength} {
		inner := append([]byte("data"), byte(contentApplicationData), 0, 0, 0)
		record := []byte{unifiedFixed | form | byte(p.epoch)&unifiedEpoch}
		if form&unifiedSequence != 0 {
			record = append(record, 0)
		}
		numberAt := len(record)
		record = append(record, byte(i))
		if form&unifiedLength != 0 {
			record = append(record, 0, byte(len(inner)+aeadTagLen))
		}
		header := len(record)
		record = p.aead.Seal(record, p.nonce(make([]byte, 16), uint64(i)), inner, record)
		mask := p.mask(make([]byte, 16), record[header:])
		for j := range numberAt {
			record[1+j] ^= mask[j]
		}
		s.under.receive(testRecord{record, false})
		s.wantAlive("every form of the header will do")
	}
	if got := bytes.Join(s.under.data, nil); string(got) != "datadatadatadata" {
		t.Errorf("delivered %q", got)
	}
}

// H8: records may arrive in any order, as long as their numbers are unambiguous. RFC 6083, Section
// 3.3; RFC 9147, Section 4.2.2.
func TestAttackH8AnyOrder13(t *testing.T) {
	s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
	s.completeClient()
	numbers := []uint64{30000, 5, 32000, 60000, 31000, 90000, 61000, 90000 /* again */}
	for _, n := range numbers {
		s.under.receive(testRecord{s.conn.written.sealer.seal(nil, contentApplicationData, n,
			[]byte("x")), false})
		s.wantAlive("any order will do")
	}
	if len(s.under.data) != len(numbers) {
		t.Errorf("delivered %q", s.under.data)
	}
}

// D9, D10, E10, G7: floods of records without effect end the connection.
func TestAttackD9D10E10Floods13(t *testing.T) {
	tests := map[string]struct {
		send  func(s *script13)
		limit int
	}{
		"empty ACKs": {func(s *script13) { s.sendRecord(contentACK, []byte{0, 0}) }, maxIdleACKs},
		"ACKs of what was never sent": {func(s *script13) {
			s.sendRecord(contentACK, must(appendACK(nil,
				[]recordNumber{{3, 1 << 40}, {math.MaxUint64, 0}, {0, 0}})))
		}, maxIdleACKs},
		"long ACKs": {func(s *script13) {
			s.sendRecord(contentACK, must(appendACK(nil, make([]recordNumber, maxACKed))))
		}, maxIdleACKs},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
			s.completeClient()
			for range test.limit {
				test.send(s)
			}
			s.sendData("x")
			s.under.story = nil
			for range test.limit {
				test.send(s)
			}
			s.wantAlive("the limit is reached")
			if slices.ContainsFunc(s.under.story, func(e string) bool { return e != "data " }) {
				t.Errorf("%q", s.under.story) // ACKs cause no transmission
			}
			test.send(s)
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		})
	}
	t.Run("D10: levels mean nothing", func(t *testing.T) {
		for _, level := range []alertLevel{levelWarning, levelFatal, 9} {
			s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
			s.completeClient()
			s.sendAlert(level, AlertNoRenegotiation)
			wantPeerAlert(t, s.under, AlertNoRenegotiation)
		}
	})
}
