package sctpdtls

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// Types for pre-shared keys and resumption.
type (
	// A PSK is a pre-shared key of at least 16 bytes, with its identity, which is sent in cleartext.
	PSK = dtlscore.PSK
	// TicketKeys protect the session tickets of servers. The zero value generates keys and replaces
	// them every day.
	TicketKeys = dtlscore.TicketKeys
	// A SessionCache stores the sessions of clients, which are secret.
	SessionCache = dtlscore.SessionCache
)

// A RenegotiationSupport decides whether a DTLS 1.2 connection allows further handshakes.
type RenegotiationSupport = dtlscore.RenegotiationSupport

// Values of [Config].Renegotiation. The zero value is RenegotiateNever.
const (
	// RenegotiateNever answers the peer's request with no_renegotiation.
	RenegotiateNever = dtlscore.RenegotiateNever
	// RenegotiateWhenCalled allows this end to start a renegotiation with [Conn.Renegotiate], and
	// refuses the peer's requests.
	RenegotiateWhenCalled = dtlscore.RenegotiateWhenCalled
	// RenegotiateFreely allows both ends to start one. The rate of the peer is limited.
	RenegotiateFreely = dtlscore.RenegotiateFreely
)

// NewSessionCache returns a cache in memory for the capacity most recently used sessions.
func NewSessionCache(capacity int) SessionCache { return dtlscore.NewSessionCache(capacity) }

// A RekeyPolicy decides when this end changes its keys for sending: after a number of records, of
// message bytes, or a time, which is checked when something is sent. 0 means never, except for the
// limits of the cipher suite, which DTLS 1.3 always observes. DTLS 1.3 uses a KeyUpdate. DTLS 1.2
// uses a renegotiation, if [Config].Renegotiation allows it and a client supports RFC 5746; the
// rate is limited to 12 at once and one per second, because the peer would treat more as an attack.
type RekeyPolicy struct {
	Records uint64
	Bytes   uint64
	Age     time.Duration
}

