package sctpdtls

import (
	"crypto/tls"
	"fmt"
	"reflect"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// A TLSConfigError names a field of a [tls.Config] that [FromTLS] cannot honour, and what there is instead.
type TLSConfigError struct{ Field, Remedy string }

func (e *TLSConfigError) Error() string {
	return fmt.Sprintf("sctpdtls: tls.Config.%s means nothing here: %s", e.Field, e.Remedy)
}

// FromTLS returns a Config that means for DTLS over SCTP what c means for TLS over TCP, for those who have one
// already. It returns a [TLSConfigError] for a field that it cannot honour, rather than to
// leave it out. DTLS 1.2 and 1.3 stand for TLS 1.2 and 1.3. Like crypto/tls, a server gives session
// tickets unless SessionTicketsDisabled is set; keys set by [tls.Config.SetSessionTicketKeys] cannot be seen from
// here: use [Config].TicketKeys. Cipher suites and groups that are not implemented here are left out, which allows less
// than c, never more; it is an error if none is left.
//
// The slices, pools and functions of c are shared with the result.
func FromTLS(c *tls.Config) (*Config, error) {
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
		CurvePreferences:      implemented(c.CurvePreferences, tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384),
		NextProtos:            c.NextProtos,
		KeyLogWriter:          c.KeyLogWriter,
		Rand:                  c.Rand,
		Time:                  c.Time,
	}
	if suites := implemented(c.CipherSuites,
		dtlscore.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtlscore.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		dtlscore.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, dtlscore.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		dtlscore.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, dtlscore.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	); suites != nil {
		if len(suites) == 0 && c.MaxVersion == tls.VersionTLS12 {
			return nil, &TLSConfigError{"CipherSuites", noneLeft}
		}
		// In crypto/tls the list is for TLS 1.2 only, and 1.3 has all of its suites.
		d.CipherSuites = append(suites,
			dtlscore.TLS_AES_128_GCM_SHA256, dtlscore.TLS_AES_256_GCM_SHA384, dtlscore.TLS_CHACHA20_POLY1305_SHA256)
	}
	if c.CurvePreferences != nil && len(d.CurvePreferences) == 0 {
		return nil, &TLSConfigError{"CurvePreferences", noneLeft}
	}
	if !c.SessionTicketsDisabled {
		d.TicketKeys = new(TicketKeys)
	}
	if f := c.GetConfigForClient; f != nil {
		d.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*Config, error) {
			c, err := f(hello)
			if c == nil || err != nil {
				return nil, err
			}
			return FromTLS(c)
		}
	}
	if f := c.VerifyConnection; f != nil {
		d.VerifyConnection = func(s ConnectionState) error { return f(s.tls()) }
	}
	return d, nil
}

const noneLeft = "nothing in it is implemented; nil is a good choice"

// implemented returns those of wanted that are among have, nil if wanted is.
func implemented[T comparable](wanted []T, have ...T) []T {
	if wanted == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(wanted), func(v T) bool { return !slices.Contains(have, v) })
}

// dtlsVersions are those of DTLS for those of TLS; 0 is whatever there is.
var dtlsVersions = map[uint16]uint16{tls.VersionTLS12: VersionDTLS12, tls.VersionTLS13: VersionDTLS13}

// withoutCounterpart are the fields that FromTLS refuses unless they are zero. Not among them are
// PreferServerCipherSuites, which crypto/tls does not look at either, and DynamicRecordSizingDisabled, as a
// record is a message here.
var withoutCounterpart = []TLSConfigError{
	{"NameToCertificate", "put the certificates into Certificates, the first that fits is taken"},
	{"SessionTicketKey", "leave it out and call TicketKeys.Set of the result"},
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

// unsupported returns an error for the first field of c that cannot be honoured.
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
	}
	return nil
}

// tls returns what a verifier written for crypto/tls looks at.
func (s *ConnectionState) tls() tls.ConnectionState {
	version := uint16(tls.VersionTLS12)
	if s.Version == VersionDTLS13 {
		version = tls.VersionTLS13
	}
	return tls.ConnectionState{
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
}
