package dtlscore

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// maxErrorText is the largest size in bytes of an error that quotes a peer.
const maxErrorText = 512

// wantLegible checks the text of an error, and of the errors of this package that it wraps.
func wantLegible(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	check := func(err error) {
		text := err.Error()
		if len(text) > maxErrorText || strings.ContainsFunc(text,
			func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Errorf("%T of %d bytes: %.600q", err, len(text), text)
		}
	}
	check(err)
	if e, ok := errtype.As[*AlertError](err); ok && e.Err != nil {
		check(e.Err)
	}
	if e, ok := errtype.As[*tls.CertificateVerificationError](err); ok {
		check(e)
		check(e.Err)
	}
}

// hostile is a name that would fill a log and forge a line of it.
var hostile = "a\r\nlevel=INFO msg=\"all is well\"\x1b[2J\u202e\xff" + strings.Repeat("x\n", 30000)

// hostileNames returns as many names as fit into an extension.
func hostileNames() (names []string) {
	for i := range 240 {
		names = append(names, fmt.Sprintf("%d%.240s", i, hostile))
	}
	return names
}

// numbers returns n different numbers without a meaning.
func numbers[T ~uint8 | ~uint16](n int) []T {
	list := make([]T, n)
	for i := range list {
		list[i] = T(0x2000 + i)
	}
	return list
}

// A client's messages must not fill the server's log.
func TestErrorTextsOfServer(t *testing.T) {
	for name, test := range map[string]struct {
		change func(m *clientHello)
		server func(c *Config)
		want   string
	}{
		"protocols": {func(m *clientHello) { m.alpn = hostileNames() },
			func(c *Config) { c.NextProtos = []string{"ours"} }, "and 232 more only"},
		"suites": {func(m *clientHello) { m.suites = numbers[uint16](16000) }, nil,
			"2007] and 15992 more"},
		"groups": {func(m *clientHello) {
			m.supportedGroups, m.keyShares = numbers[tls.CurveID](16000), []keyShare{}
		}, nil, "and 15992 more"},
		"suites and groups": {func(m *clientHello) {
			m.suites, m.supportedGroups = numbers[uint16](15000), numbers[tls.CurveID](15000)
			m.keyShares = []keyShare{}
		}, nil, "and 14992 more"},
		"versions": {func(m *clientHello) { m.supportedVersions = numbers[uint16](127) }, nil,
			"and 119 more"},
		"name": {func(m *clientHello) { m.serverName = hostile },
			func(c *Config) {
				c.Certificates, c.GetCertificate = nil,
					func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
			}, "no certificate for"},
		"name in an error of GetCertificate": {func(m *clientHello) { m.serverName = hostile },
			func(c *Config) {
				c.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
					return nil, fmt.Errorf("nobody is called %s", info.ServerName)
				}
			}, "Config.GetCertificate: nobody is called a"},
		"name in an error of GetConfigForClient": {func(m *clientHello) { m.serverName = hostile },
			func(c *Config) {
				c.GetConfigForClient = func(info *tls.ClientHelloInfo) (*Config, error) {
					return nil, &AlertError{Alert: AlertUnrecognizedName, Local: true,
						Err: errors.New(info.ServerName)}
				}
			}, "unrecognized_name"},
		"certificate types": {func(m *clientHello) { m.serverCertificateTypes = numbers[uint8](255)[3:] },
			nil, "and 244 more"},
	} {
		for _, v := range eachVersion {
			t.Run(name+" "+v.name, func(t *testing.T) {
				_, server := v.configs(tls.NoClientCert)
				if test.server != nil {
					test.server(server)
				}
				if v.number == VersionDTLS12 {
					s := newScriptedClient(t, server)
					s.clientHello(test.change)
					wantLegible(t, s.under.err)
					wantText(t, s.under.err, test.want)
					return
				}
				s := newScriptedClient13(t, server)
				s.clientHello(test.change)
				wantLegible(t, s.under.err)
				if name != "suites" && name != "suites and groups" { // version 1.3 does not quote them
					wantText(t, s.under.err, test.want)
				}
			})
		}
	}
}