// A Config configures connections. Its fields have the names, types and meanings of [tls.Config] if
// that has them. The zero value is a usable client if ServerName is set ([Dial] sets it). A Config
// must not be modified after its first use. It can be shared.
//
// A handshake waits for the functions of its Config. They must not wait for the connection, as its
// Close does; to reject a connection, they return an error.
type Config struct {
	// Certificates are the certificates of this end; the first suitable one is used. A server needs
	// at least one. Among several that the client supports, a server prefers one for the name in
	// server_name, then one of an authority in the client's certificate_authorities.
	Certificates []tls.Certificate
	// GetCertificate returns a server's certificate for each handshake, before Certificates are
	// tried, so that it can be renewed without a restart. As in crypto/tls, it is called only if the
	// client sends server_name or Certificates is empty. [AcceptableCAs] returns the authorities that
	// the client accepts.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// GetClientCertificate returns a client's certificate, instead of Certificates.
	GetClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
	// GetConfigForClient returns another Config for a client, or nil for this one. Only its fields for
	// the handshake are used, not SCTP.
	GetConfigForClient func(*tls.ClientHelloInfo) (*Config, error)

	// RawKey is used instead of certificates with a peer that prefers raw public keys (RFC 7250).
	RawKey crypto.Signer

	// RootCAs are the authorities that a client trusts; nil means those of the system. With GetPSK or
	// VerifyRawKey, nil means none: the client then accepts no certificate, unless
	// VerifyPeerCertificate or InsecureSkipVerify is set.
	RootCAs *x509.CertPool
	// ServerName is the name that the server's certificate must contain, also sent as SNI. An IPv6
	// address can have brackets and a zone.
	ServerName string
	// ClientCAs are the authorities that a server trusts for clients. The server sends their names, if
	// they have at most 8192 bytes, so that a client with several certificates can choose.
	ClientCAs *x509.CertPool
	// ClientAuth is what a server requires of clients. Telecom profiles require
	// tls.RequireAndVerifyClientCert (RFC 6733, Section 13.1; 3GPP TS 33.501).
	ClientAuth tls.ClientAuthType
	// InsecureSkipVerify makes a client accept any certificate, for tests or with VerifyConnection.
	InsecureSkipVerify bool
	// VerifyPeerCertificate is called after the normal verification of a certificate, but not for
	// resumed sessions. A server calls it without certificates for a client that sends none, if
	// ClientAuth requests but does not require one.
	VerifyPeerCertificate func(rawCerts [][]byte, verifiedChains [][]*x509.Certificate) error
	// VerifyConnection is called at the end of each handshake, resumed ones included. An error ends
	// the handshake.
	VerifyConnection func(ConnectionState) error

	// VerifyRawKey allows the peer to use a raw public key (RFC 7250), and verifies it.
	VerifyRawKey func(crypto.PublicKey) error

	// GetPSK returns a client's pre-shared key for a server; hint is the server's identity hint, or
	// nil. LookupPSK returns a server's key for a client, or nil if it is unknown, which the client
	// cannot distinguish from a wrong key.
	GetPSK    func(hint []byte) (*PSK, error)
	LookupPSK func(identity []byte) (*PSK, error)

	// TicketKeys make a server issue session tickets, with which its clients resume under the
	// certificates of the full handshake; nil means no tickets. Configs that share TicketKeys accept
	// each other's tickets. SessionCache stores a client's sessions; nil means that it has none.
	TicketKeys   *TicketKeys
	SessionCache SessionCache

	// MinVersion and MaxVersion limit the versions of DTLS; 0 means VersionDTLS12 and VersionDTLS13.
	// The highest version that both ends support is used. No RFC specifies DTLS 1.3 over SCTP yet; a
	// MaxVersion of VersionDTLS12 disables it.
	MinVersion, MaxVersion uint16
	// CipherSuites are the allowed suites of DTLS 1.2 and 1.3, in order of preference; nil means a
	// good default. A version without a suite is disabled.
	CipherSuites []uint16
	// CurvePreferences are the allowed key exchanges, in order of preference; nil means a good
	// default.
	CurvePreferences []tls.CurveID
	// NextProtos are the application protocols (ALPN, RFC 7301), in order of preference.
	NextProtos []string

	// MaxMessageSize is the size in bytes of the largest message that this end receives; 0 means the
	// package's [MaxMessageSize]. A larger value, up to [MaxLargeMessageSize], is negotiated with a
	// peer that also sets one, only in DTLS 1.3 (draft-ietf-tls-super-jumbo-record-limit-03, whose
	// extension number may change). The limit of the peer is independent: [ConnectionState] has both.
	// The socket buffers and ReadQueue must hold a message; their defaults grow with it. If the kernel
	// does not allow that, Dial and Listen return an [OptionError] that names the sysctl. No memory is
	// allocated for large messages before the peer is authenticated, or while none is arriving.
	MaxMessageSize int

	// Renegotiation allows further handshakes on a DTLS 1.2 connection.
	Renegotiation RenegotiationSupport
	// OnPeerChanged is called if the peer authenticates with another identity in a renegotiation. If
	// it is nil or returns an error, the connection ends.
	OnPeerChanged func(old, new ConnectionState) error

	// RequireComplete makes close_notify an io.EOF only if SCTP confirms that no message is missing.
	// SCTP cannot confirm it if the association has already ended: the peer may have closed it at
	// once, as OpenSSL's programs do, or an attacker may have ended it to hide that messages are
	// missing. Such an end is an io.EOF by default, and a [TruncationError] with RequireComplete. Only
	// the receiver needs to set it.
	RequireComplete bool

	// RekeyAfter makes this end change its keys automatically.
	RekeyAfter RekeyPolicy

	// LegacyLabel derives the SCTP-AUTH keys of DTLS 1.2 as OpenSSL before 1.1.1b does, whose exporter
	// label has an extra NUL byte. Both ends must use the same label; the protocol does not negotiate
	// it, and a mismatch causes a [HandshakeTimeoutError].
	LegacyLabel bool

	// DraftLabel derives the SCTP-AUTH keys of DTLS 1.3 with the exporter label of
	// draft-tuexen-tsvwg-rfc6083-bis instead of that of RFC 6083. Both ends must use the same, as with
	// LegacyLabel.
	DraftLabel bool

	// PPID is the payload protocol identifier for Write, in host byte order. RFC 6083, Section 4.3.
	PPID uint32
	// DefaultStream is the stream for Write. RFC 6083, Section 4.4 recommends another stream than 0
	// for application data; Diameter uses 0.
	DefaultStream uint16

	// ReadQueue limits how many bytes of received messages are queued for readers, plus 128 bytes and
	// some rounding for each message; 0 means 1 MiB. When the queue is full, the connection stops
	// reading from the association until a message is read, and SCTP's flow control stops the peer; no
	// message is discarded. SCTP has no flow control for each stream, so one stream that is not read
	// then stops all of them, the earlier the smaller the limit. A limit below what the peer can have
	// in flight (its send buffer plus the receive buffer of this end) also makes key changes wait for
	// readers.
	ReadQueue int

	// HandshakeTimeout limits a handshake; 0 means 10 seconds. There is always a limit, because SCTP
	// silently drops what is authenticated with the wrong key.
	HandshakeTimeout time.Duration
	// CloseTimeout limits Close; 0 means 5 seconds.
	CloseTimeout time.Duration
	// MaxHandshakes limits the concurrent handshakes of a Listener plus the connections that wait for
	// Accept; 0 means 1024. Further associations wait in the kernel.
	MaxHandshakes int
	// MaxHandshakesPerHost limits those with one host, an IPv4 address or an IPv6 /64, so that it
	// cannot block others; 0 means a quarter of MaxHandshakes. Further associations of that host are
	// aborted.
	MaxHandshakesPerHost int

	SCTP  SCTPOptions
	Trace *Trace
	// Logger logs what [Trace] reports, never a secret; nil disables logging. Attributes are
	// in parentheses; each record except “cannot accept” also has “peer”, the peer's
	// addresses. An attribute has at most 512 bytes, whatever a peer sends. Events of an
	// association, except its end, are limited to a burst of 64 and one every ten seconds;
	// “events were not logged” (events) at level Warn counts those that were dropped.
	//
	//   - Warn: “handshake failed” (err), “cannot accept” (err), “fatal alert” (alert,
	//     local, err), “association” lost or restarted (state, cause), “path” failed or
	//     potentially failed (addr, change), “error of the peer” (cause), “key of SCTP-AUTH”
	//     near its limit (id, what);
	//   - Info: “handshake done” (version, suite, resumed, outStreams, inStreams), “connection
	//     ended” (err), other “association” and “path” records, “the peer shuts the
	//     association down”;
	//   - Debug: “new keys” (epoch), “key of SCTP-AUTH” (id, what), “message not
	//     delivered” (stream, ppid, sent).
	Logger *slog.Logger
	// KeyLogWriter receives the secrets of connections in NSS key log format (SSLKEYLOGFILE), so that
	// captures can be decrypted. Using it compromises security. Writes are serialized, also between
	// different Configs.
	KeyLogWriter io.Writer
	// Rand is the source of the random values and session IDs in hello messages; nil means
	// crypto/rand, from which keys always come.
	Rand io.Reader
	// Time returns the time for verifying certificates; nil means time.Now.
	Time func() time.Time
}

