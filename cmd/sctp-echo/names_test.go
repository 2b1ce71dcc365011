package main

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// FuzzNames: what stands for a version, group or suite in a flag is printed as a name that stands
// for the same, and a pre-shared key is what the digits say.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"1.2", "x25519", "0x001d", "TLS_AES_128_GCM_SHA256",
		"tls_psk_with_aes_256_gcm_sha384", "0xc02b", "00112233445566778899aabbccddeeff"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		fuzzcount.Input(len(name))
		if v, err := parseVersion(name); err == nil && sctpdtls.VersionName(v) != "DTLS "+name {
			t.Errorf("version %q is %q", name, sctpdtls.VersionName(v))
		}
		if g, err := parseGroup(name); err == nil && !strings.EqualFold(groupName(g), name) {
			t.Errorf("group %q is %q", name, groupName(g))
		}
		if s, err := parseSuite(name); err == nil {
			if again, err := parseSuite(sctpdtls.CipherSuiteName(s)); err != nil || again != s {
				t.Errorf("suite %q is %q, which is %#x, %v", name, sctpdtls.CipherSuiteName(s), again, err)
			}
		}
		if strings.HasPrefix(name, "@") {
			return // a file
		}
		key, err := hex.DecodeString(name)
		o := &commonOptions{psk: name}
		if psk, pskErr := o.preSharedKey(); pskErr == nil && psk != nil &&
			(err != nil || string(psk.Key) != string(key)) {
			t.Errorf("%q is the key %x", name, psk.Key)
		}
	})
}
