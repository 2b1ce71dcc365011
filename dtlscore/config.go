package dtlscore

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"slices"
	"time"
)

// EndpointSecretLabel is the exporter label registered by RFC 6083, Section 5.
const EndpointSecretLabel = "EXPORTER_DTLS_OVER_SCTP"

// A Config configures how a [Conn] authenticates itself and its peer, and what it negotiates.
// Fields that have the name of a field of [tls.Config] have its meaning. A Config may be used by
// any number of connections concurrently, and must not be modified while it is in use.
//
// If the error that a callback returns wraps an [AlertError], its Alert is sent to the peer.
type Config struct {
	// Certificates contains the certificate chains to present to the peer. A client uses the first
	// one that the server's request allows. A server considers the chains that the client can use
	// with the negotiated version and a common cipher suite. Among these it prefers one that is
	// valid for the name in server_name, and then one issued by an authority that the client names
	// (RFC 8446, Section 4.2.4).
	Certificates []tls.Certificate

	// GetCertificate, if not nil, returns the server's certificate for a handshake, which allows a
	// certificate to be replaced without a restart. As in crypto/tls, it is called only if the
	// client sends server_name or if Certificates is empty. If it returns nil and no error,
	// Certificates is used. [AcceptableCAs] returns the authorities that the client names.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	// GetClientCertificate, if not nil, returns the client's certificate when a server requests
	// one; Certificates is then ignored. A certificate with an empty chain means that the client
	// sends none.
	GetClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// GetConfigForClient, if not nil, is called by a server after it has received a ClientHello. It
	// may return another Config for the connection, or nil to continue with this one.
	GetConfigForClient func(*tls.ClientHelloInfo) (*Config, error)

	// RawKey is presented instead of certificates to a peer that prefers raw public keys (RFC
	// 7250).
	RawKey crypto.Signer

	// RootCAs are the authorities that a client trusts to issue servers' certificates. If it is
	// nil, the client uses the host's authorities. With GetPSK or VerifyRawKey, however, nil means
	// that the client accepts no certificates, unless VerifyPeerCertificate or InsecureSkipVerify
	// is set.
	RootCAs *x509.CertPool

	// ServerName is the host name or IP address that the server's certificate must be valid for.
	// The client sends a name, but not an address, in server_name (SNI). An IPv6 address may have
	// brackets and a zone.
	ServerName string

	// ClientCAs are the authorities that a server trusts to issue clients' certificates. The server
	// sends their names to its clients, so that a client with several certificates can choose the
	// right one. It sends no names if they take more than 8192 bytes. DTLS 1.2 sends them
	// unencrypted.
	ClientCAs *x509.CertPool

	// ClientAuth is the server's policy for client certificates. It does not apply to a client that
	// authenticates with a pre-shared key.
	ClientAuth tls.ClientAuthType

	// InsecureSkipVerify makes a client accept any certificate for any name. VerifyPeerCertificate
	// and VerifyConnection are called nevertheless.
	InsecureSkipVerify bool

	// VerifyPeerCertificate, if not nil, is called after the normal verification of the peer's
	// chain, or in its place if the configuration disables that. An error ends the connection. It
	// is not called for resumed sessions. A server also calls it, without certificates, for a
	// client that was asked for a certificate, sent none, and is admitted by ClientAuth.
	VerifyPeerCertificate func(rawCerts [][]byte, verifiedChains [][]*x509.Certificate) error

	// VerifyConnection, if not nil, is called once in each handshake after all other verification
	// of the peer, including resumptions and renegotiations. An error ends the connection.
	VerifyConnection func(ConnectionState) error

	// VerifyRawKey, if not nil, allows the peer to authenticate with a raw public key (RFC 7250),
	// and verifies that the key belongs to the peer. An error ends the connection. After it
	// returns, the peer still has to prove that it has the private key.
	VerifyRawKey func(crypto.PublicKey) error

	// GetPSK, if not nil, allows a client to authenticate with a pre-shared key (RFC 4279), and
	// returns the key. hint is the server's psk_identity_hint, or nil if there was none. By default
	// the client offers the cipher suites with forward secrecy (RFC 8442); it offers those without
	// (RFC 5487) only if CipherSuites contains them.
	GetPSK func(hint []byte) (*PSK, error)

	// LookupPSK, if not nil, allows a server's clients to authenticate with a pre-shared key. It
	// returns the key for an identity, or nil if the identity is unknown. A client cannot tell an
	// unknown identity from a wrong key.
	//
	// A program that is both a client and a server needs a different key for each role; otherwise
	// an attacker could connect the program to itself. A Config that has GetPSK as well refuses a
	// key that GetPSK returns.
	LookupPSK func(identity []byte) (*PSK, error)

	// MinVersion and MaxVersion are the lowest and highest version to negotiate, [VersionDTLS12] or
	// [VersionDTLS13]. Zero means the lowest and the highest that this package implements.
	MinVersion, MaxVersion uint16

	// CipherSuites are the cipher suites to negotiate, in the order of preference. A server follows
	// its own order. Nil means a secure default.
	CipherSuites []uint16

	// CurvePreferences are the groups for the key exchange, in the order of preference. Empty means
	// a secure default. They also tell a server of DTLS 1.2 which curves the client accepts in
	// certificates (RFC 8422, Section 5.1).
	CurvePreferences []tls.CurveID

	// NextProtos are the application protocols for ALPN (RFC 7301), in the order of preference. If
	// both sides have some and none in common, the connection ends.
	NextProtos []string

	// MaxMessageSize is the largest number of bytes of application data in a record that this side
	// accepts, at most [MaxLargePlaintext]. Zero means [MaxPlaintext]. A larger value takes effect
	// in DTLS 1.3 if the peer supports large records too; the limits of the two directions are
	// independent (draft-ietf-tls-super-jumbo-record-limit).
	MaxMessageSize int

	// TicketKeys, if not nil, makes a server issue session tickets (RFC 5077). A client can resume
	// a session with one without public-key operations; it keeps the identity that its certificates
	// proved. Configs that share TicketKeys accept each other's tickets, within what ClientAuth and
	// ClientCAs allow.
	TicketKeys *TicketKeys

	// SessionCache, if not nil, stores a client's sessions, by ServerName.
	SessionCache SessionCache

	// CookieExchange makes a server request a cookie from each client (RFC 6347, Section 4.2.1, and
	// RFC 9147, Section 5.1), which proves that the client receives packets at its address. SCTP
	// has already proved that.
	CookieExchange bool

	// Renegotiation specifies whether a DTLS 1.2 connection allows renegotiation.
	Renegotiation RenegotiationSupport

	// OnPeerChanged, if not nil, is called when the peer presents a different identity in a
	// renegotiation, after the new identity has been verified. A nil error accepts the change.
	// Without OnPeerChanged a change ends the connection.
	OnPeerChanged func(old, new ConnectionState) error

	// EndpointSecretLabel is the exporter label for the secrets of [EventInstallKey] in DTLS 1.2.
	// Empty means [EndpointSecretLabel].
	EndpointSecretLabel string

	// EndpointSecretLabel13 is the label for DTLS 1.3. Empty means [EndpointSecretLabel].
	EndpointSecretLabel13 string

	// KeyLogWriter, if not nil, receives the secrets of each connection in the NSS key log format.
	// Anyone who has them can read the connection: use it for debugging only. All connections
	// serialize their writes to it.
	KeyLogWriter io.Writer

	// Rand is the source of the random values in hello messages; nil means [crypto/rand.Reader].
	// Keys always come from crypto/rand.
	Rand io.Reader

	// Time returns the current time, at which certificates must be valid; nil means [time.Now].
	Time func() time.Time
}

