package dtlscore

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A recordedConnection is a complete connection between other implementations.
// testdata/connections/connections.json describes the fields.
type recordedConnection struct {
	Name, Client, Server, Version, PSK string
	KeyLog, Exporters                  []string
	Records                            [][2]string // "c>s" or "s>c", and bytes
}

func (c *recordedConnection) records(t *testing.T) (records [][]byte, fromClient []bool) {
	for _, r := range c.Records {
		records = append(records, unhex(t, r[1]))
		fromClient = append(fromClient, r[0] == "c>s")
	}
	return records, fromClient
}

func recordedConnections(t testing.TB) []recordedConnection {
	t.Helper()
	var file struct{ Connections []recordedConnection }
	readJSON(t, "connections/connections.json", &file)
	return file.Connections
}

func readJSON(t testing.TB, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		t.Fatal(err)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// An observer decrypts a recorded connection with its key log.
type observer struct {
	t       *testing.T
	c       recordedConnection
	pattern int // of application messages of the client seen so far

	// From the hello messages.
	version                    uint16
	suite                      *cipherSuite
	clientRandom, serverRandom [randomLen]byte
	hello                      *clientHello

	transcript *transcript
	handshakes int
	chain      map[bool]*x509.Certificate
	sides      map[bool]*observedSide // by fromClient
	counts     map[string]int         // what was checked
}

type observedSide struct {
	reassembler
	epoch uint64
	open  map[uint64]func(record []byte) (contentType, []byte)
}

func newObserver(t *testing.T, c recordedConnection) *observer {
	o := &observer{t: t, c: c, transcript: newTranscript(),
		chain: map[bool]*x509.Certificate{}, counts: map[string]int{}, sides: map[bool]*observedSide{}}
	for _, fromClient := range []bool{true, false} {
		o.sides[fromClient] = &observedSide{open: map[uint64]func([]byte) (contentType, []byte){
			0: o.openPlain,
		}}
	}
	return o
}

func (o *observer) openPlain(record []byte) (contentType, []byte) {
	h, fragment, err := parseRecord(record)
	if err != nil {
		o.t.Fatal(err)
	}
	return h.typ, fragment
}

// record processes the next record, and reports whether it could be decrypted.
func (o *observer) record(record []byte, fromClient bool) bool {
	side := o.sides[fromClient]
	epoch := side.epoch
	if isUnified(record[0]) {
		h, err := parseUnified(record, usualForm)
		if err != nil {
			o.t.Fatal(err)
		}
		epoch = max(epoch, 2)
		for byte(epoch&3) != h.epoch {
			epoch++
		}
		if o.version == VersionDTLS13 {
			o.keys13(epoch, fromClient)
		}
	} else {
		h, _, err := parseRecord(record)
		if err != nil {
			o.t.Fatal(err)
		}
		epoch = uint64(h.epoch)
	}
	open := side.open[epoch]
	if open == nil {
		return false
	}
	if isUnified(record[0]) {
		side.epoch = epoch
	}
	typ, content := open(record)
	switch typ {
	case contentHandshake:
		for len(content) > 0 {
			h, fragment, rest, err := parseFragment(content)
			if err != nil {
				o.t.Fatal(err)
			}
			if err := side.add(epoch, h, fragment); err != nil {
				o.t.Fatal(err)
			}
			content = rest
		}
		for m, ok := side.take(); ok; m, ok = side.take() {
			o.handshake(m, fromClient)
		}
	case contentChangeCipherSpec:
		if !bytes.Equal(content, []byte{1}) {
			o.t.Fatalf("ChangeCipherSpec %x", content)
		}
		o.keys12(epoch+1, fromClient)
	case contentApplicationData:
		o.application(content, fromClient)
	case contentACK:
		records, err := parseACK(content)
		if err != nil {
			o.t.Fatal(err)
		}
		if again, _ := appendACK(nil, records); !bytes.Equal(again, content) {
			o.t.Errorf("ACK %x written as %x", content, again)
		}
		o.counts["ack"]++
	case contentAlert:
		if _, a, err := parseAlert(content); err != nil || a != AlertCloseNotify {
			o.t.Fatalf("alert %v, %v", a, err)
		}
		o.counts["close_notify"]++
	}
	return true
}

// application checks that the data has the pattern that connections.json describes.
func (o *observer) application(content []byte, fromClient bool) {
	i := o.pattern - 1
	if fromClient {
		i = o.pattern
		o.pattern++
	}
	for j, v := range content {
		if v != byte(7*i+13*j+j/256) {
			o.t.Fatalf("byte %d of application message %d is %d", j, i, v)
		}
	}
	o.counts["data"]++
}

// keyLog returns the secret of the line that begins with the given words.
func (o *observer) keyLog(format string, args ...any) []byte {
	for _, line := range o.c.KeyLog {
		if rest, ok := strings.CutPrefix(line, fmt.Sprintf(format, args...)+" "); ok {
			return unhex(o.t, rest)
		}
	}
	return nil
}

func (o *observer) keys12(epoch uint64, fromClient bool) {
	if o.suite == nil {
		return // which we do not implement
	}
	master := o.keyLog("CLIENT_RANDOM %x", o.clientRandom)
	block := newKeyBlock(o.suite, newPRF12(o.suite.hash, master), &o.clientRandom, &o.serverRandom)
	key, iv := block.serverKey, block.serverIV
	if fromClient {
		key, iv = block.clientKey, block.clientIV
	}
	p, err := newProtection12(o.suite.aead, uint16(epoch), key, iv)
	if err != nil {
		o.t.Fatal(err)
	}
	o.sides[fromClient].open[epoch] = func(record []byte) (contentType, []byte) {
		h, fragment, err := parseRecord(record)
		if err != nil {
			o.t.Fatal(err)
		}
		before := slices.Clone(record)
		content, err := p.open(h, fragment)
		if err != nil {
			o.t.Fatal(err)
		}
		// Other implementations choose the explicit nonce differently; only those that choose it as
		// we do send the same record.
		again := p.seal(nil, h.typ, h.sequence, content)
		if n := recordHeaderLen + p.explicitLen(); bytes.Equal(before[:n], again[:n]) &&
			!bytes.Equal(before, again) {
			o.t.Errorf("record %x written as %x", before, again)
		}
		return h.typ, content
	}
	want := o.c.Exporters[min(o.handshakes, len(o.c.Exporters)-1)]
	got, err := export12(newPRF12(o.suite.hash, master), &o.clientRandom, &o.serverRandom,
		"EXPORTER_DTLS_OVER_SCTP", nil, 64)
	if err != nil || hex.EncodeToString(got) != want {
		o.t.Errorf("exporter gives %x, %v; not %s", got, err, want)
	}
	o.counts["exporter"]++
}

func sender(fromClient bool) string {
	if fromClient {
		return "client"
	}
	return "server"
}

func (o *observer) keys13(epoch uint64, fromClient bool) {
	side := o.sides[fromClient]
	if side.open[epoch] != nil {
		return
	}
	secret := o.trafficSecret(epoch, fromClient)
	schedule := newKeySchedule(o.suite.hash)
	if before := o.trafficSecret(epoch-1, fromClient); epoch > 3 &&
		!bytes.Equal(schedule.nextTraffic(before), secret) {
		o.t.Errorf("traffic secret of epoch %d does not follow from the one before", epoch)
	}
	keys := schedule.trafficKeys(o.suite.aead, secret)
	p, err := newProtection13(o.suite.aead, epoch, keys, usualForm)
	if err != nil {
		o.t.Fatal(err)
	}
	side.open[epoch] = func(record []byte) (contentType, []byte) {
		h, err := parseUnified(record, usualForm)
		if err != nil {
			o.t.Fatal(err)
		}
		before := slices.Clone(record)
		typ, sequence, content, err := p.open(h, record)
		if err != nil {
			o.t.Fatal(err)
		}
		again := p.seal(nil, typ, sequence, content)
		if len(again) == len(before) && again[0] == before[0] && !bytes.Equal(before, again) {
			o.t.Errorf("record %x written as %x", before, again)
		}
		return typ, content
	}
}

func (o *observer) trafficSecret(epoch uint64, fromClient bool) []byte {
	return o.keyLog("EPOCH_SECRET %d %s", epoch, sender(fromClient))
}

func (o *observer) handshake(raw handshakeMessage, fromClient bool) {
	form := messageForm{version: o.version}
	if o.suite != nil {
		form.kx = o.suite.kx
	} else if o.version == VersionDTLS12 {
		form.kx = kxECDHEECDSA // of all connections with suites that we do not implement
	}
	m, err := parseMessage(raw.typ, raw.body(), form)
	if err != nil {
		o.t.Fatalf("%v: %v", raw.typ, err)
	}
	checkRoundTrip(o.t, m, raw.body(), form)
	o.counts[raw.typ.String()]++

	switch m := m.(type) {
	case *helloRequest:
		return // not part of the transcript
	case *helloVerifyRequest:
		o.transcript.restart()
		return
	case *clientHello:
		if o.hello != nil && o.transcript.hash != nil && o.version == VersionDTLS12 { // a renegotiation
			o.transcript.restart()
		}
		o.hello, o.clientRandom = m, m.random
		o.binder(raw, m)
	case *serverHello:
		o.serverHello(raw, m)
		return
	case *certificate12:
		o.certificate(m.chain[0], fromClient)
	case *certificate13:
		o.certificate(m.entries[0].data, fromClient)
	case *serverKeyExchange:
		if cert := o.chain[false]; cert != nil {
			err := verifySignature(cert.PublicKey, m.scheme, o.hello.signatureAlgorithms, VersionDTLS12,
				m.signed(&o.clientRandom, &o.serverRandom), m.signature)
			if err != nil {
				o.t.Errorf("ServerKeyExchange: %v", err)
			}
		}
	case *certificateVerify:
		covered := o.transcript.messages()
		if o.version == VersionDTLS13 {
			context := contextServerSignature
			if fromClient {
				context = contextClientSignature
			}
			covered = signed13(context, o.transcript.sum())
		}
		err := verifySignature(o.chain[fromClient].PublicKey, m.scheme, defaultSignatureAlgorithms(),
			o.version, covered, m.signature)
		if err != nil {
			o.t.Errorf("CertificateVerify: %v", err)
		}
	case *finished:
		o.finished(m, fromClient)
	}
	if side := o.sides[fromClient]; o.version != VersionDTLS13 || side.epoch < 3 {
		o.transcript.addMessages(raw.whole)
	}
	if raw.typ == typeFinished {
		o.handshakeEnds()
	}
}

func (o *observer) serverHello(raw handshakeMessage, m *serverHello) {
	o.version = VersionDTLS12
	if len(m.supportedVersions) > 0 {
		o.version = m.supportedVersions[0]
	}
	o.serverRandom = m.random
	o.suite = suiteByID(m.suite, o.version)
	if o.transcript.hash == nil {
		alg := crypto.SHA256 // of all suites that we do not implement
		if o.suite != nil {
			alg = o.suite.hash
		}
		o.transcript.choose(o.version, alg)
	}
	if m.isRetry() {
		o.transcript.retry()
	} else if o.c.PSK == "" || o.version == VersionDTLS12 {
		if m.has(extPreSharedKey) {
			o.t.Error("server selected a pre-shared key")
		}
	}
	err := m.unsolicited(&o.hello.extensions, inClientHello, extRenegotiationInfo, extCookie)
	if err != nil && o.suite != nil { // otherwise it is an extension for CBC suites
		o.t.Error(err)
	}
	o.transcript.addMessages(raw.whole)
}

// binder verifies the binder of an external key. RFC 8446, Section 4.2.11.2.
func (o *observer) binder(raw handshakeMessage, m *clientHello) {
	if len(m.binders) == 0 {
		return
	}
	schedule := newKeySchedule(crypto.SHA256)
	key := schedule.early(unhex(o.t, o.c.PSK)).binderKey(true)
	sum := o.transcript.sumTruncated(crypto.SHA256, raw.whole, m.bindersLen())
	if want := schedule.finished13(key, sum); !bytes.Equal(m.binders[0], want) {
		o.t.Errorf("binder is %x, not %x", m.binders[0], want)
	}
	o.counts["binder"]++
}

func (o *observer) certificate(der []byte, fromClient bool) {
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		o.t.Fatal(err)
	}
	o.chain[fromClient] = cert
}

