package credential

import (
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// loadPSKs reads pre-shared keys: lines of an identity, spaces, and hexadecimal digits of at least
// 16 bytes. A line that begins with "#" is a comment. A client has one key. Errors do not quote the
// file.
func loadPSKs(name string, server bool) (psks []sctpdtls.PSK, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, &doctor.FileError{Err: err,
			Remedy: "is the path right, and may this program read it?"}
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
			return nil, fail(number, "it has no identity and key",
				"write IDENTITY HEX, with a space between them")
		}
		key, err := hex.DecodeString(line[i+1:])
		if err != nil || len(key) < 16 {
			return nil, fail(number, "the key is not 16 bytes or more in hexadecimal digits",
				"openssl rand -hex 32")
		}
		identity := strings.TrimSpace(line[:i])
		if slices.ContainsFunc(psks,
			func(p sctpdtls.PSK) bool { return string(p.Identity) == identity }) {
			return nil, fail(number, "the identity has a key already", "name each key differently")
		}
		psks = append(psks, sctpdtls.PSK{Identity: []byte(identity), Key: key})
	}
	if psks == nil {
		return nil, fail(number, "there is no key",
			"write IDENTITY HEX, with a key of: openssl rand -hex 32")
	}
	if !server && len(psks) > 1 {
		return nil, fail(number, "there are several keys", "leave that which this client has")
	}
	return psks, nil
}
