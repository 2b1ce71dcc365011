package dtlscore

import (
	"crypto"
	"crypto/tls"
	"errors"
	"slices"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// A script is a peer that a test controls message by message, so that it can send errors. It has a
// transcript and protects records like a real one.
type script struct {
	t     *testing.T
	under *testEnd // the tested connection
	seen  int      // number of its records that were read
	done  int      // completed handshakes
	conn  *Conn    // never started; numbers and protects what the script sends
	hs    handshake12
	offer *clientHello
	key   *ephemeralKey
	cert  tls.Certificate

	serverExchange *serverKeyExchange
	request        *certificateRequest12
	pending        []byte // of the record that is being read
}

// newScript starts the tested connection. The script is the other side.
func newScript(t *testing.T, isClient bool, under *Config) *script {
	t.Helper()
	conn, err := newConn(under, !isClient)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{
		t: t, under: &testEnd{t: t, name: "under test", conn: conn},
		conn: must(newConn(&Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{{}}},
			isClient)),
		hs:   newHandshake12(newTranscript()),
		cert: testCerts().client,
	}
	if !isClient {
		s.cert = testCerts().ecdsa
	}
	if err := conn.Start(); err != nil {
		t.Fatal(err)
	}
	s.under.obey()
	return s
}

func newScriptedClient(t *testing.T, server *Config) *script { return newScript(t, true, server) }
func newScriptedServer(t *testing.T, client *Config) *script { return newScript(t, false, client) }

// flush delivers what is queued.
func (s *script) flush() {
	for {
		e := s.conn.NextEvent()
		switch e.Kind {
		case EventNone:
			if err := s.conn.Err(); err != nil {
				s.t.Fatalf("script: %v", err)
			}
			return
		case EventSend:
			s.under.receive(testRecord{e.Data, true})
		}
	}
}

// send sends a message and adds it to the transcript.
func (s *script) send(m message) {
	s.t.Helper()
	if err := s.hs.send(s.conn, m); err != nil {
		s.t.Fatalf("script: sending %v: %v", m.typ(), err)
	}
	s.flush()
}

// sendMessage sends a message with an arbitrary body.
func (s *script) sendMessage(t handshakeType, body []byte) {
	h := handshakeHeader{typ: t, length: len(body), seq: s.conn.nextSendSeq, fragmentLength: len(body)}
	s.conn.nextSendSeq++
	s.sendRecord(contentHandshake, append(h.append(nil), body...))
}

// sendRecord sends a record with arbitrary content.
func (s *script) sendRecord(t contentType, content []byte) {
	s.conn.pushRecord(t, content)
	s.flush()
}

func (s *script) sendAlert(level alertLevel, a Alert) {
	s.sendRecord(contentAlert, appendAlert(nil, level, a))
}

// read returns in m the next message of the tested connection, which must have its type, and adds
// it to the transcript.
func (s *script) read(m message) {
	s.t.Helper()
	if s.pending == nil {
		s.pending = s.readRecord(contentHandshake)
	}
	h, body, rest, err := parseFragment(s.pending)
	if err != nil {
		s.t.Fatal(err)
	}
	if s.pending = rest; len(rest) == 0 {
		s.pending = nil
	}
	if h.typ != m.typ() || h.fragmentLength != h.length {
		s.t.Fatalf("script: got %v, want %v\n%q", h.typ, m.typ(), s.under.story)
	}
	if err := m.parse(slices.Clone(body)); err != nil {
		s.t.Fatal(err)
	}
	s.hs.transcript.add(h.typ, h.seq, body)
}

// readRecord returns the content of the next record.
func (s *script) readRecord(t contentType) []byte {
	s.t.Helper()
	if s.seen == len(s.under.sent) {
		s.t.Fatalf("script: nothing was sent, want %v\n%q\n%v", t, s.under.story, s.under.err)
	}
	record := slices.Clone(s.under.sent[s.seen].bytes)
	s.seen++
	h, content, err := parseRecord(record)
	if err == nil && h.epoch > 0 {
		opener := s.conn.in.read
		if h.epoch != s.conn.in.epoch {
			opener = s.conn.in.next
		}
		content, err = opener.open(h, content)
	}
	if err != nil {
		s.t.Fatalf("script: %v", err)
	}
	if h.typ != t {
		s.t.Fatalf("script: got %v, want %v\n%q", h.typ, t, s.under.story)
	}
	return content
}

// wantAlert checks at the end of a test that the connection has failed with the alert, that it sent
// nothing after the alert, and that it stays closed.
func (s *script) wantAlert(want Alert, fault error) {
	s.t.Helper()
	wantDead(s.t, s.under, want, fault)
}

