package dtlscore

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/rand"
)

// Sizes of pre-shared keys and identities in bytes. Keys of less than 128 bits can be guessed: RFC
// 9257, Section 4.2.
const (
	minPSKLen      = 16
	maxPSKLen      = 1<<16 - 1
	maxIdentityLen = 1<<16 - 1
)

// A PSK is a pre-shared key.
type PSK struct {
	Identity []byte // the identity of the key, sent unencrypted
	Key      []byte // at least 16 bytes from a random source

	// Hash is the hash function of the DTLS 1.3 cipher suites that the key may be used with:
	// SHA-256, which is also the meaning of 0, or SHA-384. Both sides must use the same. See RFC
	// 8446, Section 4.2.11.
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
		return misuse("a pre-shared key has %d bytes, but needs at least %d", len(p.Key), minPSKLen)
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

// serverPSK returns the key of a client. For an unknown identity it returns a random key, so that a
// client cannot tell an unknown identity from a wrong key. Attack A12.
func (c *Config) serverPSK(identity []byte) (*PSK, error) {
	psk, err := c.lookupPSK(identity)
	if psk == nil && err == nil {
		psk = &PSK{Key: make([]byte, 32)}
		rand.Read(psk.Key)
	}
	return psk, err
}

// lookupPSK returns the key of a client, or nil if there is none. It refuses a key that this side
// also uses as a client: the peer could be an attacker who reflects our own messages. This is the
// Selfie attack, A13; see RFC 9257, Section 4.
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
			return nil, misuse("pre-shared key %q is used in both roles: each role needs its own key",
				identity)
		}
	}
	return psk, psk.check()
}
