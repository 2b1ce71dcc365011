package dtlscore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"slices"
	"testing"
	"time"
)

// G5: if two Configs have access to a session, it is resumed only by those that would accept its
// peer in a full handshake.

// A client that trusts the host's authorities does not resume a session of a client that trusted
// others.
func TestAttackG5SessionOfAPrivateAuthority(t *testing.T) {
	for _, v := range eachVersion {
		t.Run(v.name, func(t *testing.T) {
			client, server := resumingConfigs(tls.NoClientCert)
			v.set(client, server)
			newTestPair(t, client, server).handshake()
			client.RootCAs = nil
			p := newTestPair(t, client, server)
			p.start()
			p.run()
			wantDead(t, p.client, AlertUnknownCA, ErrPeerUntrusted)
		})
	}
}

// A server that accepts only raw public keys does not accept the ticket of a client that presented
// a certificate to another of our servers.
func TestAttackG5TicketOfACertificateForRawKeys(t *testing.T) {
	for _, v := range eachVersion {
		t.Run(v.name, func(t *testing.T) {
			client, server := resumingConfigs(tls.RequireAndVerifyClientCert)
			v.set(client, server)
			newTestPair(t, client, server).handshake()
			server.ClientCAs, server.VerifyRawKey = nil, trusts(testCerts().rsa.Leaf.PublicKey)
			p := newTestPair(t, client, server)
			p.start()
			p.run()
			wantDead(t, p.server, AlertUnsupportedCertificate, ErrPeerIncompatible)
		})
	}
}

// A damaged session from a cache never makes a client panic.
func TestSessionThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(n *session){
		"suite of the other version": func(n *session) {
			n.version = VersionDTLS12 ^ VersionDTLS13 ^ n.version
		},
		"chain of nobody":    func(n *session) { n.peer = nil },
		"chain of a raw key": func(n *session) { n.rawKey, n.peer = true, n.peer[:1] },
		"no suite":           func(n *session) { n.suite = 0 },
	} {
		for _, v := range eachVersion {
			t.Run(name+"/"+v.name, func(t *testing.T) {
				client, server := resumingConfigs(tls.NoClientCert)
				client.MaxVersion, server.MinVersion, server.MaxVersion = 0, v.number, v.number
				newTestPair(t, client, server).handshake()
				editSession(client, change)
				p := newTestPair(t, client, server)
				p.handshake()
				if p.client.conn.ConnectionState().DidResume {
					t.Error("it was resumed")
				}
			})
		}
	}
}

// As in crypto/tls, an expired certificate ends its sessions even where nothing is verified, on
// both sides.
func TestAttackG5ExpiredWhereNotVerified(t *testing.T) {
	for _, v := range eachVersion {
		for name, tt := range map[string]struct {
			auth     tls.ClientAuthType
			insecure bool
			ofServer bool
		}{
			"server's, not verified":            {auth: tls.NoClientCert, insecure: true, ofServer: true},
			"server's, verified":                {auth: tls.NoClientCert, ofServer: true},
			"client's, requested":               {auth: tls.RequestClientCert},
			"client's, required":                {auth: tls.RequireAnyClientCert},
			"client's, verified":                {auth: tls.RequireAndVerifyClientCert},
			"client's, verified if it is given": {auth: tls.VerifyClientCertIfGiven},
		} {
			for _, expired := range []bool{false, true} {
				client, server := resumingConfigs(tt.auth)
				v.set(client, server)
				now := testTime
				client.Time, server.Time = func() time.Time { return now }, func() time.Time { return now }
				client.InsecureSkipVerify = tt.insecure
				short := testCerts().ca.issue(testCerts().ecdsa.PrivateKey.(crypto.Signer),
					func(c *x509.Certificate) {
						c.NotAfter = testTime.Add(time.Hour)
					})
				if tt.ofServer {
					server.Certificates = []tls.Certificate{short}
				} else {
					client.Certificates = []tls.Certificate{short}
				}
				newTestPair(t, client, server).handshake()
				if now = now.Add(59 * time.Minute); expired {
					now = now.Add(2 * time.Minute)
				}
				p := newTestPair(t, client, server)
				p.start()
				p.run()
				if got := p.client.conn.ConnectionState().DidResume; got == expired {
					t.Errorf("%s, %s, expired %v: resumed %v; %v, %v", v.name, name, expired, got, p.client.err,
						p.server.err)
				}
			}
		}
	}
}

