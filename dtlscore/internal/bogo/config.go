package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// The numbers of versions in flags are those on the wire.
const dtls10 uint16 = 0xfeff

// sessions is what outlives a connection of a test.
type sessions struct {
	connections int // that were made before
	clockOffset time.Duration
	cache       *watchedCache       // of a client
	tickets     dtlscore.TicketKeys // of a server
}

func newSessions() *sessions {
	return &sessions{cache: &watchedCache{SessionCache: dtlscore.NewSessionCache(1)}}
}

// A watchedCache counts the sessions that a client was given.
type watchedCache struct {
	dtlscore.SessionCache
	puts int
}

func (c *watchedCache) Put(key string, session []byte) {
	if session != nil {
		c.puts++
	}
	c.SessionCache.Put(key, session)
}

// noName is the name of a server that none is known of. It is not sent, but
// clients keep sessions under it.
const noName = "127.0.0.1"

// config makes of the options what dtlscore asks for.
func (o *options) config(s *sessions) (*dtlscore.Config, error) {
	c := &dtlscore.Config{
		ServerName: o.hostName,
		Time:       func() time.Time { return time.Now().Add(s.clockOffset) },
	}
	if err := o.configVersions(c); err != nil {
		return nil, err
	}
	c.CipherSuites = o.suites
	if o.renegotiate {
		c.Renegotiation = dtlscore.RenegotiateFreely
	}
	for _, g := range o.groups {
		c.CurvePreferences = append(c.CurvePreferences, tls.CurveID(g))
	}
	certs, err := o.certificates()
	if err != nil {
		return nil, err
	}
	c.Certificates = certs
	if c.RawKey, err = o.rawKey(); err != nil {
		return nil, err
	}
	roots, err := loadRoots(o.trustCert)
	if err != nil {
		return nil, err
	}
	if o.server {
		return c, o.configServer(c, roots, s)
	}
	o.configClient(c, roots, s)
	return c, nil
}

// configVersions bounds the version, of which the flags can exclude each one.
func (o *options) configVersions(c *dtlscore.Config) error {
	allowed := slices.DeleteFunc([]uint16{dtlscore.VersionDTLS13, dtlscore.VersionDTLS12, dtls10},
		func(v uint16) bool {
			return v == dtlscore.VersionDTLS13 && o.noDTLS13 ||
				v == dtlscore.VersionDTLS12 && o.noDTLS12 ||
				v == dtls10 && o.noDTLS10 ||
				o.maxVersion != 0 && v < o.maxVersion ||
				o.minVersion != 0 && v > o.minVersion
		})
	switch {
	case len(allowed) == 0:
		return errors.New("no version is left")
	case allowed[0] == dtls10:
		return unimplemented("DTLS 1.0")
	}
	c.MaxVersion = allowed[0]
	c.MinVersion = min(allowed[len(allowed)-1], dtlscore.VersionDTLS12)
	return nil
}

// The alerts with which BoringSSL tells that a callback refused the peer: that
// for chains, that for everything, and that for stapled responses.
const (
	alertOfChainCallback    = dtlscore.AlertHandshakeFailure
	alertOfVerifyCallback   = dtlscore.AlertCertificateUnknown
	alertOfResponseCallback = dtlscore.AlertBadCertificateStatusResponse
)

// refuse is what a callback returns that was told to fail.
func refuse(alert dtlscore.Alert, what string) error {
	return &dtlscore.AlertError{Alert: alert, Local: true, Err: errors.New("told to refuse " + what)}
}

// verifyCallback returns what happens when the verification of the peer is
// told to fail, nil if it is not.
func (o *options) verifyCallback() func() error {
	if !o.verifyFail || !o.verifyPeer && !o.requireClientCertificate {
		return nil
	}
	alert := alertOfChainCallback
	if o.useCustomVerifyCallback {
		alert = alertOfVerifyCallback
	}
	return func() error { return refuse(alert, "the certificate") }
}

