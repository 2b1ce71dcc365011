package dtlscore

import (
	"crypto/tls"
	"errors"
	"math"
	"slices"
	"testing"
)

// openPair13 returns a pair after its handshake, with empty stories.
func openPair13(t *testing.T) *testPair {
	t.Helper()
	p := newTestPair(t, testClientConfig13(), testServerConfig13(tls.NoClientCert))
	p.handshake()
	p.client.story, p.server.story = nil, nil
	return p
}

func updateRequest(ask bool) KeyUpdateRequest {
	if ask {
		return UpdateRequested
	}
	return UpdateNotRequested
}

func (e *testEnd) keyUpdate(requestPeer bool) {
	e.t.Helper()
	if err := e.conn.KeyUpdate(updateRequest(requestPeer)); err != nil {
		e.t.Fatalf("%s: KeyUpdate: %v", e.name, err)
	}
	e.obey()
}

// wantEpochs checks the epochs in which the ends send, and exchanges data.
func (p *testPair) wantEpochs(client, server uint64) {
	p.t.Helper()
	for e, want := range map[*testEnd]uint64{p.client: client, p.server: server} {
		if e.err != nil {
			p.t.Fatalf("%s: %v", e.name, e.err)
		}
		if got := e.conn.app.Load().number; got != want {
			p.t.Errorf("%s writes in epoch %d, want %d", e.name, got, want)
		}
		if got := e.peer.conn.in.v13.newest().epoch; got != want {
			p.t.Errorf("%s reads in epoch %d, want %d", e.peer.name, got, want)
		}
	}
	p.exchangeData()
}

// RFC 9147, Sections 7 and 8: KeyUpdate is sent after everything before it has arrived, the ACK at
// once, and the keys change when the ACK has arrived.
func TestEventOrderKeyUpdate(t *testing.T) {
	p := openPair13(t)
	secret := p.client.secrets[0]
	p.client.keyUpdate(false)
	if got := p.client.conn.app.Load().number; got != epochApplication {
		t.Errorf("epoch %d before the ACK", got)
	}
	p.run()
	wantStory(t, p.client, []string{"AwaitDry", "Send KeyUpdate", "Resume"})
	wantStory(t, p.server, []string{"Send ack"})
	p.wantEpochs(4, 3)

	p.client.story, p.server.story = nil, nil
	p.server.keyUpdate(true)
	p.run()
	wantStory(t, p.server, []string{"AwaitDry", "Send KeyUpdate", "Resume", "Send ack"})
	wantStory(t, p.client, []string{"Send ack", "AwaitDry", "Send KeyUpdate", "Resume"})
	p.wantEpochs(5, 4)

	// The secrets for SCTP-AUTH do not change.
	if again := must(p.client.conn.ExportKeyingMaterial(EndpointSecretLabel, nil,
		64)); len(p.client.secrets) != 1 || string(again) != string(secret) {
		t.Error("the endpoint pair secret has changed")
	}
	// Records contain two bits of the epoch.
	for n := range uint64(9) {
		p.client.keyUpdate(false)
		p.run()
		p.wantEpochs(6+n, 4)
	}
}

// G6: no second KeyUpdate is sent before the first one is acknowledged. RFC 9147, Section 8.
func TestAttackG6OneUpdateAtATime13(t *testing.T) {
	p := openPair13(t)
	p.client.keyUpdate(false)
	p.client.keyUpdate(false) // adds nothing
	wantStory(t, p.client, []string{"AwaitDry", "Send KeyUpdate", "Resume"})
	p.client.keyUpdate(true)
	p.client.keyUpdate(true)
	wantStory(t, p.client, nil)
	p.run()
	wantStory(t, p.client, []string{"AwaitDry", "Send KeyUpdate", "Resume", "Send ack"})
	p.wantEpochs(5, 4)
}