func (c *Config) rand() io.Reader {
	if c.Rand != nil {
		return c.Rand
	}
	return rand.Reader
}

func (c *Config) time() time.Time {
	if c.Time != nil {
		return c.Time()
	}
	return time.Now()
}

func (c *Config) endpointSecretLabel(version uint16) string {
	if version == VersionDTLS13 {
		return cmp.Or(c.EndpointSecretLabel13, EndpointSecretLabel)
	}
	return cmp.Or(c.EndpointSecretLabel, EndpointSecretLabel)
}

// implementedVersions are the implemented versions, highest first.
var implementedVersions = []uint16{VersionDTLS13, VersionDTLS12}

// versions returns the versions to negotiate, highest first. DTLS version numbers decrease: a later
// version has a lower number.
func (c *Config) versions(isClient bool) []uint16 {
	return slices.DeleteFunc(slices.Clone(implementedVersions), func(v uint16) bool {
		hasSuite := func(id uint16) bool { return c.hasSuite(id, v, isClient) }
		return !c.allowsVersion(v) || !slices.ContainsFunc(c.wantedSuites(), hasSuite) ||
			len(c.groups(v)) == 0
	})
}

// allowsVersion reports whether a version is within MinVersion and MaxVersion.
func (c *Config) allowsVersion(v uint16) bool {
	return (c.MinVersion == 0 || v <= c.MinVersion) && (c.MaxVersion == 0 || v >= c.MaxVersion)
}

func (c *Config) wantedSuites() []uint16 {
	if c.CipherSuites == nil {
		return defaultCipherSuites
	}
	return c.CipherSuites
}

