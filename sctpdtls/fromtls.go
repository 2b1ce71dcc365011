package sctpdtls

import (
	"crypto/hmac"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// A TLSConfigError names a field of a [tls.Config] that [FromTLS] does not support, and the
// alternative.
type TLSConfigError struct{ Field, Remedy string }

func (e *TLSConfigError) Error() string {
	return fmt.Sprintf("sctpdtls: tls.Config.%s means nothing here: %s", e.Field, e.Remedy)
}

// FromTLS returns a Config for DTLS over SCTP that corresponds to c for TLS over TCP; a nil c means
// an empty one. It returns a [TLSConfigError] for a field that it does not support, rather than
// ignoring it. TLS 1.2 and 1.3 become DTLS 1.2 and 1.3. Cipher suites and groups that are not
// implemented are omitted, so the result allows less than c, never more; it is an error if none is
// left. As in crypto/tls, the order of those lists does not matter, and nil ClientCAs mean the
// host's authorities if clients are verified.
//
// As in crypto/tls, a server issues session tickets unless SessionTicketsDisabled is set. Their
// keys are derived from the first key of SessionTicketKey or [tls.Config.SetSessionTicketKeys], so
// that servers with the same key accept each other's tickets; without such a key they change every
// day. A Config from GetConfigForClient without a key uses those of c. [Config].TicketKeys of the
// result can be set at any later time.
//
// The result shares the slices, pools and functions of c. TLS can use c at the same time.
func FromTLS(c *tls.Config) (*Config, error) {
	if c = c.Clone(); c == nil { // under the lock for the fields that a server of TLS fills in
		c = new(tls.Config)
	}
	if err := unsupported(c); err != nil {
		return nil, err
	}
	d := &Config{
		Certificates:          c.Certificates,
		GetCertificate:        c.GetCertificate,
		GetClientCertificate:  c.GetClientCertificate,
		VerifyPeerCertificate: c.VerifyPeerCertificate,
		RootCAs:               c.RootCAs,
		ServerName:            c.ServerName,
		ClientCAs:             c.ClientCAs,
		ClientAuth:            c.ClientAuth,
		InsecureSkipVerify:    c.InsecureSkipVerify,
		MinVersion:            dtlsVersions[c.MinVersion],
		MaxVersion:            dtlsVersions[c.MaxVersion],
		CurvePreferences: implemented(c.CurvePreferences, tls.X25519MLKEM768, tls.X25519,
			tls.CurveP256, tls.CurveP384, tls.CurveP521),
		NextProtos:   c.NextProtos,
		KeyLogWriter: c.KeyLogWriter,
		Rand:         c.Rand,
		Time:         c.Time,
	}
	if len(c.CurvePreferences) != 0 && len(d.CurvePreferences) == 0 {
		return nil, &TLSConfigError{"CurvePreferences", noneLeft}
	}
	if suites := implemented(c.CipherSuites,
		dtlscore.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtlscore.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		dtlscore.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, dtlscore.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		dtlscore.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		dtlscore.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	); suites != nil {
		if len(suites) == 0 && c.MaxVersion == tls.VersionTLS12 {
			return nil, &TLSConfigError{"CipherSuites", noneLeft}
		}
		// In crypto/tls the list is for TLS 1.2 only, and 1.3 has all of its suites.
		d.CipherSuites = append(suites,
			dtlscore.TLS_AES_128_GCM_SHA256, dtlscore.TLS_AES_256_GCM_SHA384,
			dtlscore.TLS_CHACHA20_POLY1305_SHA256)
	}
	if c.ClientAuth >= tls.VerifyClientCertIfGiven && c.ClientCAs == nil {
		var err error
		if d.ClientCAs, err = x509.SystemCertPool(); err != nil {
			return nil, &TLSConfigError{"ClientCAs",
				"nil means the host's authorities, which cannot be read: " + err.Error()}
		}
	}
	if !c.SessionTicketsDisabled {
		d.TicketKeys = new(TicketKeys)
		if key, ok := ticketKey(c); ok {
			if err := d.TicketKeys.Set(key); err != nil {
				return nil, err
			}
		}
	}
	if f := c.GetConfigForClient; f != nil {
		d.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*Config, error) {
			chosen, err := f(hello)
			if chosen == nil || err != nil {
				return nil, err
			}
			e, err := FromTLS(chosen)
			if err != nil {
				return nil, err
			}
			if _, ok := ticketKey(chosen); e.TicketKeys != nil && !ok {
				e.TicketKeys = d.TicketKeys
			}
			return e, nil
		}
	}
	if f := c.VerifyConnection; f != nil {
		d.VerifyConnection = func(s ConnectionState) error { return f(s.tls()) }
	}
	return d, nil
}

const noneLeft = "nothing in it is implemented; nil is a good choice"

