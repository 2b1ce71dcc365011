package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"os"
	"time"
)

// soon is when a certificate that ends is worth a note.
const soon = 30 * 24 * time.Hour

// checkCertificates looks at files as a peer would at what is in them.
func checkCertificates(o doctorOptions, now time.Time) (found []finding) {
	var cas *x509.CertPool
	if o.ca != "" {
		var err error
		if cas, err = loadCAs(o.ca); err != nil {
			return append(found, bad("give a file of certificates in PEM form", "%v", err))
		}
	}
	if o.cert == "" {
		if o.key != "" {
			return append(found, bad("give -cert too", "-key alone cannot be checked"))
		}
		return append(found, okay("%s holds CA certificates", o.ca))
	}
	pair, err := tls.LoadX509KeyPair(o.cert, cmp.Or(o.key, o.cert))
	if err != nil {
		return append(found, bad("-cert must begin with the certificate whose key -key is", "%v", err))
	}
	if info, err := os.Stat(cmp.Or(o.key, o.cert)); err == nil && info.Mode().Perm()&0o077 != 0 {
		found = append(found, note("chmod 600 "+cmp.Or(o.key, o.cert), "others can read the private key"))
	}
	leaf := pair.Leaf
	role, usage := "client", x509.ExtKeyUsageClientAuth
	if o.server {
		role, usage = "server", x509.ExtKeyUsageServerAuth
	}
	switch {
	case now.Before(leaf.NotBefore):
		found = append(found, bad("set the clock, or wait", "%s is not valid before %s", o.cert, leaf.NotBefore.Format(time.DateTime)))
	case now.After(leaf.NotAfter):
		found = append(found, bad("renew it", "%s has expired, %s", o.cert, leaf.NotAfter.Format(time.DateTime)))
	case now.Add(soon).After(leaf.NotAfter):
		found = append(found, note("renew it in time", "%s expires soon, %s", o.cert, leaf.NotAfter.Format(time.DateTime)))
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		found = append(found, bad("ask the CA for one with keyUsage digitalSignature", "%s may not be used to sign, which DTLS asks of it", o.cert))
	}
	if o.server && len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		found = append(found, bad("ask the CA for one with subjectAltName: clients ignore the common name", "%s names no host", o.cert))
	}
	if cas != nil {
		intermediates := x509.NewCertPool()
		for _, der := range pair.Certificate[1:] {
			if c, err := x509.ParseCertificate(der); err == nil {
				intermediates.AddCert(c)
			}
		}
		_, err := leaf.Verify(x509.VerifyOptions{Roots: cas, Intermediates: intermediates, CurrentTime: now,
			KeyUsages: []x509.ExtKeyUsage{usage}})
		if err != nil {
			found = append(found, bad("-cert must hold the intermediate certificates too, after its own; -ca the root", "as a %s's: %v", role, err))
		}
	}
	if found == nil {
		found = append(found, okay("%s: %v, valid until %s, as a %s's", o.cert, leaf.PublicKeyAlgorithm, leaf.NotAfter.Format(time.DateOnly), role))
	}
	return found
}