func wantText(t *testing.T, err error, want string) {
	t.Helper()
	if !strings.Contains(err.Error(), want) {
		t.Errorf("error %q does not tell %q", err, want)
	}
}

// Certificates of a hostile peer, on both sides. Our errors include those of crypto/x509.
func TestErrorTextsOfCertificates(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ca := testCerts().ca
	hostile := strings.ToValidUTF8(hostile, "")
	long := newTestAuthority(hostile) // not trusted
	// The name of the issuer is in the chain, but with a different key.
	other := newTestAuthority(hostile)
	hinted := long.issue(key, nil)
	hinted.Certificate = append(hinted.Certificate, other.cert.Raw)
	sans := func(n, size int) func(c *x509.Certificate) {
		return func(c *x509.Certificate) {
			c.DNSNames = nil
			for i := range n {
				c.DNSNames = append(c.DNSNames, fmt.Sprintf("%d%s", i, strings.Repeat("x\n", size/2)))
			}
		}
	}
	unparsable := tls.Certificate{Certificate: [][]byte{[]byte(hostile)}, PrivateKey: key}
	constrained := func() tls.Certificate {
		key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		cert := newTestCertificate(key, ca, func(c *x509.Certificate) {
			c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
			c.PermittedDNSDomains = []string{testName}
		})
		leaf := (&testAuthority{cert, key}).issue(key, func(c *x509.Certificate) {
			c.DNSNames = []string{testName, strings.Repeat(strings.Repeat("x", 60)+".", 200) + "example"}
		})
		leaf.Certificate = append(leaf.Certificate, cert.Raw)
		return leaf
	}()
	for _, test := range []struct {
		name     string
		cert     tls.Certificate
		is       func(error) bool
		ofClient bool // the client's certificate is rejected too
	}{
		{"unknown authority", long.issue(key, nil), isA[x509.UnknownAuthorityError], true},
		{"unknown authority, with a hint", hinted, isA[x509.UnknownAuthorityError], true},
		{"99 names", ca.issue(key, sans(99, 600)), isA[x509.HostnameError], false},
		{"1000 names", ca.issue(key, sans(1000, 200)), isA[x509.HostnameError], false},
		{"one long name", ca.issue(key, sans(1, 60000)), isA[x509.HostnameError], false},
		{"name constraints", constrained, isA[x509.CertificateInvalidError], true},
		{"not a certificate", unparsable, func(error) bool { return true }, true},
	} {
		for _, v := range eachVersion {
			t.Run(test.name+" "+v.name, func(t *testing.T) {
				client, server := v.configs(tls.RequireAndVerifyClientCert)
				server.Certificates = []tls.Certificate{test.cert}
				p := newTestPair(t, client, server)
				p.start()
				p.run()
				wantLegible(t, p.client.err)
				if !test.is(p.client.err) || !errors.Is(p.client.err, ErrPeerUntrusted) {
					t.Errorf("%v", p.client.err)
				}
				if !test.ofClient {
					return
				}
				client, server = v.configs(tls.RequireAndVerifyClientCert)
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &test.cert, nil
				}
				p = newTestPair(t, client, server)
				p.start()
				p.run()
				wantLegible(t, p.server.err)
				if !test.is(p.server.err) || !errors.Is(p.server.err, ErrPeerUntrusted) {
					t.Errorf("%v", p.server.err)
				}
			})
		}
	}
	t.Run("many addresses", func(t *testing.T) {
		client, server := eachVersion[0].configs(tls.NoClientCert)
		client.ServerName = "192.0.2.1"
		server.Certificates = []tls.Certificate{ca.issue(key, func(c *x509.Certificate) {
			for i := range 99 {
				c.IPAddresses = append(c.IPAddresses, net.IP{198, 51, 100, byte(i)})
			}
		})}
		p := newTestPair(t, client, server)
		p.start()
		p.run()
		wantLegible(t, p.client.err)
		wantText(t, p.client.err, "not 192.0.2.1") // the expected name, which comes last
	})
}

