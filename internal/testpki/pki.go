package testpki

import (
	"crypto/tls"
	"crypto/x509"
	"sync"
)

// ServerName is the name in the certificates of a PKI's server.
const ServerName = "server.example"

// A PKI is one authority and certificates that it issued.
type PKI struct {
	Roots                   *x509.CertPool
	Server, Renewed, Client tls.Certificate // Renewed is another one of the server

	ca tls.Certificate
}

// Get always returns the same PKI. With testing/synctest, call it outside of a bubble first,
// because it is shared.
var Get = sync.OnceValue(func() *PKI {
	p := &PKI{ca: Issue(nil, nil, CA("authority"))}
	p.Roots = Pool(p.ca)
	p.Server = p.Issue(ServerName, x509.ExtKeyUsageServerAuth)
	p.Renewed = p.Issue(ServerName, x509.ExtKeyUsageServerAuth)
	p.Client = p.Issue("client.example", x509.ExtKeyUsageClientAuth)
	return p
})

// Issue returns a certificate for a name.
func (p *PKI) Issue(name string, usage x509.ExtKeyUsage) tls.Certificate {
	template := End(name)
	template.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	return Issue(&p.ca, nil, template)
}
