package assoctest

import (
	"bytes"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// packet is a message on its way, under the key that it was sent with.
type packet struct {
	item
	key     uint16
	secret  []byte
	due     time.Time // when it arrives, or would
	expires time.Time // after which it is not transmitted again; never if zero
	again   int       // how often it may be transmitted again
	givenUp bool      // when it is due (RFC 3758, RFC 7496)
	removed bool      // somebody else acknowledges it when it is due
}

// failed is called when a transmission has failed: the next one is due later.
func (p *packet) failed(sent time.Time, o *Options) {
	next := sent.Add(o.RTO)
	p.due, p.givenUp = next.Add(o.Delay), p.again == 0 || !p.expires.IsZero() && next.After(p.expires)
	p.again--
}

// soon runs f when it has crossed the network.
func (a *Assoc) soon(f func()) {
	if a.options.Delay == 0 {
		f()
	} else {
		a.after(a.options.Delay, f)
	}
}

// after runs f with mu held when d has passed.
func (a *Assoc) after(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		f()
	})
}

// transmit sends data on its way, which takes as long as the network's seed says.
func (a *Assoc) transmit(data []byte, info stream.Info) {
	now := time.Now()
	delay := a.options.Delay
	if a.options.Jitter > 0 {
		delay += time.Duration(a.fate.Int64N(int64(a.options.Jitter)))
	}
	p := packet{
		item:   item{data: data, size: len(data), tsn: a.next},
		key:    a.active, // bound here, as in the kernel
		secret: a.keys[a.active],
		due:    now.Add(delay),
	}
	a.next++
	if a.remove > 0 {
		a.remove--
		p.removed = true
	}
	if info.Lifetime > 0 {
		p.expires = now.Add(info.Lifetime)
	}
	p.again = -1 // no limit
	if info.Retransmissions > 0 {
		p.again = int(info.Retransmissions)
	}
	for a.options.Loss > 0 && a.fate.Float64() < a.options.Loss && !p.givenUp {
		p.failed(p.due.Add(-a.options.Delay), &a.options)
	}
	// nobody tells the receiver
	info.SackImmediately, info.Lifetime, info.Retransmissions = false, 0, 0
	p.info = info
	a.inFlight = append(a.inFlight, p)
	a.buffered += p.size
	if takes := p.due.Sub(now); takes > 0 {
		a.after(takes, a.arrive)
	} else {
		a.arrive()
	}
}

// arrive lets the peer have what is due and finds room, in the order of each stream, and
// acknowledge it. What comes under a key that the peer does not have is dropped in silence, and
// comes again, as does what is lost, unless its sender gives it up.
func (a *Assoc) arrive() {
	if a.gone {
		return
	}
	if a.peer.gone && len(a.inFlight) > 0 && !a.cut {
		// nobody there knows the association
		a.endNow(ErrAborted, stream.AssocChange{State: stream.AssocAborted})
		return
	}
	now := time.Now()
	late := map[uint16]bool{} // streams on which something is missing
	full := false
	left := a.inFlight[:0]
	a.buffered = 0
	for _, p := range a.inFlight {
		have, ok := a.peer.keys[p.key]
		full = full || a.peer.unread > 0 && a.peer.unread+p.size > a.options.Window
		switch due := !p.due.After(now); {
		case due && p.givenUp:
			a.peer.saw(p.tsn)
			continue
		case due && p.removed:
			if !p.info.Unordered {
				a.stuck[p.info.Stream] = true
			}
			continue
		case full, !due, late[p.info.Stream] && !p.info.Unordered:
		case a.cut:
			p.failed(now, &a.options)
			a.after(p.due.Sub(now), a.arrive)
		case !ok || !bytes.Equal(have, p.secret),
			a.peer.narrowed && p.key == a.peer.narrow && int32(p.tsn-a.peer.last) > 0:
			a.peer.dropped++
			p.failed(now, &a.options)
			a.after(p.due.Sub(now), a.arrive)
		case a.peer.closed:
			continue // acknowledged and thrown away
		case a.stuck[p.info.Stream] && !p.info.Unordered:
			a.peer.saw(p.tsn) // and waits for what was removed
			continue
		default:
			a.peer.saw(p.tsn)
			if p.key != a.peer.active {
				a.peer.queue = append(a.peer.queue, item{event: stream.NewKey{ID: p.key}})
			}
			a.peer.queue = append(a.peer.queue, p.item)
			a.peer.unread += p.size
			continue
		}
		if !p.info.Unordered {
			late[p.info.Stream] = true
		}
		left = append(left, p)
		a.buffered += p.size
	}
	a.inFlight = left
	a.dry()
	a.finishShutdown()
	a.peer.finishShutdown()
	a.cond.Broadcast()
}

// saw counts what this end has received.
func (a *Assoc) saw(tsn uint32) {
	if a.received++; int32(tsn-a.highest) > 0 {
		a.highest = tsn
	}
}

// Missing implements stream.Association.
func (a *Assoc) Missing() (missing int, highest uint32, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gone || a.ended != nil {
		return 0, 0, syscall.ENOTCONN
	}
	return int(a.highest-firstTSN+1) - a.received, a.highest, nil
}

// Remove has somebody on the path remove the next n messages that this end sends, and acknowledge
// them in the other's name, which SCTP does not notice. The rest of an ordered stream waits for
// ever.
func (a *Assoc) Remove(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove = n
}

// Cut lets nothing through any more, either way, until Mend. Each end gives the association up
// after [Options].GiveUp: something is always outstanding, if only a heartbeat.
func (a *Assoc) Cut() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut = true
	a.cuts++
	this := a.cuts
	a.after(a.options.GiveUp, func() {
		if a.cut && a.cuts == this {
			a.lose()
		}
	})
}

// Mend ends Cut. What was lost comes again when its time has come, and an end that is alone now is
// told so, in answer to a heartbeat.
func (a *Assoc) Mend() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut = false
	for _, e := range []*Assoc{a, a.peer} {
		e.after(e.options.RTO, func() {
			e.finishShutdown()
			if e.peer.gone && !e.gone && !e.cut {
				e.endNow(ErrAborted, stream.AssocChange{State: stream.AssocAborted})
			}
		})
	}
}
