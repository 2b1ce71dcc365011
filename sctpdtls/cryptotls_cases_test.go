package sctpdtls

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
)

// An operator is an authority beside pki, for certificates that it has none of.
type operator struct {
	roots *x509.CertPool
	cert  tls.Certificate
}

func (o *operator) issue(key crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	template := testpki.End("server.example")
	template.Subject.CommonName, template.ExtKeyUsage = "of the operator", nil
	if change != nil {
		change(&template)
	}
	cert := testpki.Issue(&o.cert, key, template)
	cert.Leaf = nil // as of files
	return cert
}

var anOperator = sync.OnceValue(func() *operator {
	cert := testpki.Issue(nil, nil, testpki.CA("operator"))
	return &operator{testpki.Pool(cert), cert}
})

var rsaKey = sync.OnceValue(func() crypto.Signer { return testpki.NewKey("RSA 2048") })

var errRefused = errors.New("refused by a callback")

const in12, in13 = tls.VersionTLS12, tls.VersionTLS13

// noise is a reader that counts how much was asked of it.
type noise struct{ n int }

func (r *noise) Read(b []byte) (int, error) { r.n += len(b); return rand.Read(b) }

// onlyOperator has the server show certificates of the operator, whom the client trusts.
func onlyOperator(m *meeting, certs ...tls.Certificate) {
	m.server.Certificates, m.client.RootCAs = certs, anOperator().roots
}

