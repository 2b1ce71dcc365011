package sctpdtls

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
)

// connection is a VerifyConnection.
func connection(m *meeting, who string, err error) func(tls.ConnectionState) error {
	return func(s tls.ConnectionState) error {
		m.called("%s: complete %v, resumed %v, %d certificates, %d chains", who, s.HandshakeComplete,
			s.DidResume, len(s.PeerCertificates), len(s.VerifiedChains))
		return err
	}
}

// shortLived is an operator's certificate for both ends that expires before the second round.
func shortLived() tls.Certificate {
	return anOperator().issue(testpki.NewKey("P-256"),
		func(c *x509.Certificate) { c.NotAfter = time.Now().Add(time.Minute) })
}

// resuming has sessions resumed.
func resuming(m *meeting) { m.client.ClientSessionCache = tls.NewLRUClientSessionCache(1) }

// labels is a key log of which only the kinds of lines count.
type labels struct{ m *meeting }

func (l labels) Write(b []byte) (int, error) {
	label, rest, _ := strings.Cut(string(b), " ")
	l.m.called("%s of %d characters", label, len(rest))
	return len(b), nil
}

// failing fails.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

// clientAuth are the cases of a server's policy: who is let in.
func clientAuth() (cases []tlsCase) {
	for _, auth := range []tls.ClientAuthType{
		tls.NoClientCert, tls.RequestClientCert, tls.RequireAnyClientCert, tls.VerifyClientCertIfGiven,
		tls.RequireAndVerifyClientCert,
	} {
		for _, shown := range []string{"a certificate", "none", "one of another authority"} {
			fails := shown == "none" && (auth == tls.RequireAnyClientCert ||
				auth == tls.RequireAndVerifyClientCert) ||
				shown == "one of another authority" && auth >= tls.VerifyClientCertIfGiven
			cases = append(cases, tlsCase{says: fmt.Sprintf("%v: %s", auth, shown), fails: fails,
				set: func(m *meeting) {
					m.server.ClientAuth = auth
					// "This callback will run for all connections"
					m.server.VerifyConnection = connection(m, "server", nil)
					cert := pki().Client
					switch shown {
					case "none":
						m.client.Certificates = nil
						return
					case "one of another authority":
						cert = anOperator().issue(testpki.NewKey("P-256"), nil)
					}
					m.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
						return &cert, nil
					}
				}})
		}
	}
	return cases
}

