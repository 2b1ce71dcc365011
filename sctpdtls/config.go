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

// What has to do with pre-shared keys and with resumption.
type (
	// A PSK is a pre-shared key: its name, which is sent without protection, and at least 16 bytes.
	PSK = dtlscore.PSK
	// TicketKeys protect the session tickets of servers. The zero value makes its own and changes them
	// every day.
	TicketKeys = dtlscore.TicketKeys
	// A SessionCache keeps the sessions of clients, which are secret.
	SessionCache = dtlscore.SessionCache
)

// A RenegotiationSupport says whether a connection of DTLS 1.2 may have further handshakes.
type RenegotiationSupport = dtlscore.RenegotiationSupport

// What [Config].Renegotiation can be; the zero value is RenegotiateNever.
const (
	// RenegotiateNever answers the peer's wish with no_renegotiation.
	RenegotiateNever = dtlscore.RenegotiateNever
	// RenegotiateWhenCalled allows this side to begin, by [Conn.Renegotiate], and refuses the peer's
	// wish.
	RenegotiateWhenCalled = dtlscore.RenegotiateWhenCalled
	// RenegotiateFreely allows both sides to begin, the peer not too often.
	RenegotiateFreely = dtlscore.RenegotiateFreely
)

// NewSessionCache returns a cache in memory for the sessions used last, as many as capacity says.
func NewSessionCache(capacity int) SessionCache { return dtlscore.NewSessionCache(capacity) }

// A RekeyPolicy says when this end makes new keys for what it sends: after so many records, or
// bytes of messages, or so much time. 0 is never, but for the limits of the cipher suite, which
// DTLS 1.3 keeps by itself. In DTLS 1.3 that is a KeyUpdate; in DTLS 1.2 a renegotiation, if
// [Config].Renegotiation allows it and a client has RFC 5746, but no more than 12 at once and then
// one a second, since the peer would take more for an attack. Age is looked at when something is
// sent.
type RekeyPolicy struct {
	Records uint64
	Bytes   uint64
	Age     time.Duration
}

