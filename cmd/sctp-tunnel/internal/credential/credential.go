// Package credential loads the credentials of a service and the authorities that it trusts, and
// reloads them when their files change. Files that cannot be used never replace those that can.
package credential

import (
	"cmp"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// Files are the names of the files to load. Empty names are omitted.
type Files struct {
	Cert, Key, CA string   // PEM; the key may be in Cert
	CRL           []string // revocation lists, PEM or DER
	PSK           string   // pre-shared keys: lines of an identity and hexadecimal digits
	Server        bool     // this end is the server of the handshake
}

// Names returns the names of the files.
func (f Files) Names() []string {
	all := append([]string{f.Cert, f.Key, f.CA, f.PSK}, f.CRL...)
	return slices.DeleteFunc(all, func(name string) bool { return name == "" })
}

// A Source has the files that were loaded last. Its methods may be called concurrently.
type Source struct {
	files Files
	time  func() time.Time

	mu     sync.Mutex // guards the following
	now    *loaded
	broken [sha256.Size]byte // contents that could not be used at the last attempt
	said   bool              // that was reported
}

// loaded is the contents of the files. It is not modified.
type loaded struct {
	sum  [sha256.Size]byte // of the contents
	cert string            // file of pair
	pair *tls.Certificate
	cas  *x509.CertPool
	crls []*x509.RevocationList
	psks []sctpdtls.PSK
}

// Open loads files.
func Open(files Files) (*Source, error) {
	s := &Source{files: files, time: time.Now}
	l, err := load(files)
	if err != nil {
		return nil, err
	}
	s.now = l
	return s, nil
}

func (s *Source) loaded() *loaded {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Reload loads the files again if they have changed, and reports whether it did. An error leaves
// everything as before. Files are replaced one after the other: unless force is set, Reload returns
// an error only if it finds the same one at two successive calls, and only once.
func (s *Source) Reload(force bool) (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum := sumOf(s.files)
	if sum == s.now.sum {
		s.broken, s.said = sum, false
		return false, nil
	}
	next, err := load(s.files)
	if err == nil {
		err = s.now.worse(next, s.time())
	}
	if err != nil {
		again := sum == s.broken
		if !again {
			s.broken, s.said = sum, false
		}
		if !force && (!again || s.said) {
			return false, nil
		}
		s.said = true
		return false, err
	}
	s.now = next
	return true, nil
}

// Succeeds returns an error if a certificate or revocation list of s is not valid, and old has one
// that is. Then old should stay in use.
func (s *Source) Succeeds(old *Source) error {
	return old.loaded().worse(s.loaded(), s.time())
}

// Invalid returns an error for the certificate, and each revocation list, that is not valid now.
func (s *Source) Invalid() (all []error) {
	for _, bad := range s.loaded().invalid(s.time()) {
		all = append(all, bad.err)
	}
	return all
}

// An invalidity is a certificate or revocation list that is not valid at a time.
type invalidity struct {
	issuer string // of a revocation list; empty: it is the certificate
	err    error
}

// invalid returns what is not valid at a time. A list is valid if there is a later one that is.
func (l *loaded) invalid(now time.Time) (all []invalidity) {
	if l.pair != nil && !l.valid("", now) {
		leaf := l.pair.Leaf
		all = append(all, invalidity{err: fmt.Errorf("%s is only valid from %s to %s: renew it", l.cert,
			leaf.NotBefore.UTC().Format(time.DateTime), leaf.NotAfter.UTC().Format(time.DateTime))})
	}
	for _, list := range l.crls {
		if issuer := string(list.RawIssuer); !l.valid(issuer, now) {
			all = append(all, invalidity{issuer, fmt.Errorf("the revocation list of %s expired at %s: "+
				"get a current list, because all its peers are rejected without one",
				issuerName(list), list.NextUpdate.UTC().Format(time.DateTime))})
		}
	}
	return all
}

// valid reports whether there is a revocation list of an issuer that has not expired or, if issuer
// is empty, a certificate that is valid.
func (l *loaded) valid(issuer string, now time.Time) bool {
	if issuer == "" {
		return l.pair != nil && !now.Before(l.pair.Leaf.NotBefore) && !now.After(l.pair.Leaf.NotAfter)
	}
	return slices.ContainsFunc(l.crls, func(list *x509.RevocationList) bool {
		return string(list.RawIssuer) == issuer && !expired(list, now)
	})
}

// worse returns an error if something in next is not valid at a time, and its predecessor in l is.
func (l *loaded) worse(next *loaded, now time.Time) error {
	for _, bad := range next.invalid(now) {
		if l.valid(bad.issuer, now) {
			return bad.err
		}
	}
	return nil
}

// maxFile is the size in bytes of the largest file to read. Revocation lists can be large.
const maxFile = 64 << 20

// sumOf returns a hash of the contents of the files.
func sumOf(files Files) [sha256.Size]byte {
	h := sha256.New()
	for _, name := range files.Names() {
		text, err := doctor.ReadFile(name, maxFile)
		fmt.Fprintf(h, "%s\n%v\n%d\n", name, err, len(text))
		h.Write(text)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func load(files Files) (*loaded, error) {
	l := &loaded{sum: sumOf(files), cert: files.Cert}
	if err := secrets(files); err != nil {
		return nil, err
	}
	if files.Cert != "" {
		pair, err := doctor.LoadPair(files.Cert, files.Key)
		if err != nil {
			return nil, err
		}
		l.pair = &pair
	}
	var err error
	if files.CA != "" {
		if l.cas, err = doctor.LoadCAs(files.CA); err != nil {
			return nil, err
		}
	}
	for _, name := range files.CRL {
		lists, err := loadCRL(name)
		if err != nil {
			return nil, err
		}
		l.crls = append(l.crls, lists...)
	}
	if files.PSK != "" {
		if l.psks, err = loadPSKs(files.PSK, files.Server); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// secrets checks the files that have one.
func secrets(files Files) error {
	for _, name := range []string{cmp.Or(files.Key, files.Cert), files.PSK} {
		if err := secret(name); err != nil {
			return err
		}
	}
	return nil
}

// secret rejects a file that everyone may read or write.
func secret(name string) error {
	if name == "" {
		return nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil // reading it reports why
	}
	if mode := info.Mode().Perm(); mode&0o006 != 0 {
		return &doctor.FileError{Err: fmt.Errorf("%s contains a secret, but every user can read or "+
			"write it (mode %#o)", name, mode),
			Remedy: "chmod o= " + name + "; in Kubernetes, defaultMode: 0440 of the volume"}
	}
	return nil
}

// Apply applies what was loaded to a configuration.
func (s *Source) Apply(c *sctpdtls.Config) {
	l := s.loaded()
	if l.pair != nil {
		c.Certificates = []tls.Certificate{*l.pair}
	}
	c.RootCAs, c.ClientCAs = l.cas, l.cas
	if l.cas != nil {
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if l.psks == nil {
		return
	}
	if !s.files.Server {
		c.GetPSK = func([]byte) (*sctpdtls.PSK, error) { return &l.psks[0], nil }
		return
	}
	c.LookupPSK = func(identity []byte) (*sctpdtls.PSK, error) { return l.psk(identity), nil }
}

// psk returns the key of an identity, or nil.
func (l *loaded) psk(identity []byte) *sctpdtls.PSK {
	i := slices.IndexFunc(l.psks,
		func(p sctpdtls.PSK) bool { return string(p.Identity) == string(identity) })
	if i < 0 {
		return nil
	}
	return &l.psks[i]
}

// Expires returns when the certificate expires, or the zero Time if there is none.
func (s *Source) Expires() time.Time {
	if l := s.loaded(); l.pair != nil {
		return l.pair.Leaf.NotAfter
	}
	return time.Time{}
}

// Check checks the files as a peer would, without loading them.
func Check(files Files, now time.Time) []doctor.Finding {
	var found []doctor.Finding
	if files.Cert != "" || files.CA != "" {
		found = doctor.CheckCertificates(doctor.Files{Cert: files.Cert, Key: files.Key, CA: files.CA,
			Server: files.Server}, now)
	}
	lists := doctor.About("revocation", checkCRLs(files, now)...)
	err := secrets(files)
	if err == nil && doctor.AllWell(found) && doctor.AllWell(lists) { // else it has been said
		_, err = load(files)
	}
	if err != nil {
		found = append(found, doctor.About("certificates", ill(err))...)
	}
	return append(found, lists...)
}
