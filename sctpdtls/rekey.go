package sctpdtls

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// A RekeyPolicy says when this end makes new keys for what it sends: after so many records, or
// bytes of messages, or so much time. 0 is never, but for the limits of the cipher suite, which
// DTLS 1.3 keeps by itself. In DTLS 1.3 that is a KeyUpdate; in DTLS 1.2 a renegotiation, if
// [Config].Renegotiation allows it and a client has RFC 5746, but no more than 12 at once and then
// one a second, since the peer would take more for an attack. Age is looked at when something is
// sent.
type RekeyPolicy struct {
	Records uint64
	Bytes   uint64
	Age     time.Duration
}

// A KeyUpdateRequest says whether a KeyUpdate asks the peer to make new keys too (RFC 8446,
// Section 4.6.3).
type KeyUpdateRequest = dtlscore.KeyUpdateRequest

// What [Conn.KeyUpdate] can ask for.
const (
	UpdateNotRequested = dtlscore.UpdateNotRequested
	UpdateRequested    = dtlscore.UpdateRequested
)

// KeyUpdate makes new keys of DTLS 1.3 for what this end sends, and asks the peer to do so too or
// not (RFC 8446, Section 4.6.3). It returns when the peer was told; the new keys are in use when
// the peer has answered. Reads and writes go on meanwhile, except that writes wait until what was
// written before has arrived. The key of SCTP-AUTH stays: only a new association, or a
// renegotiation of DTLS 1.2, changes that; see [AuthKeyNearLimit].
//
// Errors that match os.ErrDeadlineExceeded, or the context's, do not end the connection, nor those
// that match [ErrMisuse] (as for another version than 1.3) or [ErrKeysUsedUp].
func (c *Conn) KeyUpdate(ctx context.Context, request KeyUpdateRequest) error {
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.handshakeTimeout())
	defer cancel()
	r := newRequest(keyUpdateTask)
	r.ask = request
	c.requests.add(r)
	c.alarm.ring()
	return r.wait(ctx)
}

// hasEvents reports whether the core wants something.
func (c *Conn) hasEvents() bool {
	if c.current.Kind == dtlscore.EventNone {
		c.current = c.core.NextEvent()
	}
	return c.current.Kind != dtlscore.EventNone
}

// A meter counts what was sent under the present keys.
type meter struct {
	records atomic.Uint64 // since DTLS had new keys or was asked for them, if the policy counts them
	bytes   atomic.Uint64 // of messages, likewise
	since   atomic.Int64  // when that was, in nanoseconds of Unix time
	chunks  atomic.Uint64 // DATA chunks, or some more, since SCTP-AUTH had a new key
	warned  atomic.Bool   // of AuthKeyNearLimit
}

// keyLife is how many chunks one key of SCTP-AUTH may authenticate in each direction. Transmission
// sequence numbers are what stops replays, and have 32 bits: RFC 4895, Section 9, and requirement
// 1.70.
const keyLife = 1 << 31

// chunkPayload is the least that a full DATA chunk carries: the path's MTU may be 512 bytes.
const chunkPayload = 400

func (m *meter) count(n int, p *RekeyPolicy) {
	if p.Records > 0 { // the core counts too, but not from the last attempt
		m.records.Add(1)
	}
	m.bytes.Add(uint64(n))
	m.chunks.Add(uint64(1 + n/chunkPayload))
}

// newKeys is called when DTLS has new keys, newAuthKey when SCTP-AUTH has.
func (m *meter) newKeys() {
	m.records.Store(0)
	m.bytes.Store(0)
	m.since.Store(time.Now().UnixNano())
}

func (m *meter) newAuthKey() {
	m.chunks.Store(0)
	m.warned.Store(false)
	m.newKeys()
}

// rekeyDue reports whether the policy wants new keys, and they can be had.
func (c *Conn) rekeyDue() bool {
	p := &c.config.RekeyAfter
	return (p.Bytes > 0 && c.meter.bytes.Load() >= p.Bytes ||
		p.Records > 0 && c.meter.records.Load() >= p.Records ||
		p.Age > 0 && time.Since(time.Unix(0, c.meter.since.Load())) >= p.Age) && c.canRekey()
}

// canRekey reports whether this end may make new keys by itself.
func (c *Conn) canRekey() bool {
	s := c.state.Load()
	return s != nil && (s.Version == VersionDTLS13 || c.config.Renegotiation != RenegotiateNever)
}

// written is called after each message that p has sent.
func (c *Conn) written(p *party, n int) {
	c.meter.count(n, &c.config.RekeyAfter)
	c.counted.sent(n)
	if c.meter.chunks.Load() > keyLife/4*3 && !c.meter.warned.Swap(true) && c.config.traces() {
		go c.tellAuthKey(c.state.Load().AuthKeyID, AuthKeyNearLimit) // who is told will dial, perhaps
	}
	if c.upkeepDue() {
		c.alarm.ring()
		c.waitWhile(c.upkeepDue, p) // until the owner begins, lest writers outrun it
	}
}

// upkeepDue reports whether beginUpkeep has something to do.
func (c *Conn) upkeepDue() bool { return c.core.UpkeepDue() || c.rekeyDue() }

// beginUpkeep begins what is due, with owner held.
func (c *Conn) beginUpkeep() {
	if c.dead || c.state.Load() == nil || c.closing.Load() || !c.upkeepDue() {
		return
	}
	defer c.gate.poke() // for writers who wait for that
	if c.core.UpkeepDue() {
		c.core.Upkeep() // an error that ends the connection is found by obey
	}
	if !c.rekeyDue() {
		return
	}
	c.meter.newKeys() // not again before so much was sent once more, whether it works or not
	if c.state.Load().Version == VersionDTLS13 {
		c.core.KeyUpdate(dtlscore.UpdateNotRequested)
	} else {
		c.core.Renegotiate()
	}
}