// AcceptableCAs returns the certificate authorities in a ClientHello (RFC 8446, Section 4.2.4), for
// [Config].GetCertificate and GetConfigForClient: their names in DER, as in
// [tls.CertificateRequestInfo].AcceptableCAs. It is nil if the client sends none, and accepts any.
// The caller must not modify the result.
func AcceptableCAs(info *tls.ClientHelloInfo) [][]byte { return dtlscore.AcceptableCAs(info) }

// draftLabel is draft-tuexen-tsvwg-rfc6083-bis-07, Section 3.6.
const draftLabel = "EXPORTER_DTLS13_OVER_SCTP"

// legacyLabel is RFC 6083's label with the terminating zero that old OpenSSL passes.
const legacyLabel = "EXPORTER_DTLS_OVER_SCTP\x00"

func (c *Config) handshakeTimeout() time.Duration {
	return orDefault(c.HandshakeTimeout, 10*time.Second)
}
func (c *Config) closeTimeout() time.Duration { return orDefault(c.CloseTimeout, 5*time.Second) }
func (c *Config) readQueue() int {
	return orDefault(c.ReadQueue, max(1<<20, c.MaxMessageSize))
}
func (c *Config) maxHandshakes() int { return orDefault(c.MaxHandshakes, 1024) }
func (c *Config) maxHandshakesPerHost() int {
	return orDefault(c.MaxHandshakesPerHost, max(1, c.maxHandshakes()/4))
}

