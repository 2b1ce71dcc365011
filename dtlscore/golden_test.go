package dtlscore

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/testrandom"
)

// testdata/golden contains complete conversations: each record in both directions in the order of
// sending, followed by the secrets. To record them again after an intended change of the protocol:
//
//	go test -run Golden -update
//
// They contain nothing random, because the global source of randomness is fixed while they are
// recorded. Another Go release may take different amounts from it: then the keys and signatures in
// all files change, and nothing else.
var update = flag.Bool("update", false, "write the files in testdata/golden anew")

// A goldenCase is a conversation.
type goldenCase struct {
	name    string
	version uint16
	// prepare changes configurations with certificates, in which the client verifies the server.
	prepare func(client, server *Config)
	play    func(*golden) // nil: greet
}

var goldenCases = []goldenCase{
	{"12-ecdhe-ecdsa", VersionDTLS12, nil, nil},
	{"12-ecdhe-ecdsa-p384", VersionDTLS12, agreeOn(goldenP384, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.CurveP384), nil},
	{"12-ecdhe-ecdsa-ed25519", VersionDTLS12,
		agreeOn(goldenEd25519, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.CurveP256), nil},
	{"12-ecdhe-rsa", VersionDTLS12, agreeOn(goldenRSA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.X25519), nil},
	{"12-ecdhe-rsa-pkcs1", VersionDTLS12, goldenPKCS1, nil},
	{"12-mutual", VersionDTLS12, goldenMutual, nil},
	{"12-mutual-declined", VersionDTLS12, goldenDeclined, nil},
	{"12-psk", VersionDTLS12, goldenPSK(TLS_PSK_WITH_AES_128_GCM_SHA256), nil},
	{"12-ecdhe-psk", VersionDTLS12, goldenPSK(TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256), nil},
	{"12-raw-public-keys", VersionDTLS12, goldenRawKeys, nil},
	{"12-extensions", VersionDTLS12, goldenExtensions, nil},
	{"12-resumed", VersionDTLS12, goldenTickets, (*golden).resume},
	{"12-cookie", VersionDTLS12, goldenCookie, nil},
	{"12-renegotiation-by-client", VersionDTLS12, goldenRenegotiation, (*golden).renegotiateByClient},
	{"12-renegotiation-by-server", VersionDTLS12, goldenRenegotiation, (*golden).renegotiateByServer},
	{"12-renegotiation-refused", VersionDTLS12, goldenOneSidedRenegotiation,
		(*golden).renegotiateByClient},
	{"12-nothing-in-common", VersionDTLS12, goldenNothingInCommon, (*golden).fail},
	{"12-unknown-issuer", VersionDTLS12, goldenUnknownIssuer, (*golden).fail},

	{"13-ecdsa", VersionDTLS13, nil, nil},
	{"13-ecdsa-p384", VersionDTLS13, agreeOn(goldenP384, TLS_AES_256_GCM_SHA384, tls.X25519), nil},
	{"13-ed25519", VersionDTLS13, agreeOn(goldenEd25519, TLS_CHACHA20_POLY1305_SHA256, tls.X25519),
		nil},
	{"13-rsa", VersionDTLS13, agreeOn(goldenRSA, TLS_AES_128_GCM_SHA256, tls.X25519), nil},
	{"13-mutual", VersionDTLS13, goldenMutual, nil},
	{"13-mutual-declined", VersionDTLS13, goldenDeclined, nil},
	{"13-retry", VersionDTLS13, goldenRetry, nil},
	{"13-psk", VersionDTLS13, goldenPSK(TLS_AES_128_GCM_SHA256), nil},
	{"13-raw-public-keys", VersionDTLS13, goldenRawKeys, nil},
	{"13-extensions", VersionDTLS13, goldenExtensions, nil},
	{"13-resumed", VersionDTLS13, goldenTickets, (*golden).resume},
	{"13-key-update-by-client", VersionDTLS13, nil, (*golden).updateByClient},
	{"13-key-update-by-server", VersionDTLS13, nil, (*golden).updateByServer},
	{"13-large", VersionDTLS13, goldenLarge, (*golden).greetLarge},
	{"13-large-refused", VersionDTLS13, goldenLargeRefused, nil},
	{"13-large-retry", VersionDTLS13, goldenLargeRetry, nil},
	{"13-large-resumed", VersionDTLS13, goldenLargeTickets, (*golden).resume},
	{"13-nothing-in-common", VersionDTLS13, goldenNothingInCommon13, (*golden).fail},
	{"13-unknown-issuer", VersionDTLS13, goldenUnknownIssuer, (*golden).fail},
}

