package assoctest

import (
	"bytes"
	"errors"
)

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
