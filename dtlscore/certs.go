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

// maxChain is how many certificates a peer may send. Attack E11.
const maxChain = 16

// parseChain reads the certificates of the peer. They prove nothing yet. How many there are and the
// size of their keys is limited for all, which cost us before they are verified; that a key is not
// weak and of a known kind is asked of the peer's own, and of the others only if they are needed:
// verifyChain.
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
	// RFC 5280, Section 4.2.1.3: without the extension any use is allowed.
	if u := chain[0].KeyUsage; u != 0 && u&x509.KeyUsageDigitalSignature == 0 {
		return nil, untrusted(AlertUnsupportedCertificate,
			"certificate of the peer is not for digital signatures")
	}
	return chain, nil
}

// verifyServer verifies what a server shows as the Config asks.
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

// verifyClient verifies what a client shows as the Config asks; nil means
// nothing, although it was asked. VerifyPeerCertificate judges that too, as in crypto/tls.
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

// maxAuthorities is how many bytes of names a CertificateRequest has at most, so that it is one
// record.
const maxAuthorities = 1 << 13

// authorities are the names of those whose certificates a server takes, by which a client chooses
// among its own. None stands for any, RFC 5246, Section 7.4.4; so it does for a pool as large as
// that of a host.
func (c *Config) authorities() [][]byte {
	if c.ClientCAs == nil {
		return nil
	}
	// Subjects is deprecated, since on other systems than Linux the host's pool does not list all it
	// has. There is nothing else to ask, and crypto/tls does the same.
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

// verifyRawKey is all there is to verify of a raw public key: RFC 7250,
// Section 6. It is not agreed on without Config.VerifyRawKey.
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

// strongChains returns those of the verified chains in which no key is weak or of an unknown kind,
// the anchor's included. Without one it fails with the reason for the first.
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

// alertForCertificate is RFC 5246, Section 7.2.2.
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