func TestGolden(t *testing.T) {
	for _, test := range goldenCases {
		t.Run(test.name, func(t *testing.T) {
			g := &golden{t: t}
			g.client, g.server = goldenConfigs(test.version)
			if test.prepare != nil {
				test.prepare(g.client, g.server)
			}
			g.client.KeyLogWriter = &g.keyLog
			if !testrandom.Set(t, 1) {
				t.Skip("only Go 1.26 or later can repeat the random values of a transcript")
			}
			if test.play == nil {
				test.play = (*golden).greet
			}
			test.play(g)
			g.secrets()
			g.compare(filepath.Join("testdata", "golden", test.name+".txt"))
		})
	}
}

// A golden records a conversation.
type golden struct {
	t              *testing.T
	client, server *Config
	pair           *testPair
	text           bytes.Buffer
	keyLog         bytes.Buffer
}

// connect creates a pair and records its records.
func (g *golden) connect() {
	g.pair = newTestPair(g.t, g.client, g.server)
	for _, e := range []*testEnd{g.pair.client, g.pair.server} {
		e.tamper = func(kind string, record []byte) []byte {
			g.record(e.name, strings.TrimPrefix(kind, "Send "), record)
			return record
		}
	}
}

// record writes a record, 32 bytes to a line.
func (g *golden) record(from, what string, record []byte) {
	fmt.Fprintf(&g.text, "%s: %s, %d bytes\n", from, what, len(record))
	for line := range slices.Chunk(record, 32) {
		var words []string
		for word := range slices.Chunk(line, 4) {
			words = append(words, hex.EncodeToString(word))
		}
		fmt.Fprintf(&g.text, "\t%s\n", strings.Join(words, " "))
	}
}

// secrets writes what both ends must agree on.
func (g *golden) secrets() {
	for i, secret := range g.pair.client.secrets {
		if !bytes.Equal(secret, g.pair.server.secrets[i]) {
			g.t.Errorf("secrets of handshake %d differ", i+1)
		}
		fmt.Fprintf(&g.text, "endpoint pair secret %d: %x\n", i+1, secret)
	}
	must(g.keyLog.WriteTo(&g.text))
}

// compare reports the first line that differs, and the record that it belongs to.
func (g *golden) compare(name string) {
	g.t.Helper()
	if *update {
		if err := os.WriteFile(name, g.text.Bytes(), 0o666); err != nil {
			g.t.Fatal(err)
		}
		return
	}
	file, err := os.ReadFile(name)
	if err != nil {
		g.t.Fatal(err)
	}
	want, got := strings.SplitAfter(string(file), "\n"), strings.SplitAfter(g.text.String(), "\n")
	record := ""
	for i := range max(len(want), len(got)) {
		w, h := "(end of file)\n", "(end of conversation)\n"
		if i < len(want) {
			w = want[i]
		}
		if i < len(got) {
			h = got[i]
		}
		if !strings.HasPrefix(h, "\t") {
			record = h
		}
		if w != h {
			g.t.Fatalf("%s:%d is not what is on the wire any more. In %swant %sgot  %s", name, i+1, record,
				w, h)
		}
	}
}

// The following are the conversations.

// greet makes a handshake, sends a message in each direction, and closes.
func (g *golden) greet() {
	g.hello()
	g.close()
}

func (g *golden) hello() {
	g.t.Helper()
	g.connect()
	g.pair.handshake()
	g.pair.client.write("hello, server")
	g.pair.server.write("hello, client")
	g.pair.run()
}

func (g *golden) close() {
	g.t.Helper()
	g.pair.client.conn.Close()
	g.pair.client.obey()
	g.pair.run()
	if !g.pair.client.closed || !g.pair.server.closed {
		g.t.Fatalf("no end: %v, %v", g.pair.client.err, g.pair.server.err)
	}
}

