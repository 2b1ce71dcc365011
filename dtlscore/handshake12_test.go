package dtlscore

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// exchangeData sends messages of several sizes in both directions, on streams other than 0 and in
// any order. RFC 6083, Sections 3.3 and 4.4.
func (p *testPair) exchangeData() {
	p.t.Helper()
	for _, e := range []*testEnd{p.client, p.server} {
		e.peer.data = nil
		var want [][]byte
		for _, n := range []int{1, 0, 1000, MaxPlaintext} {
			data := bytes.Repeat([]byte{byte(n)}, n)
			want = append(want, data)
			e.write(string(data))
		}
		in := e.peer.inbox
		for i, j := range []int{3, 0, 2, 1} {
			e.peer.receive(in[j])
			if e.peer.err != nil || !bytes.Equal(e.peer.data[i], want[j]) {
				p.t.Fatalf("%s: message %d: %v", e.peer.name, j, e.peer.err)
			}
		}
		e.peer.inbox = nil
	}
}

// hasSuite returns a check that the cipher suite was negotiated.
func hasSuite(id uint16) func(ConnectionState) bool {
	return func(s ConnectionState) bool { return s.CipherSuite == id }
}

// The ends negotiate what they have in common, or the handshake fails with an alert.
func TestNegotiation12(t *testing.T) {
	tests := []struct {
		name   string
		change func(client, server *Config)
		alert  Alert // of the server
		fault  error
		check  func(s ConnectionState) bool
	}{
		{name: "server's order of suites", change: func(c, s *Config) {
			c.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
				TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
			s.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
				TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		}, check: hasSuite(TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)},
		{name: "server's order of groups", change: func(c, s *Config) {
			c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384, tls.CurveP256}
			s.CurvePreferences = []tls.CurveID{tls.CurveP384, tls.X25519}
		}, check: func(s ConnectionState) bool { return s.CurveID == tls.CurveP384 }},
		{name: "no group for the certificate", change: func(c, s *Config) {
			c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP384}
		}, alert: AlertHandshakeFailure, fault: ErrPeerIncompatible},
		{name: "no suite in common", change: func(c, s *Config) {
			c.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
			s.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
		}, alert: AlertHandshakeFailure, fault: ErrPeerIncompatible},
		{name: "no suite for the certificate", change: func(c, s *Config) {
			c.CipherSuites = []uint16{TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		}, alert: AlertHandshakeFailure, fault: ErrPeerIncompatible},
		{name: "no group in common", change: func(c, s *Config) {
			c.CurvePreferences = []tls.CurveID{tls.X25519}
			s.CurvePreferences = []tls.CurveID{tls.CurveP256}
		}, alert: AlertHandshakeFailure, fault: ErrPeerIncompatible},
		{name: "no protocol in common", change: func(c, s *Config) {
			c.NextProtos, s.NextProtos = []string{"a"}, []string{"b"}
		}, alert: AlertNoApplicationProtocol, fault: ErrPeerIncompatible},
		{name: "protocols of the client alone", change: func(c, s *Config) {
			c.NextProtos = []string{"a"}
		}, check: func(s ConnectionState) bool { return s.NegotiatedProtocol == "" }},
		{name: "protocols of the server alone", change: func(c, s *Config) {
			s.NextProtos = []string{"a"}
		}, check: func(s ConnectionState) bool { return s.NegotiatedProtocol == "" }},
		{name: "address as name", change: func(c, s *Config) {
			c.ServerName, c.InsecureSkipVerify = "192.0.2.1", true
		}, check: func(s ConnectionState) bool { return s.ServerName == "" }},
		{name: "name with a dot at the end", change: func(c, s *Config) {
			c.ServerName += "."
		}, check: func(s ConnectionState) bool { return s.ServerName == testName }},
		{name: "certificate of several that fits", change: func(c, s *Config) {
			c.CipherSuites = []uint16{TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
			s.Certificates = append(s.Certificates, testCerts().rsa)
		}, check: hasSuite(TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)},
		{name: "GetCertificate", change: func(c, s *Config) {
			s.Certificates = nil
			s.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if info.ServerName != testName || info.SupportsCertificate(&testCerts().rsa) != nil {
					return nil, errors.New("wrong ClientHelloInfo")
				}
				return &testCerts().rsa, nil
			}
		}, check: hasSuite(TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)},
		{name: "GetCertificate has none", change: func(c, s *Config) {
			s.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
		}},
		{name: "GetCertificate fails", change: func(c, s *Config) {
			s.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				return nil, errors.New("no")
			}
		}, alert: AlertInternalError, fault: ErrMisuse},
		{name: "no certificate at all", change: func(c, s *Config) {
			s.Certificates = nil
			s.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
		}, alert: AlertUnrecognizedName, fault: ErrPeerIncompatible},
		{name: "GetConfigForClient", change: func(c, s *Config) {
			other := testServerConfig(tls.NoClientCert)
			other.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
			s.GetConfigForClient = func(*tls.ClientHelloInfo) (*Config, error) { return other, nil }
		}, check: hasSuite(TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)},
		{name: "GetConfigForClient has all", change: func(c, s *Config) {
			other := testServerConfig(tls.NoClientCert)
			*s = Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*Config, error) {
				return other, nil
			}}
		}},
		{name: "GetConfigForClient has nothing", change: func(c, s *Config) {
			*s = Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*Config, error) { return nil, nil }}
		}, alert: AlertInternalError, fault: ErrMisuse},
		{name: "GetConfigForClient keeps", change: func(c, s *Config) {
			s.GetConfigForClient = func(*tls.ClientHelloInfo) (*Config, error) { return nil, nil }
		}},
		{name: "GetConfigForClient fails", change: func(c, s *Config) {
			s.GetConfigForClient = func(*tls.ClientHelloInfo) (*Config, error) {
				return nil, errors.New("no")
			}
		}, alert: AlertInternalError, fault: ErrMisuse},
		{name: "GetConfigForClient gives nonsense", change: func(c, s *Config) {
			s.GetConfigForClient = func(*tls.ClientHelloInfo) (*Config, error) { return new(Config), nil }
		}, alert: AlertInternalError, fault: ErrMisuse},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, server := testClientConfig(), testServerConfig(tls.NoClientCert)
			test.change(client, server)
			p := newTestPair(t, client, server)
			if test.fault != nil {
				p.start()
				p.run()
				wantDead(t, p.server, test.alert, test.fault)
				wantPeerAlert(t, p.client, test.alert)
				return
			}
			p.handshake()
			for _, e := range []*testEnd{p.client, p.server} {
				if s := e.conn.ConnectionState(); test.check != nil && !test.check(s) {
					t.Errorf("%s: %+v", e.name, s)
				}
			}
		})
	}
}

