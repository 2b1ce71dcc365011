package dtlscore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// authority returns a CA with a key of any type, self-signed or issued by another CA.
func authority(name string, key crypto.Signer, issuer *testAuthority) *testAuthority {
	return &testAuthority{newTestCertificate(key, issuer, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage = name, true, x509.KeyUsageCertSign
	}), key}
}

// shows makes a handshake in which one end presents a certificate to the other, which trusts roots.
// It returns the other end's error.
func shows(t *testing.T, v testVersion, fromServer bool, roots *x509.CertPool, cert tls.Certificate,
	change func(client, server *Config)) *testEnd {
	t.Helper()
	client, server := v.configs(tls.RequireAndVerifyClientCert)
	if fromServer {
		server.Certificates, client.RootCAs = []tls.Certificate{cert}, roots
	} else {
		server.ClientCAs = roots
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &cert, nil
		}
	}
	if change != nil {
		change(client, server)
	}
	p := newTestPair(t, client, server)
	p.start()
	p.run()
	if fromServer {
		return p.client
	}
	return p.server
}

// B4: the keys of the verified chain, including its trust anchor, are checked on both sides.
func TestAttackB4WeakKeyInVerifiedChain(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	rsa1024, p224 := must(rsa.GenerateKey(rand.Reader, 1024)),
		must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	for name, weak := range map[string]crypto.Signer{"RSA-1024": rsa1024, "P-224": p224} {
		anchor := authority("weak anchor", weak, nil)
		middle := authority("weak intermediate", weak, testCerts().ca)
		byMiddle := middle.issue(key, nil)
		byMiddle.Certificate = append(byMiddle.Certificate, middle.cert.Raw)
		alsoTrusted := testCerts().ca.pool() // trusting the intermediate as well does not help
		alsoTrusted.AddCert(middle.cert)
		for _, tt := range []struct {
			name  string
			roots *x509.CertPool
			cert  tls.Certificate
		}{
			{"anchor", anchor.pool(), anchor.issue(key, nil)},
			{"intermediate", testCerts().ca.pool(), byMiddle},
			{"intermediate and anchor", alsoTrusted, byMiddle},
		} {
			for _, v := range eachVersion {
				for _, fromServer := range []bool{true, false} {
					e := shows(t, v, fromServer, tt.roots, tt.cert, nil)
					wantDead(t, e, AlertUnsupportedCertificate, ErrPeerUntrusted)
					if _, ok := errtype.As[*tls.CertificateVerificationError](e.err); !ok {
						t.Errorf("%s, %s, %s: %v", name, tt.name, v.name, e.err)
					}
				}
			}
		}
	}
}

// A chain with strong keys is enough if another chain has a weak one, and only the strong chain is
// reported.
func TestStrongChainBesideWeakOne(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	middleKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	weak := authority("weak anchor", must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), nil)
	byWeak, byStrong := authority("middle", middleKey, weak),
		authority("middle", middleKey, testCerts().ca)
	leaf := byStrong.issue(key, nil)
	leaf.Certificate = append(leaf.Certificate, byWeak.cert.Raw, byStrong.cert.Raw)
	roots := testCerts().ca.pool()
	roots.AddCert(weak.cert)
	for _, v := range eachVersion {
		for _, fromServer := range []bool{true, false} {
			e := shows(t, v, fromServer, roots, leaf, nil)
			chains := e.conn.ConnectionState().VerifiedChains
			if e.err != nil || len(chains) != 1 || !chains[0][2].Equal(testCerts().ca.cert) {
				t.Errorf("%s: %v, %d chains", v.name, e.err, len(chains))
			}
		}
	}
}

// Certificates that are sent but not needed do not end a connection, whatever keys they have.
func TestUnneededCertificates(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	leaf := testCerts().ca.issue(key, nil)
	for _, weak := range []crypto.Signer{
		must(rsa.GenerateKey(rand.Reader, 1024)), must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)),
	} {
		leaf.Certificate = append(leaf.Certificate, authority("not needed", weak, nil).cert.Raw)
	}
	for _, v := range eachVersion {
		for _, fromServer := range []bool{true, false} {
			for name, change := range map[string]func(client, server *Config){
				"verified": nil,
				"not verified": func(client, server *Config) {
					client.InsecureSkipVerify, server.ClientAuth = true, tls.RequireAnyClientCert
				},
			} {
				e := shows(t, v, fromServer, testCerts().ca.pool(), leaf, change)
				if n := len(e.conn.ConnectionState().PeerCertificates); e.err != nil || n != 3 {
					t.Errorf("%s, %s: %v, %d certificates", v.name, name, e.err, n)
				}
			}
		}
	}
}

