package dtlscore

import (
	"crypto/tls"
	"testing"
)

// G5: a session that two Configs can get at is resumed only by those that would trust its peer in a full handshake.

// A client that trusts the host's authorities does not take the session of one that trusted another.
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

// A server that verifies raw public keys alone does not take the ticket of a client that showed another
// server of ours a certificate.
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

// What a cache gives back may have suffered. It never makes a client panic.
func TestSessionThatCannotBe(t *testing.T) {
	for name, change := range map[string]func(n *session){
		"suite of the other version": func(n *session) { n.version = VersionDTLS12 ^ VersionDTLS13 ^ n.version },
		"chain of nobody":            func(n *session) { n.peer = nil },
		"chain of a raw key":         func(n *session) { n.rawKey, n.peer = true, n.peer[:1] },
		"no suite":                   func(n *session) { n.suite = 0 },
	} {
		for _, v := range eachVersion {
			t.Run(name+"/"+v.name, func(t *testing.T) {
				client, server := resumingConfigs(tls.NoClientCert)
				client.MaxVersion, server.MinVersion, server.MaxVersion = 0, v.number, v.number
				newTestPair(t, client, server).handshake()
				data, _ := client.SessionCache.Get(testName)
				n := parseSession(data)
				change(n)
				client.SessionCache.Put(testName, must(n.marshal()))
				p := newTestPair(t, client, server)
				p.handshake()
				if p.client.conn.ConnectionState().DidResume {
					t.Error("it was resumed")
				}
			})
		}
	}
}
