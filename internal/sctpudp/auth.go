package sctpudp

import (
	"slices"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// SetAuthKey implements authchunk.Socket.
func (a *Assoc) SetAuthKey(id uint16, secret []byte) error {
	return a.do(func() error { return a.core.SetAuthKey(id, secret) })
}

// SetActiveAuthKey implements authchunk.Socket.
func (a *Assoc) SetActiveAuthKey(id uint16) error {
	return a.do(func() error { return a.core.SetActiveAuthKey(id) })
}

// DeleteAuthKey implements authchunk.Socket.
func (a *Assoc) DeleteAuthKey(id uint16) error {
	return a.do(func() error { return a.core.DeleteAuthKey(id) })
}

// TakeRepeated implements [stream.KeyLimiter].
func (a *Assoc) TakeRepeated(id uint16, last uint32) error {
	return a.do(func() error {
		a.core.TakeRepeated(id, last)
		return nil
	})
}

// TakeAll implements [stream.KeyLimiter].
func (a *Assoc) TakeAll() error {
	return a.do(func() error {
		a.core.TakeAll()
		return nil
	})
}

// AuthAgreement returns what both ends support of SCTP-AUTH.
func (a *Assoc) AuthAgreement() (g authchunk.Agreement, err error) {
	err = a.do(func() error {
		i := a.core.Auth()
		g.Supported, g.PartialReliability = i.Agreed, a.core.PartialReliability()
		g.Local, g.Peer = slices.Clone(i.Chunks), slices.Clone(i.PeerChunks)
		return nil
	})
	return g, err
}

// handshakeRTO is the minimum retransmission timeout while a handshake is under way. The peer drops
// what arrives under a key that it does not have yet.
const handshakeRTO = 20 * time.Millisecond

// Handshaking implements [stream.HandshakeTuner]. From Handshaking(true) until Settled, what is
// lost is retransmitted soon, and each packet is acknowledged at once.
//
// Handshaking(false) changes nothing. The core applies a longer minimum from the next packet on,
// and that is the first one under the new key, which is lost if the peer does not have the key yet.
func (a *Assoc) Handshaking(on bool) error {
	if !on {
		return nil
	}
	return a.do(func() error {
		if !a.brisk {
			a.brisk = true
			c := a.core.Config()
			a.rtoMin, a.sackDelay = c.RTOMin, c.SackDelay
			a.core.SetRTOMin(min(handshakeRTO, a.rtoMin))
			a.core.SetSackDelay(0)
		}
		return nil
	})
}

// Settled implements [stream.HandshakeTuner].
func (a *Assoc) Settled() error {
	return a.do(func() error {
		if a.brisk {
			a.brisk = false
			a.core.SetRTOMin(a.rtoMin)
			a.core.SetSackDelay(a.sackDelay)
		}
		return nil
	})
}

// SetSACKDelay sets the delay of acknowledgements, 0 for none.
func (a *Assoc) SetSACKDelay(d time.Duration) error {
	return a.do(func() error {
		a.core.SetSackDelay(d)
		return nil
	})
}

// Pause waits for d.
func (a *Assoc) Pause(d time.Duration) { time.Sleep(d) }
