package doctor

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
)

// A credential is a certificate with its key.
type credential tls.Certificate

// issueTest issues a certificate for a key of a kind; by is nil if it signs itself.
func issueTest(by *credential, kind string, template x509.Certificate) *credential {
	if template.NotAfter.IsZero() {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)
	}
	c := credential(testpki.Issue((*tls.Certificate)(by), testpki.NewKey(kind), template))
	return &c
}

func leafNamed(name string) x509.Certificate {
	return x509.Certificate{
		Subject:  pkix.Name{CommonName: name},
		DNSNames: []string{name},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
}

func (c *credential) certPEM() string { return string(testpki.CertPEM(tls.Certificate(*c))) }
func (c *credential) keyPEM() string  { return string(testpki.KeyPEM(tls.Certificate(*c))) }

// wantFindings checks that doctor says what is wanted, and not what is not, and that one finding
// at least has the verdict.
func wantFindings(t *testing.T, found []Finding, want Verdict, says, not string) {
	t.Helper()
	var all strings.Builder
	worst := Well
	for _, f := range found {
		worst = max(worst, f.Verdict)
		all.WriteString(f.Text + "\n" + f.Remedy + "\n")
	}
	if worst != want {
		t.Errorf("verdict %d, want %d:\n%s", worst, want, all.String())
	}
	rest := all.String()
	for part := range strings.SplitSeq(says, "...") {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			t.Errorf("%q is missing in:\n%s", says, all.String())
			break
		}
		rest = after
	}
	if not != "" && strings.Contains(all.String(), not) {
		t.Errorf("%q is in:\n%s", not, all.String())
	}
}

