package wire

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
)

// A keyLog is what a file named by SSLKEYLOGFILE holds: secrets by the
// client's random and label. draft-ietf-tls-keylogfile, Section 2.
type keyLog map[[32]byte]map[string][]byte

func parseKeyLog(text []byte) (keyLog, error) {
	log := make(keyLog)
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		fields := bytes.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("key log, line %d: %d fields", n, len(fields))
		}
		random, err := hex.DecodeString(string(fields[1]))
		if err != nil || len(random) != 32 {
			return nil, fmt.Errorf("key log, line %d: bad client random %q", n, fields[1])
		}
		secret, err := hex.DecodeString(string(fields[2]))
		if err != nil || len(secret) == 0 {
			return nil, fmt.Errorf("key log, line %d: bad secret", n)
		}
		if log[[32]byte(random)] == nil {
			log[[32]byte(random)] = make(map[string][]byte)
		}
		log[[32]byte(random)][string(fields[0])] = secret
	}
	return log, lines.Err()
}
