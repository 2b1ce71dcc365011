package doctor

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// A FileError is an error in a file of certificates or keys, and what to do about it.
type FileError struct {
	Err    error
	Remedy string
}

func (e *FileError) Error() string { return e.Err.Error() }
func (e *FileError) Unwrap() error { return e.Err }

// fileRemedy returns the remedy of the [FileError] in err.
func fileRemedy(err error) string {
	if file, ok := errtype.As[*FileError](err); ok {
		return file.Remedy
	}
	return ""
}

// A pemFile is the contents of a file of certificates, of a private key, or of both.
type pemFile struct {
	name   string
	text   []byte
	certs  []*x509.Certificate
	key    *pem.Block // the first private key, which crypto/tls uses too
	broken []fault    // blocks that cannot be parsed
	first  *fault     // of the first certificate; nil if it can be parsed
	others []string   // types of other blocks
}

// A fault is why a block of a [pemFile] cannot be parsed, and what to do about it.
type fault struct{ why, remedy string }

// fail returns the error that says why the file cannot be used.
func (f *pemFile) fail(why, remedy string) error {
	return &FileError{errors.New(f.name + " " + why), remedy}
}

// readPEM reads a file. Its error is a [FileError].
func readPEM(name string) (*pemFile, error) {
	text, err := ReadFile(name, maxFile)
	if err != nil {
		return nil, err
	}
	f := &pemFile{name: name, text: text}
	if err := f.notPEM(); err != nil {
		return nil, err
	}
	number, begin, line := 0, 0, 0 // lines of the block that is being read
	var block []byte
	flush := func() {
		if number > 0 {
			f.add(block, begin)
		}
		block = nil
	}
	for l := range bytes.Lines(text) {
		line++
		if bytes.HasPrefix(bytes.TrimSpace(l), []byte("-----BEGIN ")) {
			flush()
			number, begin = number+1, line
		}
		block = append(block, l...)
	}
	flush()
	return f, nil
}

// maxFile is the largest size of a file in bytes. All CAs of a system have less than 1 MiB.
const maxFile = 16 << 20

// ReadFile reads a file of at most limit bytes. Its error is a [FileError]. The file may be a pipe,
// but ReadFile does not wait for one that no process has opened to write.
func ReadFile(name string, limit int) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, unreadable(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	switch {
	case err != nil:
		return nil, unreadable(err)
	case len(text) > limit:
		return nil, &FileError{fmt.Errorf("%s has more than %d MiB", name, limit>>20),
			"check what was written to it"}
	}
	return text, nil
}

// add adds the block that begins at a line.
func (f *pemFile) add(text []byte, line int) {
	label, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(string(text)), "-----BEGIN "),
		"-----")
	isCertificate := label == "CERTIFICATE"
	broken := func(remedy string, why any) {
		b := fault{
			fmt.Sprintf("line %d: the %s cannot be read: %v", line, Shorten(label, 40), why), remedy,
		}
		f.broken = append(f.broken, b)
		if isCertificate && len(f.certs) == 0 {
			f.first = cmp.Or(f.first, &b)
		}
	}
	block, _ := pem.Decode(text)
	switch {
	case block == nil:
		broken(brokenRemedy, "it is not whole, or not indented as it should be")
	case isCertificate && len(block.Headers) > 0:
		broken(brokenRemedy, "it has headers")
	case isCertificate:
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			remedy := brokenRemedy
			// most likely of a key of a type that Go does not support
			if isCertificateForm(block.Bytes) {
				remedy = "openssl x509 -noout -text -in " + f.name + " says what it is; have one issued for " +
					"another key: " + goodKeys
			}
			broken(remedy, err)
			break
		}
		f.certs = append(f.certs, cert)
	case label == "PRIVATE KEY" || strings.HasSuffix(label, " PRIVATE KEY"):
		if f.key == nil {
			f.key = block
		}
	case label != "EC PARAMETERS":
		f.others = append(f.others, label)
	}
}

// isCertificateForm reports whether der is complete and has the structure of a certificate: RFC
// 5280, Section 4.1.
func isCertificateForm(der []byte) bool {
	var cert struct {
		Body, Algorithm asn1.RawValue
		Signature       asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &cert)
	return err == nil && len(rest) == 0 && cert.Body.Tag == asn1.TagSequence
}