// checkTexts writes the texts into files and checks them.
func checkTexts(t *testing.T, cert, key, ca string, server bool, now time.Time) []Finding {
	t.Helper()
	dir := t.TempDir()
	o := Files{Server: server}
	for _, f := range []struct {
		name, text string
		file       *string
	}{{"cert.pem", cert, &o.Cert}, {"key.pem", key, &o.Key}, {"ca.pem", ca, &o.CA}} {
		if f.text == "" {
			continue
		}
		*f.file = filepath.Join(dir, f.name)
		if err := os.WriteFile(*f.file, []byte(f.text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return CheckCertificates(o, now)
}

// Each fault of certificates has a remedy of its own.
func TestCertificateFaults(t *testing.T) {
	root := issueTest(nil, "P-256", testpki.CA("root"))
	middle := issueTest(root, "P-256", testpki.CA("middle"))
	below := issueTest(middle, "P-256", leafNamed("below"))
	leaf := issueTest(root, "P-256", leafNamed("leaf"))
	other := issueTest(nil, "P-256", testpki.CA("other"))
	rekeyed := issueTest(nil, "P-256", testpki.CA("root")) // another of that name
	changed := func(by *credential, kind string, template x509.Certificate,
		change func(*x509.Certificate)) *credential {
		change(&template)
		return issueTest(by, kind, template)
	}
	usage := func(u ...x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = u }
	}
	dates := func(from, to int) func(*x509.Certificate) { // days from now
		return func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().AddDate(0, 0, from), time.Now().AddDate(0, 0, to)
		}
	}
	forServers := changed(root, "P-256", leafNamed("leaf"), usage(x509.ExtKeyUsageServerAuth))
	forMail := changed(root, "P-256", testpki.CA("mail CA"), usage(x509.ExtKeyUsageEmailProtection))
	late := changed(root, "P-256", leafNamed("leaf"), dates(-9, -1))
	lateMiddle := changed(root, "P-256", testpki.CA("late middle"), dates(-9, -1))
	lateRoot := changed(nil, "P-256", testpki.CA("late root"), dates(-9, -1))
	weakMiddle := issueTest(root, "RSA 1024", testpki.CA("weak middle"))
	weakRoot := issueTest(nil, "RSA 1024", testpki.CA("weak root"))
	noCA := changed(root, "P-256", leafNamed("no CA"),
		func(c *x509.Certificate) { c.BasicConstraintsValid = true })
	short := changed(root, "P-256", testpki.CA("short"),
		func(c *x509.Certificate) { c.MaxPathLenZero = true })
	tooDeep := issueTest(short, "P-256", testpki.CA("too deep"))
	narrow := changed(root, "P-256", testpki.CA("narrow"), func(c *x509.Certificate) {
		c.PermittedDNSDomainsCritical, c.PermittedDNSDomains = true, []string{"example.org"}
	})
	rsaRoot := issueTest(nil, "RSA 2048", testpki.CA("RSA root"))
	sha1 := func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA1WithRSA }
	pem := (*credential).certPEM

	list := func(c ...*credential) []*credential { return c }
	fromMiddle := func(m *credential) []*credential {
		return list(issueTest(m, "P-256", leafNamed("a.example.net")), m)
	}
	one := func(kind string, change func(*x509.Certificate)) []*credential {
		return list(changed(root, kind, leafNamed("a"), change))
	}
	asItIs := func(*x509.Certificate) {}

	for _, tt := range []struct {
		name   string
		chain  []*credential
		key    *credential // if not that of the first
		text   string      // if not empty, is the file of -cert
		ca     string
		server bool
		want   Verdict
		says   string
		not    string
	}{
		{name: "well", chain: list(leaf), ca: pem(root), says: "ECDSA P-256"},
		{name: "well with another", chain: list(below, middle), ca: pem(root), server: true,
			says: "for a server"},
		{name: "well with all", chain: list(below, middle, root), ca: pem(root), server: true,
			says: "for a server"},

		{name: "RSA 1024", chain: one("RSA 1024", asItIs), want: Ill,
			says: "a key that peers reject: RSA 1024...RSA with 2048"},
		{name: "P-224", chain: one("P-224", asItIs), ca: pem(root), server: true, want: Ill,
			says: "ECDSA P-224...P-256", not: "-ca"},
		{name: "RSA 1024 between", chain: fromMiddle(weakMiddle), server: true, want: Ill,
			says: "weak middle...RSA 1024"},
		{name: "RSA 1024 at the end", ca: pem(weakRoot), want: Ill, says: "weak root...RSA 1024"},
		{name: "RSA 1024 of one CA of several", chain: fromMiddle(weakRoot)[:1], ca: pem(root) +
			pem(weakRoot), want: Ill, says: "in the chain to the CA...RSA 1024"},
		{name: "SHA-1", chain: list(changed(rsaRoot, "P-256", leafNamed("a"), sha1)), ca: pem(rsaRoot),
			server: true, want: Ill, says: "SHA1-RSA...SHA-256", not: "missing"},
		{name: "SHA-1 between", chain: fromMiddle(changed(rsaRoot, "P-256", testpki.CA("m"), sha1)),
			ca: pem(rsaRoot), want: Ill, says: "SHA1-RSA...SHA-256", not: "missing"},

		{name: "for servers, a client", chain: list(forServers), want: Ill,
			says: "not valid for a client...clientAuth"},
		{name: "for servers, a client, with a CA", chain: list(forServers), ca: pem(root), want: Ill,
			says: "clientAuth", not: "missing"},
		{name: "for servers, a server", chain: list(forServers), ca: pem(root), server: true,
			says: "for a server"},
		{name: "for mail", chain: one("P-256", usage(x509.ExtKeyUsageEmailProtection)), server: true,
			want: Ill, says: "serverAuth"},
		{name: "for anything", chain: one("P-256", usage(x509.ExtKeyUsageAny)), ca: pem(root),
			says: "for a client"},
		{name: "a CA for mail", chain: fromMiddle(forMail), ca: pem(root), server: true, want: Ill,
			says: "one of the CAs is not for serverAuth"},
		{name: "to agree on keys only", chain: one("P-256",
			func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement }), want: Ill,
			says: "digitalSignature"},

		{name: "expired", chain: list(late), ca: pem(root), want: Ill, says: "has expired...renew it",
			not: "missing"},
		{name: "expired, unknown CA", chain: list(late), ca: pem(other), want: Ill,
			says: "has expired...renew it...CN=root is missing"},
		{name: "not yet valid", chain: one("P-256", dates(1, 9)), want: Ill,
			says: "not valid before...clock"},
		{name: "never valid", chain: one("P-256", dates(9, 1)), want: Ill, says: "never valid"},
		{name: "expires soon", chain: one("P-256", dates(-1, 9)), ca: pem(root), want: Worth,
			says: "expires soon"},
		{name: "expired between", chain: fromMiddle(lateMiddle), ca: pem(root), want: Ill,
			says: "late middle, has expired", not: "missing"},
		{name: "expired CA", chain: fromMiddle(lateRoot)[:1], ca: pem(lateRoot), want: Ill,
			says: "late root has expired", not: "missing"},
		{name: "an expired CA among others", chain: list(leaf), ca: pem(root) + pem(lateRoot),
			want: Worth, says: "late root has expired"},

		{name: "missing between", chain: list(below), ca: pem(root), server: true, want: Ill,
			says: "the certificate of CN=middle is missing"},
		{name: "another CA", chain: list(leaf), ca: pem(other), server: true, want: Ill,
			says: "unknown authority...CN=root is missing"},
		{name: "another CA of that name", chain: list(leaf), ca: pem(rekeyed), server: true, want: Ill,
			says: "another CA of the name CN=root", not: "missing"},
		{name: "signs itself", chain: list(other), ca: pem(root), want: Ill,
			says: "CN=other, if it is trusted", not: "missing"},
		{name: "wrong order", chain: list(leaf, middle), ca: pem(root), server: true, want: Worth,
			says: "CN=middle, has not issued the previous one"},
		{name: "the CA first", chain: list(middle, below), key: below, server: true, want: Ill,
			says: "the private key is that of number 2, CN=below...put that one first"},
		{name: "another key", chain: list(leaf), key: below, server: true, want: Ill,
			says: "private key does not match...openssl pkey -pubout", not: "first"},
		{name: "a key of another kind", chain: list(leaf), key: rsaRoot, server: true, want: Ill,
			says: "private key does not match"},
		{name: "no CA between", chain: fromMiddle(noCA), ca: pem(root), server: true, want: Ill,
			says: "no CA...CA:TRUE"},
		{name: "no CA signs", chain: fromMiddle(noCA)[:1], ca: pem(noCA), server: true, want: Ill,
			says: "no CA...may not sign", not: "missing"},
		{name: "too deep", chain: append(fromMiddle(tooDeep), short), ca: pem(root), server: true,
			want: Ill, says: "pathlen"},
		{name: "name not allowed", chain: fromMiddle(narrow), ca: pem(root), server: true, want: Ill,
			says: "name constraints"},
		{name: "too many", chain: append(list(below, middle), slices.Repeat(list(root), 15)...),
			ca: pem(root), server: true, want: Ill, says: "17 certificates...at most"},

		{name: "no host", chain: one("P-256", func(c *x509.Certificate) { c.DNSNames = nil }),
			ca: pem(root), server: true, want: Ill, says: "has no host name...subjectAltName"},
		{name: "an address as a name", chain: list(issueTest(root, "P-256", leafNamed("192.0.2.1"))),
			ca: pem(root), server: true, want: Worth, says: "IP:192.0.2.1"},
		{name: "an address", chain: one("P-256", func(c *x509.Certificate) {
			c.DNSNames,
				c.IPAddresses = nil, []net.IP{net.IPv4(192, 0, 2, 1)}
		}), ca: pem(root), server: true,
			says: "for a server"},

		{name: "a broken one behind", chain: list(below), text: pem(below) + cut(pem(middle)),
			ca: pem(root), server: true, want: Ill,
			says: "the CERTIFICATE cannot be read...peers may need it"},
		{name: "a broken one at first", chain: list(leaf), text: cut(pem(leaf)) + pem(root), server: true,
			want: Ill, says: "first certificate one that cannot be read, line 1"},
		{name: "half a CA", ca: pem(root) + cut(pem(middle)), want: Worth,
			says: "the CERTIFICATE cannot be read...not trusted"},
		{name: "a CA without its end", ca: pem(root) + strings.Split(pem(middle), "-----END")[0],
			want: Worth, says: "not whole"},
		{name: "a CA without its end, and another", ca: strings.Split(pem(middle), "-----END")[0] +
			pem(root), want: Worth, says: "line 1...not whole"},
		{name: "a CA that is indented", ca: pem(root) + " " + pem(middle), want: Worth,
			says: "the CERTIFICATE cannot be read"},
		{name: "half of the only CA", ca: cut(pem(root)), want: Ill,
			says: "holds no certificate that can be read, line 1"},
		{name: "many broken CAs", ca: pem(root) + strings.Repeat(cut(pem(root)), 99), want: Worth,
			says: "and 95 more"},
		{name: "a leaf among CAs", ca: pem(root) + pem(leaf), want: Worth, says: "CN=leaf is not a CA"},
		{name: "a CA that may not sign", ca: pem(changed(nil, "P-256", testpki.CA("a"),
			func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })), want: Ill,
			says: "keyCertSign"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cert, key := tt.text, ""
			for _, c := range tt.chain {
				if tt.text == "" {
					cert += pem(c)
				}
				if key == "" {
					key = cmp.Or(tt.key, c).keyPEM()
				}
			}
			wantFindings(t, checkTexts(t, cert, key, tt.ca, tt.server, time.Now()), tt.want, tt.says, tt.not)
		})
	}
}

