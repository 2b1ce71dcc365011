package dtlscore

import (
	"cmp"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// maxChain is the largest number of certificates that a peer may send. Attack E11.
const maxChain = 16

// parseChain parses the peer's certificates. They are not verified yet. The number of certificates
// and the size of every key are limited here, because both cost time before anything is verified.
// Only the peer's own key is checked here for its type and for weakness; verifyChain checks those
// of the certificates that the verified chain uses.
func parseChain(der [][]byte) ([]*x509.Certificate, error) {
	if len(der) > maxChain {
		return nil, untrusted(AlertBadCertificate, "chain of %d certificates", len(der))
	}
	chain := make([]*x509.Certificate, len(der))
	for i, b := range der {
		cert, err := cachedCertificate(b)
		if err != nil {
			return nil, untrusted(AlertBadCertificate, "certificate %d of the peer: %w", i, err)
		}
		if key, ok := cert.PublicKey.(*rsa.PublicKey); i == 0 || ok && key.N.BitLen() > maxRSABits {
			if err := checkPublicKey(cert.PublicKey); err != nil {
				return nil, err
			}
		}
		chain[i] = cert
	}
	// RFC 5280, Section 4.2.1.3: a certificate without the extension allows any use.
	if u := chain[0].KeyUsage; u != 0 && u&x509.KeyUsageDigitalSignature == 0 {
		return nil, untrusted(AlertUnsupportedCertificate,
			"certificate of the peer is not for digital signatures")
	}
	return chain, nil
}

// verifyServer verifies the server's credential as the Config requires.
func (c *Config) verifyServer(p *peerCredential, s *ConnectionState) error {
	s.PeerCertificates, s.PeerRawKey = p.chain, p.rawKey
	if p.rawKey != nil {
		return c.verifyRawKey(p)
	}
	if !c.InsecureSkipVerify {
		if err := c.verifyChain(s, c.RootCAs, hostOf(c.ServerName),
			x509.ExtKeyUsageServerAuth); err != nil {
			return err
		}
	}
	return c.verifyPeerCertificate(s)
}

// verifyClient verifies the client's credential as the Config requires. A nil credential means that
// the client sent none although it was asked. As in crypto/tls, VerifyPeerCertificate is called in
// that case too.
func (c *Config) verifyClient(p *peerCredential, s *ConnectionState) error {
	if p == nil {
		if c.ClientAuth == tls.RequireAnyClientCert || c.ClientAuth == tls.RequireAndVerifyClientCert {
			alert := AlertHandshakeFailure // RFC 5246, Section 7.4.6
			if s.Version == VersionDTLS13 {
				alert = AlertCertificateRequired
			}
			return untrusted(alert, "client sent no certificate")
		}
		return c.verifyPeerCertificate(s)
	}
	s.PeerCertificates, s.PeerRawKey = p.chain, p.rawKey
	if p.rawKey != nil {
		return c.verifyRawKey(p)
	}
	if c.ClientAuth >= tls.VerifyClientCertIfGiven {
		if err := c.verifyChain(s, c.ClientCAs, "", x509.ExtKeyUsageClientAuth); err != nil {
			return err
		}
	}
	return c.verifyPeerCertificate(s)
}

// maxAuthorities is the largest total size in bytes of the names in a CertificateRequest, which
// keeps the message within one record.
const maxAuthorities = 1 << 13

// authorities returns the names of the authorities that a server accepts, from which a client
// chooses its certificate. An empty list means any: RFC 5246, Section 7.4.4. It is also returned
// for a pool whose names are larger than maxAuthorities, such as the host's.
func (c *Config) authorities() [][]byte {
	if c.ClientCAs == nil {
		return nil
	}
	// Subjects is deprecated because the host's pool does not list all its certificates on systems
	// other than Linux. There is no alternative, and crypto/tls uses it too.
	var pool interface{ Subjects() [][]byte } = c.ClientCAs
	names, size := pool.Subjects(), 0
	for _, name := range names {
		size += 2 + len(name)
	}
	if size > maxAuthorities {
		return nil
	}
	return names
}

// verifyRawKey verifies a raw public key: RFC 7250, Section 6. Raw public keys are negotiated only
// if Config.VerifyRawKey is set.
func (c *Config) verifyRawKey(p *peerCredential) error {
	if err := c.VerifyRawKey(p.rawKey); err != nil {
		return untrusted(AlertBadCertificate, "Config.VerifyRawKey: %w", err)
	}
	return nil
}

func (c *Config) verifyChain(s *ConnectionState, roots *x509.CertPool, name string,
	usage x509.ExtKeyUsage) error {
	options := x509.VerifyOptions{
		Roots:         roots,
		CurrentTime:   c.time(),
		DNSName:       name,
		Intermediates: x509.NewCertPool(),
		KeyUsages:     []x509.ExtKeyUsage{usage},
	}
	for _, cert := range s.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	chains, err := s.PeerCertificates[0].Verify(options)
	alert := AlertUnsupportedCertificate
	if err != nil {
		alert = alertForCertificate(err)
	} else {
		chains, err = strongChains(chains)
	}
	if err != nil {
		return untrusted(alert, "%w",
			&tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates,
				Err: legible.Error(err)})
	}
	s.VerifiedChains = chains
	return nil
}

// strongChains returns the verified chains in which no key is weak or of an unknown type, including
// that of the trust anchor. If there is none, it returns the error for the first chain.
func strongChains(chains [][]*x509.Certificate) ([][]*x509.Certificate, error) {
	var first error
	strong := slices.DeleteFunc(chains, func(chain []*x509.Certificate) bool {
		err := weakKey(chain)
		first = cmp.Or(first, err)
		return err != nil
	})
	if len(strong) == 0 {
		return nil, first
	}
	return strong, nil
}

func weakKey(chain []*x509.Certificate) error {
	for i, cert := range chain {
		if err := publicKeyFault(cert.PublicKey); err != nil {
			return fmt.Errorf("certificate %d of %d in the verified chain has an %w", i+1, len(chain), err)
		}
	}
	return nil
}

func (c *Config) verifyPeerCertificate(s *ConnectionState) error {
	if c.VerifyPeerCertificate == nil {
		return nil
	}
	raw := make([][]byte, len(s.PeerCertificates))
	for i, cert := range s.PeerCertificates {
		raw[i] = cert.Raw
	}
	if err := c.VerifyPeerCertificate(raw, s.VerifiedChains); err != nil {
		return untrusted(AlertBadCertificate, "Config.VerifyPeerCertificate: %w", err)
	}
	return nil
}

func (c *Config) verifyConnection(s *ConnectionState) error {
	if c.VerifyConnection == nil {
		return nil
	}
	if err := c.VerifyConnection(*s); err != nil {
		return untrusted(AlertBadCertificate, "Config.VerifyConnection: %w", err)
	}
	return nil
}

// alertForCertificate returns the alert for a certificate that failed verification. See RFC 5246,
// Section 7.2.2.
func alertForCertificate(err error) Alert {
	if _, ok := errtype.As[x509.UnknownAuthorityError](err); ok {
		return AlertUnknownCA
	}
	if invalid, ok := errtype.As[x509.CertificateInvalidError](err); ok {
		switch invalid.Reason {
		case x509.Expired:
			return AlertCertificateExpired
		case x509.IncompatibleUsage:
			return AlertUnsupportedCertificate
		}
	}
	return AlertBadCertificate
}
