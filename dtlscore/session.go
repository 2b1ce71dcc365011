package dtlscore

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// sessionLifetime is how long a session can be resumed after the full handshake that authenticated
// the peer. See RFC 9325, Section 3.4.
const sessionLifetime = 24 * time.Hour

// sessionFormat is the first byte of a marshaled session. Sessions in the format of another release
// are not resumed.
const sessionFormat = 4

// A session is what both sides keep of a handshake, so that a later connection can resume it: the
// server in a ticket that the client stores, the client in a cache. See RFC 5077, Section 4.
type session struct {
	version    uint16
	suite      uint16
	created    int64 // when the peer was authenticated, as Unix time in seconds
	secret     []byte
	serverName string
	protocol   string

	rawKey bool     // peer is a raw public key
	peer   [][]byte // the peer's credential, DER
	chain  [][]byte // the verified chain, including the root

	// The client only.
	ticket   []byte
	lifetime uint32 // seconds since created, from the server; 0: unspecified
	staple   []byte
	received int64  // when the ticket arrived, as Unix time in milliseconds; DTLS 1.3
	ageAdd   uint32 // DTLS 1.3
}

func newSession(s *ConnectionState, secret []byte, now time.Time) (*session, error) {
	n := &session{
		version: s.Version, suite: s.CipherSuite, created: now.Unix(), secret: secret,
		serverName: s.ServerName, protocol: s.NegotiatedProtocol, staple: s.OCSPResponse,
	}
	if s.PeerRawKey != nil {
		der, err := x509.MarshalPKIXPublicKey(s.PeerRawKey)
		n.rawKey, n.peer = true, [][]byte{der}
		return n, err
	}
	n.peer = rawCertificates(s.PeerCertificates)
	if len(s.VerifiedChains) > 0 {
		n.chain = rawCertificates(s.VerifiedChains[0])
	}
	return n, nil
}

// forget overwrites the secret of a session.
func (n *session) forget() {
	if n != nil {
		clear(n.secret)
	}
}

func rawCertificates(chain []*x509.Certificate) (der [][]byte) {
	for _, cert := range chain {
		der = append(der, cert.Raw)
	}
	return der
}

// restore copies the peer's identity into the state of a new connection.
func (n *session) restore(s *ConnectionState) error {
	s.OCSPResponse = n.staple
	if n.rawKey {
		key, err := x509.ParsePKIXPublicKey(n.peer[0])
		s.PeerRawKey = key
		return err
	}
	var err error
	if s.PeerCertificates, err = cachedCertificates(n.peer); err != nil || len(n.chain) == 0 {
		return err
	}
	chain, err := cachedCertificates(n.chain)
	s.VerifiedChains = [][]*x509.Certificate{chain}
	return err
}

// expired reports whether the session must not be resumed any more.
func (n *session) expired(now time.Time) bool {
	age := now.Sub(time.Unix(n.created, 0))
	return age < 0 || age >= sessionLifetime ||
		n.lifetime != 0 && age >= time.Duration(n.lifetime)*time.Second
}

// trustsRawKey reports whether the raw public key of a session's peer would be accepted today.
func (c *Config) trustsRawKey(s *ConnectionState) bool {
	return c.VerifyRawKey != nil && c.VerifyRawKey(s.PeerRawKey) == nil
}

// expired reports whether a certificate has expired. As in crypto/tls, its sessions then end, even
// if the certificate was not verified.
func (c *Config) expired(cert *x509.Certificate) bool { return c.time().After(cert.NotAfter) }

// stillVerified reports whether the first chain of a session would be accepted today. It does not
// repeat the public-key operations of the verification: only the validity periods and the trust in
// the root can have changed.
func (c *Config) stillVerified(chains [][]*x509.Certificate, roots *x509.CertPool,
	usage x509.ExtKeyUsage) bool {
	if len(chains) == 0 {
		return false
	}
	chain, now := chains[0], c.time()
	for _, cert := range chain {
		if now.Before(cert.NotBefore) || now.After(cert.NotAfter) {
			return false
		}
	}
	// A certificate that is in the pool is accepted without verifying a signature.
	_, err := chain[len(chain)-1].Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{usage}})
	return err == nil
}

// marshal encodes the session. It ends with a MAC, keyed with the session's own secret, so that a
// session which a cache altered without knowing the secret is not resumed. Whoever knows the secret
// can impersonate the server anyway.
func (n *session) marshal() ([]byte, error) {
	body, err := n.marshalBody()
	if err != nil {
		return nil, err
	}
	return append(body, n.mac(body)...), nil
}