// cut breaks a certificate, so that the block is whole, but not what is in it.
func cut(text string) string {
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(append(lines[:3:3], lines[4:]...), "")
}

// Each fault of a file has an error of its own.
func TestFileFaults(t *testing.T) {
	root := issueTest(nil, "P-256", testpki.CA("root"))
	leaf := issueTest(root, "RSA 2048", leafNamed("leaf"))
	block := func(label string, der []byte, headers ...string) string {
		b := &pem.Block{Type: label, Bytes: der, Headers: map[string]string{}}
		for i := 0; i < len(headers); i += 2 {
			b.Headers[headers[i]] = headers[i+1]
		}
		return string(pem.EncodeToMemory(b))
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(leaf.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := x509.MarshalPKCS1PrivateKey(leaf.PrivateKey.(*rsa.PrivateKey))
	encrypted, err := asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}{pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}},
		make([]byte, 64)})
	if err != nil {
		t.Fatal(err)
	}
	cert, key := leaf.certPEM(), leaf.keyPEM()
	for _, tt := range []struct {
		name      string
		cert, key string
		want      string
	}{
		{"encrypted PKCS #8", cert, block("ENCRYPTED PRIVATE KEY", encrypted),
			"encrypted...openssl pkey"},
		{"encrypted PKCS #1", cert, block("RSA PRIVATE KEY", make([]byte, 64), "Proc-Type", "4,ENCRYPTED",
			"DEK-Info", "AES-128-CBC,00"), "encrypted...openssl pkey"},
		{"encrypted SEC 1", cert, block("EC PRIVATE KEY", make([]byte, 64), "Proc-Type", "4,ENCRYPTED",
			"DEK-Info", "AES-128-CBC,00"), "encrypted...openssl pkey"},
		{"encrypted and DER", cert, string(encrypted),
			"private key in DER form...openssl pkey -inform DER"},
		{"OpenSSH", cert, block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1")), "OpenSSH...ssh-keygen"},
		{"DER certificate", string(leaf.Leaf.Raw), key,
			"certificate in DER form...openssl x509 -inform DER"},
		{"DER key", cert, string(pkcs8), "private key in DER form...openssl pkey -inform DER"},
		{"DER key of RSA", cert, string(pkcs1), "private key in DER form"},
		{"PKCS #12", "\x30\x80\x02\x01\x03", key, "PKCS #12...openssl pkcs12"},
		{"Java", "\xfe\xed\xfe\xed\x00\x00", key, "Java...keytool"},
		{"PKCS #7", block("PKCS7", []byte{0x30, 0}), key, "no certificate...openssl pkcs7"},
		{"for OpenSSL's trust", block("TRUSTED CERTIFICATE", leaf.Leaf.Raw), key,
			"no certificate...openssl x509"},
		{"request", block("CERTIFICATE REQUEST", []byte{0x30, 0}), key,
			"no certificate...it is a request"},
		{"key for the certificate", key, key, "no certificate...it is a private key"},
		{"certificate for the key", cert, cert, "no private key...-key"},
		{"public key", cert, block("PUBLIC KEY", []byte{0x30, 0}),
			"no private key...it is the public key"},
		{"unknown key", cert, block("DSA PRIVATE KEY", []byte{0x30, 0}),
			"DSA PRIVATE KEY that cannot be used"},
		{"broken key", cert, cut(key), "cannot be used...openssl pkey"},
		{"half a key", cert, strings.Split(key, "-----END")[0],
			"no private key that can be read, line 1"},
		{"empty certificate", "\n", key, "is empty"},
		{"empty key", cert, " ", "is empty"},
		{"text", "hello", key, "nothing in PEM form"},
		{"UTF-16", "\xff\xfe-\x00", key, "UTF-16...iconv"},
		{"byte order mark", "\xef\xbb\xbf" + cert, key, "byte order mark...tail"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantFindings(t, checkTexts(t, tt.cert, tt.key, "", false, time.Now()), Ill, tt.want,
				"-cert must begin with")
		})
	}
	t.Run("both in one, with Windows' line ends", func(t *testing.T) {
		both := strings.ReplaceAll(key+cert+root.certPEM(), "\n", "\r\n")
		wantFindings(t, checkTexts(t, both, "", root.certPEM(), true, time.Now()), Well, "for a server",
			"")
	})
	t.Run("folder", func(t *testing.T) {
		wantFindings(t, CheckCertificates(Files{Cert: t.TempDir()}, time.Now()), Ill,
			"is a directory...a file of this directory", "")
		wantFindings(t, CheckCertificates(Files{CA: t.TempDir()}, time.Now()), Ill,
			"is a directory...a file of this directory", "")
	})
	t.Run("an unknown curve", func(t *testing.T) {
		onP256 := issueTest(root, "P-256", leafNamed("leaf"))
		p256 := []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7} // its identifier, and another's
		der := bytes.Replace(onP256.Leaf.Raw, p256, append(p256[:9:9], 5), 1)
		for _, ca := range []string{"", block("CERTIFICATE", der)} {
			found := checkTexts(t, block("CERTIFICATE", der), onP256.keyPEM(), ca, false, time.Now())
			wantFindings(t, found, Ill, "unsupported elliptic curve...ECDSA on P-256", "issue it again")
		}
	})
	t.Run("a file without an end", func(t *testing.T) {
		endless := filepath.Join(t.TempDir(), "cert.pem")
		if err := os.WriteFile(endless, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(endless, 1<<40); err != nil { // which takes no space
			t.Fatal(err)
		}
		for _, files := range []Files{{Cert: endless}, {CA: endless}} {
			wantFindings(t, CheckCertificates(files, time.Now()), Ill, "more than 16 MiB", "")
		}
	})
	t.Run("nowhere", func(t *testing.T) {
		wantFindings(t, CheckCertificates(Files{Cert: filepath.Join(t.TempDir(), "none")}, time.Now()),
			Ill, "no such file...path", "")
	})
}