// suites returns the cipher suites of a version to negotiate.
func (c *Config) suites(version uint16, isClient bool) (ids []uint16) {
	for _, id := range c.wantedSuites() {
		if c.hasSuite(id, version, isClient) {
			ids = append(ids, id)
		}
	}
	return ids
}

// hasSuite reports whether a cipher suite of a version can be negotiated.
func (c *Config) hasSuite(id, version uint16, isClient bool) bool {
	s := suiteByID(id, version)
	return s != nil && c.authenticates(s, isClient)
}

// authenticates reports whether the Config has what a cipher suite authenticates the server with.
// Suites of DTLS 1.3 are independent of that.
func (c *Config) authenticates(s *cipherSuite, isClient bool) bool {
	psk, certificates := c.LookupPSK != nil, c.hasCertificates() || c.RawKey != nil
	if isClient {
		psk, certificates = c.GetPSK != nil, c.verifiesServers() || c.VerifyRawKey != nil
	}
	return certificates && !s.kx.hasPSK() || psk && (s.kx.hasPSK() || s.kx == kxNone)
}

// verifiesServers reports whether a client can verify a server's certificates. A client must not
// skip verification because a setting was forgotten. Nor must it trust the host's authorities if a
// pre-shared key or a raw public key is meant to authenticate the server.
func (c *Config) verifiesServers() bool {
	if c.InsecureSkipVerify || c.VerifyPeerCertificate != nil {
		return true
	}
	if c.RootCAs == nil && (c.GetPSK != nil || c.VerifyRawKey != nil) {
		return false
	}
	return c.ServerName != "" || c.VerifyConnection != nil
}

func (c *Config) hasCertificates() bool {
	return len(c.Certificates) > 0 ||
		c.GetCertificate != nil
}

// groups returns the groups of a version to negotiate.
func (c *Config) groups(version uint16) (groups []tls.CurveID) {
	wanted := c.CurvePreferences
	if len(wanted) == 0 {
		wanted = defaultGroups
	}
	for _, g := range wanted {
		if groupInVersion(g, version) {
			groups = append(groups, g)
		}
	}
	return groups
}

// check returns an error if no handshake with the Config could or should succeed.
func (c *Config) check(isClient bool) error {
	for _, v := range []uint16{c.MinVersion, c.MaxVersion} {
		if v != 0 && v != VersionDTLS12 && v != VersionDTLS13 {
			return misuse("Config.MinVersion and Config.MaxVersion must be VersionDTLS12 or VersionDTLS13")
		}
	}
	if n := c.MaxMessageSize; n != 0 && n < maxPlaintext || n > MaxLargePlaintext {
		return misuse("Config.MaxMessageSize of %d bytes must be 0, or from %d to %d",
			n, maxPlaintext, MaxLargePlaintext)
	}
	for _, p := range c.NextProtos {
		if len(p) == 0 || len(p) > 255 {
			return misuse("a protocol name in Config.NextProtos must have 1 to 255 bytes")
		}
	}
	for _, id := range c.CipherSuites {
		if suiteByID(id, VersionDTLS12) == nil && suiteByID(id, VersionDTLS13) == nil {
			return misuse("cipher suite %#04x in Config.CipherSuites is not implemented", id)
		}
	}
	for _, g := range c.CurvePreferences {
		if !groupInVersion(g, VersionDTLS13) {
			return misuse("group %v in Config.CurvePreferences is not implemented", g)
		}
	}
	if !isClient && c.GetConfigForClient != nil {
		return nil // GetConfigForClient returns a complete one, or chooseConfig reports that it did not
	}
	return c.checkComplete(isClient)
}

// checkComplete returns an error if the Config lacks something that a handshake needs.
func (c *Config) checkComplete(isClient bool) error {
	if err := c.checkAuthentication(isClient); err != nil {
		return err
	}
	if len(c.versions(isClient)) == 0 {
		return misuse(
			"versions, cipher suites and groups of the Config leave nothing that is implemented")
	}
	return nil
}

func (c *Config) checkAuthentication(isClient bool) error {
	if isClient {
		if !c.verifiesServers() && c.VerifyRawKey == nil && c.GetPSK == nil {
			return misuse(
				"a client needs Config.ServerName, or VerifyConnection to verify the server in its own way, " +
					"or InsecureSkipVerify; or VerifyRawKey; or GetPSK")
		}
		return nil
	}
	if !c.hasCertificates() && c.RawKey == nil && c.LookupPSK == nil {
		return misuse(
			"a server needs Config.Certificates, GetCertificate, RawKey, LookupPSK or GetConfigForClient")
	}
	if c.ClientAuth >= tls.VerifyClientCertIfGiven && c.ClientCAs == nil && c.VerifyRawKey == nil {
		return misuse("a server that verifies clients needs Config.ClientCAs, or VerifyRawKey")
	}
	return nil
}
