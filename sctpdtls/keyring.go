package sctpdtls

import (
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// keyGrace is how long an old key of SCTP-AUTH is kept for a peer that may have to send its
// Finished again under it: it does so after 1, 3 and 7 seconds when the acknowledgements are lost.
// A key that is deleted before would stall the association forever.
const keyGrace = 10 * time.Second

// A keyring deletes the old key of SCTP-AUTH as soon as the peer has done with it (RFC 6083,
// Section 4.8): whoever is on the path knows key 0, and with it can replay, move and remove
// messages.
//
// An end that has everything acknowledged before it uses a new key, as this package does, has done
// with the old one when its Finished comes under the new one. OpenSSL does not: it sends Finished
// under the old key as a client in a full handshake and as a server in a resumed one, and
// ChangeCipherSpec always. It has to be able to send these again, and nothing else.
type keyring struct {
	mu       sync.Mutex        // guards the following
	limiter  stream.KeyLimiter // nil if the association is none
	keys     *authchunk.Keys
	finished bool   // the peer's Finished of the newest handshake is verified
	switched bool   // the peer is known to use the newest key, and to have done with the old one
	lags     bool   // something of the peer came under the old key after this end had switched
	narrowed bool   // nothing new is taken under the old key
	last     uint32 // transmission sequence number of the peer's Finished
	timer    *time.Timer
}

func newKeyring(s authchunk.Socket) *keyring { return &keyring{keys: authchunk.NewKeys(s)} }

func (k *keyring) install(secret []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopTimer()
	k.finished, k.switched, k.lags = false, false, false
	_, err := k.keys.Install(secret)
	return err
}

func (k *keyring) activate() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	err := k.keys.Activate()
	k.settle()
	return err
}

// uses is called with the number of a key that is not the active one, when something has arrived
// under it.
func (k *keyring) uses(id uint16) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if id == k.keys.Newest() {
		k.switched = true
	} else if k.keys.Active() == k.keys.Newest() {
		k.lags = true
	}
}

// peerFinished is called when the peer's Finished is verified, which has the transmission sequence
// number last. If it is the answer to ours, and nothing else was said, it came under the newest key
// as Section 4.8 demands.
func (k *keyring) peerFinished(last uint32) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.finished, k.last = true, last
	if k.keys.Active() == k.keys.Newest() && !k.lags {
		k.switched = true
	}
	k.keys.RetireStale() // fails only when the association is over
	k.settle()
}

// peerSwitched is called when something has come that the peer sends only after it has everything
// acknowledged and has switched.
func (k *keyring) peerSwitched() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.switched = true
	k.settle()
}

// follow activates the newest key if the peer uses it, for it may take nothing new under the old
// one any more.
func (k *keyring) follow() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.switched && k.keys.Active() != k.keys.Newest() {
		k.keys.Activate() // fails only when the association is over
	}
}

// settle deletes the old keys if neither end uses them any more, and has nothing new come under
// them otherwise. What this end has sent under them was acknowledged before it switched.
func (k *keyring) settle() {
	switch {
	case !k.finished || k.keys.Active() != k.keys.Newest() || !k.keys.Retirable():
	case k.switched:
		k.retire()
	case k.limiter != nil && k.limiter.TakeRepeated(k.keys.Oldest(), k.last) == nil:
		k.narrowed = true
	default:
		k.retire() // rather than leave it to whoever knows it
	}
}

func (k *keyring) retire() {
	k.stopTimer()
	k.keys.Retire() // fails only when the association is over
	if k.narrowed {
		k.narrowed = false
		k.limiter.TakeAll()
	}
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
}

func (k *keyring) stopTimer() {
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
}