// The sentences of Config up to VerifyPeerCertificate, of Certificate, ClientHelloInfo and
// CertificateRequestInfo.
var tlsCases = slices.Concat([]tlsCase{
	{says: "(the cases begin with mutual authentication)", set: func(*meeting) {}},

	// Rand, Time.
	{says: "Rand provides the source of entropy for nonces",
		set: func(m *meeting) { m.client.Rand = &noise{} }},
	{says: "Rand provides the source of entropy for nonces",
		set: func(m *meeting) { m.client.Rand = strings.NewReader("short") }, fails: true},
	{says: "Time returns the current time", set: func(m *meeting) {
		m.client.Time = func() time.Time { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }
	}, fails: true},
	{says: "Time returns the current time", set: func(m *meeting) {
		m.server.Time = func() time.Time { return time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC) }
	}, fails: true},

	// Certificates.
	{says: "The first certificate compatible with the peer's requirements is selected automatically.",
		version: in12, set: func(m *meeting) {
			onlyOperator(m, anOperator().issue(testpki.NewKey("P-256"), nil),
				anOperator().issue(rsaKey(), func(c *x509.Certificate) { c.Subject.CommonName = "RSA" }))
			m.client.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		}},
	{says: "The first certificate compatible with the peer's requirements is selected automatically.",
		set: func(m *meeting) {
			onlyOperator(m, anOperator().issue(testpki.NewKey("P-256"), func(c *x509.Certificate) {
				c.DNSNames, c.Subject.CommonName = []string{"other.example"}, "other name"
			}), anOperator().issue(testpki.NewKey("P-256"), nil))
		}},
	{says: "The first certificate compatible with the peer's requirements is selected automatically.",
		set: func(m *meeting) {
			// ClientCAs are named
			m.client.Certificates = []tls.Certificate{anOperator().issue(testpki.NewKey("P-256"), nil),
				pki().Client}
		}},
	{says: "Leaf is the parsed form of the leaf certificate. If nil, the leaf certificate will be " +
		"parsed as needed.", set: func(m *meeting) {
		certs := []tls.Certificate{pki().Client, pki().Server}
		for i := range certs {
			certs[i].Leaf, _ = x509.ParseCertificate(certs[i].Certificate[0])
		}
		m.server.Certificates = certs
	}},
	{says: "SupportedSignatureAlgorithms is an optional list restricting what signature algorithms " +
		"the PrivateKey can be used for.", set: func(m *meeting) {
		limited := anOperator().issue(rsaKey(),
			func(c *x509.Certificate) { c.Subject.CommonName = "limited" })
		limited.SupportedSignatureAlgorithms = []tls.SignatureScheme{tls.PKCS1WithSHA1}
		onlyOperator(m, limited, anOperator().issue(testpki.NewKey("P-256"), nil))
	}},
	{says: "OCSPStaple contains an optional OCSP response which will be served to clients that " +
		"request it.", set: func(m *meeting) {
		cert := pki().Server
		cert.OCSPStaple = []byte("good")
		m.server.Certificates = []tls.Certificate{cert}
	}},
	{says: "This must implement crypto.Signer with an RSA, ECDSA or Ed25519 PublicKey. (P-521 at " +
		"both ends)", set: func(m *meeting) {
		cert := anOperator().issue(testpki.NewKey("P-521"), nil)
		onlyOperator(m, cert)
		m.client.Certificates, m.server.ClientCAs = []tls.Certificate{cert}, anOperator().roots
	}},

	// GetCertificate.
	{says: "It will only be called if the client supplies SNI information or if Certificates is " +
		"empty.", set: func(m *meeting) {
		m.server.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
			m.called("GetCertificate %q", info.ServerName)
			return to(pki().Server), nil
		}
	}, wants: `GetCertificate "server.example"`},
	{says: "It will only be called if the client supplies SNI information or if Certificates is " +
		"empty.", set: func(m *meeting) {
		m.client.ServerName, m.client.InsecureSkipVerify = "", true
		m.server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return nil, errRefused
		}
	}},
	{says: "It will only be called if the client supplies SNI information or if Certificates is " +
		"empty.", set: func(m *meeting) {
		m.client.ServerName, m.client.InsecureSkipVerify, m.server.Certificates = "192.0.2.1", true, nil
		m.server.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
			m.called("GetCertificate %q", info.ServerName)
			return to(pki().Server), nil
		}
	}, wants: `GetCertificate ""`},
	{says: "If GetCertificate is nil or returns nil, then the certificate is retrieved from " +
		"NameToCertificate. If NameToCertificate is nil, the best element of Certificates will be " +
		"used.", set: func(m *meeting) {
		m.server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
	}},
	{says: "(nothing is left)", set: func(m *meeting) {
		m.server.Certificates = nil
		m.server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }
	}, fails: true},

	// GetClientCertificate.
	{says: "If set, the contents of Certificates will be ignored.", set: func(m *meeting) {
		m.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return new(tls.Certificate), nil
		}
	}, fails: true},
	{says: "If GetClientCertificate returns an error, the handshake will be aborted",
		set: func(m *meeting) {
			m.server.ClientAuth = tls.RequestClientCert
			m.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return nil, errRefused
			}
		}, fails: true},
	{says: "If Certificate.Certificate is empty then no certificate will be sent to the server.",
		set: func(m *meeting) {
			m.server.ClientAuth = tls.VerifyClientCertIfGiven
			m.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return new(tls.Certificate), nil
			}
		}},
	{says: "GetClientCertificate, if not nil, is called when a server requests a certificate from " +
		"a client.", set: func(m *meeting) {
		m.client.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			m.called("Version %#x, AcceptableCAs %v, SupportsCertificate %v %v, Context %v", info.Version,
				len(info.AcceptableCAs) == 1 && bytes.Equal(info.AcceptableCAs[0], issuer(pki().Client)),
				info.SupportsCertificate(to(pki().Client)) == nil,
				info.SupportsCertificate(to(anOperator().issue(rsaKey(), nil))) == nil, info.Context() != nil)
			return to(pki().Client), nil
		}
	}},
	{says: "GetClientCertificate, if not nil, is called when a server requests a certificate",
		set: func(m *meeting) {
			m.server.ClientAuth = tls.NoClientCert
			m.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return nil, errRefused
			}
		}},

	// GetConfigForClient.
	{says: "It may return a non-nil Config in order to change the Config that will be used to " +
		"handle this connection.", set: func(m *meeting) {
		m.server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c := tlsServer(m.version)
			c.NextProtos = []string{"chosen"}
			return c, nil
		}
		m.client.NextProtos = []string{"other", "chosen"}
	}},
	{says: "If the returned Config is nil, the original Config will be used.", set: func(m *meeting) {
		m.server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			m.called("GetConfigForClient")
			return nil, nil
		}
	}, wants: "GetConfigForClient"},
	{says: "(an error ends the handshake)", set: func(m *meeting) {
		m.server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return nil, errRefused
		}
	}, fails: true},
	{says: "Server configurations must set one of Certificates, GetCertificate or GetConfigForClient.",
		set: func(m *meeting) {
			m.server = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert,
				GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
					return tlsServer(m.version), nil
				}}
		}},
	{says: "It is called after a ClientHello is received (once, also with a HelloRetryRequest)",
		version: in13, set: func(m *meeting) {
			m.server.CurvePreferences = []tls.CurveID{tls.CurveP384}
			m.server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
				m.called("GetConfigForClient")
				return nil, nil
			}
		}, wants: "GetConfigForClient"},

	// ClientHelloInfo.
	{says: "ServerName is only set if the client is using SNI", set: func(m *meeting) {
		m.client.ServerName, m.client.InsecureSkipVerify = "[::1]", true
		look(m, func(info *tls.ClientHelloInfo) { m.called("%q", info.ServerName) })
	}, wants: `""`},
	{says: "SupportedProtos lists the application protocols supported by the client. " +
		"SupportedProtos is set only if ALPN is being used.", set: func(m *meeting) {
		look(m, func(info *tls.ClientHelloInfo) { m.called("%v", info.SupportedProtos == nil) })
	}, wants: "true"},
	{says: "Servers can select a protocol by setting Config.NextProtos in a GetConfigForClient " +
		"return value.", set: func(m *meeting) {
		m.client.NextProtos = []string{"a", "b"}
		m.server.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			m.called("%q", info.SupportedProtos)
			c := tlsServer(m.version)
			c.NextProtos = info.SupportedProtos[1:]
			return c, nil
		}
	}, wants: `["a" "b"]`},
	{says: "SupportedVersions lists the TLS versions supported by the client.", version: in13,
		set: func(m *meeting) {
			look(m, func(info *tls.ClientHelloInfo) { m.called("%#x", info.SupportedVersions) })
		}, wants: "[0x304]"},
	{says: "SupportedVersions lists the TLS versions supported by the client.", version: in12,
		set: func(m *meeting) {
			m.client.MaxVersion = 0
			look(m, func(info *tls.ClientHelloInfo) { m.called("%#x", info.SupportedVersions) })
		}, wants: "[0x304 0x303]"},
	{says: "CipherSuites lists the CipherSuites supported by the client. SupportedCurves lists the " +
		"key exchange mechanisms supported by the client. SignatureSchemes lists the signature and " +
		"hash schemes that the client is willing to verify. SupportedPoints lists the point " +
		"formats.", version: in12, set: func(m *meeting) {
		m.client.CipherSuites,
			m.client.CurvePreferences = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384},
			[]tls.CurveID{tls.CurveP256}
		look(m, func(info *tls.ClientHelloInfo) {
			m.called("%v %v %v %v", slices.Contains(info.CipherSuites,
				tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384), info.SupportedCurves,
				info.SupportedPoints, slices.Contains(info.SignatureSchemes, tls.ECDSAWithP256AndSHA256))
		})
	}, wants: "true [CurveP256] [0] true"},
	{says: "Extensions lists the IDs of the extensions presented by the client in the ClientHello.",
		set: func(m *meeting) {
			look(m, func(info *tls.ClientHelloInfo) {
				m.called("server_name %v, signature_algorithms %v, ALPN %v",
					slices.Contains(info.Extensions, 0),
					slices.Contains(info.Extensions, 13), slices.Contains(info.Extensions, 16))
			})
		}, wants: "server_name true, signature_algorithms true, ALPN false"},
	{says: "Context returns the context of the handshake that is in progress.", set: func(m *meeting) {
		look(m, func(info *tls.ClientHelloInfo) {
			m.called("%v", info.Context() != nil && info.Context() != context.TODO())
		})
	}, wants: "true"},
	{says: "SupportsCertificate will take into account the associated Config.", version: in12,
		set: func(m *meeting) {
			m.client.MaxVersion = 0
			m.server.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
			onlyOperator(m)
			m.server.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
				byRSA := anOperator().issue(rsaKey(), nil)
				m.called("%v %v", info.SupportsCertificate(to(anOperator().issue(testpki.NewKey("P-256"),
					nil))) == nil, info.SupportsCertificate(&byRSA) == nil)
				return &byRSA, nil
			}
		}, wants: "false true"},

	{says: "HelloRetryRequest indicates whether the ClientHello was sent in response to a " +
		"HelloRetryRequest message.", version: in13, set: func(m *meeting) {
		m.server.CurvePreferences = []tls.CurveID{tls.CurveP384}
		look(m, func(info *tls.ClientHelloInfo) { m.called("%v", hasRetried(*info)) })
		m.server.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
			m.called("%v", hasRetried(*info))
			return nil, nil
		}
	}},

	// VerifyPeerCertificate.
	{says: "It receives the raw ASN.1 certificates provided by the peer and also any verified " +
		"chains that normal processing found.", set: func(m *meeting) {
		m.client.VerifyPeerCertificate, m.server.VerifyPeerCertificate = verifier(m, "client", nil),
			verifier(m, "server", nil)
	}, wants: "client: 1 certificates, 1 chains; server: 1 certificates, 1 chains"},
	{says: "If it returns a non-nil error, the handshake is aborted", set: func(m *meeting) {
		m.client.VerifyPeerCertificate = verifier(m, "client", errRefused)
	}, fails: true},
	{says: "If it returns a non-nil error, the handshake is aborted", set: func(m *meeting) {
		m.server.VerifyPeerCertificate = verifier(m, "server", errRefused)
	}, fails: true},
	{says: "If normal verification fails then the handshake will abort before considering this " +
		"callback.", set: func(m *meeting) {
		m.client.RootCAs, m.client.VerifyPeerCertificate = anOperator().roots, verifier(m, "client", nil)
	}, fails: true},
	{says: "If normal verification is disabled, then this callback will be considered but the " +
		"verifiedChains argument will always be nil.", set: func(m *meeting) {
		m.client.InsecureSkipVerify, m.server.ClientAuth = true, tls.RequireAnyClientCert
		m.client.VerifyPeerCertificate, m.server.VerifyPeerCertificate = verifier(m, "client", nil),
			verifier(m, "server", nil)
	}, wants: "client: 1 certificates, no chains; server: 1 certificates, no chains"},
	{says: "When ClientAuth is NoClientCert, this callback is not called on the server.",
		set: func(m *meeting) {
			m.server.ClientAuth, m.server.VerifyPeerCertificate = tls.NoClientCert,
				verifier(m, "server", errRefused)
		}},
	{says: "rawCerts may be empty on the server if ClientAuth is RequestClientCert",
		set: func(m *meeting) {
			m.client.Certificates, m.server.ClientAuth, m.server.VerifyPeerCertificate = nil,
				tls.RequestClientCert, verifier(m, "server", nil)
		}, wants: "server: 0 certificates, no chains"},
	{says: "rawCerts may be empty on the server if ClientAuth is VerifyClientCertIfGiven",
		set: func(m *meeting) {
			m.client.Certificates, m.server.ClientAuth, m.server.VerifyPeerCertificate = nil,
				tls.VerifyClientCertIfGiven, verifier(m, "server", errRefused)
		}, fails: true},
	{says: "This callback is not invoked on resumed connections.", rounds: 2, set: func(m *meeting) {
		m.client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		m.client.VerifyPeerCertificate, m.server.VerifyPeerCertificate = verifier(m, "client", nil),
			verifier(m, "server", nil)
	}, wants: "client: 1 certificates, 1 chains; server: 1 certificates, 1 chains"},
}, moreTLSCases)

func to(cert tls.Certificate) *tls.Certificate { return &cert }

func issuer(cert tls.Certificate) []byte {
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		panic(err)
	}
	return leaf.RawIssuer
}

// look makes the server's GetConfigForClient call f with the ClientHelloInfo it gets.
func look(m *meeting, f func(*tls.ClientHelloInfo)) {
	m.server.GetConfigForClient = func(info *tls.ClientHelloInfo) (*tls.Config, error) {
		f(info)
		return nil, nil
	}
}

// verifier is a VerifyPeerCertificate.
func verifier(m *meeting, who string, err error) func([][]byte, [][]*x509.Certificate) error {
	return func(raw [][]byte, chains [][]*x509.Certificate) error {
		if chains == nil {
			m.called("%s: %d certificates, no chains", who, len(raw))
		} else {
			m.called("%s: %d certificates, %d chains", who, len(raw), len(chains))
		}
		return err
	}
}
