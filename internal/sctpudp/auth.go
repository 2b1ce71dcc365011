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

// TakeRepeated drops what comes under key id, but for messages with a transmission sequence number
// up to last, which were received before and are only acknowledged again.
func (a *Assoc) TakeRepeated(id uint16, last uint32) error {
	return a.do(func() error {
		a.core.TakeRepeated(id, last)
		return nil
	})
}

// TakeAll ends TakeRepeated.
func (a *Assoc) TakeAll() error {
	return a.do(func() error {
		a.core.TakeAll()
		return nil
	})
}

// AuthAgreement returns what both ends have said about SCTP-AUTH.
func (a *Assoc) AuthAgreement() (g authchunk.Agreement, err error) {
	err = a.do(func() error {
		i := a.core.Auth()
		g.Supported, g.PartialReliability = i.Agreed, a.core.PartialReliability()
		g.Local, g.Peer = slices.Clone(i.Chunks), slices.Clone(i.PeerChunks)
		return nil
	})
	return g, err
}

// handshakeRTO is the least retransmission timeout while a handshake is under way, when a peer
// drops what comes under a key that it does not have yet.
const handshakeRTO = 20 * time.Millisecond

// Handshaking is called with true when a handshake begins: what is lost is sent again soon, and
// each packet is acknowledged at once. With false, only the latter goes on until Settled.
func (a *Assoc) Handshaking(on bool) error {
	return a.do(func() error {
		c := a.core.Config()
		if on != a.quick {
			if a.quick = on; on {
				a.rtoMin = c.RTOMin
				a.core.SetRTOMin(min(handshakeRTO, a.rtoMin))
			} else {
				a.core.SetRTOMin(a.rtoMin)
			}
		}
		if on && !a.prompt {
			a.prompt, a.sackDelay = true, c.SackDelay
			a.core.SetSackDelay(0)
		}
		return nil
	})
}

// Settled is called when a handshake is complete.
func (a *Assoc) Settled() error {
	return a.do(func() error {
		if a.prompt {
			a.prompt = false
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
