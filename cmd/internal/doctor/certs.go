package doctor

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

const (
	// soon is the remaining validity of a certificate below which a note is printed.
	soon = 30 * 24 * time.Hour
	// longestChain is the largest number of certificates that a peer accepts.
	longestChain = 16
	// fewFindings is the number of findings of one kind to print: a bundle of CAs may have hundreds
	// of certificates.
	fewFindings = 4
)

// Files names the PEM files of a certificate. A name is empty if there is no file.
type Files struct {
	Cert   string // the certificate, and its chain to the CA
	Key    string // its private key; empty if it is in Cert
	CA     string // the trusted CAs
	Server bool   // the certificate is used as a server's
}

// CheckCertificates checks the contents of files as a peer would.
func CheckCertificates(o Files, now time.Time) []Finding {
	return About("certificates", checkCertificates(o, now)...)
}

func checkCertificates(o Files, now time.Time) (found []Finding) {
	var cas []*x509.Certificate
	if o.CA != "" {
		f, err := readPEM(o.CA)
		if err == nil && len(f.certs) == 0 {
			err = f.noCertificate()
		}
		if err != nil {
			found = append(found, Bad(fileRemedy(err), "-ca: %v", err))
		} else {
			cas = f.certs
			found = append(found, checkCAs(f, now)...)
		}
	}
	if o.Cert != "" {
		return append(found, checkPair(o, cas, now)...)
	}
	if o.Key != "" {
		found = append(found, Bad("specify -cert too", "-key alone cannot be checked"))
	}
	if AllWell(found) && cas != nil {
		found = append(found, Okay("%s: CA certificates: %d", o.CA, len(cas)))
	}
	return found
}

// few returns some of the findings, and the number of the others.
func few(found []Finding) []Finding {
	if more := len(found) - fewFindings; more > 0 {
		return append(found[:fewFindings:fewFindings], Note("", "and %d more of this kind", more))
	}
	return found
}

// checkCAs checks the file of trusted CAs. An error in one of them is only noted if there are
// others.
func checkCAs(f *pemFile, now time.Time) (found []Finding) {
	say := Note
	if len(f.certs) == 1 {
		say = Bad
	}
	for _, b := range f.broken {
		found = append(found,
			Note(b.remedy, "%s, %s: certificates that it has issued are not trusted", f.name, b.why))
	}
	for _, c := range f.certs {
		name := f.name + ": " + CertificateName(c)
		switch {
		case c.Version == 3 && !c.IsCA:
			found = append(found, Note("use the certificate of its issuer, unless only this one is to "+
				"be trusted", "%s is not a CA certificate", name))
		case c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0:
			found = append(found, say("ask the CA for its certificate with keyUsage keyCertSign",
				"%s must not sign certificates", name))
		}
		if d := checkDates(c, name, now); d.Verdict == Ill {
			found = append(found, say(d.Remedy, "%s", d.Text))
		} else if d.Text != "" {
			found = append(found, d)
		}
		if weak(c.PublicKey) {
			found = append(found, say("have the CA use another key: "+goodKeys,
				"%s has a key that peers reject: %s", name, KeyKind(c.PublicKey)))
		}
	}
	return few(found)
}

// checkDates checks that a certificate is valid, and for how long. It returns the zero Finding if
// there is nothing to report.
func checkDates(c *x509.Certificate, name string, now time.Time) Finding {
	switch {
	case c.NotAfter.Before(c.NotBefore):
		return Bad("issue it again", "%s is never valid: from %s to %s", name,
			c.NotBefore.Format(time.DateTime), c.NotAfter.Format(time.DateTime))
	case now.Before(c.NotBefore):
		return Bad("check the clock, or wait", "%s is not valid before %s", name,
			c.NotBefore.Format(time.DateTime))
	case now.After(c.NotAfter):
		return Bad("renew it", "%s has expired, %s", name, c.NotAfter.Format(time.DateTime))
	case now.Add(soon).After(c.NotAfter):
		return Note("renew it in time", "%s expires soon, %s", name, c.NotAfter.Format(time.DateTime))
	}
	return Finding{}
}

// weak reports whether both ends reject a key: RFC 9325, Section 4.5.
func weak(public crypto.PublicKey) bool {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		return k.Curve != elliptic.P256() && k.Curve != elliptic.P384() && k.Curve != elliptic.P521()
	case ed25519.PublicKey:
		return false
	case *rsa.PublicKey:
		return k.N.BitLen() < 2048 || k.N.BitLen() > 8192
	}
	return true
}

// badlySigned reports whether peers reject the algorithm of a certificate's signature. The
// signature of a root does not matter.
func badlySigned(c *x509.Certificate) bool {
	switch c.SignatureAlgorithm {
	case x509.UnknownSignatureAlgorithm,
		x509.MD2WithRSA,
		x509.MD5WithRSA,
		x509.SHA1WithRSA,
		x509.DSAWithSHA1,
		x509.DSAWithSHA256,
		x509.ECDSAWithSHA1:
		return !selfIssued(c)
	}
	return false
}