func (g *golden) resume() {
	g.greet()
	g.secrets()
	g.text.WriteString("another connection\n")
	g.greet()
	if !g.pair.client.conn.ConnectionState().DidResume {
		g.t.Error("the session was not resumed")
	}
}

func (g *golden) renegotiateByClient() {
	g.hello()
	g.change(g.pair.client, g.pair.client.conn.Renegotiate())
}

func (g *golden) renegotiateByServer() {
	g.hello()
	g.change(g.pair.server, g.pair.server.conn.Renegotiate())
}

func (g *golden) updateByClient() {
	g.hello()
	g.change(g.pair.client, g.pair.client.conn.KeyUpdate(UpdateRequested))
}

// greetLarge sends messages of each size, before and after a key change.
func (g *golden) greetLarge() {
	g.hello()
	g.pair.server.write(strings.Repeat("hello, client ", 10))
	g.pair.client.write(strings.Repeat("hello, server ", 1<<14/14))
	g.pair.run()
	g.change(g.pair.client, g.pair.client.conn.KeyUpdate(UpdateNotRequested))
}

func (g *golden) updateByServer() {
	g.hello()
	g.change(g.pair.server, g.pair.server.conn.KeyUpdate(UpdateNotRequested))
}

// change continues after an end has begun to change the keys.
func (g *golden) change(e *testEnd, err error) {
	g.t.Helper()
	if err != nil {
		g.t.Fatal(err)
	}
	e.obey()
	g.pair.run()
	g.pair.client.write("hello again")
	g.pair.run()
	g.close()
}

// fail makes a handshake that ends with an alert.
func (g *golden) fail() {
	g.connect()
	g.pair.start()
	g.pair.run()
	if g.pair.client.err == nil || g.pair.server.err == nil {
		g.t.Error("the handshake did not fail")
	}
}

// The following are the configurations.

// goldenConfigs returns the configurations on which the others are based.
func goldenConfigs(version uint16) (client, server *Config) {
	certs := goldenCerts()
	client, server = testClientConfig(), testServerConfig(tls.NoClientCert)
	client.RootCAs, server.ClientCAs = certs.ca.pool(), certs.ca.pool()
	client.Certificates, server.Certificates = []tls.Certificate{certs.client},
		[]tls.Certificate{certs.ecdsa}
	for _, c := range []*Config{client, server} {
		c.MinVersion, c.MaxVersion = version, version
	}
	return client, server
}

func goldenP384() tls.Certificate    { return goldenCerts().p384 }
func goldenEd25519() tls.Certificate { return goldenCerts().ed25519 }
func goldenRSA() tls.Certificate     { return goldenCerts().rsa }

func agreeOn(cert func() tls.Certificate, suite uint16,
	group tls.CurveID) func(client, server *Config) {
	return func(client, server *Config) {
		server.Certificates = []tls.Certificate{cert()}
		server.CipherSuites, server.CurvePreferences = []uint16{suite}, []tls.CurveID{group}
	}
}

func goldenPKCS1(client, server *Config) {
	cert := goldenCerts().rsa
	cert.SupportedSignatureAlgorithms = []tls.SignatureScheme{tls.PKCS1WithSHA256}
	server.Certificates = []tls.Certificate{cert}
}

func goldenMutual(client, server *Config) { server.ClientAuth = tls.RequireAndVerifyClientCert }

func goldenDeclined(client, server *Config) {
	client.Certificates, server.ClientAuth = nil, tls.VerifyClientCertIfGiven
}

func goldenPSK(suite uint16) func(client, server *Config) {
	return func(client, server *Config) {
		client.GetPSK = func([]byte) (*PSK, error) { return &testPSK, nil }
		server.LookupPSK = func([]byte) (*PSK, error) { return &testPSK, nil }
		client.CipherSuites = []uint16{suite}
		server.CipherSuites = []uint16{suite}
	}
}

