package sctpsock

import (
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// This file has the methods of stream.Association that are not calls of sockets.
var _ interface {
	stream.BatchSender
	stream.HandshakeTuner
	stream.KeyLimiter
	stream.Multihomed
	stream.StatsReporter
	stream.Prioritizer
} = (*Socket)(nil)

// A sackPolicy determines when acknowledgements are sent. A peer that changes keys waits for them,
// and may not request them at once (RFC 7053). For a peer that only sends messages, early
// acknowledgements cost more packets.
type sackPolicy uint8

const (
	sackFixed   sackPolicy = iota // by Options.SACKDelay
	sackAtOnce                    // a handshake is under way
	sackDelayed                   // as every SCTP does
)

// usualSACKDelay is the recommendation of RFC 9260, Section 6.2, and Linux's default.
const usualSACKDelay = 200 * time.Millisecond

// tuning is what [stream.HandshakeTuner] changes.
type tuning struct {
	rto   [3]time.Duration // initial, least, most, as they are outside of handshakes
	brisk bool             // during a handshake
	sacks sackPolicy
}

// begin makes the settings that need an association, and reads what was negotiated with the peer.
func (s *Socket) begin(o *Options) error {
	if err := s.start(); err != nil {
		return err
	}
	if o.SACKDelay == 0 {
		s.tuning.sacks = sackAtOnce
	}
	if o.RefuseRestart {
		return s.RefuseRestart()
	}
	return nil
}

// Missing counts from the first message on. Messages that arrive between the two calls, that the
// kernel has counted twice for lack of memory, or that were received before [Adopt], make highest
// too high.
func (s *Socket) Missing() (missing int, highest uint32, err error) {
	st, err := s.Stats()
	return st.Pending, s.firstTSN + uint32(st.ChunksReceived) + uint32(st.Pending) - 1, err
}

// AuthAgreement returns what both ends support of SCTP-AUTH.
func (s *Socket) AuthAgreement() (a authchunk.Agreement, err error) {
	if a.Peer, err = s.PeerAuthChunks(); err != nil {
		return a, err
	}
	if a.Supported = len(a.Peer) > 0; !a.Supported {
		if a.Supported, err = s.AuthSupported(); err != nil {
			return a, err
		}
	}
	if !a.Supported {
		// The kernel then returns no lists, not even that of this end.
		a.Local = authchunk.DefaultChunks()
		return a, nil
	}
	if a.PartialReliability, err = s.PartialReliability(); err != nil {
		return a, err
	}
	// Interleaving is never negotiated: see refuseInterleaving.
	a.Local, err = s.LocalAuthChunks()
	return a, err
}

// handshakeRTO is the minimum retransmission timeout while a handshake is under way. The peer drops
// packets under a key that it has not computed yet, which happens if the network is faster than its
// processor. The kernel's minimum of 1 s would be a long wait then.
//
// The kernel applies a new minimum only when it next measures the path. So the usual minimum is
// restored before the ChangeCipherSpec: the short timeout still applies to that, and the usual one
// applies again when it is acknowledged. Restored after the handshake, it would not apply to the
// first application data, which a peer that delays its acknowledgement would get twice.
const handshakeRTO = 20 * time.Millisecond

// Handshaking implements [stream.HandshakeTuner].
func (s *Socket) Handshaking(on bool) error {
	t := &s.tuning
	if on == t.brisk {
		return nil
	}
	t.brisk = on
	if !on {
		return s.SetRTO(t.rto[0], t.rto[1], t.rto[2])
	}
	if t.sacks == sackDelayed {
		t.sacks = sackAtOnce
		if err := s.SetSACKDelay(0); err != nil {
			return err
		}
	}
	var err error
	if t.rto[0], t.rto[1], t.rto[2], err = s.RTO(); err != nil {
		return err
	}
	return s.SetRTO(0, min(handshakeRTO, t.rto[1]), 0)
}

// Settled implements [stream.HandshakeTuner].
func (s *Socket) Settled() error {
	if s.tuning.sacks != sackAtOnce {
		return nil
	}
	s.tuning.sacks = sackDelayed
	return s.SetSACKDelay(usualSACKDelay)
}

// Pause implements [stream.HandshakeTuner], as [Pause] does.
func (s *Socket) Pause(d time.Duration) { Pause(d) }
