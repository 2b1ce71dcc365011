package dtlscore

import (
	"crypto/tls"
	"errors"
	"math"
	"slices"
	"testing"
)

// openPair13 is a pair after its handshake, with nothing in its stories.
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

// wantEpochs says in which epochs the ends write, and that data still flows.
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

// RFC 9147, Sections 7 and 8: the flush comes first, the ACK at once, and the keys change when that
// is there.
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

	// The secrets for SCTP-AUTH stay.
	if again := must(p.client.conn.ExportKeyingMaterial(EndpointSecretLabel, nil,
		64)); len(p.client.secrets) != 1 || string(again) != string(secret) {
		t.Error("the endpoint pair secret has changed")
	}
	// Epochs have two bits in a record.
	for n := range uint64(9) {
		p.client.keyUpdate(false)
		p.run()
		p.wantEpochs(6+n, 4)
	}
}

// G6, RFC 9147, Section 8: no second one before the first was acknowledged.
func TestAttackG6OneUpdateAtATime13(t *testing.T) {
	p := openPair13(t)
	p.client.keyUpdate(false)
	p.client.keyUpdate(false) // has nothing to add
	wantStory(t, p.client, []string{"AwaitDry", "Send KeyUpdate", "Resume"})
	p.client.keyUpdate(true)
	p.client.keyUpdate(true)
	wantStory(t, p.client, nil)
	p.run()
	wantStory(t, p.client, []string{"AwaitDry", "Send KeyUpdate", "Resume", "Send ack"})
	p.wantEpochs(5, 4)
}

// D11: updates that cross end in one consistent epoch on both sides, with
// requests or without.
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
	// Also while both wait for their flushes to end.
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
	p.server.receiveNext() // in the middle of its flush
	p.server.obey()
	p.run()
	p.wantEpochs(5, 5)
}

// RFC 9147, Section 8, attack G6: what was sent before the keys changed may arrive after it, on
// another stream; until the next change of keys.
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
	p.server.receive(late) // there was a flush before, so that this cannot be honest
	wantDead(t, p.server, AlertUnexpectedMessage, ErrPeerMisbehaved)
}

// What a KeyUpdate must not be: attacks G6, D7, D12.
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

// update sends a KeyUpdate of the script, and goes on in the new epoch.
func (s *script13) update(requestPeer bool) {
	s.t.Helper()
	s.send(&keyUpdate{requestPeer})
	s.afterwards.write = s.afterwards.nextTraffic(s.afterwards.write)
	keys := s.afterwards.trafficKeys(s.hs.suite.aead, s.afterwards.write)
	last := s.conn.written
	s.conn.writeIn(must(newWriteEpoch13(s.hs.suite, last.number+1, keys, last.form)))
	s.flush()
}

// E5: KeyUpdates without end, which ask for answers. There is one answer as
// long as it is not acknowledged.
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

	// With data between there is no limit.
	s = newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
	s.completeClient()
	for range 3 * newsBurst {
		s.update(false)
		s.sendData("x")
	}
	s.wantAlive("they are in use")
}

// E6, RFC 9147, Section 8: epochs and message numbers have an end.
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
	p.server.keyUpdate(true) // the wish is ignored
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

	// D12: the number of a message does not begin again.
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

// E7, RFC 9147, Section 4.5.3: new keys come before the limit of the old ones; where nobody cares
// for that, Seal fails at the limit.
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

// Without new keys, for the numbers of handshake messages are used up, the old ones serve up to
// their limit, and writers who come then are told so: nobody waits for keys that never come.
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

// RFC 9147, Section 4.2.2: the window of record numbers.
func TestUpkeepAnchor13(t *testing.T) {
	p := openPair13(t)
	lost := 0
	for range 3 {
		for !p.client.conn.UpkeepDue() { // all of it given up on the way, as partial reliability may
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
	// Who does not take care is stopped in time.
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
	p.server.keyUpdate(true) // crosses close_notify: no answer
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
