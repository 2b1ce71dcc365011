package dtlscore

import (
	"crypto/ecdsa"
	"crypto/tls"
	"slices"
)

// certificateNeeds describes which certificates of a server a client can use, and which it prefers.
type certificateNeeds struct {
	version     uint16
	schemes     []tls.SignatureScheme // signature_algorithms
	serverName  string                // server_name; empty: any
	authorities [][]byte              // certificate_authorities; none: any

	// DTLS 1.2 only, where the cipher suite determines the type of the key.
	suites []*cipherSuite // supported by both sides
	groups []tls.CurveID  // supported_groups; nil: not sent
}

// check returns nil if the client can use the credential, and otherwise the reason why not.
func (n *certificateNeeds) check(own *credential) error {
	public := own.signer.Public()
	if n.version == VersionDTLS12 {
		// RFC 8422, Section 5.1: supported_groups also restricts the keys in certificates.
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

// rank returns 0 for a certificate that the client cannot use. Among the others, a match of the
// server name counts more than a match of the issuer. See RFC 6066, Section 3, and RFC 8446,
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

// choose returns the first certificate of the highest rank, or the first of all if the client can
// use none.
func (n *certificateNeeds) choose(certificates []tls.Certificate) *tls.Certificate {
	best, highest := &certificates[0], 0
	if len(certificates) == 1 {
		return best // no need to parse it
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
