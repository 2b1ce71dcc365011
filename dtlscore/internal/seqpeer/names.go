package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// A suite has the name of IANA and that of OpenSSL.
type suite struct {
	id            uint16
	iana, openssl string
}

func (s *suite) is13() bool { return s.id>>8 == 0x13 }

var suites = []suite{
	{dtlscore.TLS_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256", ""},
	{dtlscore.TLS_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384", ""},
	{dtlscore.TLS_CHACHA20_POLY1305_SHA256, "TLS_CHACHA20_POLY1305_SHA256", ""},
	{dtlscore.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
		"ECDHE-ECDSA-AES128-GCM-SHA256"},
	{dtlscore.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
		"ECDHE-ECDSA-AES256-GCM-SHA384"},
	{dtlscore.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
		"ECDHE-RSA-AES128-GCM-SHA256"},
	{dtlscore.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
		"ECDHE-RSA-AES256-GCM-SHA384"},
	{dtlscore.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"},
	{dtlscore.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"},
	{dtlscore.TLS_PSK_WITH_AES_128_GCM_SHA256, "TLS_PSK_WITH_AES_128_GCM_SHA256",
		"PSK-AES128-GCM-SHA256"},
	{dtlscore.TLS_PSK_WITH_AES_256_GCM_SHA384, "TLS_PSK_WITH_AES_256_GCM_SHA384",
		"PSK-AES256-GCM-SHA384"},
	{dtlscore.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
		"TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-PSK-CHACHA20-POLY1305"},
	{dtlscore.TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256",
		"ECDHE-PSK-AES128-GCM-SHA256"},
	{dtlscore.TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384, "TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384",
		"ECDHE-PSK-AES256-GCM-SHA384"},
}

// suiteByName finds a suite by either name, or by a number that begins with 0x.
func suiteByName(name string) (*suite, error) {
	for i := range suites {
		s := &suites[i]
		if strings.EqualFold(name, s.iana) || strings.EqualFold(name, s.openssl) ||
			strings.EqualFold(name, fmt.Sprintf("0x%04x", s.id)) {
			return s, nil
		}
	}
	return nil, errors.New("not a suite of dtlscore")
}

func suiteName(id uint16) string {
	for _, s := range suites {
		if s.id == id {
			return s.iana
		}
	}
	return fmt.Sprintf("0x%04x", id)
}

var groupNames = map[tls.CurveID]string{
	tls.CurveP256:      "P-256",
	tls.CurveP384:      "P-384",
	tls.CurveP521:      "P-521",
	tls.X25519:         "X25519",
	tls.X25519MLKEM768: "X25519MLKEM768",
	0:                  "-", // no key exchange
}

func groupByName(name string) (tls.CurveID, error) {
	for id, n := range groupNames {
		if n == name && id != 0 {
			return id, nil
		}
	}
	return 0, errors.New("not P-256, P-384, P-521, X25519 or X25519MLKEM768")
}
