package credential

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// An issuer issues certificates and revocation lists. All are ten days old.
type issuer tls.Certificate

var begin = time.Now().AddDate(0, 0, -10)

// issue issues a certificate; by is nil if it signs itself.
func issue(by *issuer, name string, serial int64, days int) *issuer {
	return issueFrom(begin, by, name, serial, days)
}

func issueFrom(begin time.Time, by *issuer, name string, serial int64, days int) *issuer {
	template := x509.Certificate{
		Subject: pkix.Name{CommonName: name}, SerialNumber: big.NewInt(serial),
		NotBefore: begin, NotAfter: begin.AddDate(0, 0, days), KeyUsage: x509.KeyUsageDigitalSignature,
		DNSNames: []string{"host.example.org"},
	}
	if strings.HasPrefix(name, "CA") {
		template.IsCA, template.BasicConstraintsValid = true, true
		template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	}
	c := issuer(testpki.Issue((*tls.Certificate)(by), nil, template))
	return &c
}

func (i *issuer) certPEM() []byte { return testpki.CertPEM(tls.Certificate(*i)) }
func (i *issuer) keyPEM() []byte  { return testpki.KeyPEM(tls.Certificate(*i)) }

// list returns a revocation list in DER form, of the serial numbers.
func (i *issuer) list(t *testing.T, until time.Time, serials ...int64) []byte {
	t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: begin, NextUpdate: until}
	for _, n := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: big.NewInt(n), RevocationTime: begin})
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, i.Leaf, i.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func crlPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL",
		Bytes: der})
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// inFolder writes the files of a server, and returns their names.
func inFolder(t *testing.T, ca, leaf *issuer) Files {
	t.Helper()
	dir := t.TempDir()
	f := Files{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"),
		CA: filepath.Join(dir, "ca.pem"), Server: true}
	write(t, f.Cert, leaf.certPEM())
	write(t, f.Key, leaf.keyPEM())
	write(t, f.CA, ca.certPEM())
	return f
}