// G5: a session that a cache altered is not resumed, whether it was verified or not, and a full
// handshake takes place.
func TestAttackG5AlteredInCache(t *testing.T) {
	for _, v := range eachVersion {
		for _, insecure := range []bool{false, true} {
			client, server := resumingConfigs(tls.NoClientCert)
			v.set(client, server)
			client.InsecureSkipVerify = insecure
			newTestPair(t, client, server).handshake()
			data, _ := client.SessionCache.Get(testName)
			for i := range data {
				altered := slices.Clone(data)
				altered[i] ^= 0x10
				if parseSession(altered) != nil {
					t.Fatalf("%s: byte %d of %d can be altered", v.name, i, len(data))
				}
			}
			for _, altered := range [][]byte{nil, {}, data[:1], data[:len(data)-1],
				append(slices.Clone(data), 0), slices.Concat(data[:400], []byte{data[400] ^ 1}, data[401:])} {
				client.SessionCache.Put(testName, altered)
				p := newTestPair(t, client, server)
				p.handshake()
				if p.client.conn.ConnectionState().DidResume {
					t.Errorf("%s: %d bytes were resumed", v.name, len(altered))
				}
			}
		}
	}
}

// G5: a cache that knows a session's secret can compute its MAC. The server's certificates in it
// are verified nevertheless.
func TestAttackG5AlteredCertificatesInCache(t *testing.T) {
	leaf := func(n *session) []byte { return slices.Clone(n.peer[0]) }
	flip := func(der []byte, i int) []byte { der[i] ^= 1; return der }
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	foreign := newTestAuthority("another operator").issue(key, nil)
	otherName := testCerts().ca.issue(key, func(c *x509.Certificate) {
		c.DNSNames = []string{"other.example"}
	})
	forClients := testCerts().ca.issue(key,
		func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	for name, change := range map[string]func(n *session){
		"the signature of the leaf": func(n *session) { n.peer[0] = flip(leaf(n), len(n.peer[0])-1) },
		"that of both its copies": func(n *session) {
			n.peer[0] = flip(leaf(n), len(n.peer[0])-1)
			n.chain[0] = n.peer[0]
		},
		"the key of the leaf": func(n *session) { n.peer[0] = flip(leaf(n), len(n.peer[0])/2) },
		"another leaf":        func(n *session) { n.peer[0] = foreign.Certificate[0] },
		"another leaf, both copies": func(n *session) {
			n.peer[0] = foreign.Certificate[0]
			n.chain[0] = n.peer[0]
		},
		"a leaf of another name": func(n *session) {
			n.peer[0] = otherName.Certificate[0]
			n.chain[0] = n.peer[0]
		},
		"a leaf for another purpose": func(n *session) {
			n.peer[0] = forClients.Certificate[0]
			n.chain[0] = n.peer[0]
		},
		"no leaf":  func(n *session) { n.peer, n.chain = nil, nil },
		"no chain": func(n *session) { n.chain = nil },
	} {
		for _, v := range eachVersion {
			client, server := resumingConfigs(tls.NoClientCert)
			v.set(client, server)
			newTestPair(t, client, server).handshake()
			editSession(client, change)
			p := newTestPair(t, client, server)
			p.handshake()
			if s := p.client.conn.ConnectionState(); s.DidResume ||
				!s.PeerCertificates[0].Equal(testCerts().ecdsa.Leaf) {
				t.Errorf("%s, %s: resumed %v, %v", v.name, name, s.DidResume, s.PeerCertificates[0].DNSNames)
			}
		}
	}
	// The rest of the chain is built again.
	for _, v := range eachVersion {
		client, server := resumingConfigs(tls.NoClientCert)
		v.set(client, server)
		newTestPair(t, client, server).handshake()
		data, _ := client.SessionCache.Get(testName)
		n := parseSession(data)
		n.chain[1] = foreign.Certificate[0]
		client.SessionCache.Put(testName, must(n.marshal()))
		p := newTestPair(t, client, server)
		p.handshake()
		if s := p.client.conn.ConnectionState(); !s.DidResume ||
			!s.VerifiedChains[0][1].Equal(testCerts().ca.cert) {
			t.Errorf("%s: resumed %v with the chain %v", v.name, s.DidResume, s.VerifiedChains)
		}
	}
}

// A certificate that no trusted authority issued is rejected even if a session contains a forged
// chain: sessions that this process did not store are verified again.
func TestForgedChainInCache(t *testing.T) {
	for _, v := range eachVersion {
		client, server := resumingConfigs(tls.NoClientCert)
		v.set(client, server)
		newTestPair(t, client, server).handshake()
		forged := newTestAuthority("other").issue(testCerts().ecdsa.PrivateKey.(crypto.Signer), nil)
		editSession(client, func(n *session) {
			n.peer = [][]byte{forged.Certificate[0]}
			n.chain = [][]byte{forged.Certificate[0], n.chain[len(n.chain)-1]}
		})
		p := newTestPair(t, client, server)
		p.handshake()
		if p.client.conn.ConnectionState().DidResume {
			t.Errorf("%s: it was resumed", v.name)
		}
	}
}