// D11: when updates cross, with or without requests, both ends reach the same epochs.
func TestAttackD11CrossingKeyUpdates13(t *testing.T) {
	for _, test := range []struct {
		clientAsks, serverAsks bool
		client, server         uint64
	}{{false, false, 4, 4}, {true, false, 4, 5}, {false, true, 5, 4}, {true, true, 5, 5}} {
		p := openPair13(t)
		p.client.keyUpdate(test.clientAsks)
		p.server.keyUpdate(test.serverAsks)
		p.run()
		p.wantEpochs(test.client, test.server)
	}
	// Also while both wait for acknowledgements.
	p := openPair13(t)
	for _, e := range []*testEnd{p.client, p.server} {
		if err := e.conn.KeyUpdate(UpdateRequested); err != nil {
			t.Fatal(err)
		}
		if event := e.conn.NextEvent(); event.Kind != EventAwaitDry {
			t.Fatalf("%v", event)
		}
	}
	p.client.obey()
	p.server.receiveNext() // while it waits for acknowledgements
	p.server.obey()
	p.run()
	p.wantEpochs(5, 5)
}

// G6: records sent before a key change may arrive after it on another stream, until the next key
// change. RFC 9147, Section 8.
func TestAttackG6LateData13(t *testing.T) {
	p := openPair13(t)
	p.client.write("old")
	late := p.server.inbox[0]
	p.server.inbox = nil
	p.client.keyUpdate(false)
	p.client.write("before the ACK")
	second := p.server.inbox[1]
	p.server.inbox = p.server.inbox[:1]
	p.run()
	p.client.write("new")
	p.run()
	for _, r := range []testRecord{late, second} {
		p.server.receive(r)
	}
	if len(p.server.data) != 3 || p.server.err != nil {
		t.Fatalf("%q, %v", p.server.data, p.server.err)
	}
	p.client.keyUpdate(false)
	p.run()
	p.server.receive(late) // everything had been acknowledged, so this record is not genuine
	wantDead(t, p.server, AlertUnexpectedMessage, ErrPeerMisbehaved)
}

// G6, D7, D12: invalid KeyUpdates.
func TestAttackG6BadKeyUpdate13(t *testing.T) {
	tests := []struct {
		name  string
		play  func(s *script13)
		alert Alert
		fault error
	}{
		{"value 2", func(s *script13) { s.sendMessage(typeKeyUpdate, []byte{2}) }, AlertIllegalParameter,
			ErrPeerMisbehaved},
		{"empty", func(s *script13) { s.sendMessage(typeKeyUpdate, nil) }, AlertDecodeError,
			ErrInvalidMessage},
		{"too long", func(s *script13) { s.sendMessage(typeKeyUpdate, []byte{0, 0}) }, AlertDecodeError,
			ErrInvalidMessage},
		{"not at the end of its record", func(s *script13) {
			both := must(appendMessage(nil, s.conn.nextSendSeq, new(keyUpdate)))
			both = append(both, must(appendMessage(nil, s.conn.nextSendSeq+1, new(keyUpdate)))...)
			s.sendRecord(contentHandshake, both)
		}, AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"another one in the old epoch", func(s *script13) {
			s.send(new(keyUpdate))
			s.send(new(keyUpdate))
		}, AlertUnexpectedMessage, ErrPeerMisbehaved},
		{"epoch that was not begun", func(s *script13) {
			keys := s.afterwards.trafficKeys(s.hs.suite.aead, s.afterwards.nextTraffic(s.afterwards.write))
			s.sendDataIn(must(newWriteEpoch13(s.hs.suite, 4, keys, usualForm)), "early")
		}, AlertUnexpectedMessage, ErrPeerMisbehaved},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
			s.completeClient()
			test.play(s)
			s.wantAlert(test.alert, test.fault)
		})
	}
	t.Run("D12: repeated", func(t *testing.T) {
		s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
		s.completeClient()
		s.send(new(keyUpdate))
		story := len(s.under.story)
		s.conn.nextSendSeq--
		s.sendMessage(typeKeyUpdate, []byte{1})
		s.wantAlive("a message that was handled is dropped")
		if len(s.under.story) != story || s.under.conn.in.v13.newest().epoch != 4 {
			t.Errorf("%q", s.under.story[story:])
		}
	})
	t.Run("G7: ACK of another record", func(t *testing.T) {
		s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
		s.completeClient()
		s.under.keyUpdate(false)
		number, _ := s.readRecord(contentHandshake)
		for _, wrong := range []recordNumber{{number.epoch, number.sequence + 1},
			{number.epoch + 1, number.sequence}, {0, 0}} {
			s.sendRecord(contentACK, must(appendACK(nil, []recordNumber{wrong})))
		}
		if got := s.under.conn.app.Load().number; got != epochApplication {
			t.Errorf("epoch %d", got)
		}
		s.sendRecord(contentACK, must(appendACK(nil, []recordNumber{{0, 0}, number})))
		if got := s.under.conn.app.Load().number; got != epochApplication+1 {
			t.Errorf("epoch %d", got)
		}
	})
}