func (o *observer) finished(m *finished, fromClient bool) {
	var want []byte
	if o.version == VersionDTLS12 {
		master := o.keyLog("CLIENT_RANDOM %x", o.clientRandom)
		want = finished12(newPRF12(o.suite.hash, master), fromClient, o.transcript.sum())
	} else {
		want = newKeySchedule(o.suite.hash).finished13(o.trafficSecret(2, fromClient), o.transcript.sum())
	}
	if !bytes.Equal(m.verifyData, want) {
		o.t.Errorf("Finished of the %s is %x, not %x", sender(fromClient), m.verifyData, want)
	}
}

// handshakeEnds resets message_seq after the second Finished of DTLS 1.2.
func (o *observer) handshakeEnds() {
	if o.version == VersionDTLS12 && o.counts["Finished"]%2 == 0 {
		o.handshakes++
		o.sides[true].restart()
		o.sides[false].restart()
		clear(o.chain)
	}
}

// F11, I3: TestRecordedConnections decrypts every record, parses every message, and verifies every
// Finished, signature, binder and exporter of connections between other implementations.
func TestRecordedConnections(t *testing.T) {
	// CBC and CCM suites, which we do not implement: their hello messages are parsed.
	notOurs := map[string]bool{
		"1.2 ECDHE-ECDSA-AES128-CCM":                          true,
		"1.2 ECDHE-ECDSA-AES128-CCM8":                         true,
		"1.2 ECDHE-ECDSA-AES128-SHA256 encrypt-then-mac":      true,
		"1.2 ECDHE-ECDSA-AES128-SHA256 mac-then-encrypt":      true,
		"1.2 ECDHE-ECDSA-AES256-SHA mac-then-encrypt":         true,
		"1.2 renegotiation by the server (HelloRequest)":      false,
		"1.2 renegotiation by the client, client certificate": false,
	}
	for _, c := range recordedConnections(t) {
		t.Run(c.Name, func(t *testing.T) {
			o := newObserver(t, c)
			opened := 0
			records, fromClient := c.records(t)
			for i, r := range records {
				if o.record(r, fromClient[i]) {
					opened++
				}
			}
			if all := opened == len(records); all == notOurs[c.Name] {
				t.Errorf("opened %d of %d records", opened, len(records))
			}
			if notOurs[c.Name] {
				return
			}
			if o.counts["Finished"] < 2 || o.counts["data"] == 0 {
				t.Errorf("saw only %v", o.counts)
			}
			if c.Version == "1.2" && o.handshakes != len(c.Exporters) {
				t.Errorf("%d handshakes with %d exporters", o.handshakes, len(c.Exporters))
			}
			if c.Version == "1.3" && c.PSK != "" && o.counts["binder"] == 0 {
				t.Error("no binder")
			}
		})
	}
}

// checkRoundTrip marshals a parsed message. The result must be the same bytes, except that unknown
// extensions are omitted and the others are in our order; so the result is parsed and marshaled
// once more. I3
func checkRoundTrip(t testing.TB, m message, body []byte, form messageForm) {
	t.Helper()
	b, err := appendMessage(nil, 0, m)
	if err != nil {
		t.Fatalf("%v: %v", m.typ(), err)
	}
	again, err := parseMessage(m.typ(), b[handshakeHeaderLen:], form)
	if err != nil {
		t.Fatalf("%v written as %x: %v", m.typ(), b, err)
	}
	b2, err := appendMessage(nil, 0, again)
	if err != nil || !bytes.Equal(b, b2) {
		t.Fatalf("%v written as %x and then as %x, %v", m.typ(), b, b2, err)
	}
	if !hasExtensions(m) && !bytes.Equal(b[handshakeHeaderLen:], body) {
		t.Fatalf("%v %x written as %x", m.typ(), body, b[handshakeHeaderLen:])
	}
}

func hasExtensions(m message) bool {
	switch m.(type) {
	case *clientHello, *serverHello, *encryptedExtensions, *certificate13, *certificateRequest13,
		*newSessionTicket13:
		return true
	}
	return false
}