func (o *options) configClient(c *dtlscore.Config, roots *x509.CertPool, s *sessions) {
	c.SessionCache = s.cache
	c.NextProtos = o.alpnOffer
	c.RootCAs = roots
	if c.ServerName == "" {
		c.ServerName = noName
	}
	if o.trustCert == "" || o.hostName == "" {
		// Certificates of tests without server_name are for the name "test".
		c.InsecureSkipVerify = true
	}
	c.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
		if o.trustCert == "" || len(chains) > 0 {
			return nil
		}
		return verifyServer(raw, roots, c.Time())
	}
	if fail := o.verifyCallback(); fail != nil && o.reverifyOnResume {
		c.VerifyConnection = func(dtlscore.ConnectionState) error { return fail() }
	} else if fail != nil {
		c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return fail() }
	}
	if o.useOCSPCallback && o.failOCSP {
		c.VerifyConnection = func(dtlscore.ConnectionState) error {
			return refuse(alertOfResponseCallback, "the OCSP response")
		}
	}
	certs := c.Certificates
	switch {
	case o.useOldClientCertCallback:
		c.Certificates = nil
		c.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			for i := range certs {
				if info.SupportsCertificate(&certs[i]) == nil {
					return &certs[i], nil
				}
			}
			return new(tls.Certificate), nil
		}
	// one is to be selected, or none
	case o.issuersMatter(), len(o.credentials) > 1 && !o.checkSelectedCredential:
		c.Certificates = nil
		c.GetClientCertificate = o.forServer(certs)
	}
}

// verifyServer verifies a chain for the name "test".
func verifyServer(raw [][]byte, roots *x509.CertPool, now time.Time) error {
	options := x509.VerifyOptions{DNSName: "test", Roots: roots, Intermediates: x509.NewCertPool(),
		CurrentTime: now}
	leaf, err := x509.ParseCertificate(raw[0])
	if err != nil {
		return err
	}
	for _, der := range raw[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return err
		}
		options.Intermediates.AddCert(cert)
	}
	_, err = leaf.Verify(options)
	return err
}

func (o *options) configServer(c *dtlscore.Config, roots *x509.CertPool, s *sessions) error {
	if !o.noTickets && !o.skipTicket {
		c.TicketKeys = &s.tickets
	}
	if o.useTicketCallback {
		keys := [][32]byte{{1}, {2}}
		if !o.renewTicket || s.connections == 0 {
			keys = keys[1:] // which is old when the other one is there
		}
		if err := s.tickets.Set(keys...); err != nil {
			return err
		}
	}
	switch {
	case o.alpnReject:
		c.NextProtos = []string{"a protocol that the runner does not know"}
	case o.alpnSelect != "" && !o.alpnDecline:
		c.NextProtos = []string{o.alpnSelect}
	}
	c.ClientCAs = roots
	switch {
	case o.verifyPeer:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case o.requireClientCertificate && o.trustCert == "":
		c.ClientAuth = tls.RequireAnyClientCert
	case o.requireClientCertificate:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if fail := o.verifyCallback(); fail != nil {
		c.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return fail() }
	}
	if o.useEarlyCallback {
		whole := *c
		*c = dtlscore.Config{MinVersion: c.MinVersion, MaxVersion: c.MaxVersion}
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*dtlscore.Config, error) { return &whole, nil }
	} else if o.expectAdvertisedALPN != nil {
		c.GetConfigForClient = func(info *tls.ClientHelloInfo) (*dtlscore.Config, error) {
			if !slices.Equal(info.SupportedProtos, o.expectAdvertisedALPN) {
				return nil, fmt.Errorf("client offers protocols %q, not %q", info.SupportedProtos,
					o.expectAdvertisedALPN)
			}
			return nil, nil
		}
	}
	if o.useOCSPCallback {
		o.configServerOCSP(c)
	}
	if certs := c.Certificates; o.issuersMatter() {
		c.Certificates = nil
		c.GetCertificate = o.forClient(certs)
	}
	return nil
}

// configServerOCSP staples from a callback.
func (o *options) configServerOCSP(c *dtlscore.Config) {
	certs := c.Certificates
	c.Certificates = nil
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if o.failOCSP {
			return nil, errors.New("told to have no OCSP response")
		}
		cert := certs[0]
		if o.declineOCSP {
			cert.OCSPStaple = nil
		}
		return &cert, nil
	}
}