// largeRecord is how many bytes the largest record has, 0 if that is the usual one.
func (c *Config) largeRecord() int {
	if c.MaxMessageSize <= MaxMessageSize {
		return 0
	}
	return c.MaxMessageSize + dtlscore.MaxOverhead
}

// check finds what would not work whatever the association is.
func (c *Config) check() error {
	if q := c.ReadQueue; q > 0 && q < c.MaxMessageSize {
		return &OptionError{Option: "ReadQueue", Value: q, Remedy: fmt.Sprintf(
			"a message of MaxMessageSize does not fit; want %d bytes or more, or 0", c.MaxMessageSize)}
	}
	return nil
}

func orDefault[T int | time.Duration](v, d T) T {
	if v <= 0 {
		return d
	}
	return v
}

// core returns what the DTLS core needs to know of c.
func (c *Config) core() *dtlscore.Config {
	if c == nil {
		return nil
	}
	d := &dtlscore.Config{
		Certificates:          c.Certificates,
		GetCertificate:        c.GetCertificate,
		GetClientCertificate:  c.GetClientCertificate,
		RawKey:                c.RawKey,
		RootCAs:               c.RootCAs,
		ServerName:            c.ServerName,
		ClientCAs:             c.ClientCAs,
		ClientAuth:            c.ClientAuth,
		InsecureSkipVerify:    c.InsecureSkipVerify,
		VerifyPeerCertificate: c.VerifyPeerCertificate,
		VerifyRawKey:          c.VerifyRawKey,
		GetPSK:                c.GetPSK,
		LookupPSK:             c.LookupPSK,
		TicketKeys:            c.TicketKeys,
		SessionCache:          c.SessionCache,
		MinVersion:            c.MinVersion,
		MaxVersion:            c.MaxVersion,
		CipherSuites:          c.CipherSuites,
		CurvePreferences:      c.CurvePreferences,
		NextProtos:            c.NextProtos,
		MaxMessageSize:        c.MaxMessageSize,
		Renegotiation:         c.Renegotiation,
		KeyLogWriter:          c.KeyLogWriter,
		Rand:                  c.Rand,
		Time:                  c.Time,
	}
	if c.LegacyLabel {
		d.EndpointSecretLabel = legacyLabel
	}
	if c.DraftLabel {
		d.EndpointSecretLabel13 = draftLabel
	}
	if f := c.GetConfigForClient; f != nil {
		d.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*dtlscore.Config, error) {
			config, err := f(hello)
			return config.core(), err
		}
	}
	if f := c.VerifyConnection; f != nil {
		d.VerifyConnection = func(s dtlscore.ConnectionState) error {
			return f(ConnectionState{ConnectionState: s})
		}
	}
	if f := c.OnPeerChanged; f != nil {
		d.OnPeerChanged = func(old, new dtlscore.ConnectionState) error {
			return f(ConnectionState{ConnectionState: old}, ConnectionState{ConnectionState: new})
		}
	}
	return d
}