// update sends a KeyUpdate of the script, and continues in the new epoch.
func (s *script13) update(requestPeer bool) {
	s.t.Helper()
	s.send(&keyUpdate{requestPeer})
	s.afterwards.write = s.afterwards.nextTraffic(s.afterwards.write)
	keys := s.afterwards.trafficKeys(s.hs.suite.aead, s.afterwards.write)
	last := s.conn.written
	s.conn.writeIn(must(newWriteEpoch13(s.hs.suite, last.number+1, keys, last.form)))
	s.flush()
}

// E5: an unlimited number of KeyUpdates that request answers. Only one answer is sent until it is
// acknowledged.
func TestAttackE5FloodOfKeyUpdates13(t *testing.T) {
	s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
	s.completeClient()
	s.under.story = nil
	for range newsBurst {
		s.update(true)
		s.wantAlive("some are harmless")
	}
	answers := 0
	for _, e := range s.under.story {
		if e == "Send KeyUpdate" {
			answers++
		}
	}
	if answers != 1 {
		t.Errorf("%d answers", answers)
	}
	s.update(true)
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)

	// With application data in between there is no limit.
	s = newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
	s.completeClient()
	for range 3 * newsBurst {
		s.update(false)
		s.sendData("x")
	}
	s.wantAlive("they are in use")
}