// A Config says how connections are made. It has the names, types and meanings of
// [tls.Config] wherever both have a field. The zero value is a usable client once
// ServerName is set ([Dial] sets it). It must not be changed once in use, and may be shared.
//
// Its functions are called by whoever brings a handshake on, which waits for them. They must not
// wait for that connection, as its Close does: a function that does not want it returns an error.
type Config struct {
	// Certificates are those that this end shows, the first that fits. A server needs one. Of several
	// that the client can use, it shows rather one for the name in server_name, and rather one of an
	// authority that the client names.
	Certificates []tls.Certificate
	// GetCertificate is asked for a server's certificate at each handshake before Certificates, so
	// that it can be renewed without a restart. As in crypto/tls it is asked only if the client sends
	// server_name or Certificates is empty. [AcceptableCAs] returns the authorities that the client
	// names.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// GetClientCertificate is asked for a client's certificate, instead of Certificates.
	GetClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
	// GetConfigForClient gives another Config for a client; nil goes on with this one.
	// Only what belongs to the handshake counts in it, not SCTP.
	GetConfigForClient func(*tls.ClientHelloInfo) (*Config, error)

	// RawKey is shown in place of certificates to a peer that prefers raw public keys (RFC 7250).
	RawKey crypto.Signer

	// RootCAs are the authorities a client trusts; nil: those of the system. With GetPSK or
	// VerifyRawKey nil means none: the server has no use for a certificate, unless
	// VerifyPeerCertificate or InsecureSkipVerify is set.
	RootCAs *x509.CertPool
	// ServerName is the name that the server's certificate must have, also sent as SNI. An IPv6
	// address may have brackets and a zone.
	ServerName string
	// ClientCAs are the authorities a server trusts for clients. Clients are told their names, if they
	// have at most 8192 bytes, so that one with several certificates shows the right one.
	ClientCAs *x509.CertPool
	// ClientAuth is what a server asks of clients. Telecom profiles want
	// tls.RequireAndVerifyClientCert (RFC 6733, Section 13.1; 3GPP TS 33.501).
	ClientAuth tls.ClientAuthType
	// InsecureSkipVerify lets a client take any certificate: for tests, or with VerifyConnection.
	InsecureSkipVerify bool
	// VerifyPeerCertificate is called after the usual verification of a certificate, and not in
	// resumed sessions. A server calls it without certificates for a client that was asked for one,
	// has none, and is let in by ClientAuth.
	VerifyPeerCertificate func(rawCerts [][]byte, verifiedChains [][]*x509.Certificate) error
	// VerifyConnection is called last in every handshake, resumed ones too. An error ends it.
	VerifyConnection func(ConnectionState) error

	// VerifyRawKey says that the peer may show a raw public key (RFC 7250), and whether a key is
	// the peer's.
	VerifyRawKey func(crypto.PublicKey) error

	// GetPSK gives a client its pre-shared key for a server; hint is what the server says about
	// which, nil if nothing. LookupPSK gives a server the key of a client, nil if it is not known; the
	// client cannot tell that from a wrong key.
	GetPSK    func(hint []byte) (*PSK, error)
	LookupPSK func(identity []byte) (*PSK, error)

	// TicketKeys let a server give session tickets to its clients, who can resume with them known by
	// the certificates that they showed before; nil: no tickets. Configs that share it take each
	// other's tickets. SessionCache is where a client keeps them; nil: nowhere.
	TicketKeys   *TicketKeys
	SessionCache SessionCache

	// MinVersion and MaxVersion bound the versions of DTLS. 0 is DTLS 1.2 and DTLS 1.3: the better one
	// that both ends have. No RFC describes 1.3 over SCTP yet; MaxVersion VersionDTLS12 leaves it out.
	MinVersion, MaxVersion uint16
	// CipherSuites are those allowed, of DTLS 1.2 and 1.3; nil is a good choice. A version
	// of which it has none is not spoken.
	CipherSuites []uint16
	// CurvePreferences are the key exchanges allowed, best first; nil is a good choice.
	CurvePreferences []tls.CurveID
	// NextProtos are the application protocols (ALPN, RFC 7301), best first.
	NextProtos []string

	// MaxMessageSize is how many bytes a message may have that this end receives: 0 is the
	// package's [MaxMessageSize], and more, up to [MaxLargeMessageSize], is agreed on with a peer
	// that asks for more too, in DTLS 1.3 alone (draft-ietf-tls-super-jumbo-record-limit-03, whose
	// number may change). What the peer takes is its own matter: [ConnectionState] has both. The
	// buffers of the socket have to hold a message, and ReadQueue too: their defaults grow with it.
	// Where the kernel does not give so much, the error of Dial and Listen, an [OptionError], names
	// the sysctl. Nothing is taken for large messages before the peer is authenticated, or while
	// none is under way.
	MaxMessageSize int

	// Renegotiation says whether further handshakes are possible on a connection of DTLS 1.2.
	Renegotiation RenegotiationSupport
	// OnPeerChanged is asked when the peer shows another identity in a renegotiation than
	// before, which otherwise ends the connection.
	OnPeerChanged func(old, new ConnectionState) error

	// RequireComplete makes a close_notify the end (io.EOF) only if SCTP then says that nothing is
	// missing. Without it the answer is taken as good where there is none because the association has
	// ended: the peer may have left at once, as OpenSSL's programs do, or someone has ended it to
	// hide that messages are missing. With it that is a [TruncationError]. Whoever sends needs not set
	// it.
	RequireComplete bool

	// RekeyAfter says when this end makes new keys by itself.
	RekeyAfter RekeyPolicy

	// LegacyLabel makes the SCTP-AUTH keys of DTLS 1.2 as OpenSSL before 1.1.1b does, whose
	// exporter label has a NUL byte too many. Both ends must agree; nothing
	// in the protocol tells (a mismatch is a [HandshakeTimeoutError]).
	LegacyLabel bool

	// DraftLabel makes the SCTP-AUTH keys of DTLS 1.3 with the exporter label of
	// draft-tuexen-tsvwg-rfc6083-bis in place of that of RFC 6083. Both ends must agree, as with
	// LegacyLabel.
	DraftLabel bool

	// PPID is the payload protocol identifier for Write, in host byte order. RFC 6083, Section 4.3.
	PPID uint32
	// DefaultStream is the stream for Write. RFC 6083, Section 4.4 advises another than 0 for
	// application data; Diameter uses 0.
	DefaultStream uint16

	// ReadQueue bounds what is kept of messages that were read because others were wanted, and that
	// nobody has taken yet: those of one [Stream] while another one is read, and of all while keys
	// change. It counts bytes, with 128 and some rounding for each message; 0 is 1 MiB. At the bound
	// nothing more is read from the association until some are taken, and SCTP holds the peer back:
	// none is thrown away. SCTP has no flow control for each stream, so whoever leaves one stream
	// unread then holds up all. A small bound makes that happen sooner. One smaller than what the peer
	// may have on its way (its send buffer and the receive buffer of this end) also makes a change of
	// keys wait for readers.
	ReadQueue int

	// HandshakeTimeout bounds a handshake; 0 is 10 seconds. SCTP drops in
	// silence what is authenticated with the wrong key, so there is always a bound.
	HandshakeTimeout time.Duration
	// CloseTimeout bounds Close; 0 is 5 seconds.
	CloseTimeout time.Duration
	// MaxHandshakes bounds the handshakes that a Listener does at the same time, together with the
	// connections that wait for Accept; 0 is 1024. Further associations wait in the kernel.
	MaxHandshakes int
	// MaxHandshakesPerHost bounds those with one host, an IPv4 address or an IPv6 /64, so that it
	// cannot keep others out; 0 is a quarter of MaxHandshakes. Its further associations are aborted.
	MaxHandshakesPerHost int

	SCTP  SCTPOptions
	Trace *Trace
	// Logger is informed what [Trace] is told, and never a secret; nil: nobody. Attributes stand in
	// brackets; “peer”, the peer's addresses, is one of each record but “cannot accept”. None
	// has more than 512 bytes, whatever a peer sends. Of what happens to an association but its
	// end, 64 records are written at once and one more every ten seconds; Warn: “events were not
	// logged” (events) says how many were left out.
	//
	//   - Warn: “handshake failed” (err), “cannot accept” (err), “fatal alert” (alert, local,
	//     err), “association” that was lost or restarted (state, cause), “path” that has
	//     failed, perhaps (addr, change), “error of the peer” (cause), “key of SCTP-AUTH” that
	//     is near its limit (id, what);
	//   - Info: “handshake done” (version, suite, resumed, outStreams, inStreams), other
	//     “association” and “path”, “the peer shuts the association down”;
	//   - Debug: “new keys” (epoch), “key of SCTP-AUTH” (id, what), “message not delivered”
	//     (stream, ppid, sent).
	Logger *slog.Logger
	// KeyLogWriter receives the secrets of connections in the format of SSLKEYLOGFILE, so that
	// captures can be decrypted. It ends all security. Connections write one
	// at a time, whichever Config they have.
	KeyLogWriter io.Writer
	// Rand is the source of randomness; nil is crypto/rand.
	Rand io.Reader
	// Time tells the time for certificates; nil is time.Now.
	Time func() time.Time
}

// AcceptableCAs returns the certificate authorities that a client names in its ClientHello (RFC
// 8446, Section 4.2.4), for [Config].GetCertificate and GetConfigForClient: the DER of their names,
// as in [tls.CertificateRequestInfo].AcceptableCAs. It is nil for a client that names none, which
// takes any. The caller must not change it.
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