func isA[E error](err error) bool { _, ok := errtype.As[E](err); return ok }

// The error of crypto/x509 is the one that callers of crypto/tls find in the field.
func TestVerificationErrorIsThatOfX509(t *testing.T) {
	client, server := eachVersion[1].configs(tls.NoClientCert)
	client.RootCAs = newTestAuthority("other").pool()
	p := newTestPair(t, client, server)
	p.start()
	p.run()
	e, _ := errtype.As[*tls.CertificateVerificationError](p.client.err)
	if _, ok := e.Err.(x509.UnknownAuthorityError); !ok {
		t.Errorf("%T", e.Err)
	}
}

// A server's messages must not fill the client's log.
func TestErrorTextsOfClient(t *testing.T) {
	t.Run("protocol DTLS1.2", func(t *testing.T) {
		client := testClientConfig()
		client.NextProtos = []string{"ours"}
		s := newScriptedServer(t, client)
		s.readClientHello()
		s.serverHello(func(m *serverHello) { m.alpn = []string{hostile[:255]} })
		wantLegible(t, s.under.err)
	})
	t.Run("protocol DTLS1.3", func(t *testing.T) {
		client := testClientConfig13()
		client.NextProtos = []string{"ours"}
		s := newScriptedServer13(t, client)
		s.readClientHello()
		s.serverHello()
		s.send(&encryptedExtensions{extensions{alpn: []string{hostile[:255]}}})
		wantLegible(t, s.under.err)
	})
	t.Run("hint", func(t *testing.T) {
		client, _ := pskConfigs()
		client.GetPSK = func(hint []byte) (*PSK, error) {
			if hint == nil {
				return &testPSK, nil
			}
			return nil, nil
		}
		s := newScriptedServer(t, client)
		s.readClientHello()
		s.serverHello(func(m *serverHello) { m.suite = TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256 })
		s.key = must(generateKey(tls.X25519))
		s.send(&serverKeyExchange{kx: kxECDHEPSK, hint: []byte(hostile), group: tls.X25519,
			public: s.key.share()})
		s.send(new(serverHelloDone))
		wantLegible(t, s.under.err)
		wantText(t, s.under.err, `server with the hint "a\r\nlevel`)
	})
}

// The client chooses PSK identities.
func TestErrorTextsOfIdentities(t *testing.T) {
	identity := []byte(hostile)[:maxIdentityLen/2]
	for _, v := range eachVersion {
		for name, lookup := range map[string]func(identity []byte) (*PSK, error){
			"LookupPSK fails": func(identity []byte) (*PSK, error) {
				return nil, fmt.Errorf("no key for %s", identity)
			},
			"both roles": func([]byte) (*PSK, error) { return &testPSK, nil },
		} {
			t.Run(name+" "+v.name, func(t *testing.T) {
				client, server := pskConfigs()
				v.set(client, server)
				client.GetPSK = func([]byte) (*PSK, error) {
					return &PSK{Identity: identity, Key: testPSK.Key}, nil
				}
				server.LookupPSK = lookup
				server.GetPSK = client.GetPSK
				p := newTestPair(t, client, server)
				p.start()
				p.run()
				wantLegible(t, p.server.err)
				if !errors.Is(p.server.err, ErrMisuse) ||
					bytes.Contains([]byte(p.server.err.Error()), identity[:8]) {
					t.Errorf("%v", p.server.err)
				}
			})
		}
	}
}

// Lists are shortened before they are formatted, so that it costs little to reject a client.
func TestErrorTextsCostLittle(t *testing.T) {
	offered := slices.Repeat([]string{hostile[:255]}, 1<<12)
	config := &Config{NextProtos: []string{"ours"}}
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			config.chooseProtocol(offered)
		}
	}).AllocedBytesPerOp()
	if allocated > 1<<15 {
		t.Errorf("%d bytes for an error of a list of 1 MB", allocated)
	}
}