func wantDead(t testing.TB, e *testEnd, want Alert, fault error) {
	t.Helper()
	alert, ok := errtype.As[*AlertError](e.err)
	if !ok || alert.Alert != want || !alert.Local || !errors.Is(e.err, fault) {
		t.Fatalf("%s: error is %v, want alert %v and %v\n%q", e.name, e.err, want, fault, e.story)
	}
	if last := e.story[len(e.story)-1]; last != "Send alert "+want.String() {
		t.Errorf("%s: last event is %q", e.name, last)
	}
	state := e.conn.ConnectionState()
	untold := e.conn.isClient && state.Version == VersionDTLS13 // until the server answers
	if state.HandshakeComplete && e.done == 0 && !untold {
		t.Errorf("%s: reports a complete handshake", e.name)
	}
	again := e.err
	if _, err := e.conn.Receive([]byte{0}, true, Tag{}); err != again {
		t.Errorf("%s: Receive afterwards: %v", e.name, err)
	}
	if err := e.conn.PendingRead(); err != again {
		t.Errorf("%s: PendingRead afterwards: %v", e.name, err)
	}
	if _, err := e.conn.ExportKeyingMaterial("EXPORTER_x", nil, 1); err == nil {
		t.Errorf("%s: gives keying material away", e.name)
	}
	if _, err := e.conn.Seal(nil, nil); !errors.Is(err, ErrNotOpen) {
		t.Errorf("%s: Seal afterwards: %v", e.name, err)
	}
	if ev := e.conn.NextEvent(); ev.Kind != EventNone {
		t.Errorf("%s: event %v after the end", e.name, ev)
	}
}

// wantAlive checks that the connection still works.
func (s *script) wantAlive(why string) {
	s.t.Helper()
	if s.under.err != nil {
		s.t.Fatalf("%s: %v", why, s.under.err)
	}
}

// The steps of a client.

// clientHello sends a correct ClientHello, with changes.
func (s *script) clientHello(changes ...func(*clientHello)) {
	s.t.Helper()
	config := testClientConfig()
	s.offer = must((&Conn{config: config, finished: s.conn.finished}).newClientHello())
	for _, change := range changes {
		change(s.offer)
	}
	s.send(s.offer)
}

// serverFlight reads everything up to ServerHelloDone.
func (s *script) serverFlight() {
	s.t.Helper()
	hello := new(serverHello)
	s.read(hello)
	s.hs.hellos(s.conn, s.offer, hello, suiteByID(hello.suite, VersionDTLS12))
	s.read(new(certificate12))
	s.serverExchange = &serverKeyExchange{kx: s.hs.suite.kx}
	s.read(s.serverExchange)
	if s.under.conn.config.ClientAuth != tls.NoClientCert {
		s.request = new(certificateRequest12)
		s.read(s.request)
	}
	s.read(new(serverHelloDone))
}

func (s *script) certificate() { s.send(&certificate12{chain: s.cert.Certificate}) }

func (s *script) keyExchange() {
	s.t.Helper()
	s.key = must(generateKey(s.serverExchange.group))
	s.send(&clientKeyExchange{kx: s.hs.suite.kx, public: s.key.share()})
	s.derive(s.serverExchange.public)
}

// derive derives the keys.
func (s *script) derive(peer []byte) {
	s.t.Helper()
	if err := s.hs.deriveMaster(s.conn, must(s.key.agree(peer))); err != nil {
		s.t.Fatal(err)
	}
	s.flush()
}

func (s *script) verify(changes ...func(*certificateVerify)) {
	s.t.Helper()
	own := must(newCredential(&s.cert))
	m := &certificateVerify{scheme: must(own.chooseSignature(s.request.schemes, VersionDTLS12))}
	m.signature = must(sign(own.signer, m.scheme, s.hs.transcript.messages()))
	for _, change := range changes {
		change(m)
	}
	s.send(m)
}

// The steps of a server.

func (s *script) readClientHello() {
	s.t.Helper()
	s.offer = new(clientHello)
	s.read(s.offer)
}

