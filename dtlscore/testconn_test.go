package dtlscore

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
)

// A testPair is a client and a server in memory, with a record of what they did. Records stay in an
// inbox until a test receives them, or calls run.
type testPair struct {
	t              testing.TB
	client, server *testEnd
}

// A testEnd is one end, with a driver that executes the events.
type testEnd struct {
	t       testing.TB
	name    string
	conn    *Conn
	peer    *testEnd // nil: what is sent is only stored in sent
	inbox   []testRecord
	sent    []testRecord
	story   []string // events, and what was received
	data    [][]byte
	secrets [][]byte
	active  int // number of the handshake whose secret is active
	done    int // completed handshakes
	closed  bool
	goesOn  bool // after the peer has closed; otherwise it closes too
	err     error
	flights []int // numbers of records that were sent together
	joined  bool  // the next record belongs to the same flight

	// tamper, if not nil, may change or drop (nil) a record before it is sent.
	tamper func(kind string, record []byte) []byte

	// before, if not nil, may change what is queued before it is protected.
	before func(a *action)
}

type testRecord struct {
	bytes   []byte
	control bool
}

func newTestPair(t testing.TB, client, server *Config) *testPair {
	t.Helper()
	c, err := Client(client)
	if err != nil {
		t.Fatalf("Client: %v", err)
	}
	s, err := Server(server)
	if err != nil {
		t.Fatalf("Server: %v", err)
	}
	p := &testPair{t, &testEnd{t: t, name: "client", conn: c}, &testEnd{t: t, name: "server", conn: s}}
	p.client.peer, p.server.peer = p.server, p.client
	return p
}

// start starts both ends.
func (p *testPair) start() {
	p.t.Helper()
	for _, e := range []*testEnd{p.server, p.client} {
		if err := e.conn.Start(); err != nil {
			p.t.Fatalf("%s: Start: %v", e.name, err)
		}
		e.obey()
	}
}

// run receives records one at a time until there are no more.
func (p *testPair) run() {
	for len(p.client.inbox)+len(p.server.inbox) > 0 {
		p.server.receiveNext()
		p.client.receiveNext()
	}
}

// handshake makes a handshake that must succeed.
func (p *testPair) handshake() {
	p.t.Helper()
	p.start()
	p.run()
	for _, e := range []*testEnd{p.client, p.server} {
		if e.err != nil || e.done != 1 {
			p.t.Fatalf("%s: handshake failed: %v\n%q", e.name, e.err, e.story)
		}
	}
}

// receiveNext receives the oldest record in the inbox.
func (e *testEnd) receiveNext() {
	if len(e.inbox) == 0 {
		return
	}
	r := e.inbox[0]
	e.inbox = e.inbox[1:]
	e.receive(r)
}

func (e *testEnd) receive(r testRecord) {
	data, err := e.conn.Receive(slices.Clone(r.bytes), r.control, Tag{})
	if err != nil {
		e.err = err
	}
	if data != nil {
		e.data = append(e.data, bytes.Clone(data))
		e.story = append(e.story, "data "+string(data))
	}
	e.obey()
}

// obey executes the events, as a driver does.
func (e *testEnd) obey() {
	for {
		kind := ""
		e.conn.work()
		if q := e.conn.queue; len(q) > 0 {
			if e.before != nil {
				e.before(&q[0])
			}
			kind = describe(q[0])
		}
		event := e.conn.NextEvent()
		if event.Kind == EventNone {
			break
		}
		if event.Kind != EventSend {
			kind = eventNames[event.Kind]
		}
		e.story = append(e.story, kind)
		switch event.Kind {
		case EventSend:
			if !e.joined {
				e.flights = append(e.flights, 0)
			}
			e.flights[len(e.flights)-1]++
			e.send(kind, testRecord{event.Data, true})
		case EventReadPending:
			for len(e.inbox) > 0 {
				e.receiveNext()
			}
			if err := e.conn.PendingRead(); err != nil {
				e.err = err
			}
		case EventInstallKey:
			e.secrets = append(e.secrets, event.Data)
		case EventActivateKey:
			e.active = len(e.secrets)
		case EventHandshakeComplete:
			e.done++
		case EventData:
			e.data = append(e.data, event.Data)
		case EventPeerClosed:
			e.closed = true
			if !e.goesOn {
				e.conn.Close()
			}
		}
		e.joined = event.More || e.joined && event.Kind == EventInstallKey
	}
	e.joined = false
	if err := e.conn.Err(); err != nil {
		e.err = err
	}
}

func (e *testEnd) send(kind string, r testRecord) {
	if e.tamper != nil {
		if r.bytes = e.tamper(kind, r.bytes); r.bytes == nil {
			return
		}
	}
	e.sent = append(e.sent, r)
	if e.peer != nil {
		e.peer.inbox = append(e.peer.inbox, r)
	}
}

// write sends application data.
func (e *testEnd) write(data string) {
	e.t.Helper()
	record, err := e.conn.Seal(nil, []byte(data))
	if err != nil {
		e.t.Fatalf("%s: Seal: %v", e.name, err)
	}
	e.send("data", testRecord{record, false})
}

var eventNames = map[EventKind]string{
	EventAwaitDry: "AwaitDry", EventReadPending: "ReadPending",
	EventInstallKey: "InstallKey", EventActivateKey: "ActivateKey",
	EventPeerFinished: "PeerFinished", EventHandshakeComplete: "HandshakeComplete",
	EventData: "Data", EventPeerClosed: "PeerClosed", EventResume: "Resume",
	EventRenegotiationRefused: "RenegotiationRefused",
}

// describe describes a queued record before it is protected.
func describe(a action) string {
	switch {
	case a.then != nil || a.kind != EventSend:
		return ""
	case a.content == contentHandshake:
		return fmt.Sprintf("Send %v", handshakeType(a.data[0]))
	case a.content == contentAlert:
		return fmt.Sprintf("Send alert %v", Alert(a.data[1]))
	case a.content == contentChangeCipherSpec:
		return "Send ChangeCipherSpec"
	}
	return fmt.Sprintf("Send %v", a.content)
}
