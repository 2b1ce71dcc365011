package dtlscore

import (
	"bytes"
	"crypto/ecdh"
	"crypto/tls"
	"os"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
)

// A recordedMessage replaces one of our messages with one of the same meaning and different bytes.
type recordedMessage struct {
	handshakeType
	body []byte
}

func (m recordedMessage) typ() handshakeType            { return m.handshakeType }
func (m recordedMessage) marshal(b *cryptobyte.Builder) { b.AddBytes(m.body) }
func (m recordedMessage) parse([]byte) error            { return nil }

// illustratedRecords are the records of the Illustrated DTLS Connection.
type illustratedRecords struct {
	t    *testing.T
	file illustrated
}

func (r *illustratedRecords) record(name string) []byte {
	r.t.Helper()
	for _, rec := range r.file.Records {
		if rec.Name == name {
			return unhex(r.t, rec.Record)
		}
	}
	r.t.Fatalf("no record %q", name)
	return nil
}

// message returns the handshake message in a record.
func (r *illustratedRecords) message(name string) recordedMessage {
	r.t.Helper()
	for _, rec := range r.file.Records {
		if rec.Name == name {
			h, body, _, err := parseFragment(unhex(r.t, rec.Plaintext))
			if err != nil {
				r.t.Fatal(err)
			}
			return recordedMessage{h.typ, body}
		}
	}
	r.t.Fatalf("no record %q", name)
	return recordedMessage{}
}

func (r *illustratedRecords) key(private string) *ephemeralKey {
	r.t.Helper()
	key, err := ecdh.X25519().NewPrivateKey(unhex(r.t, private))
	if err != nil {
		r.t.Fatal(err)
	}
	return &ephemeralKey{group: tls.X25519, ecdh: key}
}

// wantSent checks that the end sent exactly the recorded records.
func (r *illustratedRecords) wantSent(e *testEnd, names ...string) {
	r.t.Helper()
	if e.err != nil || len(e.sent) != len(names) {
		r.t.Fatalf("%s: sent %d records, want %q: %v", e.name, len(e.sent), names, e.err)
	}
	for i, name := range names {
		if want := r.record(name); !bytes.Equal(e.sent[i].bytes, want) {
			r.t.Errorf("%s: %s is\n%x, want\n%x", e.name, name, e.sent[i].bytes, want)
		}
	}
	e.sent = nil
}

// wantSecrets compares the key log with the recorded one, and checks the exporters.
func (r *illustratedRecords) wantSecrets(e *testEnd, log string) {
	r.t.Helper()
	recorded, err := os.ReadFile("testdata/illustrated-dtls13/keylog.txt")
	if err != nil {
		r.t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(recorded)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		lines++
		// The recorded log uses an older name.
		line = strings.Replace(line, "CLIENT_TRAFFIC_SECRET ", "CLIENT_TRAFFIC_SECRET_0 ", 1)
		line = strings.Replace(line, "SERVER_TRAFFIC_SECRET ", "SERVER_TRAFFIC_SECRET_0 ", 1)
		if !strings.Contains(strings.ToLower(log), strings.ToLower(line)) {
			r.t.Errorf("%s: key log has no line\n%s", e.name, line)
		}
	}
	if lines == 0 || strings.Count(log, "\n") != 5 {
		r.t.Errorf("%s: key log is\n%s", e.name, log)
	}
	for label, want := range map[string]string{
		EndpointSecretLabel:         r.file.Exporter,
		"EXPORTER_DTLS13_OVER_SCTP": r.file.ExporterOfDraft,
	} {
		for _, context := range [][]byte{nil, {}} { // the same in 1.3
			got := must(e.conn.ExportKeyingMaterial(label, context, endpointSecretLen))
			if !bytes.Equal(got, unhex(r.t, want)) {
				r.t.Errorf("%s: exported %x for %s", e.name, got, label)
			}
		}
	}
	if !bytes.Equal(e.secrets[0], unhex(r.t, r.file.Exporter)) {
		r.t.Errorf("%s: endpoint pair shared secret is %x", e.name, e.secrets[0])
	}
}

