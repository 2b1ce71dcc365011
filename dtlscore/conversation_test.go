package dtlscore

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/testrandom"
)

// A conversation connects two real ends, of which one is attacked, the victim. A script can
// manipulate the records to it in any way, even with the keys of its peer. The fuzz targets
// generate such scripts, and the ends of the conversation check what must hold in every case.
type conversation struct {
	t            *testing.T
	victim, peer *talker
	wire         []testRecord // from the peer to the victim
	past         []testRecord // everything that either end has sent
	script       []byte       // the rest of it

	// rogue means that the peer does not have the private keys of the identity that it claims.
	rogue bool
	// tampered means that something happened that neither a transport nor a correct peer does, so
	// that the connection may fail.
	tampered bool
}

// A talker is one end, with a driver that executes its events and checks them.
type talker struct {
	t       *testing.T
	name    string
	conn    *Conn
	peer    *talker
	inbox   []testRecord // arrived but not received yet
	send    func(testRecord)
	trusted string // the only identity to accept as the peer's
	agrees  string // what both ends must always negotiate; attacks B1 to B5

	wrote   map[string]int // application data sealed with our keys, and how often
	got     map[string]int
	secrets [][]byte
	exports [][]byte // of each complete handshake
	paused  bool     // between EventAwaitDry and EventHandshakeComplete
	alerted bool     // the driver has taken the fatal alert
	closed  bool
	err     error
}

// newConversation creates a conversation and starts both ends.
func newConversation(t *testing.T, kind *conversationKind, victimIsClient, rogue bool,
	script []byte) *conversation {
	t.Helper()
	testrandom.Set(t, 1) // the same input has the same result
	client, server := kind.configs()
	if rogue && victimIsClient {
		becomeRogue(server)
	} else if rogue {
		becomeRogue(client)
	}
	c := &conversation{t: t, script: script, rogue: rogue}
	a, b := newTalker(t, "client", client, Client), newTalker(t, "server", server, Server)
	a.peer, b.peer = b, a
	a.trusted, b.trusted = kind.server, kind.client
	a.agrees, b.agrees = kind.agreed, kind.agreed
	if c.victim, c.peer = a, b; !victimIsClient {
		c.victim, c.peer = b, a
	}
	c.victim.send = func(r testRecord) {
		c.past = append(c.past, r)
		c.peer.inbox = append(c.peer.inbox, r)
	}
	c.peer.send = func(r testRecord) {
		c.past = append(c.past, r)
		c.wire = append(c.wire, r)
	}
	for _, e := range []*talker{b, a} {
		if err := e.conn.Start(); err != nil {
			t.Fatal(err)
		}
		e.obey()
	}
	return c
}

func newTalker(t *testing.T, name string, config *Config,
	side func(*Config) (*Conn, error)) *talker {
	conn, err := side(config)
	if err != nil {
		t.Fatal(err)
	}
	return &talker{t: t, name: name, conn: conn, wrote: make(map[string]int),
		got: make(map[string]int)}
}

// read receives everything in the inbox.
func (e *talker) read() {
	for len(e.inbox) > 0 {
		r := e.inbox[0]
		e.inbox = e.inbox[1:]
		e.receive(r)
	}
}

func (e *talker) receive(r testRecord) {
	before := e.conn.Err()
	data, err := e.conn.Receive(slices.Clone(r.bytes), r.control, Tag{})
	if before != nil && err != before {
		e.t.Fatalf("%s: error %v was not final: %v", e.name, before, err)
	}
	if err != nil && (data != nil || err != e.conn.Err()) {
		e.t.Fatalf("%s: data %q with error %v, Err is %v", e.name, data, err, e.conn.Err())
	}
	if data != nil {
		e.deliver(data)
	}
	e.obey()
}

// deliver checks that application data was sent by the peer.
func (e *talker) deliver(data []byte) {
	switch {
	case !e.conn.agreed.HandshakeComplete:
		e.t.Fatalf("%s: data %q before the handshake was complete", e.name, data)
	case e.closed || e.conn.Err() != nil:
		e.t.Fatalf("%s: data %q after the end", e.name, data)
	case e.peer.wrote[string(data)] == 0:
		e.t.Fatalf("%s: data %q, which the peer did not send", e.name, data)
	}
	e.got[string(data)]++
}

// obey executes the events, as a driver does.
func (e *talker) obey() {
	for n := 0; ; n++ {
		dead := e.conn.Err() != nil
		event := e.conn.NextEvent()
		if event.Kind == EventNone {
			break
		}
		if dead {
			e.afterDeath(event)
		}
		if n > maxHeldRecords+100 {
			e.t.Fatalf("%s: no end of events", e.name)
		}
		switch event.Kind {
		case EventSend:
			e.send(testRecord{event.Data, true})
		case EventAwaitDry:
			e.paused = true
		case EventReadPending:
			e.read()
			before := e.conn.Err()
			if err := e.conn.PendingRead(); before != nil && err != before {
				e.t.Fatalf("%s: error %v was not final: %v", e.name, before, err)
			}
		case EventInstallKey:
			e.secrets = append(e.secrets, event.Data)
		case EventResume:
			e.paused = false
		case EventHandshakeComplete:
			e.paused = false
			e.complete()
		case EventData:
			e.deliver(event.Data)
		case EventPeerClosed:
			if len(e.exports) == 0 || e.closed {
				e.t.Fatalf("%s: peer closed, after %d handshakes", e.name, len(e.exports))
			}
			e.closed = true
			e.conn.Close()
		}
	}
	e.check()
}

