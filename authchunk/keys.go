package authchunk

import (
	"errors"
	"fmt"
)

// ErrMisuse is what a [MisuseError] matches.
var ErrMisuse = errors.New("authchunk: call out of order")

// A MisuseError means that a method of [Keys] was called in a state that does
// not allow it. It is the caller's mistake; the keys have not changed.
type MisuseError struct{ Reason string }

func (e *MisuseError) Error() string { return "authchunk: " + e.Reason }

// Is reports whether err is [ErrMisuse].
func (e *MisuseError) Is(err error) bool { return err == ErrMisuse }

// Keys are the endpoint pair shared keys of one association. The package
// documentation describes their states.
//
// Keys must not be used concurrently.
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

// Active returns the identifier of the key for sending.
func (k *Keys) Active() uint16 { return k.held[k.active] }

// Oldest returns the identifier of the oldest key.
func (k *Keys) Oldest() uint16 { return k.held[0] }

// Newest returns the identifier of the key that was installed last.
func (k *Keys) Newest() uint16 { return k.held[len(k.held)-1] }

// Retirable reports whether there are keys for Retire to delete.
func (k *Keys) Retirable() bool { return k.active > 0 }

// Install makes secret the next key, at first for receiving only, and returns
// its identifier. Call it before the peer can use the key: a packet under an
// unknown key is lost, which costs at least a retransmission timeout.
//
// Install overwrites secret with zeros, also if it fails.
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

// Activate makes the newest key the one for sending. Everything sent before
// should have been acknowledged.
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

// Retire deletes all keys that are older than the active one. Neither direction
// may need them any longer: what the peer still transmits under them is lost
// forever.
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

// RetireStale deletes all keys except the last two. Call it when the peer's
// ChangeCipherSpec of the handshake that made the newest key has arrived:
// everything that both ends sent under the older keys has then been
// acknowledged. So the number of handshakes is not limited by how long Retire
// has to wait.
func (k *Keys) RetireStale() error {
	for k.active > 0 && len(k.held) > 2 {
		if err := k.retireOldest(); err != nil {
			return err
		}
	}
	return nil
}

// next returns the identifier after id. Key 0 is not used again, because its
// secret is known to everyone. RFC 6083, Section 4.8.
func next(id uint16) uint16 {
	if id == 1<<16-1 {
		return 1
	}
	return id + 1
}
