package dtlscore

import (
	"encoding/hex"
	"sync"
)

// keyLogMu orders the writes of all connections: Configs may share a KeyLogWriter, as in
// crypto/tls.
var keyLogMu sync.Mutex

// logSecret writes a line of NSS's key log format, in one call.
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
