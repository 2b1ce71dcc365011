package dtlscore

import "sync/atomic"

// MaxPlaintext is how many bytes of application data fit in a record, unless both ends ask for
// more: [Config].MaxMessageSize.
const MaxPlaintext = maxPlaintext

// MaxOverhead is the room behind the content that lets [Conn.Seal] work
// without allocating. It is more than the overhead of a record.
const MaxOverhead = maxOverhead

// A writeEpoch is one set of keys in which this side writes. Writers share
// nothing but the counter of records.
type writeEpoch struct {
	sealer
	number uint64
	form   recordForm // of version 1.3; of others what fits in a record
	limits usageLimits
	bound  atomic.Bool // one was met, see take

	// In version 1.3, see upkeep.go and keyupdate.go.
	window    uint64        // records that may be sealed beyond the anchor; 0: any number
	anchor    atomic.Uint64 // the number of a record that has arrived for certain
	anchoring atomic.Bool   // another one is under way
	updating  atomic.Bool   // new keys are
	controls  uint64        // records that were no application data

	// The counters have a cache line to themselves: they are written for each record,
	// and all else is read by all writers. Behind them is nothing that is read so.
	_      [cacheLine]byte
	next   atomic.Uint64 // the sequence number of the next record
	blocks atomic.Uint64 // that were protected, if they are counted
}

const cacheLine = 64

// data is how many records of application data were sealed.
func (e *writeEpoch) data() uint64 { return e.next.Load() - e.controls }

// newPlainEpoch is epoch 0.
func newPlainEpoch() *writeEpoch {
	limits := usageLimits{records: maxSequence}
	return &writeEpoch{sealer: noProtection{}, form: usualForm, limits: limits}
}

func newWriteEpoch12(suite *cipherSuite, number uint64, key, iv []byte) (*writeEpoch, error) {
	p, err := newProtection12(suite.aead, uint16(number), key, iv)
	if err != nil {
		return nil, misuse("%w", err)
	}
	return &writeEpoch{sealer: p, number: number, form: usualForm, limits: limitsFor(suite)}, nil
}

func newWriteEpoch13(
	suite *cipherSuite, number uint64, keys trafficKeys, form recordForm,
) (*writeEpoch, error) {
	p, err := newProtection13(suite.aead, number, keys, form)
	if err != nil {
		return nil, misuse("%w", err)
	}
	limits := limitsFor(suite)
	if form.large {
		limits = limits.inBlocks()
	}
	return &writeEpoch{sealer: p, number: number, form: form, limits: limits, window: maxWindow}, nil
}

// controlReserve is how many records of the limit are kept for the handshake
// that changes the keys, or the alert that ends their use.
const controlReserve = 64

// seal appends the next record to dst. Application data stops before the
// limit of the keys, so that control records are still possible.
func (e *writeEpoch) seal(dst []byte, t contentType, content []byte) ([]byte, error) {
	n, err := e.take(t, len(content))
	if err != nil {
		return nil, err
	}
	return e.sealer.seal(dst, t, n, content), nil
}

// maxContent is how many bytes of content fit in a record.
func (e *writeEpoch) maxContent() int { return e.form.limit - 1 }

// take returns the number for the next record, of size bytes. A number that turns out to be
// beyond a bound is left out, but only by those who come there first, so that
// the reserve is not used up by writers who try again: from then on they look
// before they take one. Before that it would cost as much again as the taking
// itself, since another processor may have the counter.
func (e *writeEpoch) take(t contentType, size int) (uint64, error) {
	if e.bound.Load() {
		if err := e.check(t, e.next.Load()); err != nil {
			return 0, err
		}
	}
	if e.limits.blocks > 0 {
		if err := e.takeBlocks(t, blocksOf(size+1)); err != nil {
			return 0, err
		}
	}
	n := e.next.Add(1) - 1
	if err := e.check(t, n); err != nil {
		e.bound.Store(true)
		e.blocks.Add(-blocksOf(size + 1))
		return 0, err
	}
	return n, nil
}

// takeBlocks counts the n blocks of a record, or says that the keys may not protect so many more.
func (e *writeEpoch) takeBlocks(t contentType, n uint64) error {
	limit := e.limits.blocks
	if t == contentApplicationData {
		limit -= controlReserve * blocksOf(maxPlaintext)
	}
	if e.blocks.Add(n) > limit {
		e.blocks.Add(-n)
		return ErrKeysUsedUp
	}
	return nil
}

// check says why record n cannot be sealed now, if it cannot.
func (e *writeEpoch) check(t contentType, n uint64) error {
	limit := e.limits.records
	if t == contentApplicationData {
		limit -= controlReserve
		if anchor := e.anchor.Load(); e.window > 0 && n > anchor && n-anchor >= e.window {
			return ErrUpkeepDue
		}
	}
	if n >= limit {
		return ErrKeysUsedUp
	}
	return nil
}

// Seal appends to dst one record that protects plaintext as application data,
// for the transport to send as one message, and returns the extended slice.
// The two must not overlap. It is safe for concurrent use, does not
// lock, and does not allocate if dst has room for len(plaintext)+[MaxOverhead]
// more bytes.
//
// Seal fails with [ErrNotOpen] before [EventHandshakeComplete] and after the
// end of the connection, with [ErrTooLarge] above [ConnectionState].MaxWrite bytes, and
// with [ErrKeysUsedUp] when the keys have protected all that they may, and with
// [ErrUpkeepDue] until [Conn.Upkeep] has done its work. Keys of
// a renegotiation are in use from the moment that NextEvent hands out its
// EventHandshakeComplete.
func (c *Conn) Seal(dst, plaintext []byte) ([]byte, error) {
	e := c.app.Load()
	if e == nil {
		return nil, ErrNotOpen
	}
	if len(plaintext) > e.maxContent() {
		return nil, ErrTooLarge
	}
	return e.seal(dst, contentApplicationData, plaintext)
}

// Epoch returns the number of the epoch whose keys Seal uses, 0 while it does not work. It may be
// called by any goroutine.
func (c *Conn) Epoch() uint64 {
	e := c.app.Load()
	if e == nil {
		return 0
	}
	return e.number
}

// KeyUsage returns how many records the keys that Seal uses have protected, and how many they may,
// so that new ones can be made in time: by [Conn.Renegotiate], or by another connection. Where
// records may be larger than [MaxPlaintext], their blocks are counted too, and the limit may be met
// before. Both are zero while Seal does not work. It may be called by any goroutine.
func (c *Conn) KeyUsage() (records, limit uint64) {
	e := c.app.Load()
	if e == nil {
		return 0, 0
	}
	return e.next.Load(), e.limits.records - controlReserve
}