func newIllustrated(t *testing.T) *illustratedRecords {
	r := &illustratedRecords{t: t}
	readJSON(t, "illustrated-dtls13/dtls13-connection.json", &r.file)
	return r
}

// Our client takes the place of the recorded one.
func TestIllustratedConnection13Client(t *testing.T) {
	r := newIllustrated(t)
	var log strings.Builder
	e := &testEnd{t: t, name: "client"}
	e.conn = must(Client(&Config{InsecureSkipVerify: true, MinVersion: VersionDTLS13,
		MaxVersion: VersionDTLS13, KeyLogWriter: &log}))
	recorded := r.message("ClientHello")
	s := &clientWaitServerHello{hello: new(clientHello), transcript: newTranscript(),
		keys: []*ephemeralKey{r.key(r.file.ClientPrivateKey)}}
	if err := s.hello.parse(recorded.body); err != nil {
		t.Fatal(err)
	}
	e.conn.started, e.conn.handshaking, e.conn.state = true, true, s
	s.transcript.addMessages(must(e.conn.send(recorded)))
	e.obey()
	r.wantSent(e, "ClientHello")

	for _, name := range []string{"ServerHello", "EncryptedExtensions", "Certificate",
		"CertificateVerify", "Finished (server)"} {
		e.receive(testRecord{r.record(name), true})
	}
	r.wantSent(e, "Finished (client)")
	r.wantSecrets(e, log.String())
	e.receive(testRecord{r.record("ACK (of client Finished)"), true})
	e.write("ping")
	r.wantSent(e, "ApplicationData (client)")
	e.receive(testRecord{r.record("ApplicationData (server)"), false})
	if len(e.data) != 1 || string(e.data[0]) != "pong" {
		t.Errorf("received %q", e.data)
	}
	e.receive(testRecord{r.record("Alert (close_notify)"), true})
	if e.err != nil || !e.closed {
		t.Errorf("not closed: %v", e.err)
	}
}

// An illustratedServer answers with the recorded messages.
type illustratedServer struct{ *illustratedRecords }

func (s *illustratedServer) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	offer := m.(*clientHello)
	hs := &serverHandshake13{handshake13: handshake13{transcript: newTranscript()}, offer: offer}
	hs.choose(c, offer, suiteByID(TLS_AES_128_GCM_SHA256, VersionDTLS13))
	hs.received(raw)
	s.check(hs.send(c, s.message("ServerHello")))
	s.check(hs.deriveHandshake(c, must(s.key(s.file.ServerPrivateKey).agree(offer.keyShares[0].data))))
	for _, name := range []string{"EncryptedExtensions", "Certificate", "CertificateVerify"} {
		s.check(hs.send(c, s.message(name)))
	}
	return &server13WaitFinished{hs}, hs.finish(c)
}

func (r *illustratedRecords) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// Our server takes the place of the recorded one.
func TestIllustratedConnection13Server(t *testing.T) {
	r := newIllustrated(t)
	var log strings.Builder
	e := &testEnd{t: t, name: "server"}
	config := testServerConfig13(tls.NoClientCert)
	config.KeyLogWriter = &log
	e.conn = must(Server(config))
	r.check(e.conn.Start())
	e.conn.state = &illustratedServer{r}
	e.receive(testRecord{r.record("ClientHello"), true})
	r.wantSent(e, "ServerHello", "EncryptedExtensions", "Certificate", "CertificateVerify",
		"Finished (server)")

	e.receive(testRecord{r.record("Finished (client)"), true})
	r.wantSent(e, "ACK (of client Finished)")
	r.wantSecrets(e, log.String())
	e.receive(testRecord{r.record("ApplicationData (client)"), false})
	if len(e.data) != 1 || string(e.data[0]) != "ping" {
		t.Errorf("received %q", e.data)
	}
	e.write("pong")
	e.conn.Close()
	e.obey()
	r.wantSent(e, "ApplicationData (server)", "Alert (close_notify)")
}
