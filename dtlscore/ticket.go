package dtlscore

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"slices"
	"sync"
	"time"
)

// TicketKeys encrypt a server's session tickets. The zero value generates its own keys and changes
// them daily, so only the process that issued a ticket accepts it. TicketKeys may be shared by any
// number of Configs and goroutines, and must not be copied.
type TicketKeys struct {
	mu        sync.RWMutex // guards the following
	keys      []*ticketKey // the first encrypts tickets, all of them decrypt
	automatic bool
}

// A ticketKey encrypts tickets as in RFC 5077, Section 4, with a single AEAD.
type ticketKey struct {
	name    [ticketKeyNameLen]byte
	aead    cipher.AEAD // generates its own nonces
	created time.Time
}

const (
	ticketKeyLen     = 32
	ticketKeyNameLen = 16

	ticketKeyLifetime = 24 * time.Hour
)

func newTicketKey(secret []byte, now time.Time) (*ticketKey, error) {
	b, err := hkdf.Key(sha256.New, secret, nil, "session ticket key", ticketKeyNameLen+ticketKeyLen)
	defer clear(b)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(b[ticketKeyNameLen:])
	if err != nil {
		return nil, err
	}
	k := &ticketKey{created: now}
	copy(k.name[:], b)
	k.aead, err = cipher.NewGCMWithRandomNonce(block)
	return k, err
}

// Set replaces the keys and ends their automatic change. Servers that accept each other's tickets
// need the same keys. The first key encrypts new tickets, and all of them decrypt. Sessions can be
// resumed for a day, so a key should stay in the list for a day after it has been replaced as the
// first. Set fails with [ErrMisuse] if keys is empty or contains a zero key.
func (t *TicketKeys) Set(keys ...[ticketKeyLen]byte) error {
	if len(keys) == 0 {
		return misuse("TicketKeys.Set without a key")
	}
	var list []*ticketKey
	for i := range keys {
		if subtle.ConstantTimeCompare(keys[i][:], make([]byte, ticketKeyLen)) == 1 {
			return misuse("TicketKeys.Set with a key of zeros")
		}
		secret := slices.Clone(keys[i][:]) // so that the caller's copy can stay on the stack
		k, err := newTicketKey(secret, time.Time{})
		clear(secret)
		if err != nil {
			return misuse("TicketKeys.Set: %w", err)
		}
		list = append(list, k)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys, t.automatic = list, false
	return nil
}

// current returns the keys, and changes them first if they are too old.
func (t *TicketKeys) current(now time.Time) ([]*ticketKey, error) {
	t.mu.RLock()
	keys, automatic := t.keys, t.automatic
	t.mu.RUnlock()
	fresh := func() bool {
		return len(keys) > 0 &&
			(!automatic || now.Sub(keys[0].created) < ticketKeyLifetime)
	}
	if fresh() {
		return keys, nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if keys, automatic = t.keys, t.automatic; fresh() {
		return keys, nil // another goroutine has changed them
	}
	var secret [ticketKeyLen]byte
	rand.Read(secret[:])
	defer clear(secret[:])
	k, err := newTicketKey(secret[:], now)
	if err != nil {
		return nil, misuse("ticket key: %w", err)
	}
	old := slices.DeleteFunc(slices.Clone(keys), func(k *ticketKey) bool {
		return now.Sub(k.created) >= ticketKeyLifetime+sessionLifetime
	})
	t.keys, t.automatic = append([]*ticketKey{k}, old...), true
	return t.keys, nil
}

// seal returns a new ticket.
func (t *TicketKeys) seal(n *session, now time.Time) ([]byte, error) {
	keys, err := t.current(now)
	if err != nil {
		return nil, err
	}
	plaintext, err := n.marshalBody()
	if err != nil {
		return nil, misuse("session: %w", err)
	}
	defer clear(plaintext)
	name := keys[0].name[:]
	return keys[0].aead.Seal(slices.Clip(name), nil, plaintext, name), nil
}

// open returns the session in a ticket, or nil if the ticket is not valid. renew reports whether a
// newer key than that of the ticket exists. An invalid ticket is not an error: RFC 5077, Section
// 3.1.
func (t *TicketKeys) open(ticket []byte, now time.Time) (n *session, renew bool) {
	keys, err := t.current(now)
	if err != nil || len(ticket) < ticketKeyNameLen {
		return nil, false
	}
	name, sealed := ticket[:ticketKeyNameLen], ticket[ticketKeyNameLen:]
	for i, k := range keys {
		if string(k.name[:]) != string(name) {
			continue
		}
		plaintext, err := k.aead.Open(nil, nil, sealed, name)
		if err != nil {
			return nil, false
		}
		return takeSession(plaintext), i > 0
	}
	return nil, false
}
