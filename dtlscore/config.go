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

// EndpointSecretLabel is the exporter label that RFC 6083, Section 5 registers.
const EndpointSecretLabel = "EXPORTER_DTLS_OVER_SCTP"

// A Config says how a [Conn] authenticates itself and its peer, and what it
// agrees to. Fields that crypto/tls has too mean the same. One Config may be
// used by many connections at once, and must not be changed while it is.
//
// A callback chooses the alert that tells the peer about its error, if there is
// an [AlertError] in it.
type Config struct {
	// Certificates are offered to the peer. A client takes the first that the server's request allows.
	// A server takes the first among those that the client can use with the version and a cipher suite
	// that both have: rather one for the name in server_name, and among those rather one that was
	// issued by an authority that the client names (RFC 8446, Section 4.2.4).
	Certificates []tls.Certificate

	// GetCertificate, if not nil, chooses the certificate of a server for each
	// handshake, so that it can be renewed without a restart. As in crypto/tls it is called only if
	// the client sends server_name or Certificates is empty. If it returns
	// neither a certificate nor an error, Certificates are used. [AcceptableCAs] returns the
	// authorities that the client names.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	// GetClientCertificate, if not nil, chooses the certificate of a client
	// when the server asks for one, and Certificates are not used. A
	// certificate without a chain in it means that none is sent.
	GetClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// GetConfigForClient, if not nil, may give another Config for the whole
	// of a server's connection once the ClientHello is known; nil keeps this one.
	GetConfigForClient func(*tls.ClientHelloInfo) (*Config, error)

	// RawKey is shown in place of certificates to a peer that prefers raw
	// public keys (RFC 7250).
	RawKey crypto.Signer

	// RootCAs are what a client trusts to issue the certificate of a server; nil means the host's.
	// With GetPSK or VerifyRawKey nil means none: the server has no use for a certificate, unless
	// VerifyPeerCertificate or InsecureSkipVerify is set.
	RootCAs *x509.CertPool

	// ServerName is the name or IP address that the certificate of the server has to be valid for. A
	// name is also sent to the server, as SNI. An IPv6 address may have brackets and a zone.
	ServerName string

	// ClientCAs are what a server trusts to issue the certificates of clients. It tells clients their
	// names (in DTLS 1.2 without protection), unless they have more than 8192 bytes, so that a client
	// with several certificates shows the right one.
	ClientCAs *x509.CertPool

	// ClientAuth is what a server asks of its clients, unless a pre-shared key
	// authenticates them.
	ClientAuth tls.ClientAuthType

	// InsecureSkipVerify lets a client take any certificate for any name.
	// VerifyPeerCertificate and VerifyConnection are called all the same.
	InsecureSkipVerify bool

	// VerifyPeerCertificate, if not nil, is called after the chain of the peer was verified (or was
	// not, if the configuration says so). An error ends the connection. It is not called for resumed
	// sessions. A server calls it without certificates for a client that was asked for one, has none,
	// and is let in by ClientAuth.
	VerifyPeerCertificate func(rawCerts [][]byte, verifiedChains [][]*x509.Certificate) error

	// VerifyConnection, if not nil, is called once in each handshake, after
	// all other verification of the peer, also in resumed ones and in
	// renegotiations. An error ends the connection.
	VerifyConnection func(ConnectionState) error

	// VerifyRawKey, if not nil, says that the peer may show a raw public key
	// (RFC 7250), and whether a key is that of the peer. An error ends the
	// connection. The peer proves afterwards that it has the private key.
	VerifyRawKey func(crypto.PublicKey) error

	// GetPSK, if not nil, lets a client authenticate with a pre-shared key
	// (RFC 4279), and returns it. hint is what the server says about which, nil
	// if nothing. Cipher suites with forward secrecy (RFC 8442) are offered
	// by default, those without (RFC 5487) only if CipherSuites has them.
	GetPSK func(hint []byte) (*PSK, error)

	// LookupPSK, if not nil, lets clients of a server authenticate with a
	// pre-shared key, and returns the key of one, nil if it is not known. A
	// client cannot tell whether its identity or its key was wrong.
	//
	// Who is a client and a server at once needs another key for each role:
	// someone between could else connect it with itself. A Config with GetPSK
	// as well refuses the key that this gives.
	LookupPSK func(identity []byte) (*PSK, error)

	// MinVersion and MaxVersion bound the version, [VersionDTLS12] or
	// [VersionDTLS13]. Zero means the lowest and the highest implemented.
	MinVersion, MaxVersion uint16

	// CipherSuites are the suites that may be negotiated, most preferred
	// first; a server follows its own order. Nil means a safe default.
	CipherSuites []uint16

	// CurvePreferences are the groups for the key exchange, most preferred first. None means a safe
	// default. A client of DTLS 1.2 also says by them on which curves it takes certificates (RFC 8422,
	// Section 5.1).
	CurvePreferences []tls.CurveID

	// NextProtos are the application protocols for ALPN (RFC 7301), most
	// preferred first. If both sides have some but none in common, the
	// connection ends.
	NextProtos []string

	// MaxMessageSize is how many bytes of application data in a record this end is ready to
	// receive: up to [MaxLargePlaintext]. 0 is [MaxPlaintext]; more is agreed on in DTLS 1.3 with a
	// peer that asks for more than that too, in its own direction
	// (draft-ietf-tls-super-jumbo-record-limit).
	MaxMessageSize int

	// TicketKeys, if not nil, lets a server give session tickets to its clients
	// (RFC 5077), with which they can resume: without public-key operations, and
	// known by the certificates that they showed before. Configs that share it
	// take each other's tickets, as far as ClientAuth and ClientCAs allow.
	TicketKeys *TicketKeys

	// SessionCache, if not nil, lets a client keep tickets, by ServerName.
	SessionCache SessionCache

	// CookieExchange has a server ask its clients to repeat their first message
	// with a cookie (RFC 6347, Section 4.2.1, and RFC 9147, Section 5.1), which
	// shows that they receive what they are sent. Over SCTP that is known already.
	CookieExchange bool

	// Renegotiation says whether further handshakes are possible on a
	// connection of DTLS 1.2.
	Renegotiation RenegotiationSupport

	// OnPeerChanged, if not nil, is asked when the peer shows another identity
	// in a renegotiation than before, which otherwise ends the connection. The
	// new one is verified.
	OnPeerChanged func(old, new ConnectionState) error

	// EndpointSecretLabel is the exporter label for the secrets in
	// [EventInstallKey] in DTLS 1.2; empty means [EndpointSecretLabel].
	EndpointSecretLabel string

	// EndpointSecretLabel13 is the same for DTLS 1.3.
	EndpointSecretLabel13 string

	// KeyLogWriter, if not nil, gets the secrets of each connection in NSS's
	// key log format, with which anyone can read it. For debugging only.
	// Writes are serialised per Conn only.
	KeyLogWriter io.Writer

	// Rand is where the random values of hello messages come from; nil means
	// crypto/rand. Keys always come from crypto/rand.
	Rand io.Reader

	// Time gives the time at which certificates have to be valid; nil means
	// time.Now.
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

// implementedVersions, highest first.
var implementedVersions = []uint16{VersionDTLS13, VersionDTLS12}

// versions returns what may be negotiated, highest first. DTLS version
// numbers count downwards.
func (c *Config) versions(isClient bool) []uint16 {
	return slices.DeleteFunc(slices.Clone(implementedVersions), func(v uint16) bool {
		return !c.allowsVersion(v) || len(c.suites(v, isClient)) == 0 || len(c.groups(v)) == 0
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

// suites returns the cipher suites of a version that may be negotiated.
func (c *Config) suites(version uint16, isClient bool) (ids []uint16) {
	for _, id := range c.wantedSuites() {
		if s := suiteByID(id, version); s != nil && c.authenticates(s, isClient) {
			ids = append(ids, id)
		}
	}
	return ids
}

// authenticates reports whether there is what a suite authenticates the
// server with. Those of version 1.3 leave it open.
func (c *Config) authenticates(s *cipherSuite, isClient bool) bool {
	psk, certificates := c.LookupPSK != nil, c.hasCertificates() || c.RawKey != nil
	if isClient {
		psk, certificates = c.GetPSK != nil, c.verifiesServers() || c.VerifyRawKey != nil
	}
	return certificates && !s.kx.hasPSK() || psk && (s.kx.hasPSK() || s.kx == kxNone)
}

// verifiesServers reports whether a client knows what to do with the certificates of a server. To
// verify nothing by oversight must not happen, nor to trust the host's authorities where a
// pre-shared key or a raw public key is what says who the server is.
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

// groups returns the groups of a version that may be negotiated.
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

// check finds what no handshake could succeed with, or should.
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
		return nil // which gives one that is complete, or chooseConfig finds that this one is not
	}
	return c.checkComplete(isClient)
}

// checkComplete finds what the Config lacks for a handshake.
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
