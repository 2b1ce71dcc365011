package wire

import (
	"fmt"
	"slices"
	"time"
)

// A Phase is a part of an association's life.
type Phase int

const (
	HandshakePhase Phase = iota // up to the last Finished of the first handshake
	DataPhase
	ClosePhase // after the last packet with application data
)

func (p Phase) String() string { return [...]string{"handshake", "data", "close"}[p] }

// A Cause is a timer of RFC 9260 that made someone wait.
type Cause string

const (
	// Retransmission: T3-rtx, or T1 and T2 for control chunks; 1 s or more
	// with Linux's defaults. (A fast retransmission counts too: it means loss.)
	Retransmission Cause = "retransmission"
	// DelayedSACK: an acknowledgement that waited for a second packet, up to
	// 200 ms. RFC 9260, Section 6.2.
	DelayedSACK Cause = "delayed SACK"
)

// A Timer is an event that only a timer explains.
type Timer struct {
	Cause  Cause
	Phase  Phase   // handshake if it began in it, else when it ended
	Since  *Packet // what was retransmitted or acknowledged late
	Until  *Packet // the retransmission or the acknowledgement
	Waited bool    // someone had nothing else to do meanwhile
}

// Duration returns the time from Since to Until.
func (t Timer) Duration() time.Duration { return t.Until.Time.Sub(t.Since.Time) }

func (t Timer) String() string {
	return fmt.Sprintf("%s in the %s phase after %v: from %v to %v, waited for: %t",
		t.Cause, t.Phase, t.Duration().Round(time.Microsecond), t.Since, t.Until, t.Waited)
}

const (
	// delayedSACK tells a delayed acknowledgement from one that is merely
	// slow: Linux delays by 200 ms.
	delayedSACK = 150 * time.Millisecond
	// promptly is how soon after an acknowledgement its receiver sends, if it
	// has waited for it.
	promptly = 100 * time.Millisecond
)

// findTimers goes by causes, so that a machine that is slow, as emulated ones
// are, is not taken for a timer: an acknowledgement counts as delayed only
// where RFC 9260 lets it be delayed.
func (a *Association) findTimers() {
	a.findPhases()
	for i, p := range a.Packets {
		if first := a.retransmitted(i); first != nil {
			a.addTimer(Retransmission, first, p, true)
		}
	}
	a.findDelayedSACKs()
	slices.SortStableFunc(a.Timers, func(x, y Timer) int { return x.Until.Number - y.Until.Number })
}

func (a *Association) addTimer(cause Cause, since, until *Packet, waited bool) {
	phase := a.phaseOf(since)
	if phase != HandshakePhase {
		phase = a.phaseOf(until)
	}
	a.Timers = append(a.Timers, Timer{cause, phase, since, until, waited})
}

// retransmitted returns the packet whose content packet i sends again.
func (a *Association) retransmitted(i int) *Packet {
	p := a.Packets[i]
	for _, c := range p.Chunks {
		switch c.Type {
		case ChunkData:
			d, err := c.asData()
			if err != nil {
				continue
			}
			if first := a.flow[p.From].seen[d.tsn].packet; first != nil && first != p {
				return first
			}
		case ChunkInit, ChunkCookieEcho, ChunkShutdown, ChunkShutdownAck:
			for _, q := range a.Packets[:i] {
				if q.From == p.From && q.has(c.Type) {
					return q
				}
			}
		}
	}
	return nil
}

// findDelayedSACKs looks for acknowledgements that came a delayed SACK's time
// after the newest data that they cover.
func (a *Association) findDelayedSACKs() {
	var acked [2]uint32 // the data of each side that is acknowledged
	for side := range acked {
		acked[side] = a.initialTSN[side] - 1
	}
	for i, p := range a.Packets {
		sender := p.From.peer() // of the data
		for _, c := range p.Chunks {
			tsn, ok := c.cumulativeTSN()
			if !ok || c.Type != ChunkSack || !before(acked[sender], tsn) {
				continue
			}
			since := newestData(a.Packets[:i], sender, acked[sender], tsn)
			acked[sender] = tsn
			if since != nil && !p.has(ChunkData) && p.Time.Sub(since.Time) >= delayedSACK {
				a.addTimer(DelayedSACK, since, p, a.actsPromptly(i))
			}
		}
	}
}

// newestData returns the last of the packets with data after TSN acked and up
// to tsn; nil if there is none, or if it asked for an acknowledgement without
// delay (RFC 9260, Section 6.2), so that no timer ran.
func newestData(packets []*Packet, from Side, acked, tsn uint32) *Packet {
	for _, p := range slices.Backward(packets) {
		covered, atOnce := false, false
		for _, c := range p.Chunks {
			if d, err := c.asData(); c.Type == ChunkData && err == nil {
				covered = covered || before(acked, d.tsn) && !before(tsn, d.tsn)
				atOnce = atOnce || d.sackImmediately
			}
		}
		switch {
		case p.From != from || !covered:
		case atOnce:
			return nil
		default:
			return p
		}
	}
	return nil
}

// actsPromptly reports whether the receiver of the acknowledgement in packet i
// is the next to send something, and soon.
func (a *Association) actsPromptly(i int) bool {
	ack := a.Packets[i]
	for _, p := range a.Packets[i+1:] {
		if p.Time.Sub(ack.Time) > promptly {
			break
		}
		for _, c := range p.Chunks {
			switch c.Type {
			case ChunkSack, ChunkAuth, ChunkHeartbeat, ChunkHeartbeatAck:
			default:
				return p.From != ack.From
			}
		}
	}
	return false
}

// findPhases looks for the packets that end the phases.
func (a *Association) findPhases() {
	for _, m := range a.Messages {
		switch r := m.Record; {
		case r != nil && m.Stage == Switching:
			a.lastFinished = max(a.lastFinished, m.Packet)
		case r == nil || r.Type == ApplicationData:
			a.lastData = max(a.lastData, m.Packet)
		}
	}
}

func (a *Association) phaseOf(p *Packet) Phase {
	switch {
	case p.Number <= a.lastFinished:
		return HandshakePhase
	case p.Number <= a.lastData:
		return DataPhase
	}
	return ClosePhase
}

// A Gap is a time in which the association was silent.
type Gap struct {
	Duration      time.Duration
	Before, After *Packet
	Phase         Phase
	Timer         *Timer // that ended it, nil if none did
}

func (g Gap) String() string {
	s := fmt.Sprintf("%v in the %s phase between %v and %v", g.Duration.Round(time.Microsecond),
		g.Phase, g.Before, g.After)
	if g.Timer != nil {
		s += ", ended by a " + string(g.Timer.Cause)
	}
	return s
}

// Gaps returns the longest gaps between packets, at most n, the longest first.
func (a *Association) Gaps(n int) []Gap {
	var gaps []Gap
	for i, p := range a.Packets[1:] {
		g := Gap{Duration: p.Time.Sub(a.Packets[i].Time), Before: a.Packets[i], After: p,
			Phase: a.phaseOf(p)}
		for j := range a.Timers {
			if a.Timers[j].Until == p {
				g.Timer = &a.Timers[j]
			}
		}
		gaps = append(gaps, g)
	}
	slices.SortStableFunc(gaps, func(x, y Gap) int { return int(y.Duration - x.Duration) })
	return gaps[:min(n, len(gaps))]
}