// Where nothing is verified, the key that signs the handshake is checked nevertheless.
func TestWeakKeyOfUnverifiedPeer(t *testing.T) {
	t.Setenv("GODEBUG", "rsa1024min=0")
	cert := testCerts().ca.issue(must(rsa.GenerateKey(rand.Reader, 1024)), nil)
	for _, v := range eachVersion {
		for _, fromServer := range []bool{true, false} {
			e := shows(t, v, fromServer, nil, cert, func(client, server *Config) {
				client.InsecureSkipVerify, server.ClientAuth = true, tls.RequestClientCert
			})
			wantDead(t, e, AlertUnsupportedCertificate, ErrPeerUntrusted)
		}
	}
}

// A2: a server that admits clients without a certificate calls VerifyPeerCertificate for them too.
func TestAttackA2NobodyForVerifyPeerCertificate(t *testing.T) {
	refused := errors.New("not the one that I know")
	for _, v := range eachVersion {
		for _, auth := range []tls.ClientAuthType{tls.NoClientCert, tls.RequestClientCert,
			tls.VerifyClientCertIfGiven} {
			for _, rawKeys := range []bool{false, true} {
				client, server := v.configs(auth)
				client.Certificates = nil
				if rawKeys {
					server.VerifyRawKey = func(crypto.PublicKey) error { return refused }
				}
				calls := 0
				server.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
					calls++
					if len(raw) != 0 || chains != nil {
						t.Errorf("called with %d certificates and %d chains", len(raw), len(chains))
					}
					return refused
				}
				p := newTestPair(t, client, server)
				p.start()
				p.run()
				if auth == tls.NoClientCert { // "this callback is not called on the server"
					if p.server.err != nil || calls != 0 {
						t.Errorf("%s: %v, %d calls although nothing was asked for", v.name, p.server.err, calls)
					}
					continue
				}
				if !errors.Is(p.server.err, refused) || calls != 1 {
					t.Errorf("%s, %v: %v, %d calls", v.name, auth, p.server.err, calls)
				}
				wantDead(t, p.server, AlertBadCertificate, ErrPeerUntrusted)
			}
		}
	}
}

// A messageSigner is a key that signs whole messages only, as in a key management service.
type messageSigner struct {
	crypto.Signer
	signed *int
}

func (messageSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("this key signs messages, not digests")
}

func (s messageSigner) SignMessage(rand io.Reader, message []byte, opts crypto.SignerOpts) ([]byte,
	error) {
	*s.signed++
	return crypto.SignMessage(s.Signer, rand, message, opts)
}

func TestMessageSigner(t *testing.T) {
	for _, v := range eachVersion {
		for _, cert := range []tls.Certificate{testCerts().ecdsa, testCerts().rsa, testCerts().ed25519} {
			signed := 0
			cert.PrivateKey = messageSigner{cert.PrivateKey.(crypto.Signer), &signed}
			client, server := v.configs(tls.RequireAndVerifyClientCert)
			client.Certificates, server.Certificates = []tls.Certificate{cert}, []tls.Certificate{cert}
			newTestPair(t, client, server).handshake()

			client, server = v.configs(tls.RequireAndVerifyClientCert)
			raw := cert.PrivateKey.(crypto.Signer)
			client.RawKey, server.RawKey = raw, raw
			client.VerifyRawKey, server.VerifyRawKey = trusts(raw.Public()), trusts(raw.Public())
			newTestPair(t, client, server).handshake()
			if signed != 4 {
				t.Errorf("%s, %T: %d signatures, want 4", v.name, raw.Public(), signed)
			}
		}
	}
}

// P-521 in certificates of both ends and in the key exchange.
func TestP521(t *testing.T) {
	cert := testCerts().ca.issue(must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)), nil)
	for _, v := range eachVersion {
		for _, group := range []tls.CurveID{0, tls.CurveP521} {
			client, server := v.configs(tls.RequireAndVerifyClientCert)
			client.Certificates, server.Certificates = []tls.Certificate{cert}, []tls.Certificate{cert}
			if group != 0 {
				server.CurvePreferences = []tls.CurveID{group}
			}
			p := newTestPair(t, client, server)
			p.handshake()
			p.exchangeData()
			if got := p.client.conn.ConnectionState().CurveID; group != 0 && got != group {
				t.Errorf("%s: group %v", v.name, got)
			}
		}
		if _, err := Client(&Config{ServerName: testName,
			CurvePreferences: []tls.CurveID{}}); err != nil {
			t.Error("an empty list is not the default, as in crypto/tls:", err)
		}
	}
}