// wantPeerAlert checks that the end has failed with an alert from the peer.
func wantPeerAlert(t *testing.T, e *testEnd, want Alert) {
	t.Helper()
	alert, ok := errtype.As[*AlertError](e.err)
	if !ok || alert.Alert != want || alert.Local {
		t.Errorf("%s: error is %v, want alert %v of the peer", e.name, e.err, want)
	}
}

// RFC 9325, Section 7.5: stapled OCSP responses are passed to the application.
func TestOCSPStaple(t *testing.T) {
	server := testServerConfig(tls.NoClientCert)
	server.Certificates[0].OCSPStaple = []byte("response")
	p := newTestPair(t, testClientConfig(), server)
	p.handshake()
	if got := p.client.conn.ConnectionState().OCSPResponse; string(got) != "response" {
		t.Errorf("OCSPResponse is %q", got)
	}
}

func TestKeyLog(t *testing.T) {
	var log bytes.Buffer
	client := testClientConfig()
	client.KeyLogWriter = &log
	p := newTestPair(t, client, testServerConfig(tls.NoClientCert))
	p.handshake()
	fields := strings.Fields(log.String())
	random := hex.EncodeToString(p.client.sent[0].bytes[recordHeaderLen+handshakeHeaderLen+
		2:][:randomLen])
	if len(fields) != 3 || fields[0] != "CLIENT_RANDOM" || fields[1] != random ||
		len(fields[2]) != 96 {
		t.Fatalf("key log is %q", log.String())
	}
	if strings.Count(log.String(), "\n") != 1 {
		t.Error("not one line")
	}
}

// A soleWriter fails the test when it is called concurrently.
type soleWriter struct {
	t    *testing.T
	busy atomic.Bool
}

func (w *soleWriter) Write(b []byte) (int, error) {
	if w.busy.Swap(true) {
		w.t.Error("two connections write their secrets at once")
	}
	time.Sleep(time.Millisecond) // so that concurrent calls would overlap
	w.busy.Store(false)
	return len(b), nil
}

// As in crypto/tls, connections may share a KeyLogWriter that is not safe for concurrent use.
func TestKeyLogIsShared(t *testing.T) {
	log := &soleWriter{t: t}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			client, server := testClientConfig(), testServerConfig(tls.NoClientCert)
			client.KeyLogWriter, server.KeyLogWriter = log, log
			newTestPair(t, client, server).handshake()
		})
	}
	all.Wait()
}