func goldenRawKeys(client, server *Config) {
	client.RawKey = client.Certificates[0].PrivateKey.(crypto.Signer)
	server.RawKey = server.Certificates[0].PrivateKey.(crypto.Signer)
	client.Certificates, server.Certificates = nil, nil
	client.VerifyRawKey, server.VerifyRawKey = trusts(server.RawKey.Public()),
		trusts(client.RawKey.Public())
	server.ClientAuth = tls.RequireAnyClientCert
}

func goldenExtensions(client, server *Config) {
	client.NextProtos, server.NextProtos = []string{"diameter/1", "x"}, []string{"x"}
	server.Certificates[0].OCSPStaple = []byte("not really an OCSP response")
}

func goldenTickets(client, server *Config) {
	client.SessionCache, server.TicketKeys = NewSessionCache(1), new(TicketKeys)
	must(0, server.TicketKeys.Set([ticketKeyLen]byte{1}))
}

func goldenCookie(client, server *Config) { server.CookieExchange = true }

func goldenRenegotiation(client, server *Config) {
	goldenMutual(client, server)
	client.Renegotiation, server.Renegotiation = RenegotiateFreely, RenegotiateFreely
}

func goldenOneSidedRenegotiation(client,
	server *Config) {
	client.Renegotiation = RenegotiateFreely
}

func goldenNothingInCommon(client, server *Config) {
	agreeOn(goldenRSA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.X25519)(client, server)
	client.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
}

func goldenNothingInCommon13(client, server *Config) {
	client.CipherSuites = []uint16{TLS_AES_128_GCM_SHA256}
	server.CipherSuites = []uint16{TLS_AES_256_GCM_SHA384}
}

// goldenRetry makes the server request a key share that the client did not send.
func goldenRetry(client, server *Config) { server.CurvePreferences = []tls.CurveID{tls.CurveP384} }

func goldenLarge(client, server *Config) {
	client.MaxMessageSize, server.MaxMessageSize = 1<<16, 1<<20
}

func goldenLargeRefused(client, server *Config) { client.MaxMessageSize = 1 << 16 }

func goldenLargeRetry(client, server *Config) {
	goldenLarge(client, server)
	goldenRetry(client, server)
}

func goldenLargeTickets(client, server *Config) {
	goldenLarge(client, server)
	goldenTickets(client, server)
}

func goldenUnknownIssuer(client, server *Config) { client.RootCAs = x509.NewCertPool() }

// goldenCerts are certificates that are always the same.
var goldenCerts = sync.OnceValue(func() *testCertificates {
	serial := int64(0)
	number := func(c *x509.Certificate) { serial++; c.SerialNumber = big.NewInt(serial) }
	caKey := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	ca := newTestCertificate(caKey, nil, func(c *x509.Certificate) {
		number(c)
		c.Subject.CommonName, c.IsCA, c.KeyUsage = "golden CA", true, x509.KeyUsageCertSign
	})
	c := &testCertificates{ca: &testAuthority{ca, caKey}}
	c.ecdsa = c.ca.issue(goldenECDSA(elliptic.P256(), 2), number)
	c.p384 = c.ca.issue(goldenECDSA(elliptic.P384(), 3), number)
	c.ed25519 = c.ca.issue(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{4}, ed25519.SeedSize)), number)
	c.rsa = c.ca.issue(goldenRSAKey(), number)
	c.client = c.ca.issue(goldenECDSA(elliptic.P256(), 5),
		func(c *x509.Certificate) { number(c); c.Subject.CommonName = "client" })
	return c
})

func goldenRSAKey() crypto.Signer {
	block, _ := pem.Decode(must(os.ReadFile(filepath.Join("testdata", "golden", "rsa.pem"))))
	return must(x509.ParsePKCS8PrivateKey(block.Bytes)).(crypto.Signer)
}

// A deterministicECDSA signs without a source of randomness: RFC 6979.
type deterministicECDSA struct{ *ecdsa.PrivateKey }

func (k deterministicECDSA) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte,
	error) {
	return k.PrivateKey.Sign(nil, digest, opts)
}

func goldenECDSA(curve elliptic.Curve, secret byte) crypto.Signer {
	key := bytes.Repeat([]byte{secret}, curve.Params().BitSize/8)
	return deterministicECDSA{must(ecdsa.ParseRawPrivateKey(curve, key))}
}
