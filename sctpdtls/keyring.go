package sctpdtls

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// keyGrace is how long an old key of SCTP-AUTH is kept for a peer that may send its Finished again under it and
// sends nothing else: it does so after 1, 3 and 7 seconds when the acknowledgements are lost. A key that is deleted
// before would stall the association for ever.
const keyGrace = 10 * time.Second

// A keyring deletes the old key of SCTP-AUTH as soon as the peer has done with it (RFC 6083, Section 4.8): whoever is
// on the path knows key 0, and with it can replay, move and remove messages.
//
// Each end has everything acknowledged before it uses a new key, so that nothing under the old one can still be
// on its way when the peer's first message under the new one has come. That is, at the latest, its Finished.
// Only OpenSSL sends Finished under the old key, as a client in a full handshake and as a server in a
// resumed one. It has to be able to send that again, until a message shows that it has gone on.
type keyring struct {
	waits atomic.Bool // the peer's next message shows that it has the newest key in use

	mu       sync.Mutex // guards the following
	keys     *authchunk.Keys
	finished bool // the peer's Finished of the newest handshake is verified
	switched bool // the peer is known to use the newest key
	timer    *time.Timer
}

func newKeyring(s authchunk.Socket) *keyring { return &keyring{keys: authchunk.NewKeys(s)} }

func (k *keyring) install(secret []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopTimer()
	k.finished, k.switched = false, false
	_, err := k.keys.Install(secret)
	return err
}

func (k *keyring) activate() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.keys.Activate()
	k.retireIfDone()
	return err
}

// peerUses is called with the number of a key that is not the active one, when something has come under it.
func (k *keyring) peerUses(id uint16) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if id == k.keys.Newest() {
		k.switched = true
		k.retireIfDone()
	}
}

// peerFinished is called when the peer's Finished is verified. An end whose Finished is the answer to ours has
// switched before it, OpenSSL included.
func (k *keyring) peerFinished() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.finished = true
	k.switched = k.switched || k.keys.Active() == k.keys.Newest()
	k.waits.Store(!k.switched)
	k.keys.RetireStale() // fails only when the association is over
	k.retireIfDone()
}

// received is called after each message. What follows Finished comes under the newest key.
func (k *keyring) received() {
	if !k.waits.Load() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waits.Store(false)
	k.switched = true
	k.retireIfDone()
}

// retireIfDone deletes the old keys if neither end uses them any more. What this end has sent under them
// was acknowledged before it switched.
func (k *keyring) retireIfDone() {
	if k.finished && k.switched && k.keys.Active() == k.keys.Newest() {
		k.retire()
	}
}

func (k *keyring) retire() {
	k.stopTimer()
	k.waits.Store(false)
	k.keys.Retire() // fails only when the association is over
}

// peerHasKey reports whether the peer has the newest key for certain: its Finished was
// made with the same secrets.
func (k *keyring) peerHasKey() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.finished
}

// handshakeComplete bounds the time of a key that is still there.
func (k *keyring) handshakeComplete() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.finished || !k.keys.Retirable() {
		return
	}
	k.stopTimer()
	k.timer = time.AfterFunc(keyGrace, func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.timer != nil {
			k.retire()
		}
	})
}

func (k *keyring) activeID() uint16 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys.Active()
}

// stop is called when the association ends, and takes the keys with it.
func (k *keyring) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopTimer()
	k.waits.Store(false)
}

func (k *keyring) stopTimer() {
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
}
