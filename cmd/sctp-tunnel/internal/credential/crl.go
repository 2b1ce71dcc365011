package credential

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A RevokedError reports that revocation lists reject a peer (RFC 5280, Section 6.3), or that its
// pre-shared key was removed.
type RevokedError struct {
	Peer   string // subject of the certificate
	Why    string
	Listed bool // it is on a list, or its key was removed; otherwise no current list covers it
}

func (e *RevokedError) Error() string { return e.Peer + ": " + e.Why }

// loadCRL reads the revocation lists in a file: one in DER, or one or more in PEM.
func loadCRL(name string) (lists []*x509.RevocationList, err error) {
	text, err := doctor.ReadFile(name, maxFile)
	if err != nil {
		return nil, err
	}
	unusable := func(err error) error {
		err = fmt.Errorf("%s: invalid revocation list: %w", name, err)
		return &doctor.FileError{Err: err,
			Remedy: "for details, run: openssl crl -noout -text -in " + name}
	}
	if !bytes.Contains(text, []byte("-----BEGIN ")) {
		list, err := parseCRL(text)
		if err != nil {
			return nil, unusable(err)
		}
		return append(lists, list), nil
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "X509 CRL" {
			return nil, unusable(fmt.Errorf("unexpected %.40q", block.Type))
		}
		list, err := parseCRL(block.Bytes)
		if err != nil {
			return nil, unusable(err)
		}
		lists = append(lists, list)
	}
	if lists == nil {
		return nil, unusable(errors.New("incomplete PEM block"))
	}
	return lists, nil
}

// parseCRL rejects lists of only some certificates, and delta lists. A critical extension marks
// them (RFC 5280, Sections 5.2.4 and 5.2.5).
func parseCRL(der []byte) (*x509.RevocationList, error) {
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return nil, err
	}
	for _, e := range list.Extensions {
		if e.Critical {
			return nil, fmt.Errorf("critical extension %v, so it is not a complete list", e.Id)
		}
	}
	return list, nil
}

// Revoked returns nil if the certificate of a peer is not revoked, and a server still has its
// pre-shared key. With revocation lists, a current
// one of the certificate's issuer is required; lists of higher authorities are used if there are
// any. One valid chain is enough.
func (s *Source) Revoked(state sctpdtls.ConnectionState) error {
	l := s.loaded()
	if id := state.PSKIdentity; id != nil && s.files.Server && l.psk(id) == nil {
		return &RevokedError{doctor.PeerName(state), "the key was removed", true}
	}
	if len(s.files.CRL) == 0 || len(state.PeerCertificates) == 0 {
		return nil
	}
	var first error
	for _, chain := range state.VerifiedChains {
		err := l.revoked(chain, s.time())
		if err == nil {
			return nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		return &RevokedError{Peer: doctor.PeerName(state),
			Why: "no verified chain has a CA that could revoke it"}
	}
	return first
}

func (l *loaded) revoked(chain []*x509.Certificate, now time.Time) error {
	for i, cert := range chain[:len(chain)-1] {
		name := doctor.CertificateName(cert)
		issuer := chain[i+1]
		current := false
		for _, list := range l.crls {
			if !bytes.Equal(list.RawIssuer, issuer.RawSubject) || list.CheckSignatureFrom(issuer) != nil {
				continue
			}
			for _, entry := range list.RevokedCertificateEntries {
				if entry.SerialNumber.Cmp(cert.SerialNumber) == 0 && entry.ReasonCode != removeFromCRL {
					return &RevokedError{name, "revoked since " +
						entry.RevocationTime.UTC().Format(time.DateTime), true}
				}
			}
			current = current || !expired(list, now)
		}
		if !current && i == 0 {
			return &RevokedError{name, "no current revocation list of its issuer " +
				doctor.CertificateName(issuer), false}
		}
	}
	return nil
}

// expired reports whether there should be a later list (RFC 5280, Section 5.1.2.5).
func expired(list *x509.RevocationList, now time.Time) bool {
	return !list.NextUpdate.IsZero() && !now.Before(list.NextUpdate)
}

func issuerName(list *x509.RevocationList) string {
	return doctor.CertificateName(&x509.Certificate{Subject: list.Issuer})
}

// removeFromCRL is a reason code that ends a revocation: RFC 5280, Section 5.3.1.
const removeFromCRL = 8

// checkCRLs checks that the lists are current, and issued by trusted authorities.
func checkCRLs(files Files, now time.Time) (found []doctor.Finding) {
	for _, name := range files.CRL {
		lists, err := loadCRL(name)
		if err != nil {
			return append(found, ill(err))
		}
		for _, list := range lists {
			issuer := issuerName(list)
			switch next := list.NextUpdate.UTC().Format(time.DateTime); {
			case list.NextUpdate.IsZero():
				found = append(found, doctor.Okay("%s: revocation list of %s", name, issuer))
			case expired(list, now):
				found = append(found, doctor.Bad("get a current list, and automate that: with an outdated "+
					"one, all peers are rejected",
					"%s: the revocation list of %s expired at %s", name, issuer, next))
			default:
				found = append(found, doctor.Okay("%s: revocation list of %s, valid until %s", name, issuer,
					next))
			}
		}
	}
	return found
}

// ill returns the finding for a file that cannot be used.
func ill(err error) doctor.Finding {
	remedy := ""
	if file, ok := errtype.As[*doctor.FileError](err); ok {
		remedy = file.Remedy
	}
	return doctor.Bad(remedy, "%v", err)
}
