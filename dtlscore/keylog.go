package dtlscore

import (
	"encoding/hex"
	"sync"
)

// keyLogMu serializes the writes of all connections: as in crypto/tls, Configs may share a
// KeyLogWriter.
var keyLogMu sync.Mutex

// logSecret writes one line of the NSS key log format, in a single call.
func (c *Config) logSecret(label string, clientRandom, secret []byte) error {
	if c.KeyLogWriter == nil {
		return nil
	}
	line := append([]byte(label), ' ')
	line = hex.AppendEncode(line, clientRandom)
	line = append(line, ' ')
	line = hex.AppendEncode(line, secret)
	line = append(line, '\n')
	defer clear(line)
	keyLogMu.Lock()
	defer keyLogMu.Unlock()
	_, err := c.KeyLogWriter.Write(line)
	return err
}
