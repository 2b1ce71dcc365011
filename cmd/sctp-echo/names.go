package main

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

var versions = []struct {
	name    string
	version uint16
}{
	{"1.2", sctpdtls.VersionDTLS12},
	{"1.3", sctpdtls.VersionDTLS13},
}

func parseVersion(name string) (uint16, error) {
	for _, v := range versions {
		if v.name == name {
			return v.version, nil
		}
	}
	return 0, fmt.Errorf("no DTLS version %q: 1.2 or 1.3", name)
}

var groups = []struct {
	name  string
	group tls.CurveID
}{
	{"X25519MLKEM768", tls.X25519MLKEM768},
	{"X25519", tls.X25519},
	{"P-256", tls.CurveP256},
	{"P-384", tls.CurveP384},
	{"P-521", tls.CurveP521},
}

func parseGroup(name string) (tls.CurveID, error) {
	for _, g := range groups {
		if strings.EqualFold(g.name, name) {
			return g.group, nil
		}
	}
	return 0, fmt.Errorf("no group %q: %s", name, groupNames())
}

func groupName(group tls.CurveID) string {
	for _, g := range groups {
		if g.group == group {
			return g.name
		}
	}
	return fmt.Sprintf("group 0x%04x", uint16(group))
}

func groupNames() string {
	var names []string
	for _, g := range groups {
		names = append(names, g.name)
	}
	return strings.Join(names, ", ")
}

// parseSuite takes IANA's names for the suites that are implemented, and those that crypto/tls
// knows. Whether a suite is one of ours is for sctpdtls to say.
func parseSuite(name string) (uint16, error) {
	if n, err := strconv.ParseUint(name, 0, 16); err == nil {
		return uint16(n), nil
	}
	known := sctpdtls.CipherSuites()
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		known = append(known, s.ID)
	}
	for _, id := range known {
		if strings.EqualFold(sctpdtls.CipherSuiteName(id), name) {
			return id, nil
		}
	}
	return 0,
		fmt.Errorf(
			"no cipher suite %q: give 0xNNNN or a name such as TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, "+
				"for a pre-shared key TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", name)
}
