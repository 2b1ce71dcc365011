package credential

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// loadPSKs reads pre-shared keys: lines of an identity, spaces, and hexadecimal digits of at least
// 16 bytes. A line that begins with "#" is a comment. A client has one key. Errors do not quote the
// file.
func loadPSKs(name string, server bool) (psks []sctpdtls.PSK, err error) {
	text, err := doctor.ReadFile(name, maxFile)
	if err != nil {
		return nil, err
	}
	fail := func(line int, why, remedy string) error {
		return &doctor.FileError{Err: fmt.Errorf("%s:%d: %s", name, line, why), Remedy: remedy}
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		i := strings.LastIndexAny(line, " \t")
		if i < 0 {
			return nil, fail(number, "missing identity or key",
				"write IDENTITY HEX, separated by a space")
		}
		key, err := hex.DecodeString(line[i+1:])
		if err != nil || len(key) < 16 {
			return nil, fail(number, "a key has at least 16 bytes, in hexadecimal digits",
				"for a new key, run: openssl rand -hex 32")
		}
		identity := strings.TrimSpace(line[:i])
		if slices.ContainsFunc(psks,
			func(p sctpdtls.PSK) bool { return string(p.Identity) == identity }) {
			return nil, fail(number, "duplicate identity", "use different identities")
		}
		psks = append(psks, sctpdtls.PSK{Identity: []byte(identity), Key: key})
	}
	if psks == nil {
		return nil, fail(number, "no keys",
			"write IDENTITY HEX, with a key from: openssl rand -hex 32")
	}
	if !server && len(psks) > 1 {
		return nil, fail(number, "several keys", "a client has one: remove the others")
	}
	return psks, nil
}
