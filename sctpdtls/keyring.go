package sctpdtls

import (
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// keyGrace is how long the old SCTP-AUTH key is kept after a handshake. A peer that
// sent its Finished under it, as OpenSSL's clients do, sends that again after
// 1, 3 and 7 seconds when our acknowledgements are lost; a key deleted
// before would stall the association for ever (requirement 1.57).
const keyGrace = 10 * time.Second

// A keyring lets the old key go when its time has come, whoever drives the connection.
type keyring struct {
	mu       sync.Mutex // guards the following
	keys     *authchunk.Keys
	finished bool // the peer's Finished of the newest handshake is verified
	timer    *time.Timer
}

func newKeyring(s authchunk.Socket) *keyring { return &keyring{keys: authchunk.NewKeys(s)} }

func (k *keyring) install(secret []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopTimer()
	k.finished = false
	_, err := k.keys.Install(secret)
	return err
}

func (k *keyring) activate() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.keys.Activate()
}

func (k *keyring) peerFinished() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.finished = true
	k.keys.RetireStale() // fails only when the association is over
}

// peerHasKey reports whether the peer has the newest key for certain: its Finished was
// made with the same secrets.
func (k *keyring) peerHasKey() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.finished
}

// retireLater lets the old key go after keyGrace. The handshake is complete, so
// everything sent under the old key was acknowledged before this end switched.
func (k *keyring) retireLater() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.finished {
		return
	}
	k.stopTimer()
	k.timer = time.AfterFunc(keyGrace, k.retire)
}

func (k *keyring) retire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer != nil {
		k.timer = nil
		k.keys.Retire() // fails only when the association is over
	}
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
}

func (k *keyring) stopTimer() {
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
}