// What doctor says of a key is what the other end does.
func TestDoctorAgreesWithPeers(t *testing.T) {
	root := issueTest(nil, "P-256", testpki.CA("root"))
	for _, kind := range []string{"RSA 1024", "RSA 2048", "P-224", "P-256", "P-384", "P-521",
		"Ed25519"} {
		t.Run(kind, func(t *testing.T) {
			leaf := issueTest(root, kind, leafNamed("server.example"))
			found := checkTexts(t, leaf.certPEM(), leaf.keyPEM(), root.certPEM(), true, time.Now())
			accepted := handshake(t, leaf, root)
			if AllWell(found) != accepted {
				t.Errorf("doctor finds %+v, a client accepts: %v", found, accepted)
			}
		})
	}
}

// handshake reports whether a client that trusts root accepts a server with the certificate leaf.
func handshake(t *testing.T, leaf, root *credential) bool {
	t.Helper()
	client, err := dtlscore.Client(&dtlscore.Config{RootCAs: poolOf([]*x509.Certificate{root.Leaf}),
		ServerName: leaf.Leaf.DNSNames[0]})
	if err != nil {
		t.Fatal(err)
	}
	pair := tls.Certificate{Certificate: [][]byte{leaf.Leaf.Raw}, PrivateKey: leaf.PrivateKey}
	server, err := dtlscore.Server(&dtlscore.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		return false
	}
	ends := [2]*dtlscore.Conn{client, server}
	var inbox [2][][]byte
	for _, c := range ends {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		for i, c := range ends {
			for ev := c.NextEvent(); ev.Kind != dtlscore.EventNone; ev = c.NextEvent() {
				switch ev.Kind {
				case dtlscore.EventSend:
					inbox[1-i] = append(inbox[1-i], bytes.Clone(ev.Data))
				case dtlscore.EventReadPending: // all has arrived
					c.PendingRead()
				}
			}
			for _, record := range inbox[i] {
				if _, err := c.Receive(record, true, dtlscore.Tag{}); err != nil {
					return false
				}
			}
			inbox[i] = nil
		}
		if client.ConnectionState().HandshakeComplete {
			return true
		}
	}
	t.Fatal("the handshake does not end")
	return false
}
