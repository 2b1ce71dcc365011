package dtlscore

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
)

// Sizes of pre-shared keys and their names in bytes. Keys below 128 bits can
// be guessed (RFC 9257, Section 4.2), and an empty one is none.
const (
	minPSKLen      = 16
	maxPSKLen      = 1<<16 - 1
	maxIdentityLen = 1<<16 - 1
)

// A PSK is a pre-shared key.
type PSK struct {
	Identity []byte // the name of the key, sent without protection
	Key      []byte // 16 bytes or more, from a random source

	// Hash is that of the cipher suites that DTLS 1.3 may use the key with:
	// SHA-256, which 0 means too, or SHA-384. It has to be agreed on with the
	// key. RFC 8446, Section 4.2.11.
	Hash crypto.Hash
}

func (p *PSK) hash() crypto.Hash {
	if p.Hash == 0 {
		return crypto.SHA256
	}
	return p.Hash
}

func (p *PSK) check() error {
	if len(p.Key) < minPSKLen || len(p.Key) > maxPSKLen {
		return misuse("a pre-shared key has %d bytes, not %d or more", len(p.Key), minPSKLen)
	}
	if h := p.hash(); h != crypto.SHA256 && h != crypto.SHA384 {
		return misuse("a pre-shared key cannot be used with %v", h)
	}
	if len(p.Identity) > maxIdentityLen {
		return misuse("the identity of a pre-shared key has %d bytes", len(p.Identity))
	}
	return nil
}

// clientPSK returns the key for a server.
func (c *Config) clientPSK(hint []byte) (*PSK, error) {
	psk, err := c.GetPSK(hint)
	if err != nil {
		return nil, misuse("Config.GetPSK: %w", err)
	}
	if psk == nil {
		return nil, incompatible(AlertHandshakeFailure, "no pre-shared key for a server with the hint %q",
			hint)
	}
	return psk, psk.check()
}

// serverPSK returns the key of a client. If there is none it is a random one,
// so that an identity cannot be told from a key that is wrong. Attack A12.
func (c *Config) serverPSK(identity []byte) (*PSK, error) {
	psk, err := c.lookupPSK(identity)
	if psk == nil && err == nil {
		psk = &PSK{Key: make([]byte, 32)}
		rand.Read(psk.Key)
	}
	return psk, err
}

// lookupPSK returns the key of a client, nil if there is none. One that we use
// as a client ourselves proves nothing: its user may be us, whose messages
// someone sends back. That is the Selfie attack, A13; see RFC 9257, Section 4.
func (c *Config) lookupPSK(identity []byte) (*PSK, error) {
	psk, err := c.LookupPSK(identity)
	if err != nil {
		return nil, misuse("Config.LookupPSK: %w", err)
	}
	if psk == nil {
		return nil, nil
	}
	if c.GetPSK != nil {
		own, err := c.GetPSK(nil)
		if err != nil {
			return nil, misuse("Config.GetPSK: %w", err)
		}
		if own != nil && bytes.Equal(own.Identity, identity) && hmac.Equal(own.Key, psk.Key) {
			return nil, misuse("pre-shared key %q is for both roles: each needs one of its own", identity)
		}
	}
	return psk, psk.check()
}
