package sctpdtls

import (
	"crypto/tls"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

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