// unreadable returns the error for a file that cannot be read.
func unreadable(err error) error {
	remedy := "check the path"
	switch {
	case errors.Is(err, syscall.EISDIR):
		remedy = "use a file of this directory"
	case errors.Is(err, fs.ErrPermission):
		remedy = "make it and its directories readable by this user (chown, or a group and chmod 640)"
	}
	return &FileError{err, remedy}
}

// notPEM returns the error for a file without PEM (RFC 7468), which says what it is instead, or
// nil.
func (f *pemFile) notPEM() error {
	in := f.name
	out := strings.TrimSuffix(in, ".der") + ".pem"
	switch {
	case len(bytes.TrimSpace(f.text)) == 0:
		return f.fail("is empty", "write it again: was the disk full, or the pipe it came from broken?")
	case bytes.HasPrefix(f.text, []byte("\xff\xfe")) || bytes.HasPrefix(f.text, []byte("\xfe\xff")):
		return f.fail("is text in UTF-16", "iconv -f UTF-16 -t ASCII "+in+" >"+out)
	case bytes.HasPrefix(f.text, []byte("\xef\xbb\xbf")):
		return f.fail("begins with a byte order mark", "tail -c +4 "+in+" >"+out)
	case bytes.Contains(f.text, []byte("-----BEGIN ")):
		return nil
	case bytes.HasPrefix(f.text, []byte("\xfe\xed\xfe\xed")):
		return f.fail("is a key store of Java",
			"keytool -importkeystore -srckeystore "+in+" -destkeystore "+in+".p12 -deststoretype "+
				"PKCS12\n"+"openssl pkcs12 -in "+in+".p12 -nodes -out "+out)
	case f.text[0] != 0x30: // an ASN.1 SEQUENCE
		return f.fail("holds nothing in PEM form (-----BEGIN …)",
			"give a file of certificates or keys in PEM form")
	}
	if _, err := x509.ParseCertificates(f.text); err == nil {
		return f.fail("is a certificate in DER form, not PEM",
			"openssl x509 -inform DER -in "+in+" -out "+out)
	}
	if _, err := parseKey(f.text); err == nil || isEncryptedKey(f.text) {
		return f.fail("is a private key in DER form, not PEM",
			"(umask 077; openssl pkey -inform DER -in "+in+" -out "+out+")")
	}
	return f.fail("is binary, not PEM: PKCS #12 (.p12, .pfx) or PKCS #7 (.p7b)?",
		"openssl pkcs12 -in "+in+" -nodes -out "+out+", or\nopenssl pkcs7 -inform DER -print_certs "+
			"-in "+in+" -out "+out)
}

// isEncryptedKey reports whether der is an EncryptedPrivateKeyInfo: RFC 5958, Section 3.
func isEncryptedKey(der []byte) bool {
	var info struct {
		Algorithm struct {
			ID         asn1.ObjectIdentifier
			Parameters asn1.RawValue `asn1:"optional"`
		}
		Data []byte
	}
	pkcs5 := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5} // RFC 8018, Appendix C
	rest, err := asn1.Unmarshal(der, &info)
	id := info.Algorithm.ID
	return err == nil && len(rest) == 0 && len(id) > len(pkcs5) &&
		slices.Equal(id[:len(pkcs5)], pkcs5)
}

// noCertificate returns the error for a file that should contain certificates and has none.
func (f *pemFile) noCertificate() error {
	remedy := "give a file of certificates"
	has := func(label string) bool { return slices.Contains(f.others, label) }
	switch {
	case len(f.broken) > 0:
		return f.fail("holds no certificate that can be read, "+f.broken[0].why, f.broken[0].remedy)
	case has("CERTIFICATE REQUEST") || has("NEW CERTIFICATE REQUEST"):
		remedy = "it is a request: have the CA make a certificate of it, and give that"
	case has("PKCS7") || has("CMS"):
		remedy = fmt.Sprintf("openssl pkcs7 -print_certs -in %s -out %[1]s.pem", f.name)
	case has("TRUSTED CERTIFICATE") || has("X509 CERTIFICATE"):
		remedy = fmt.Sprintf("openssl x509 -in %s -out %[1]s.pem, which writes it as CERTIFICATE", f.name)
	case f.key != nil:
		remedy = "it is a private key: give it with -key, and its certificate with -cert"
	}
	return f.fail("holds no certificate in PEM form", remedy)
}

const brokenRemedy = "copy or issue it again, whole: from -----BEGIN to -----END, each at the " +
	"begin of its line"

