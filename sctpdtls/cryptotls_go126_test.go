//go:build go1.26

package sctpdtls

import (
	"crypto"
	"crypto/tls"
	"io"
)

// A wholeSigner signs messages, not digests.
type wholeSigner struct {
	crypto.Signer
	m *meeting
}

func (wholeSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errRefused
}

func (s wholeSigner) SignMessage(r io.Reader, message []byte, opts crypto.SignerOpts) ([]byte,
	error) {
	s.m.called("SignMessage")
	return crypto.SignMessage(s.Signer, r, message, opts)
}

// Go 1.25's crypto/tls has not heard of MessageSigner.
func init() {
	tlsCases = append(tlsCases,
		tlsCase{says: "If it implements crypto.MessageSigner, SignMessage will be used instead of " +
			"Sign for TLS 1.2 and later.", set: func(m *meeting) {
			for _, c := range []*tls.Config{m.client, m.server} {
				cert := c.Certificates[0]
				cert.PrivateKey = wholeSigner{cert.PrivateKey.(crypto.Signer), m}
				c.Certificates = []tls.Certificate{cert}
			}
		}, wants: "SignMessage; SignMessage"})
}