func selfIssued(c *x509.Certificate) bool { return string(c.RawIssuer) == string(c.RawSubject) }

// A role is how a certificate is used.
type role struct {
	name, usage string
	id          x509.ExtKeyUsage
}

// checkPair checks a certificate, its chain and its key. cas may be nil.
func checkPair(o Files, cas []*x509.Certificate, now time.Time) (found []Finding) {
	cert, key, err := readPair(o.Cert, o.Key)
	var pair tls.Certificate
	if err == nil {
		pair, err = pairOf(cert, key)
	}
	if err != nil {
		return append(found, Bad(fileRemedy(err), "%v", err))
	}
	if info, err := os.Stat(key.name); err == nil && info.Mode().Perm()&0o077 != 0 {
		found = append(found, Note("chmod 600 "+key.name, "others can read the private key"))
	}
	for _, b := range cert.broken {
		found = append(found, Bad(b.remedy, "%s, %s: peers may need it", cert.name, b.why))
	}
	chain := cert.certs
	if n := len(pair.Certificate); n > longestChain {
		found = append(found, Bad("remove those that are not needed",
			"%s has %d certificates, but peers accept at most %d", cert.name, n, longestChain))
	}
	as := role{"client", "clientAuth", x509.ExtKeyUsageClientAuth}
	if o.Server {
		as = role{"server", "serverAuth", x509.ExtKeyUsageServerAuth}
	}
	found = append(found, checkLeaf(chain[0], cert.name, as, now)...)
	found = append(found, few(checkSent(chain, cert.name, now))...)
	if cas != nil {
		if f := checkChain(chain, cas, as, now, AllWell(found)); f.Text != "" {
			found = append(found, f)
		}
	}
	if AllWell(found) {
		found = append(found, Okay("%s: %s, valid until %s, for a %s", cert.name,
			KeyKind(chain[0].PublicKey), chain[0].NotAfter.Format(time.DateOnly), as.name))
	}
	return found
}

// checkLeaf checks the certificate of this end itself.
func checkLeaf(leaf *x509.Certificate, name string, as role, now time.Time) (found []Finding) {
	if d := checkDates(leaf, name, now); d.Text != "" {
		found = append(found, d)
	}
	if weak(leaf.PublicKey) {
		found = append(found, Bad("have one issued for another key: "+goodKeys,
			"%s has a key that peers reject: %s", name, KeyKind(leaf.PublicKey)))
	}
	if badlySigned(leaf) {
		found = append(found, Bad("have the CA sign it with SHA-256 or better",
			"%s is signed with %v, which peers reject", name, leaf.SignatureAlgorithm))
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		found = append(found, Bad("ask the CA for one with keyUsage digitalSignature",
			"%s must not be used for signatures, which DTLS requires", name))
	}
	isServer := as.id == x509.ExtKeyUsageServerAuth
	if isServer && len(leaf.DNSNames)+len(leaf.IPAddresses) == 0 {
		found = append(found, Bad("ask the CA for one with subjectAltName: clients ignore the common "+
			"name", "%s has no host name", name))
	}
	for _, n := range leaf.DNSNames {
		if isServer && net.ParseIP(n) != nil {
			found = append(found, Note("ask the CA for one with subjectAltName IP:"+n,
				"%s has the address %s as a name (DNS), where clients do not look for addresses", name, n))
		}
	}
	if !allows(leaf, as.id) {
		found = append(found, Bad("ask the CA for one with extendedKeyUsage "+as.usage+"; many public "+
			"CAs issue for servers only", "%s is not valid for a %s (extended key usage)", name, as.name))
	}
	return few(found)
}