// afterDeath allows one event, which sends the alert.
func (e *talker) afterDeath(event Event) {
	alert, ok := errtype.As[*AlertError](e.conn.Err())
	if !ok {
		e.t.Fatalf("%s: error without an alert: %v", e.name, e.conn.Err())
	}
	if event.Kind != EventSend || !alert.Local || e.alerted {
		e.t.Fatalf("%s: event %v %x after %v", e.name, event.Kind, event.Data, alert)
	}
	e.alerted = true
}

// agreement returns what an attacker must not be able to change.
func agreement(s ConnectionState) string {
	return fmt.Sprintf("version %#x, suite %#x, protocol %q for %q, %d and %d bytes",
		s.Version, s.CipherSuite, s.NegotiatedProtocol, s.ServerName,
		min(s.MaxRead, s.MaxWrite), max(s.MaxRead, s.MaxWrite))
}

// complete checks that the peer has the right identity and the same secrets.
func (e *talker) complete() {
	state := e.conn.ConnectionState()
	if state.identity() != e.trusted {
		e.t.Fatalf("%s: handshake is complete with %q, not %q", e.name, state.identity(), e.trusted)
	}
	if got := agreement(state); got != e.agrees {
		e.t.Fatalf("%s: handshake is complete with %s, not %s", e.name, got, e.agrees)
	}
	n := len(e.exports)
	if state.Handshakes != n+1 || len(e.secrets) != n+1 {
		e.t.Fatalf("%s: %d secrets, and %d handshakes, not %d", e.name, len(e.secrets), state.Handshakes,
			n+1)
	}
	if len(e.peer.secrets) <= n || !bytes.Equal(e.secrets[n], e.peer.secrets[n]) {
		e.t.Fatalf("%s: handshake %d is complete with another secret than the peer's", e.name, n+1)
	}
	export, err := e.conn.ExportKeyingMaterial("EXPORTER_test", []byte("context"), 32)
	if err != nil {
		e.t.Fatalf("%s: %v", e.name, err)
	}
	e.exports = append(e.exports, export)
	if len(e.peer.exports) > n && !bytes.Equal(export, e.peer.exports[n]) {
		e.t.Fatalf("%s: exporters of handshake %d differ", e.name, n+1)
	}
}

// check checks what must hold between any two calls.
func (e *talker) check() {
	c := e.conn
	if e.err = c.Err(); e.err != nil {
		if c.state != nil || c.in.held != nil || c.queue != nil || c.app.Load() != nil ||
			!c.in.messages.empty() {
			e.t.Fatalf("%s: keeps something after %v", e.name, e.err)
		}
		return
	}
	held := 0
	for _, h := range c.in.held {
		held += len(h.record)
	}
	if len(c.in.held) > maxHeldRecords || held != c.in.heldBytes || held > maxHeldBytes {
		e.t.Fatalf("%s: holds %d records with %d bytes, or %d", e.name, len(c.in.held), held,
			c.in.heldBytes)
	}
	for p := c.in.messages.pending; p != nil; p = p.next {
		if p.length > maxMessageLen[p.typ] || len(p.whole) > handshakeHeaderLen+p.length ||
			len(p.blocks) > p.length/blockLen+1 || p.arrived > p.length {
			e.t.Fatalf("%s: keeps %d of %d bytes of %v in %d blocks", e.name, p.arrived, p.length, p.typ,
				len(p.blocks))
		}
		if uint32(p.seq)-c.in.messages.next >= futureMessages || p.next != nil && p.next.seq <= p.seq {
			e.t.Fatalf("%s: keeps message_seq %d while it waits for %d", e.name, p.seq,
				c.in.messages.next)
		}
	}
}

// write sends application data, if that is possible now.
func (e *talker) write() {
	if e.paused {
		return
	}
	data := fmt.Sprintf("%s %d", e.name, len(e.wrote))
	if e.conn.ConnectionState().MaxWrite > MaxPlaintext && len(e.wrote)%2 == 0 {
		data += strings.Repeat(" ", MaxPlaintext)
	}
	record, err := e.conn.Seal(nil, []byte(data))
	if err != nil {
		return
	}
	if len(e.exports) == 0 || e.conn.Err() != nil {
		e.t.Fatalf("%s: could write", e.name)
	}
	e.wrote[data]++
	e.send(testRecord{record, false})
}

// newKeys begins a renegotiation or a KeyUpdate.
func (e *talker) newKeys(ask bool) {
	var err error
	if e.conn.ConnectionState().Version == VersionDTLS13 {
		err = e.conn.KeyUpdate(updateRequest(ask))
	} else {
		err = e.conn.Renegotiate()
	}
	if err != nil && e.conn.Err() == nil && !errors.Is(err, ErrMisuse) && !errors.Is(err, ErrNotOpen) {
		e.t.Fatalf("%s: %v", e.name, err)
	}
	e.obey()
}