func (s *script) serverHello(changes ...func(*serverHello)) {
	s.t.Helper()
	m := &serverHello{version: VersionDTLS12, suite: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
	m.extendedMasterSecret = true
	m.renegotiationInfo = append([]byte{}, s.conn.finished.both()...)
	for _, change := range changes {
		change(m)
	}
	s.hs.clientRandom = s.offer.random
	if suite := suiteByID(m.suite, VersionDTLS12); suite != nil {
		s.hs.hellos(s.conn, s.offer, m, suite)
	}
	s.send(m)
}

// serverKeyExchange signs before most changes; a change must sign again to make the signature fit.
func (s *script) serverKeyExchange(changes ...func(*serverKeyExchange)) {
	s.t.Helper()
	s.key = must(generateKey(tls.X25519))
	m := &serverKeyExchange{kx: kxECDHEECDSA, group: tls.X25519, public: s.key.share()}
	m.scheme = tls.ECDSAWithP256AndSHA256
	m.signature = must(sign(s.cert.PrivateKey.(crypto.Signer), m.scheme,
		m.signed(&s.hs.clientRandom, &s.hs.serverRandom)))
	for _, change := range changes {
		change(m)
	}
	s.send(m)
}

func (s *script) certificateRequest() {
	s.t.Helper()
	s.request = &certificateRequest12{types: []uint8{certRequestECDSASign},
		schemes: defaultSignatureAlgorithms()}
	s.send(s.request)
}

// flights sends the flight of a server that requests no certificate, and reads the client's answer.
func (s *script) flights(changes ...func(*serverHello)) {
	s.t.Helper()
	s.readClientHello()
	s.serverHello(changes...)
	s.certificate()
	s.serverKeyExchange()
	s.send(new(serverHelloDone))
	s.clientFlight()
}

// clientFlight reads everything from Certificate, if requested, to Finished.
func (s *script) clientFlight() {
	s.t.Helper()
	if s.request != nil {
		s.read(new(certificate12))
	}
	exchange := &clientKeyExchange{kx: s.hs.suite.kx}
	s.read(exchange)
	s.derive(exchange.public)
	if s.request != nil {
		s.read(new(certificateVerify))
	}
	s.readFinished()
}

// The steps of both.

// changeCipherSpec sends only ChangeCipherSpec.
func (s *script) changeCipherSpec() { s.sendRecord(contentChangeCipherSpec, []byte{1}) }

// useKeys makes the script send with the new keys.
func (s *script) useKeys() {
	s.t.Helper()
	key, iv := s.hs.keys.clientKey, s.hs.keys.clientIV
	if !s.conn.isClient {
		key, iv = s.hs.keys.serverKey, s.hs.keys.serverIV
	}
	s.conn.written = must(newWriteEpoch12(s.hs.suite, s.conn.written.number+1, key, iv))
}

func (s *script) finished(changes ...func(*finished)) {
	s.t.Helper()
	m := &finished{s.hs.verifyData(s.conn.isClient)}
	for _, change := range changes {
		change(m)
	}
	s.send(m)
}

// finish sends ChangeCipherSpec and Finished.
func (s *script) finish() {
	s.t.Helper()
	s.changeCipherSpec()
	s.useKeys()
	s.finished()
}

func (s *script) readFinished() {
	s.t.Helper()
	s.readRecord(contentChangeCipherSpec)
	want := s.hs.verifyData(!s.conn.isClient)
	m := new(finished)
	s.read(m)
	if !slices.Equal(m.verifyData, want) {
		s.t.Fatal("script: Finished does not verify")
	}
}

func (s *script) wantComplete() {
	s.t.Helper()
	if s.done++; s.under.err != nil || s.under.done != s.done {
		s.t.Fatalf("handshake is not complete: %v\n%q", s.under.err, s.under.story)
	}
	s.conn.nextSendSeq = 0
}

// again prepares the script for a renegotiation.
func (s *script) again() {
	s.conn.finished = s.hs.finished
	s.conn.in.epoch++
	s.conn.in.read, s.conn.in.next = s.conn.in.next, nil
	s.hs, s.request = newHandshake12(newTranscript()), nil
}

// completeClient makes a complete handshake as a correct client.
func (s *script) completeClient() {
	s.t.Helper()
	s.clientHello()
	s.serverFlight()
	if s.request != nil {
		s.certificate()
	}
	s.keyExchange()
	if s.request != nil {
		s.verify()
	}
	s.finish()
	s.readFinished()
	s.wantComplete()
}

// completeServer makes a complete handshake as a correct server, which requests a certificate if
// asked is set.
func (s *script) completeServer(asked bool) {
	s.t.Helper()
	s.readClientHello()
	s.serverHello()
	s.certificate()
	s.serverKeyExchange()
	if asked {
		s.certificateRequest()
	}
	s.send(new(serverHelloDone))
	s.clientFlight()
	s.finish()
	s.wantComplete()
}