// allows reports whether a certificate may be used for id: RFC 5280, Section 4.2.1.12.
func allows(c *x509.Certificate, id x509.ExtKeyUsage) bool {
	return len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 ||
		slices.Contains(c.ExtKeyUsage, id) ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// checkSent checks the certificates that are sent after the first one.
func checkSent(chain []*x509.Certificate, file string, now time.Time) (found []Finding) {
	for i, c := range chain[1:] {
		name := fmt.Sprintf("certificate %d of %s, %s,", i+2, file, CertificateName(c))
		if string(c.RawSubject) != string(chain[i].RawIssuer) {
			found = append(found, Note("order certificates so that each has issued the previous one, and "+
				"remove others: some peers require it (RFC 5246, Section 7.4.2)",
				"%s has not issued the previous one", name))
			continue
		}
		if d := checkDates(c, name, now); d.Text != "" {
			found = append(found, d)
		}
		if c.Version == 3 && !c.IsCA {
			found = append(found, Bad("ask for the certificate of the CA with basicConstraints CA:TRUE",
				"%s is not a CA certificate", name))
		}
		if weak(c.PublicKey) {
			found = append(found, Bad("have the CA use another key: "+goodKeys,
				"%s has a key that peers reject: %s", name, KeyKind(c.PublicKey)))
		}
		if badlySigned(c) {
			found = append(found, Bad("have it signed with SHA-256 or better",
				"%s is signed with %v, which peers reject", name, c.SignatureAlgorithm))
		}
	}
	return found
}

// checkChain looks for a chain from a certificate to one of the CAs. fine reports whether no error
// was found in the certificate itself; otherwise that error is not reported again. It returns the
// zero Finding for a good chain.
func checkChain(chain, cas []*x509.Certificate, as role, now time.Time, fine bool) Finding {
	leaf := chain[0]
	options := x509.VerifyOptions{
		Roots:         poolOf(cas),
		Intermediates: poolOf(chain[1:]),
		CurrentTime:   now,
		KeyUsages:     []x509.ExtKeyUsage{as.id},
	}
	if !fine { // ignore what the certificate itself says
		options.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
		if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) {
			options.CurrentTime = leaf.NotAfter
		}
	}
	chains, err := leaf.Verify(options)
	if err != nil {
		if _, unknown := errtype.As[x509.UnknownAuthorityError](err); !unknown && !fine ||
			slices.ContainsFunc(chain, badlySigned) {
			return Finding{}
		}
		return Bad(chainRemedy(err, chain, cas, as), "for a %s: %v", as.name, Shorten(err.Error(), 300))
	}
	var first *x509.Certificate // the first weak one
	for _, chain := range chains {
		i := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return weak(c.PublicKey) })
		if i < 0 {
			return Finding{}
		}
		if first == nil {
			first = chain[i]
		}
	}
	if !fine {
		return Finding{}
	}
	return Bad("have the CA use another key: "+goodKeys,
		"for a %s: %s, in the chain to the CA, has a key that peers reject: %s", as.name,
		CertificateName(first), KeyKind(first.PublicKey))
}

// chainRemedy returns what to do about an error of a verification.
func chainRemedy(err error, chain, cas []*x509.Certificate, as role) string {
	if _, ok := errtype.As[x509.UnknownAuthorityError](err); ok {
		return authorityRemedy(chain, cas)
	}
	invalid, ok := errtype.As[x509.CertificateInvalidError](err)
	if !ok || invalid.Cert == nil {
		return "“openssl verify -show_chain -CAfile CA -untrusted CERT CERT” may say more"
	}
	name := CertificateName(invalid.Cert)
	switch invalid.Reason {
	case x509.Expired:
		return fmt.Sprintf("renew that of %s, valid from %s to %s, or set the clock", name,
			invalid.Cert.NotBefore.Format(time.DateTime), invalid.Cert.NotAfter.Format(time.DateTime))
	case x509.NotAuthorizedToSign:
		return name + " may not sign certificates: ask for the one of the CA with basicConstraints " +
			"CA:TRUE"
	case x509.TooManyIntermediates:
		return name + " allows fewer CAs below it (pathlen)"
	case x509.CANotAuthorizedForThisName, x509.UnconstrainedName, x509.NameConstraintsWithoutSANs:
		return name + " may not issue for these names (name constraints): have another CA issue it"
	case x509.IncompatibleUsage, x509.CANotAuthorizedForExtKeyUsage:
		return "one of the CAs is not for " + as.usage + " (extended key usage): have another CA issue it"
	}
	return "ask the CA that has issued " + name
}

// authorityRemedy finds where the chain from a certificate to the CAs is broken.
func authorityRemedy(chain, cas []*x509.Certificate) string {
	top := chain[0]
	for range chain {
		i := slices.IndexFunc(chain, func(c *x509.Certificate) bool {
			return c != top &&
				top.CheckSignatureFrom(c) == nil
		})
		if i < 0 {
			break
		}
		top = chain[i]
	}
	issuer := &x509.Certificate{Subject: top.Issuer}
	if selfIssued(top) {
		return "give -ca the certificate of " + CertificateName(issuer) +
			", if it is trusted: that is where this chain ends"
	}
	i := slices.IndexFunc(cas,
		func(c *x509.Certificate) bool { return string(c.RawSubject) == string(top.RawIssuer) })
	if i < 0 {
		return "the certificate of " + CertificateName(issuer) +
			" is missing: if that is an intermediate CA, -cert must hold it after its own,\n" +
			"in the order of signing; if it is the root, -ca must hold it"
	}
	if err := top.CheckSignatureFrom(cas[i]); err != nil {
		if _, ok := err.(x509.ConstraintViolationError); ok {
			return "the CA's certificate in -ca may not sign others (basicConstraints CA:TRUE, keyUsage " +
				"keyCertSign)"
		}
		return "-ca holds another CA of the name " + CertificateName(issuer) +
			", or its certificate for another key: give the one that has signed"
	}
	return "“openssl verify -show_chain -CAfile CA -untrusted CERT CERT” may say more"
}