// finish delivers everything in flight, and checks the end.
func (c *conversation) finish() {
	for len(c.wire)+len(c.peer.inbox) > 0 {
		c.pass(len(c.wire))
		c.victim.read()
		c.peer.read()
	}
	if c.rogue && len(c.victim.exports) > 0 {
		c.t.Fatalf("%s: handshake is complete with a rogue", c.victim.name)
	}
	if c.tampered || c.rogue {
		return
	}
	for _, e := range []*talker{c.victim, c.peer} {
		if e.conn.Err() != nil || len(e.exports) == 0 {
			c.t.Fatalf("%s: %d handshakes, %v, without reason", e.name, len(e.exports), e.conn.Err())
		}
		for data, n := range e.wrote {
			if e.peer.got[data] != n {
				c.t.Fatalf("%s: %q arrived %d times, not %d", e.peer.name, data, e.peer.got[data], n)
			}
		}
		if e.closed != e.peer.closed || e.conn.handshaking && !e.closed {
			c.t.Fatalf("%s: closed %v, handshaking %v", e.name, e.closed, e.conn.handshaking)
		}
	}
}

// pass delivers n records to the victim's transport.
func (c *conversation) pass(n int) {
	c.victim.inbox = append(c.victim.inbox, c.wire[:n]...)
	c.wire = c.wire[n:]
}

// A conversationKind describes the configurations and the identities of the two ends.
type conversationKind struct {
	name           string
	version        uint16
	prepare        func(client, server *Config)
	resumed        bool   // a session is resumed
	client, server string // identities
	agreed         string
}

var conversationKinds = []*conversationKind{
	{name: "mutual", version: VersionDTLS12, prepare: goldenRenegotiation},
	{name: "server only", version: VersionDTLS12, prepare: goldenCookie},
	{name: "psk", version: VersionDTLS12, prepare: goldenPSK(TLS_PSK_WITH_AES_128_GCM_SHA256)},
	{name: "ecdhe psk", version: VersionDTLS12,
		prepare: goldenPSK(TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256)},
	{name: "raw keys", version: VersionDTLS12, prepare: goldenRawKeys},
	{name: "tickets", version: VersionDTLS12, prepare: goldenTickets},
	{name: "resumed", version: VersionDTLS12, prepare: goldenMutualTickets, resumed: true},
	{name: "extensions", version: VersionDTLS12, prepare: goldenExtensions},

	{name: "mutual", version: VersionDTLS13, prepare: goldenMutual},
	{name: "retry", version: VersionDTLS13, prepare: goldenRetry},
	{name: "psk", version: VersionDTLS13, prepare: goldenPSK(TLS_AES_128_GCM_SHA256)},
	{name: "raw keys", version: VersionDTLS13, prepare: goldenRawKeys},
	{name: "tickets", version: VersionDTLS13, prepare: goldenTickets},
	{name: "resumed", version: VersionDTLS13, prepare: goldenMutualTickets, resumed: true},
	{name: "extensions", version: VersionDTLS13, prepare: goldenExtensions},
	{name: "both versions", version: VersionDTLS13, prepare: goldenBothVersions},
	{name: "large", version: VersionDTLS13, prepare: goldenLarge},
	{name: "large, resumed", version: VersionDTLS13, prepare: goldenLargeTickets, resumed: true},
}

func goldenBothVersions(client, server *Config) {
	goldenMutual(client, server)
	client.MinVersion, server.MinVersion = VersionDTLS12, VersionDTLS12
}

func goldenMutualTickets(client, server *Config) {
	goldenTickets(client, server)
	goldenMutual(client, server)
}

// configs returns new configurations, because a conversation may modify what they refer to.
func (k *conversationKind) configs() (client, server *Config) {
	client, server = goldenConfigs(k.version)
	k.prepare(client, server)
	if k.resumed {
		quickHandshake(client, server)
	}
	return client, server
}

// becomeRogue removes an end's private keys. The end still presents the same credentials.
func becomeRogue(c *Config) {
	for i := range c.Certificates {
		c.Certificates[i].PrivateKey = impostor{c.Certificates[i].PrivateKey.(crypto.Signer)}
	}
	if c.RawKey != nil {
		c.RawKey = impostor{c.RawKey}
	}
	wrong := &PSK{Identity: testPSK.Identity, Key: bytes.Repeat([]byte{9}, minPSKLen)}
	if c.GetPSK != nil {
		c.GetPSK = func([]byte) (*PSK, error) { return wrong, nil }
	}
	if c.LookupPSK != nil {
		c.LookupPSK = func([]byte) (*PSK, error) { return wrong, nil }
	}
	c.SessionCache, c.TicketKeys = nil, nil
}

// An impostor has a public key but signs with a different key.
type impostor struct{ crypto.Signer }

func (impostor) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	return goldenECDSA(elliptic.P256(), 9).Sign(nil, digest, opts)
}