// parseKey parses a private key in the formats that crypto/tls accepts.
func parseKey(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("a %T cannot sign", key)
	}
	return signer, nil
}

// privateKey returns the private key in a file. Its error is a [FileError].
func (f *pemFile) privateKey() (crypto.Signer, error) {
	if f.key == nil {
		remedy := "give the file of the certificate's private key with -key"
		switch {
		case len(f.broken) > 0:
			b := f.broken[0]
			return nil, f.fail("holds no private key that can be read, "+b.why, b.remedy)
		case slices.ContainsFunc(f.others, func(l string) bool {
			return strings.HasSuffix(l,
				"PUBLIC KEY")
		}):
			remedy = "it is the public key: give the private one"
		}
		return nil, f.fail("holds no private key in PEM form", remedy)
	}
	label := f.key.Type
	if label == "ENCRYPTED PRIVATE KEY" ||
		f.key.Headers["DEK-Info"] != "" { // RFC 7468, Section 11; RFC 1421, Section 4.6.1.3
		return nil, f.fail("holds a private key that is encrypted",
			"decrypt it into a file that only the user of this program may read: (umask 077; openssl "+
				"pkey -in "+f.name+" -out "+f.name+".plain)")
	}
	if label == "OPENSSH PRIVATE KEY" {
		return nil, f.fail("holds a private key in the form of OpenSSH",
			"ssh-keygen -p -m PKCS8 -f "+f.name+", on a copy of it")
	}
	key, err := parseKey(f.key.Bytes)
	if err != nil {
		return nil, f.fail(fmt.Sprintf("holds a %s that cannot be used: %v", Shorten(label, 40), err),
			"openssl pkey -noout -text -in "+f.name+" says what it is; use "+goodKeys)
	}
	return key, nil
}

// goodKeys are the keys that both ends accept: RFC 9325, Section 4.5.
const goodKeys = "ECDSA on P-256, P-384 or P-521, Ed25519, or RSA with 2048 to 8192 bits"

// LoadPair reads a certificate chain and its key, like [tls.LoadX509KeyPair]. keyName may be empty
// if the key is in the file of the certificate. The error is a [FileError].
func LoadPair(certName, keyName string) (tls.Certificate, error) {
	cert, key, err := readPair(certName, keyName)
	if err != nil {
		return tls.Certificate{}, err
	}
	return pairOf(cert, key)
}

// readPair reads the files of a certificate chain and its key, which may be the same.
func readPair(certName, keyName string) (cert, key *pemFile, err error) {
	if cert, err = readPEM(certName); err != nil || keyName == "" || keyName == certName {
		return cert, cert, err
	}
	key, err = readPEM(keyName)
	return cert, key, err
}

func pairOf(cert, key *pemFile) (pair tls.Certificate, err error) {
	if len(cert.certs) == 0 {
		return pair, cert.noCertificate()
	}
	if b := cert.first; b != nil {
		return pair, cert.fail("has as its first certificate one that cannot be read, "+b.why, b.remedy)
	}
	private, err := key.privateKey()
	if err != nil {
		return pair, err
	}
	if pair, err = tls.X509KeyPair(cert.text, key.text); err == nil {
		return pair, nil
	}
	public, ok := private.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || public.Equal(cert.certs[0].PublicKey) {
		return pair, cert.fail(fmt.Sprintf("cannot be used: %v", err), "use "+goodKeys)
	}
	for i, c := range cert.certs[1:] {
		if public.Equal(c.PublicKey) {
			return pair, cert.fail(fmt.Sprintf("begins with the certificate of another: the private key "+
				"is that of number %d, %s", i+2, CertificateName(c)),
				"put that one first, then the one that has signed it, and so on")
		}
	}
	return pair, cert.fail("is for another key: private key does not match, of "+key.name,
		"give the key that the certificate was issued for; these must print the same:\n"+"openssl "+
			"x509 -noout -pubkey -in "+cert.name+"\nopenssl pkey -pubout -in "+key.name)
}

// LoadCAs reads the file of trusted CAs. Its error wraps a [FileError].
func LoadCAs(name string) (*x509.CertPool, error) {
	f, err := readPEM(name)
	if err == nil && len(f.certs) == 0 {
		err = f.noCertificate()
	}
	if err != nil {
		return nil, fmt.Errorf("-ca: %w", err)
	}
	return poolOf(f.certs), nil
}

func poolOf(certs []*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}
