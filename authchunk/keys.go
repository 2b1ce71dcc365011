package authchunk

import (
	"errors"
	"fmt"
)

// ErrMisuse is what a [MisuseError] is.
var ErrMisuse = errors.New("authchunk: call out of order")

// A MisuseError says that a method of [Keys] was called in a state that does not
// allow it. It is a mistake of the caller's; the keys are as before.
type MisuseError struct{ Reason string }

func (e *MisuseError) Error() string { return "authchunk: " + e.Reason }

// Is makes a MisuseError an [ErrMisuse].
func (e *MisuseError) Is(err error) bool { return err == ErrMisuse }

// Keys are the endpoint pair shared keys of one association. The states that
// they go through are described at the top of this package.
//
// Keys must not be used by several goroutines at once.
type Keys struct {
	socket Socket
	held   []uint16 // the identifiers that the socket knows, oldest first
	active int      // index in held
}

// NewKeys returns the keys of a new association: the empty key 0, which is
// active. RFC 6083, Section 4.8.
func NewKeys(s Socket) *Keys {
	return &Keys{socket: s, held: []uint16{0}}
}

// Active returns the identifier of the key that authenticates what is sent.
func (k *Keys) Active() uint16 { return k.held[k.active] }

// Oldest returns the identifier of the oldest key that is there.
func (k *Keys) Oldest() uint16 { return k.held[0] }

// Newest returns the identifier of the last key that was installed.
func (k *Keys) Newest() uint16 { return k.held[len(k.held)-1] }

// Retirable reports whether there are keys for Retire to delete.
func (k *Keys) Retirable() bool { return k.active > 0 }

// Install makes secret the next key, for receiving at first, and returns
// its identifier. It must come before the peer can use the key: a packet
// under an unknown key is lost, and costs at least a retransmission timeout.
//
// Install overwrites secret with zeros, also when it fails.
func (k *Keys) Install(secret []byte) (id uint16, err error) {
	defer clear(secret)
	switch {
	case len(secret) == 0:
		return 0, &MisuseError{"empty secret"}
	case k.Newest() != k.Active():
		return 0, &MisuseError{fmt.Sprintf("key %d was installed and is not active yet", k.Newest())}
	case k.active > 1:
		return 0, &MisuseError{fmt.Sprintf("key %d has not been retired in the last two handshakes",
			k.held[0])}
	}
	id = next(k.Newest())
	if err := k.socket.SetAuthKey(id, secret); err != nil {
		return 0, fmt.Errorf("authchunk: installing key %d: %w", id, err)
	}
	k.held = append(k.held, id)
	return id, nil
}

// Activate authenticates everything that is sent from now on with the newest key.
// Everything sent before should have been acknowledged.
func (k *Keys) Activate() error {
	if k.Newest() == k.Active() {
		return &MisuseError{fmt.Sprintf("key %d is active already", k.Active())}
	}
	if err := k.socket.SetActiveAuthKey(k.Newest()); err != nil {
		return fmt.Errorf("authchunk: activating key %d: %w", k.Newest(), err)
	}
	k.active = len(k.held) - 1
	return nil
}

// Retire deletes all keys that are older than the active one. Nothing may
// need them any longer, in either direction: what the peer still
// transmits under them is lost forever.
func (k *Keys) Retire() error {
	for k.active > 0 {
		if err := k.retireOldest(); err != nil {
			return err
		}
	}
	return nil
}

func (k *Keys) retireOldest() error {
	if err := k.socket.DeleteAuthKey(k.held[0]); err != nil {
		return fmt.Errorf("authchunk: deleting key %d: %w", k.held[0], err)
	}
	k.held = k.held[1:]
	k.active--
	return nil
}

// RetireStale deletes all keys but the last two. It may be called when the peer's
// ChangeCipherSpec has come in the handshake that made the newest: before that, both
// ends had everything acknowledged that they had sent under keys before the last
// but one. So there can be any number of handshakes in the time that Retire has to wait.
func (k *Keys) RetireStale() error {
	for k.active > 0 && len(k.held) > 2 {
		if err := k.retireOldest(); err != nil {
			return err
		}
	}
	return nil
}

// next returns the identifier that follows id. 0 is not used again, because its
// secret is known to everyone. RFC 6083, Section 4.8.
func next(id uint16) uint16 {
	if id == 1<<16-1 {
		return 1
	}
	return id + 1
}