func open(t *testing.T, f Files) *Source {
	t.Helper()
	s, err := Open(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// shows returns the certificate that a source has for the next handshake.
func shows(s *Source) []byte {
	var c sctpdtls.Config
	s.Apply(&c)
	return c.Certificates[0].Certificate[0]
}

func TestReload(t *testing.T) {
	ca := issue(nil, "CA", 1, 100)
	first, second, expired := issue(ca, "a", 2, 100), issue(ca, "b", 3, 100), issue(ca, "c",
		4, 5)
	tomorrow := issueFrom(time.Now().AddDate(0, 0, 1), ca, "d", 5, 100)
	replace := func(f Files, leaf *issuer) {
		write(t, f.Cert, leaf.certPEM())
		write(t, f.Key, leaf.keyPEM())
	}
	for _, tt := range []struct {
		name   string
		change func(Files)
		forced bool
		want   *issuer
		says   string // of the error, if any
	}{
		{"nothing", func(Files) {}, false, first, ""},
		{"nothing, forced", func(Files) {}, true, first, ""},
		{"written again", func(f Files) { replace(f, first) }, true, first, ""},
		{"another", func(f Files) { replace(f, second) }, false, second, ""},
		{"another, forced", func(f Files) { replace(f, second) }, true, second, ""},
		{"another CA alone", func(f Files) { write(t, f.CA, second.certPEM()) }, true, first, ""},
		{"the certificate alone", func(f Files) { write(t, f.Cert, second.certPEM()) }, true, first,
			"does not match"},
		{"an expired one", func(f Files) { replace(f, expired) }, true, first, "renew it"},
		{"an empty one", func(f Files) { write(t, f.Cert, nil) }, true, first, "is empty"},
		{"no key", func(f Files) { os.Remove(f.Key) }, true, first, "no such file"},
		{"no CA", func(f Files) { write(t, f.CA, first.keyPEM()) }, true, first, "no certificate"},
		{"one of tomorrow", func(f Files) { replace(f, tomorrow) }, true, first,
			"renew it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := inFolder(t, ca, first)
			s := open(t, f)
			tt.change(f)
			before := s.loaded()
			changed, err := s.Reload(tt.forced)
			if got := shows(s); string(got) != string(tt.want.Leaf.Raw) {
				t.Error("another certificate is shown")
			}
			if changed != (before != s.loaded()) {
				t.Errorf("changed: %v", changed)
			}
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
}

// Nothing is reported while the certificate is new and its key is not. A pair that stays broken is
// reported once.
func TestReloadInTwoSteps(t *testing.T) {
	ca := issue(nil, "CA", 1, 100)
	first, second := issue(ca, "a", 2, 100), issue(ca, "b", 3, 100)
	f := inFolder(t, ca, first)
	s := open(t, f)
	look := func(wantChanged, wantError bool) {
		t.Helper()
		if changed, err := s.Reload(false); changed != wantChanged || (err != nil) != wantError {
			t.Errorf("changed %v, %v", changed, err)
		}
	}
	look(false, false)
	write(t, f.Cert, second.certPEM())
	look(false, false)
	write(t, f.Key, second.keyPEM())
	look(true, false)

	write(t, f.Cert, first.certPEM())
	look(false, false)
	look(false, true)
	look(false, false)
	look(false, false)
	write(t, f.Cert, nil)
	look(false, false)
	look(false, true)
	if _, err := s.Reload(true); err == nil {
		t.Error("whoever asks is not told")
	}
	write(t, f.Cert, second.certPEM()) // as it was
	look(false, false)
	write(t, f.Cert, nil)
	look(false, false)
	look(false, true)
}

// A secret that every user can read is refused, and so is its folder's.
func TestOpenSecrets(t *testing.T) {
	ca := issue(nil, "CA", 1, 100)
	leaf := issue(ca, "a", 2, 100)
	psk := []byte("a 000102030405060708090a0b0c0d0e0f\n")
	for _, tt := range []struct {
		mode os.FileMode
		good bool
	}{{0o600, true}, {0o400, true}, {0o640, true}, {0o644, false}, {0o604, false}, {0o602, false},
		{0o666, false}} {
		f := inFolder(t, ca, leaf)
		f.PSK = filepath.Join(filepath.Dir(f.Key), "psk")
		both := Files{Cert: f.Cert}
		write(t, f.PSK, psk)
		for _, kind := range []struct {
			name  string
			files Files
		}{{f.Key, f}, {f.PSK, f}, {f.Cert, both}} {
			if kind.files.Key == "" {
				write(t, f.Cert, append(leaf.certPEM(), leaf.keyPEM()...))
			}
			if err := os.Chmod(kind.name, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := Open(kind.files)
			if (err == nil) != tt.good ||
				err != nil && !strings.Contains(err.Error(), "every user can read") {
				t.Errorf("%s with mode %o: %v", filepath.Base(kind.name), tt.mode, err)
			}
			if found := Check(kind.files, time.Now()); !tt.good && doctor.AllWell(found) {
				t.Errorf("check finds nothing: %v", found)
			}
			if err := os.Chmod(kind.name, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestApply(t *testing.T) {
	ca := issue(nil, "CA", 1, 100)
	f := inFolder(t, ca, issue(ca, "a", 2, 100))
	f.PSK = filepath.Join(t.TempDir(), "psk")
	write(t, f.PSK, []byte("# comment\n\ngnb-1 000102030405060708090a0b0c0d0e0f\r\n gnb "+
		"2\t"+strings.Repeat("ff", 32)))
	var c sctpdtls.Config
	s := open(t, f)
	s.Apply(&c)
	if c.ClientAuth == 0 || c.ClientCAs == nil || c.LookupPSK == nil || c.GetPSK != nil {
		t.Errorf("%+v", c)
	}
	if k, err := c.LookupPSK([]byte("gnb 2")); err != nil || k == nil || len(k.Key) != 32 {
		t.Errorf("%v, %v", k, err)
	}
	if k, err := c.LookupPSK([]byte("gnb")); err != nil || k != nil {
		t.Errorf("%v, %v", k, err)
	}
	if end := s.Expires(); !end.Equal(begin.AddDate(0, 0, 100).Truncate(time.Second)) {
		t.Error(end)
	}

	write(t, f.PSK, []byte("gnb-1 000102030405060708090a0b0c0d0e0f"))
	client := open(t, Files{PSK: f.PSK})
	c = sctpdtls.Config{}
	client.Apply(&c)
	if k, err := c.GetPSK(nil); err != nil || string(k.Identity) != "gnb-1" || c.LookupPSK != nil ||
		c.Certificates != nil {
		t.Errorf("%v, %v", k, err)
	}
	if !client.Expires().IsZero() {
		t.Error("a pre-shared key does not expire")
	}
}

func TestPSKFaults(t *testing.T) {
	const key = "000102030405060708090a0b0c0d0e0f"
	name := filepath.Join(t.TempDir(), "psk")
	for _, tt := range []struct {
		text   string
		server bool
		want   string
	}{
		{"", true, ":0: no keys"},
		{"# a " + key + "\n", true, ":1: no keys"},
		{"a " + key + "\n" + key, true, ":2: missing identity or key"},
		{"a " + key[2:], true, ":1: a key has at least 16 bytes"},
		{"a " + key + "0", true, ":1: a key has at least 16 bytes"},
		{"a " + key[2:] + "xx", true, ":1: a key has at least 16 bytes"},
		{"a " + key + "\nb " + key + "\na " + key, true, ":3: duplicate identity"},
		{"a " + key + "\nb " + key, false, ":2: several keys"},
	} {
		write(t, name, []byte(tt.text))
		_, err := Open(Files{PSK: name, Server: tt.server})
		if err == nil || !strings.Contains(err.Error(), name+tt.want) || strings.Contains(err.Error(),
			"0405") {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}