// The sentences of Config from VerifyConnection on, and of ConnectionState.
var moreTLSCases = append(clientAuth(), []tlsCase{
	{says: "VerifyConnection is called after normal certificate verification and after " +
		"VerifyPeerCertificate", set: func(m *meeting) {
		m.client.VerifyPeerCertificate, m.client.VerifyConnection = verifier(m, "client", nil),
			connection(m, "client", nil)
	}, wants: "client: 1 certificates, 1 chains; client: complete false, resumed false, 1 " +
		"certificates, 1 chains"},
	{says: "If it returns a non-nil error, the handshake is aborted", set: func(m *meeting) {
		m.client.VerifyConnection = connection(m, "client", errRefused)
	}, fails: true},
	{says: "If it returns a non-nil error, the handshake is aborted", set: func(m *meeting) {
		m.server.VerifyConnection = connection(m, "server", errRefused)
	}, fails: true},
	{says: "If normal verification fails then the handshake will abort before considering this " +
		"callback.", set: func(m *meeting) {
		m.server.ClientCAs, m.server.VerifyConnection = anOperator().roots, connection(m, "server", nil)
	}, fails: true},
	{says: "This callback will run for all connections, including resumptions, regardless of " +
		"InsecureSkipVerify or ClientAuth settings.", rounds: 2, set: func(m *meeting) {
		resuming(m)
		m.client.InsecureSkipVerify, m.server.ClientAuth = true, tls.RequestClientCert
		m.client.VerifyConnection, m.server.VerifyConnection = connection(m, "client", nil),
			connection(m, "server", nil)
	}},

	{says: "RootCAs defines the set of root certificate authorities that clients use when " +
		"verifying server certificates.", set: func(m *meeting) {
		m.client.RootCAs = anOperator().roots
	}, fails: true},
	{says: "If RootCAs is nil, TLS uses the host's root CA set.",
		set: func(m *meeting) { m.client.RootCAs = nil }, fails: true},
	{says: "ClientCAs defines the set of root certificate authorities that servers use (nil: the " +
		"host's)", set: func(m *meeting) {
		m.server.ClientCAs = nil
		m.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return to(pki().Client), nil
		}
	}, fails: true},

	{says: "NextProtos is a list of supported application level protocols, in order of preference.",
		set: func(m *meeting) {
			m.client.NextProtos, m.server.NextProtos = []string{"a", "b"}, []string{"c", "b", "a"}
		}},
	{says: "the connection will fail if there is no mutually supported protocol",
		set: func(m *meeting) {
			m.client.NextProtos, m.server.NextProtos = []string{"a"}, []string{"b"}
		}, fails: true},
	{says: "If NextProtos is empty or the peer doesn't support ALPN, the connection will succeed " +
		"and NegotiatedProtocol will be empty.", set: func(m *meeting) {
		m.client.NextProtos = []string{"a"}
	}},
	{says: "If NextProtos is empty or the peer doesn't support ALPN, the connection will succeed " +
		"and NegotiatedProtocol will be empty.", set: func(m *meeting) {
		m.server.NextProtos = []string{"a"}
	}},

	{says: "ServerName is used to verify the hostname on the returned certificates unless " +
		"InsecureSkipVerify is given.", set: func(m *meeting) {
		m.client.ServerName = "other.example"
	}, fails: true},
	{says: "ServerName is used to verify the hostname on the returned certificates unless " +
		"InsecureSkipVerify is given.", set: func(m *meeting) {
		m.client.ServerName, m.client.InsecureSkipVerify = "other.example", true
	}},
	{says: "It is also included in the client's handshake to support virtual hosting unless it is " +
		"an IP address.", set: func(m *meeting) {
		m.client.ServerName, m.client.InsecureSkipVerify = "[fe80::1%eth0]", true
	}},
	{says: "It is also included in the client's handshake (without the dot at the end)",
		set: func(m *meeting) { m.client.ServerName = "server.example." }},
	{says: "users must set either ServerName or InsecureSkipVerify in the config",
		set: func(m *meeting) {
			m.client.ServerName, m.client.InsecureSkipVerify = "", true
		}},
	{says: "If InsecureSkipVerify is true, crypto/tls accepts any certificate presented by the " +
		"server and any host name in that certificate.", set: func(m *meeting) {
		m.client.InsecureSkipVerify, m.client.RootCAs, m.client.ServerName = true, anOperator().roots,
			"other.example"
	}},

	{says: "CipherSuites is a list of enabled TLS 1.0–1.2 cipher suites. The order of the list " +
		"is ignored.", version: in12, set: func(m *meeting) {
		m.server.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_RC4_128_SHA}
	}},
	{says: "CipherSuites is a list of enabled TLS 1.0–1.2 cipher suites.", version: in12,
		set: func(m *meeting) {
			m.server.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
			m.client.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		}, fails: true},
	{says: "Note that TLS 1.3 ciphersuites are not configurable.", version: in13,
		set: func(m *meeting) {
			m.server.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
			m.client.CipherSuites = []uint16{}
		}},
	{says: "PreferServerCipherSuites is a legacy field and has no effect.",
		set: func(m *meeting) { *deprecated[bool](m.server, "PreferServerCipherSuites") = true }},

	{says: "SessionTicketsDisabled may be set to true to disable session ticket and PSK " +
		"(resumption) support.", rounds: 2, set: func(m *meeting) {
		resuming(m)
		m.server.SessionTicketsDisabled = true
	}},
	{says: "on clients, session ticket support is also disabled if ClientSessionCache is nil",
		rounds: 2, set: func(*meeting) {}},
	{says: "ClientSessionCache is a cache of ClientSessionState entries for TLS session resumption.",
		rounds: 3, set: resuming},
	{says: "SessionTicketKey is used by TLS servers to provide session resumption.", rounds: 2,
		set: func(m *meeting) {
			resuming(m)
			deprecated[[32]byte](m.server, "SessionTicketKey")[0] = 1
		}},
	{says: "(an expired certificate ends sessions: a server's that is verified)", rounds: 2,
		set: func(m *meeting) {
			resuming(m)
			m.client.InsecureSkipVerify, m.server.Certificates = true, []tls.Certificate{shortLived()}
		}},
	{says: "(an expired certificate ends sessions: a client's that is not verified)", rounds: 2,
		set: func(m *meeting) {
			resuming(m)
			cert := shortLived()
			m.server.ClientAuth = tls.RequireAnyClientCert
			m.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				return &cert, nil
			}
		}},
	{says: "(sessions of a client without a certificate go on)", rounds: 2, set: func(m *meeting) {
		resuming(m)
		m.client.Certificates, m.server.ClientAuth = nil, tls.VerifyClientCertIfGiven
	}},
	{says: "resumption of connections originally established with the parent Config", rounds: 2,
		set: func(m *meeting) {
			resuming(m)
			m.server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return tlsServer(m.version), nil
			}
		}},

	{says: "MinVersion contains the minimum TLS version that is acceptable.", version: in12,
		set: func(m *meeting) {
			m.server.MinVersion, m.server.MaxVersion = tls.VersionTLS13, 0
		}, fails: true},
	{says: "MaxVersion contains the maximum TLS version that is acceptable.", version: in12,
		set: func(m *meeting) {
			m.client.MinVersion, m.client.MaxVersion, m.server.MinVersion = 0, 0, 0
		}},
	{says: "By default, TLS 1.2 is currently used as the minimum. By default, the maximum version " +
		"supported by this package is used, which is currently TLS " +
		"1.3.", version: in13, set: func(m *meeting) {
		m.client.MinVersion, m.client.MaxVersion, m.server.MinVersion, m.server.MaxVersion = 0, 0, 0, 0
	}},

	{says: "The order of the list is ignored, and key exchange mechanisms are chosen from this " +
		"list using an internal preference order.", version: in13, set: func(m *meeting) {
		m.client.CurvePreferences = []tls.CurveID{tls.CurveP521, tls.CurveP256, tls.X25519}
		m.client.VerifyConnection = func(s tls.ConnectionState) error {
			m.called("%v", s.CurveID)
			return nil
		}
	}, wants: "X25519"},
	{says: "If empty, the default will be used. The default includes the X25519MLKEM768 hybrid " +
		"post-quantum key exchange.", version: in13, set: func(m *meeting) {
		m.client.CurvePreferences, m.server.CurvePreferences = []tls.CurveID{}, []tls.CurveID{}
		m.client.VerifyConnection = func(s tls.ConnectionState) error {
			m.called("%v", s.CurveID)
			return nil
		}
	}, wants: "X25519MLKEM768"},
	{says: "CurvePreferences contains a set of supported key exchange mechanisms.",
		set: func(m *meeting) {
			m.client.CurvePreferences, m.server.CurvePreferences = []tls.CurveID{tls.CurveP256},
				[]tls.CurveID{tls.CurveP384}
		}, fails: true},

	{says: "KeyLogWriter optionally specifies a destination for TLS master secrets in NSS key log " +
		"format", version: in12, set: func(m *meeting) {
		m.client.KeyLogWriter = labels{m}
	}, wants: "CLIENT_RANDOM of 162 characters"},
	{says: "(an error of KeyLogWriter ends the handshake)",
		set: func(m *meeting) { m.client.KeyLogWriter = failing{} }, fails: true},

	{says: "HelloRetryRequest indicates whether we sent a HelloRetryRequest if we are a server, or " +
		"if we received a HelloRetryRequest if we are a client.", version: in13, set: func(m *meeting) {
		m.server.CurvePreferences = []tls.CurveID{tls.CurveP384}
	}},
	{says: "PeerCertificates are the parsed certificates sent by the peer, in the order in which " +
		"they were sent.", set: func(m *meeting) {
		cert := anOperator().issue(testpki.NewKey("P-256"), nil)
		cert.Certificate = append(cert.Certificate, pki().Renewed.Certificate[0],
			anOperator().cert.Leaf.Raw)
		onlyOperator(m, cert)
	}},
	{says: "VerifiedChains is a list of one or more chains where the last element is from " +
		"Config.RootCAs or Config.ClientCAs.", set: func(m *meeting) {
		m.client.VerifyConnection, m.server.VerifyConnection = connection(m, "client", nil),
			connection(m, "server", nil)
	}},
	{says: "ServerName is available both on the server and on the client side (also when resumed).",
		rounds: 2, set: resuming},
	{says: "NegotiatedProtocol is the application protocol negotiated with ALPN (also when resumed).",
		rounds: 2, set: func(m *meeting) {
			resuming(m)
			m.client.NextProtos, m.server.NextProtos = []string{"a"}, []string{"a"}
		}},
	{says: "OCSPResponse is a stapled response provided by the peer for the leaf certificate, if " +
		"any (also when resumed).", rounds: 2, set: func(m *meeting) {
		resuming(m)
		cert := pki().Server
		cert.OCSPStaple = []byte("good")
		m.server.Certificates = []tls.Certificate{cert}
	}},
}...)
