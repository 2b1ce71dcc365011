package assoctest

import (
	"bytes"
	"errors"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// AuthAgreement implements stream.Association: both ends authenticate all user data.
func (a *Assoc) AuthAgreement() (authchunk.Agreement, error) {
	all := authchunk.DefaultChunks()
	return authchunk.Agreement{Supported: true, Local: all, Peer: all}, nil
}

var errNoKey = errors.New("assoctest: no such key, or it is active")

// SetAuthKey implements authchunk.Socket.
func (a *Assoc) SetAuthKey(id uint16, secret []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[id] = bytes.Clone(secret)
	return nil
}

// SetActiveAuthKey implements authchunk.Socket.
func (a *Assoc) SetActiveAuthKey(id uint16) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.keys[id]; !ok {
		return errNoKey
	}
	a.active = id
	return nil
}

// DeleteAuthKey implements authchunk.Socket.
func (a *Assoc) DeleteAuthKey(id uint16) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.keys[id]; !ok || id == a.active {
		return errNoKey
	}
	delete(a.keys, id)
	return nil
}

// TakeRepeated drops what comes under key id, but for messages with a transmission sequence number
// up to last. In memory these never come again.
func (a *Assoc) TakeRepeated(id uint16, last uint32) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.narrowed, a.narrow, a.last = true, id, last
	return nil
}

// TakeAll ends TakeRepeated.
func (a *Assoc) TakeAll() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.narrowed = false
	return nil
}