// marshalBody encodes the session without the MAC, for storage that nobody else can alter.
func (n *session) marshalBody() ([]byte, error) {
	// Enough, because a buffer that grows leaves a copy of the secret behind.
	room := 256 + len(n.serverName) + len(n.protocol) + len(n.ticket) + len(n.staple)
	// The certificates that the chain shares with the peer's are encoded once, because both ends hash
	// a ticket more than once.
	shared := n.sharedChain()
	for _, der := range slices.Concat(n.peer, n.chain[shared:]) {
		room += 3 + len(der)
	}
	b := cryptobyte.NewBuilder(make([]byte, 0, room))
	b.AddUint8(sessionFormat)
	b.AddUint16(n.version)
	b.AddUint16(n.suite)
	b.AddUint64(uint64(n.created))
	addVector8(b, n.secret)
	addVector16(b, []byte(n.serverName))
	addVector8(b, []byte(n.protocol))
	if n.rawKey {
		b.AddUint8(1)
	} else {
		b.AddUint8(0)
	}
	addCertificates(b, n.peer)
	b.AddUint8(uint8(shared))
	addCertificates(b, n.chain[shared:])
	addVector16(b, n.ticket)
	b.AddUint32(n.lifetime)
	addVector24(b, n.staple)
	b.AddUint64(uint64(n.received))
	b.AddUint32(n.ageAdd)
	return b.Bytes()
}

// sharedChain returns how many certificates at the start of the chain the peer has sent in the same
// order: usually all except the root.
func (n *session) sharedChain() (shared int) {
	most := min(len(n.chain), len(n.peer), maxChain)
	for shared < most && bytes.Equal(n.chain[shared], n.peer[shared]) {
		shared++
	}
	return shared
}

func (n *session) mac(data []byte) []byte {
	h := hmac.New(sha256.New, n.secret)
	h.Write(data)
	return h.Sum(nil)
}

// parseSession decodes a session. It returns nil if the format is unknown or the session was
// altered.
func parseSession(data []byte) *session {
	body := data[:max(0, len(data)-sha256.Size)]
	n := parseSessionBody(body)
	if n == nil || !hmac.Equal(n.mac(body), data[len(body):]) {
		n.forget()
		return nil
	}
	return n
}

func parseSessionBody(body []byte) *session { return takeSession(slices.Clone(body)) }

// takeSession is parseSessionBody that keeps body, or overwrites it if it is no session.
func takeSession(body []byte) *session {
	n := new(session)
	if !n.unmarshal(body) {
		clear(body)
		return nil
	}
	return n
}

func (n *session) unmarshal(body []byte) bool {
	s := cryptobyte.String(body)
	var format, rawKey, shared uint8
	var rest [][]byte // of the chain, after what is shared
	var created, received uint64
	var serverName, protocol []byte
	if !s.ReadUint8(&format) || format != sessionFormat ||
		!s.ReadUint16(&n.version) || !s.ReadUint16(&n.suite) || !s.ReadUint64(&created) ||
		!readVector8(&s, &n.secret) || !readVector16(&s, &serverName) || !readVector8(&s, &protocol) ||
		!s.ReadUint8(&rawKey) || !readCertificates(&s, &n.peer) ||
		!s.ReadUint8(&shared) || !readCertificates(&s, &rest) ||
		!readVector16(&s, &n.ticket) || !s.ReadUint32(&n.lifetime) || !readVector24(&s, &n.staple) ||
		!s.ReadUint64(&received) || !s.ReadUint32(&n.ageAdd) || !s.Empty() {
		return false
	}
	n.created, n.serverName, n.protocol, n.rawKey = int64(created), string(serverName),
		string(protocol), rawKey == 1
	n.received = int64(received)
	if int(shared) > len(n.peer) {
		return false
	}
	if n.chain = slices.Concat(n.peer[:shared], rest); n.sharedChain() != int(shared) {
		return false // not the only encoding
	}
	if rawKey > 1 || n.rawKey && len(n.peer) != 1 ||
		len(n.chain) > 0 && (n.rawKey || len(n.peer) == 0) {
		return false
	}
	return suiteByID(n.suite, n.version) != nil
}

func addCertificates(b *cryptobyte.Builder, list [][]byte) {
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, der := range list {
			addVector24(b, der)
		}
	})
}

func readCertificates(s *cryptobyte.String, list *[][]byte) bool {
	var certs cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&certs) {
		return false
	}
	for !certs.Empty() {
		var der []byte
		if !readVector24(&certs, &der) {
			return false
		}
		*list = append(*list, der)
	}
	return true
}
