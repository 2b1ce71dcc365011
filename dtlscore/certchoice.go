package dtlscore

import (
	"crypto/ecdsa"
	"crypto/tls"
	"slices"
)

// certificateNeeds is what a server's certificate has to be for a client, and what it should be.
type certificateNeeds struct {
	version     uint16
	schemes     []tls.SignatureScheme // signature_algorithms
	serverName  string                // empty: any
	authorities [][]byte              // certificate_authorities; none: any

	// For version 1.2, where the suite says what kind of key authenticates.
	suites []*cipherSuite // in common
	groups []tls.CurveID  // supported_groups; nil: not said
}

// check reports why the client could not use a credential, nil if it can.
func (n *certificateNeeds) check(own *credential) error {
	public := own.signer.Public()
	if n.version == VersionDTLS12 {
		// RFC 8422, Section 5.1: the list is for the keys in certificates as well.
		if key, ok := public.(*ecdsa.PublicKey); ok && n.groups != nil {
			if g := groupOf(key.Curve); g != 0 && !slices.Contains(n.groups, g) {
				return incompatible(AlertHandshakeFailure,
					"client has no group %v, which our certificate is for", g)
			}
		}
		if !slices.ContainsFunc(n.suites, func(s *cipherSuite) bool { return s.kx.allowsKey(public) }) {
			return incompatible(AlertHandshakeFailure, "no cipher suite in common with the client for a %T",
				public)
		}
	}
	_, err := own.chooseSignature(n.schemes, n.version)
	return err
}

// rank is 0 for a certificate that the client could not use. Among the others one for the name that
// the client wants is better than one of an issuer that it names. RFC 6066, Section 3; RFC 8446,
// Section 4.2.4.
func (n *certificateNeeds) rank(cert *tls.Certificate) int {
	own, err := newCredential(cert)
	if err != nil || n.check(own) != nil {
		return 0
	}
	rank := 1
	if leaf, err := cachedCertificate(own.chain[0]); n.serverName != "" && err == nil &&
		leaf.VerifyHostname(n.serverName) == nil {
		rank += 2
	}
	if issuedByAny(own.chain, n.authorities) {
		rank++
	}
	return rank
}

// choose returns the first certificate that is best, the first of all if none can be used.
func (n *certificateNeeds) choose(certificates []tls.Certificate) *tls.Certificate {
	best, highest := &certificates[0], 0
	if len(certificates) == 1 {
		return best // there is no need to parse it
	}
	for i := range certificates {
		if rank := n.rank(&certificates[i]); rank > highest {
			best, highest = &certificates[i], rank
		}
	}
	return best
}

// issuedByAny reports whether one of the authorities issued a certificate of the chain.
func issuedByAny(chain, authorities [][]byte) bool {
	if len(authorities) == 0 {
		return false
	}
	return slices.ContainsFunc(chain, func(der []byte) bool {
		cert, err := cachedCertificate(der)
		return err == nil && slices.ContainsFunc(authorities,
			func(name []byte) bool { return string(name) == string(cert.RawIssuer) })
	})
}
