package dtlscore

import (
	"bytes"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"slices"
	"strings"
	"testing"
)

// I1: a session that is truncated, or followed by other bytes, is invalid.
func TestAttackI1Session(t *testing.T) {
	for _, data := range fuzzSessions() {
		for n := range data {
			if parseSession(data[:n]) != nil {
				t.Fatalf("%d of %d bytes are taken", n, len(data))
			}
		}
		if parseSession(append(data[:len(data):len(data)], 0)) != nil {
			t.Error("one byte more is taken")
		}
	}
}

// What is no session may have a secret in it all the same, and is overwritten: for example a ticket
// that another version of this package has issued.
func TestSessionOverwritten(t *testing.T) { // RFC 6083, Section 4.8
	isZero := func(b []byte) bool { return bytes.Equal(b, make([]byte, len(b))) }
	n := &session{version: VersionDTLS13, suite: TLS_AES_128_GCM_SHA256, secret: []byte("secret")}
	body := must(n.marshalBody())
	if got := takeSession(body); got == nil || string(got.secret) != "secret" || isZero(body) {
		t.Fatalf("decoded as %+v", got)
	}
	for name, body := range map[string][]byte{
		"another format": append([]byte{sessionFormat + 1}, body[1:]...),
		"truncated":      slices.Clone(body[:len(body)-1]),
		"too long":       slices.Concat(body, []byte{0}),
		"unknown suite":  append([]byte{sessionFormat, body[1], body[2], 0, 0}, body[5:]...),
	} {
		if got := takeSession(body); got != nil || !isZero(body) {
			t.Errorf("%s: decoded as %+v, %x is left", name, got, body)
		}
	}
}

// A cache overwrites the sessions that this package has stored in it when it drops them, and no
// others.
func TestSessionCacheOverwritten(t *testing.T) { // RFC 6083, Section 4.8
	config := &Config{SessionCache: NewSessionCache(1)}
	n := &session{version: VersionDTLS13, suite: TLS_AES_128_GCM_SHA256, secret: []byte("secret")}
	for name, drop := range map[string]func(){
		"evicted":  func() { config.cacheSession("b", n) },
		"replaced": func() { config.cacheSession("a", n) },
		"removed":  func() { config.SessionCache.Put("a", nil) },
	} {
		config.cacheSession("a", n)
		lru := config.SessionCache.(*lruCache)
		stored := lru.entries["a"].Value.(lruEntry).session
		used, _, _ := config.cachedSession("a")
		drop()
		if bytes.Contains(stored, n.secret) {
			t.Errorf("%s: %x is left", name, stored)
		}
		if string(used.secret) != "secret" {
			t.Errorf("%s: the secret that is in use is %x", name, used.secret)
		}
	}
	theirs := []byte("session of somebody else")
	config.SessionCache.Put("a", theirs)
	config.cacheSession("b", n)
	if string(theirs) != "session of somebody else" {
		t.Errorf("altered: %q", theirs)
	}
}

// Certificates that the verified chain shares with the peer's are encoded once, and every session
// has only one encoding.
func TestSessionChain(t *testing.T) {
	root, middle, leaf := []byte("root"), []byte("middle"), []byte("leaf")
	list := func(der ...[]byte) [][]byte { return der }
	for _, test := range []struct {
		peer, chain [][]byte
		want        int // encoded certificates
	}{
		{nil, nil, 0},
		{list(leaf), nil, 1},
		{list(leaf), list(leaf, root), 2},
		{list(leaf, middle), list(leaf, middle, root), 3},
		{list(leaf, middle, root), list(leaf, middle, root), 3},
		{list(leaf, root, middle), list(leaf, middle, root), 5}, // in another order
		{list(leaf, middle), list(root), 3},
	} {
		n := &session{version: VersionDTLS13, suite: TLS_AES_128_GCM_SHA256, secret: make([]byte, 32),
			peer: test.peer, chain: test.chain}
		data := must(n.marshal())
		got := parseSession(data)
		if got == nil || !slices.EqualFunc(got.peer, test.peer, bytes.Equal) ||
			!slices.EqualFunc(got.chain, test.chain, bytes.Equal) {
			t.Errorf("%q, %q: decoded as %+v", test.peer, test.chain, got)
		}
		written := 0
		for _, der := range list(root, middle, leaf) {
			written += bytes.Count(data, der)
		}
		if written != test.want {
			t.Errorf("%q, %q: %d encoded certificates, want %d", test.peer, test.chain, written,
				test.want)
		}
	}
	n := &session{version: VersionDTLS13, suite: TLS_AES_128_GCM_SHA256, secret: make([]byte, 32),
		peer: list(leaf), chain: list(leaf, root)}
	body := must(n.marshalBody())
	body[bytes.Index(body, leaf)+len(leaf)] = 2 // the number of shared certificates
	if got := parseSessionBody(body); got != nil {
		t.Errorf("two shared certificates of one: decoded as %+v", got)
	}
	n.chain = list(root, root)
	body = bytes.Replace(must(n.marshalBody()), root, leaf, 1)
	if got := parseSessionBody(body); got != nil {
		t.Errorf("a shared certificate that is encoded twice: decoded as %+v", got)
	}
}

// The buffer for an encoded session does not grow, which would leave a copy of the secret behind.
func TestSessionBufferDoesNotGrow(t *testing.T) {
	allocs := func(name string) float64 {
		n := &session{version: VersionDTLS12, suite: TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			secret: make([]byte, masterSecretLen), serverName: name, protocol: name}
		return testing.AllocsPerRun(10, func() { must(n.marshal()) })
	}
	short, long := allocs(strings.Repeat("n", 50)), allocs(strings.Repeat("n", 255))
	if short != long {
		t.Errorf("%v allocations with short names, %v with long ones", short, long)
	}
}

// A client whose certificate does not fit into a ticket gets none, and the handshake succeeds. RFC
// 5077, Section 3.3.
func TestTicketTooLarge(t *testing.T) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		client, server := resumingConfigs(tls.RequireAndVerifyClientCert)
		for _, c := range []*Config{client, server} {
			c.MinVersion, c.MaxVersion = version, version
		}
		key := goldenECDSA(elliptic.P256(), 6)
		client.Certificates = []tls.Certificate{testCerts().ca.issue(key, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3},
				Value: make([]byte, maxTicketLen)}}
		})}
		for range 2 {
			p := newTestPair(t, client, server)
			p.handshake()
			if p.client.conn.ConnectionState().DidResume {
				t.Errorf("%#x: resumed", version)
			}
			p.exchangeData()
		}
		if s, ok := client.SessionCache.Get(client.ServerName); ok {
			t.Errorf("%#x: a session of %d bytes was kept", version, len(s))
		}
	}
}