type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestKeyLogFails(t *testing.T) {
	client := testClientConfig()
	client.KeyLogWriter = failingWriter{}
	p := newTestPair(t, client, testServerConfig(tls.NoClientCert))
	p.start()
	p.run()
	wantDead(t, p.client, AlertInternalError, ErrMisuse)
}

// E8: a client accepts a cookie of any length, but not an unlimited number of them. RFC 6347,
// Section 4.2.1. The server here is ours, behind one that requests a cookie.
func TestAttackE8Cookie(t *testing.T) {
	for _, version := range []uint16{versionDTLS10, VersionDTLS12} {
		for _, n := range []int{0, 1, 255} {
			s := newScriptedServer(t, testClientConfig())
			s.readClientHello()
			first := *s.offer
			s.send(&helloVerifyRequest{version, bytes.Repeat([]byte{7}, n)})
			s.hs.transcript.restart()
			s.readClientHello()
			if len(s.offer.cookie) != n {
				t.Errorf("cookie has %d bytes, want %d", len(s.offer.cookie), n)
			}
			s.offer.cookie = first.cookie
			if fmt.Sprint(*s.offer) != fmt.Sprint(first) {
				t.Errorf("second ClientHello differs in more than the cookie:\n%v\n%v", first, *s.offer)
			}
			s.serverHello()
			s.certificate()
			s.serverKeyExchange()
			s.send(new(serverHelloDone))
			s.clientFlight()
			s.finish()
			s.wantComplete()
		}
	}
	s := newScriptedServer(t, testClientConfig())
	for range maxCookies {
		s.send(&helloVerifyRequest{VersionDTLS12, nil})
		s.wantAlive("a few cookies are harmless")
	}
	s.send(&helloVerifyRequest{VersionDTLS12, nil})
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)

	s = newScriptedServer(t, testClientConfig())
	s.send(&helloVerifyRequest{0xfe00, nil})
	s.wantAlert(AlertProtocolVersion, ErrPeerMisbehaved)
}

// RFC 6083, Section 4.7: a message is fragmented only if it does not fit into a record; a peer may
// fragment in any way.
func TestLongChain(t *testing.T) {
	server := testServerConfig(tls.NoClientCert)
	for range 3 {
		server.Certificates[0].Certificate = append(server.Certificates[0].Certificate,
			newTestCertificate(testCerts().ca.key, testCerts().ca, func(c *x509.Certificate) {
				c.DNSNames = []string{strings.Repeat("long.", 1600) + "example"}
			}).Raw)
	}
	p := newTestPair(t, testClientConfig(), server)
	p.handshake()
	fragments := 0
	for _, event := range p.server.story {
		if event == "Send Certificate" {
			fragments++
		}
	}
	if fragments != 2 {
		t.Errorf("Certificate has %d records", fragments)
	}
	for _, r := range p.server.sent {
		if len(r.bytes) > recordHeaderLen+maxPlaintext+gcmExplicitLen+aeadTagLen {
			t.Errorf("record of %d bytes", len(r.bytes))
		}
	}
}

// refragment splits the handshake message of a record into fragments.
func refragment(record []byte, size int) (records [][]byte) {
	h, content, err := parseRecord(record)
	if err != nil || h.typ != contentHandshake || h.epoch != 0 {
		return [][]byte{record}
	}
	m, body, _, err := parseFragment(content)
	if err != nil {
		panic(err)
	}
	for at := 0; at < len(body) || at == 0; at += size {
		part := body[at:min(at+size, len(body))]
		m.fragmentOffset, m.fragmentLength = at, len(part)
		h.length = handshakeHeaderLen + len(part)
		records = append(records, append(m.append(h.append(nil)), part...))
	}
	return records
}

func TestAttackE2AnyFragmentation(t *testing.T) {
	for _, size := range []int{1, 7, 100} {
		for _, reverse := range []bool{false, true} {
			p := newTestPair(t, testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert))
			p.start()
			for len(p.client.inbox)+len(p.server.inbox) > 0 {
				for _, e := range []*testEnd{p.server, p.client} {
					in := e.inbox
					e.inbox = nil
					for _, r := range in {
						parts := refragment(r.bytes, size)
						for i := range parts {
							if reverse {
								i = len(parts) - 1 - i
							}
							e.receive(testRecord{parts[i], true})
						}
					}
				}
			}
			if p.client.done != 1 || p.server.done != 1 {
				t.Fatalf("fragments of %d bytes: %v, %v", size, p.client.err, p.server.err)
			}
			p.exchangeData()
		}
	}
}