// E6: epochs and message_seq have a limit. RFC 9147, Section 8.
func TestAttackE6LimitsOfUpdates13(t *testing.T) {
	p := openPair13(t)
	e := p.client.conn.app.Load()
	for _, near := range []func(){
		func() { e.number = maxEpoch13 },
		func() { e.number = 3; p.client.conn.nextSendSeq = math.MaxUint16 },
	} {
		near()
		if err := p.client.conn.KeyUpdate(UpdateNotRequested); !errors.Is(err, ErrKeysUsedUp) {
			t.Errorf("KeyUpdate: %v", err)
		}
	}
	p.server.keyUpdate(true) // the request is ignored
	p.run()
	if p.client.err != nil || slices.Contains(p.client.story, "Send KeyUpdate") ||
		p.server.conn.app.Load().number != 4 {
		t.Errorf("%q, %v", p.client.story, p.client.err)
	}
	p.client.conn.in.v13.newest().epoch = math.MaxUint64
	p.server.keyUpdate(false)
	p.client.receiveNext()
	if p.client.err == nil {
		t.Error("the last epoch was followed by another")
	}

	// D12: message_seq does not wrap around.
	s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
	s.completeClient()
	s.under.conn.in.messages.next = math.MaxUint16
	s.conn.nextSendSeq = math.MaxUint16
	s.sendMessage(typeKeyUpdate, []byte{0})
	s.wantAlive("the last number")
	s.conn.nextSendSeq = 0
	s.afterwards.write = s.afterwards.nextTraffic(s.afterwards.write)
	keys := s.afterwards.trafficKeys(s.hs.suite.aead, s.afterwards.write)
	s.conn.writeIn(must(newWriteEpoch13(s.hs.suite, 4, keys, usualForm)))
	s.sendMessage(typeKeyUpdate, []byte{0})
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

// E7: keys are replaced before their limit. If the caller does not do that, Seal fails at the
// limit. RFC 9147, Section 4.5.3.
func TestAttackE7KeyLimit13(t *testing.T) {
	p := openPair13(t)
	e := p.client.conn.app.Load()
	e.limits.records = 1000
	for i := 0; !p.client.conn.UpkeepDue(); i++ {
		p.client.write("x")
		if i > 1000 {
			t.Fatal("upkeep is never due")
		}
	}
	if n := e.next.Load(); n != e.limits.rekeyAt() {
		t.Errorf("due after %d records", n)
	}
	if err := p.client.conn.Upkeep(); err != nil || p.client.conn.UpkeepDue() {
		t.Errorf("Upkeep: %v", err)
	}
	p.client.obey()
	for err := error(nil); !errors.Is(err, ErrKeysUsedUp); {
		if _, err = p.client.conn.Seal(nil, nil); err != nil && !errors.Is(err, ErrKeysUsedUp) {
			t.Fatal(err)
		}
	}
	p.run()
	p.wantEpochs(4, 3)

	// The receiver's limit is one failure: RFC 6347, Section 4.1.2.7.
	s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
	s.completeClient()
	record := must(s.conn.written.seal(nil, contentApplicationData, []byte("x")))
	record[len(record)-1] ^= 1
	s.under.receive(testRecord{record, false})
	s.wantAlert(AlertBadRecordMAC, ErrPeerMisbehaved)
}

// E6: when message_seq is used up, there are no new keys. The old ones are used up to their limit,
// and then writers get an error instead of waiting.
func TestAttackE6NoMoreUpdates13(t *testing.T) {
	p := openPair13(t)
	c := p.client.conn
	e := c.app.Load()
	e.limits.records = 3 * maxWindow
	c.nextSendSeq = math.MaxUint16
	upkeeps := 0
	for {
		_, err := c.Seal(nil, nil)
		if errors.Is(err, ErrKeysUsedUp) {
			break
		}
		if err != nil {
			t.Fatalf("record %d: %v", e.next.Load(), err)
		}
		if c.UpkeepDue() {
			upkeeps++
			if err := c.Upkeep(); err != nil {
				t.Fatal(err)
			}
			p.client.obey()
			p.run()
		}
	}
	if n := e.next.Load(); n < e.limits.records-controlReserve || n > e.limits.records || upkeeps > 6 {
		t.Errorf("used up after %d records of %d, with %d halts", n, e.limits.records, upkeeps)
	}
}

// The window of record numbers: RFC 9147, Section 4.2.2.
func TestUpkeepAnchor13(t *testing.T) {
	p := openPair13(t)
	lost := 0
	for range 3 {
		for !p.client.conn.UpkeepDue() { // all of it is abandoned, as with partial reliability
			must(p.client.conn.Seal(nil, nil))
			lost++
		}
		if err := p.client.conn.Upkeep(); err != nil {
			t.Fatal(err)
		}
		p.client.obey()
		wantStory(t, p.client, []string{"Send ack", "AwaitDry", "Resume"})
		p.run()
		if p.client.conn.UpkeepDue() {
			t.Error("due again")
		}
	}
	p.client.write("still understood")
	p.run()
	if len(p.server.data) != 1 || p.server.err != nil || lost < 3*maxWindow/2-10 {
		t.Errorf("%q, %v, after %d records", p.server.data, p.server.err, lost)
	}
	// A writer that does not call Upkeep is stopped in time.
	for err := error(nil); err == nil; lost++ {
		if _, err = p.client.conn.Seal(nil, nil); err != nil && !errors.Is(err, ErrUpkeepDue) {
			t.Fatal(err)
		}
	}
	if err := p.client.conn.Upkeep(); err != nil {
		t.Fatal(err)
	}
	p.client.obey()
	p.client.write("x")
	p.run()
	if p.server.err != nil {
		t.Error(p.server.err)
	}
	if err := must(Client(testClientConfig13())).Upkeep(); err != nil {
		t.Errorf("Upkeep before the handshake: %v", err)
	}
}

func TestKeyUpdateMisuse(t *testing.T) {
	p := openPair13(t)
	before := must(Client(testClientConfig13()))
	if err := before.KeyUpdate(UpdateNotRequested); !errors.Is(err, ErrMisuse) {
		t.Errorf("before Start: %v", err)
	}
	p.client.conn.Close()
	if err := p.client.conn.KeyUpdate(UpdateNotRequested); !errors.Is(err, ErrMisuse) {
		t.Errorf("after Close: %v", err)
	}
	p.client.obey()
	p.server.keyUpdate(true) // crosses close_notify, so there is no answer
	p.run()
	if p.client.err != nil || p.server.err != nil ||
		slices.Contains(p.client.story, "Send KeyUpdate") {
		t.Errorf("%v, %v, %q", p.client.err, p.server.err, p.client.story)
	}
	q := newTestPair(t, testClientConfig(), testServerConfig(tls.NoClientCert))
	q.handshake()
	if err := q.client.conn.KeyUpdate(UpdateNotRequested); !errors.Is(err, ErrMisuse) ||
		q.client.conn.Err() != nil {
		t.Errorf("in version 1.2: %v", err)
	}
}