// implemented returns those of have that are wanted, nil if wanted is. The order of wanted does not
// count in crypto/tls.
func implemented[T comparable](wanted []T, have ...T) []T {
	if wanted == nil {
		return nil
	}
	return slices.DeleteFunc(have, func(v T) bool { return !slices.Contains(wanted, v) })
}

// ticketKey returns a key made from the one with which c seals session tickets, if that was set and
// not made by crypto/tls. The key cannot be read, but used: a ticket ends with an HMAC-SHA256 under
// it (RFC 5077, Section 4), here of bytes that are always the same, since Rand has no randomness. A
// key that crypto/tls makes of that Rand is always the same too, and is made again at a time so
// late.
func ticketKey(c *tls.Config) (key [32]byte, ok bool) {
	mac := func(c *tls.Config) []byte {
		c.Rand, c.Time, c.SessionTicketsDisabled = zeros{},
			func() time.Time { return time.Unix(1<<40, 0) }, false
		ticket, err := c.EncryptTicket(tls.ConnectionState{}, new(tls.SessionState))
		if err != nil || len(ticket) < len(key) {
			return nil
		}
		return ticket[len(ticket)-len(key):]
	}
	ours := mac(c.Clone())
	if ours == nil || hmac.Equal(ours, mac(new(tls.Config))) {
		return key, false
	}
	return [32]byte(ours), true
}

// zeros is an endless source of them.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// dtlsVersions are those of DTLS for those of TLS; 0 is whatever there is.
var dtlsVersions = map[uint16]uint16{tls.VersionTLS12: VersionDTLS12,
	tls.VersionTLS13: VersionDTLS13}

// withoutCounterpart are the fields that FromTLS refuses unless they are zero. Not among them are
// PreferServerCipherSuites, which crypto/tls does not look at either, and
// DynamicRecordSizingDisabled, as a record is a message here.
var withoutCounterpart = []TLSConfigError{
	{"NameToCertificate", "put the certificates into Certificates, the first that fits is taken"},
	{"ClientSessionCache", "leave it out and set SessionCache of the result"},
	{"UnwrapSession", "leave it out and set TicketKeys of the result"},
	{"WrapSession", "leave it out and set TicketKeys of the result"},
	{"Renegotiation", "leave it out and set Renegotiation of the result, whose values are others"},
	{"EncryptedClientHelloConfigList", noECH},
	{"EncryptedClientHelloRejectionVerify", noECH},
	{"GetEncryptedClientHelloKeys", noECH},
	{"EncryptedClientHelloKeys", noECH},
}

const noECH = "there is no Encrypted Client Hello"

// unsupported returns an error for the first field of c that cannot be supported.
func unsupported(c *tls.Config) error {
	fields := reflect.ValueOf(c).Elem()
	for _, e := range withoutCounterpart {
		if !fields.FieldByName(e.Field).IsZero() {
			return &e
		}
	}
	switch {
	case c.MaxVersion != 0 && c.MaxVersion < tls.VersionTLS12:
		return &TLSConfigError{"MaxVersion", "there is nothing below DTLS 1.2"}
	case c.MinVersion > tls.VersionTLS13:
		return &TLSConfigError{"MinVersion", "there is nothing above DTLS 1.3"}
	case c.MaxVersion != 0 && c.MinVersion > c.MaxVersion:
		return &TLSConfigError{"MinVersion", "it is above MaxVersion"}
	}
	return nil
}

// tls returns what a verifier written for crypto/tls looks at.
func (s *ConnectionState) tls() tls.ConnectionState {
	version := uint16(tls.VersionTLS12)
	if s.Version == VersionDTLS13 {
		version = tls.VersionTLS13
	}
	t := tls.ConnectionState{
		Version:            version,
		HandshakeComplete:  s.HandshakeComplete,
		DidResume:          s.DidResume,
		CipherSuite:        s.CipherSuite,
		CurveID:            s.CurveID,
		NegotiatedProtocol: s.NegotiatedProtocol,
		ServerName:         s.ServerName,
		PeerCertificates:   s.PeerCertificates,
		VerifiedChains:     s.VerifiedChains,
		OCSPResponse:       s.OCSPResponse,
	}
	for name, value := range map[string]bool{
		"HelloRetryRequest":          s.HelloRetryRequest, // since Go 1.26
		"NegotiatedProtocolIsMutual": true,                // deprecated, and always so in crypto/tls
	} {
		if field := reflect.ValueOf(&t).Elem().FieldByName(name); field.IsValid() {
			field.SetBool(value)
		}
	}
	// What [tls.ConnectionState.ExportKeyingMaterial] calls, and there is no other way to set. Without
	// it that panics.
	if field := reflect.ValueOf(&t).Elem().FieldByName("ekm"); field.IsValid() &&
		field.Type() == reflect.TypeFor[exportFunc]() {
		*(*exportFunc)(field.Addr().UnsafePointer()) = s.ExportKeyingMaterial
	}
	return t
}

type exportFunc = func(label string, context []byte, length int) ([]byte, error)
