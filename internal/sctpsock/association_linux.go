package sctpsock

import (
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// What a Socket has beside the calls of sockets to be a stream.Association.
var _ interface {
	stream.BatchSender
	stream.HandshakeTuner
	stream.KeyLimiter
	stream.Multihomed
	stream.StatsReporter
	stream.Prioritizer
} = (*Socket)(nil)

// A sackPolicy says when acknowledgements go out. A peer that wants to change keys waits for them,
// and may not ask for them at once (RFC 7053); one that sends messages only pays for more packets.
type sackPolicy uint8

const (
	sackFixed   sackPolicy = iota // by Options.SACKDelay
	sackAtOnce                    // a handshake is under way
	sackDelayed                   // as every SCTP does
)

// usualSACKDelay is what RFC 9260, Section 6.2, recommends, and Linux's own.
const usualSACKDelay = 200 * time.Millisecond

// tuning is what [stream.HandshakeTuner] changes.
type tuning struct {
	rto   [3]time.Duration // initial, least, most, as they are outside of handshakes
	brisk bool             // during a handshake
	sacks sackPolicy
}

// begin makes the settings that need an association, and learns what has been agreed on with the
// peer.
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

// Missing counts from the first message on. What comes between the two questions, what the kernel
// has counted twice for lack of memory, and what was received before another gave the socket
// away make highest too high.
func (s *Socket) Missing() (missing int, highest uint32, err error) {
	st, err := s.Stats()
	return st.Pending, s.firstTSN + uint32(st.ChunksReceived) + uint32(st.Pending) - 1, err
}

// AuthAgreement returns what both ends have said about SCTP-AUTH.
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
		// The kernel shows no lists then, not even ours, though we have asked.
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

// handshakeRTO is the least retransmission timeout while a handshake is under way. The peer
// drops what comes under a key that it has not computed yet, which it may
// not have when the network is faster than its processor; then 1 s, the kernel's least, is long.
//
// The kernel applies a new minimum when it next measures the path, and not before. So the old one
// is given back ahead of the ChangeCipherSpec: the short timeout still holds for that, and when it
// is acknowledged the usual one is back. Given back after the handshake, it would come too late for
// the first application data, which a peer that delays its acknowledgement would get twice.
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
