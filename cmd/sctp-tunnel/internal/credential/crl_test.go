package credential

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

func TestRevoked(t *testing.T) {
	later := time.Now().AddDate(0, 0, 1)
	root, forged := issue(nil, "CA root", 1, 100), issue(nil, "CA root", 1, 100)
	middle := issue(root, "CA middle", 2, 100)
	leaf := issue(middle, "a", 3, 100)
	chain := []*x509.Certificate{leaf.Leaf, middle.Leaf, root.Leaf}
	for _, tt := range []struct {
		name   string
		chains [][]*x509.Certificate
		lists  [][]byte
		want   string // empty: not revoked
	}{
		{"nobody", [][]*x509.Certificate{chain}, [][]byte{crlPEM(middle.list(t, later))}, ""},
		{"another", [][]*x509.Certificate{chain}, [][]byte{crlPEM(middle.list(t, later, 2, 4))}, ""},
		{"the peer", [][]*x509.Certificate{chain}, [][]byte{crlPEM(middle.list(t, later, 4, 3))},
			"CN=a: revoked since"},
		{"the peer, in DER", [][]*x509.Certificate{chain}, [][]byte{middle.list(t, later, 3)},
			"CN=a: revoked"},
		{"the second list", [][]*x509.Certificate{chain},
			[][]byte{append(crlPEM(root.list(t, later)), crlPEM(middle.list(t, later, 3))...)},
			"CN=a: revoked"},
		{"the second file", [][]*x509.Certificate{chain}, [][]byte{root.list(t, later), middle.list(t,
			later, 3)}, "CN=a: revoked"},
		{"its CA", [][]*x509.Certificate{chain}, [][]byte{middle.list(t, later), root.list(t, later, 2)},
			"CN=CA middle: revoked"},
		{"by an old list", [][]*x509.Certificate{chain}, [][]byte{middle.list(t, begin.AddDate(0, 0, 1),
			3)}, "CN=a: revoked"},
		{"only an old list", [][]*x509.Certificate{chain}, [][]byte{middle.list(t, begin.AddDate(0, 0,
			1))}, "no current revocation list"},
		{"an old one and the next", [][]*x509.Certificate{chain},
			[][]byte{middle.list(t, begin.AddDate(0, 0, 1)), middle.list(t, later)}, ""},
		{"an old list of the root", [][]*x509.Certificate{chain}, [][]byte{middle.list(t, later),
			root.list(t, begin.AddDate(0, 0, 1))}, ""},
		{"no list of the issuer", [][]*x509.Certificate{chain}, [][]byte{root.list(t, later)},
			"no current revocation list of its issuer CN=CA middle"},
		{"a list of somebody else with the name", [][]*x509.Certificate{{middle.Leaf, root.Leaf}},
			[][]byte{forged.list(t, later)},
			"no current revocation list of its issuer CN=CA root"},
		{"revoked by somebody else with the name", [][]*x509.Certificate{{middle.Leaf, root.Leaf}},
			[][]byte{forged.list(t, later, 2), root.list(t, later)}, ""},
		{"one chain of two", [][]*x509.Certificate{{leaf.Leaf, forged.Leaf}, chain},
			[][]byte{middle.list(t, later)}, ""},
		{"nothing verified", nil, [][]byte{middle.list(t, later)}, "no verified chain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := inFolder(t, root, leaf)
			for i, list := range tt.lists {
				f.CRL = append(f.CRL, filepath.Join(t.TempDir(), string(rune('0'+i))))
				write(t, f.CRL[i], list)
			}
			var state sctpdtls.ConnectionState
			state.PeerCertificates, state.VerifiedChains = chain, tt.chains
			err := open(t, f).Revoked(state)
			var revoked *RevokedError
			if (err == nil) != (tt.want == "") || err != nil && (!errors.As(err, &revoked) ||
				!strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
	t.Run("without lists", func(t *testing.T) {
		var state sctpdtls.ConnectionState
		state.PeerCertificates, state.VerifiedChains = chain, [][]*x509.Certificate{chain}
		for _, none := range [][]string{nil, {}} {
			f := inFolder(t, root, leaf)
			f.CRL = none
			if err := open(t, f).Revoked(state); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("pre-shared key", func(t *testing.T) {
		f := inFolder(t, root, leaf)
		f.CRL = []string{filepath.Join(t.TempDir(), "crl")}
		write(t, f.CRL[0], middle.list(t, later))
		f.PSK = filepath.Join(t.TempDir(), "psk")
		const key = " 000102030405060708090a0b0c0d0e0f\n"
		write(t, f.PSK, []byte("a"+key+"b"+key))
		var state sctpdtls.ConnectionState
		state.PSKIdentity = []byte("a")
		s := open(t, f)
		if err := s.Revoked(state); err != nil {
			t.Error(err)
		}
		write(t, f.PSK, []byte("b"+key))
		if changed, err := s.Reload(true); !changed || err != nil {
			t.Fatal(changed, err)
		}
		var revoked *RevokedError
		if err := s.Revoked(state); !errors.As(err, &revoked) || !revoked.Listed {
			t.Errorf("after the key was removed: %v", err)
		}
		f.Server = false // this end's own identity, which may be another in the next handshake
		if err := open(t, f).Revoked(state); err != nil {
			t.Error(err)
		}
	})
}

// A list that is replaced counts from the next handshake on.
func TestRevokedLater(t *testing.T) {
	later := time.Now().AddDate(0, 0, 1)
	root := issue(nil, "CA", 1, 100)
	leaf := issue(root, "a", 3, 100)
	f := inFolder(t, root, leaf)
	f.CRL = []string{filepath.Join(t.TempDir(), "crl")}
	write(t, f.CRL[0], root.list(t, later))
	s := open(t, f)
	var state sctpdtls.ConnectionState
	state.PeerCertificates = []*x509.Certificate{leaf.Leaf}
	state.VerifiedChains = [][]*x509.Certificate{{leaf.Leaf, root.Leaf}}
	if err := s.Revoked(state); err != nil {
		t.Fatal(err)
	}
	write(t, f.CRL[0], root.list(t, later, 3))
	if changed, err := s.Reload(false); !changed || err != nil {
		t.Fatal(changed, err)
	}
	var revoked *RevokedError
	if err := s.Revoked(state); !errors.As(err, &revoked) || !revoked.Listed {
		t.Errorf("not revoked: %v", err)
	}
	if len(s.Invalid()) > 0 {
		t.Error(s.Invalid())
	}
	write(t, f.CRL[0], root.list(t, begin.AddDate(0, 0, 1)))
	if changed, err := s.Reload(true); changed || err == nil ||
		!strings.Contains(err.Error(), "the revocation list of CN=CA expired at") {
		t.Fatal("an old list takes the place of a current one:", changed, err)
	}
	if err := s.Revoked(state); !errors.As(err, &revoked) || !revoked.Listed {
		t.Errorf("not revoked: %v", err)
	}
	old := open(t, f)
	if err := old.Revoked(state); !errors.As(err, &revoked) || revoked.Listed {
		t.Errorf("on an old list: %v", err)
	}
	if len(old.Invalid()) != 1 || old.Succeeds(s) == nil || s.Succeeds(old) != nil ||
		old.Succeeds(old) != nil {
		t.Error("an old list counts like a current one:", old.Invalid())
	}
}

func TestCRLFaults(t *testing.T) {
	root := issue(nil, "CA", 1, 100)
	leaf := issue(root, "a", 3, 100)
	later := time.Now().AddDate(0, 0, 1)
	good := root.list(t, later)
	// RFC 5280, Section 5.2.5: a list of CAs alone.
	part, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1),
		ThisUpdate: begin, NextUpdate: later,
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 28}, Critical: true,
			Value: []byte{0x30, 0x03, 0x82, 0x01, 0xff}}},
	}, root.Leaf, root.PrivateKey.(crypto.Signer))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		text []byte
		want string // empty: good
	}{
		{"DER", good, ""},
		{"PEM", crlPEM(good), ""},
		{"empty", nil, "invalid revocation list"},
		{"certificate", root.certPEM(), "CERTIFICATE"},
		{"half", crlPEM(good)[:60], "incomplete PEM block"},
		{"broken", slices.Concat(good[:20], []byte("x"), good[21:]), "invalid revocation list"},
		{"a part", part, "2.5.29.28"},
		{"text", []byte("hello"), "openssl crl"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := inFolder(t, root, leaf)
			f.CRL = []string{filepath.Join(t.TempDir(), "crl")}
			write(t, f.CRL[0], tt.text)
			found := Check(f, time.Now())
			var all strings.Builder
			for _, one := range found {
				all.WriteString(one.Lines(one.Verdict.String()))
			}
			if doctor.AllWell(found) != (tt.want == "") || !strings.Contains(all.String(), tt.want) {
				t.Errorf("want %q:\n%s", tt.want, all.String())
			}
			if _, err := Open(f); (err == nil) != (tt.want == "") {
				t.Error(err)
			}
		})
	}
	f := inFolder(t, root, leaf)
	f.CRL = []string{filepath.Join(t.TempDir(), "crl")}
	write(t, f.CRL[0], root.list(t, begin.AddDate(0, 0, 2)))
	if found := Check(f, time.Now()); doctor.AllWell(found) ||
		!strings.Contains(found[len(found)-1].Text, "expired at") {
		t.Errorf("an old list: %+v", found)
	}
}
