package dtlscore

import "sync/atomic"

// MaxPlaintext is the largest number of bytes of application data in a record, unless both sides
// negotiate more with Config.MaxMessageSize.
const MaxPlaintext = maxPlaintext

// MaxOverhead is the capacity that [Conn.Seal] needs beyond the plaintext in order not to allocate.
// It is larger than the overhead of a record.
const MaxOverhead = maxOverhead

// A writeEpoch is one epoch in which this side sends. Concurrent writers share only its counters.
type writeEpoch struct {
	sealer
	number uint64
	form   recordForm // of DTLS 1.3; in DTLS 1.2 only its limit is used
	limits usageLimits
	bound  atomic.Bool // a limit was reached; see take

	// DTLS 1.3 only; see upkeep.go and keyupdate.go.
	window    uint64        // records that may be sealed beyond anchor; 0: unlimited
	anchor    atomic.Uint64 // the number of a record that has certainly arrived
	anchoring atomic.Bool   // the next anchor is being established
	updating  atomic.Bool   // a KeyUpdate is in progress
	controls  uint64        // records other than application data

	// The counters have a cache line of their own: each record writes them, while all writers read
	// the fields above. No field that is read as often follows them.
	_      [cacheLine]byte
	next   atomic.Uint64 // the sequence number of the next record
	blocks atomic.Uint64 // blocks protected, if they are counted
}

const cacheLine = 64

// data returns the number of records of application data that were sealed.
func (e *writeEpoch) data() uint64 { return e.next.Load() - e.controls }

// newPlainEpoch returns epoch 0.
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

// controlReserve is the number of records of the limit that are reserved for the handshake that
// changes the keys, or for the alert that ends the connection.
const controlReserve = 64

// seal appends the next record to dst. Application data must stop before the limit of the keys, so
// that control records remain possible.
func (e *writeEpoch) seal(dst []byte, t contentType, content []byte) ([]byte, error) {
	n, err := e.take(t, len(content))
	if err != nil {
		return nil, err
	}
	return e.sealer.seal(dst, t, n, content), nil
}

// maxContent returns the largest number of bytes of content in a record.
func (e *writeEpoch) maxContent() int { return e.form.limit - 1 }

// take returns the sequence number for the next record, of size bytes. It checks the limits only
// after it has taken a number: to load the counter first would cost as much again, because another
// processor may own its cache line. A number beyond a limit is skipped. Once one writer has reached
// a limit, later calls check before they take a number, so that writers that try again do not use
// up the reserve.
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

// takeBlocks counts the n blocks of a record. It fails if the keys must not protect that many more.
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

// check returns the error if record n must not be sealed now.
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

// Seal appends to dst one record that protects plaintext as application data, and returns the
// extended slice, which the transport must send as one message. dst and plaintext must not overlap.
// Seal is safe for concurrent use, takes no lock, and does not allocate if dst has capacity for
// len(plaintext)+[MaxOverhead] more bytes.
//
// Seal fails with [ErrNotOpen] before [EventHandshakeComplete] and after the connection has ended,
// with [ErrTooLarge] if plaintext is longer than [ConnectionState].MaxWrite, with [ErrKeysUsedUp]
// if the keys have protected as many records as they may, and with [ErrUpkeepDue] if [Conn.Upkeep]
// must be called first. Seal uses the keys of a renegotiation as soon as NextEvent has returned its
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

// Epoch returns the number of the epoch whose keys Seal uses, or 0 while Seal fails with
// [ErrNotOpen]. It may be called by any goroutine.
func (c *Conn) Epoch() uint64 {
	e := c.app.Load()
	if e == nil {
		return 0
	}
	return e.number
}

// KeyUsage returns the number of records that the keys of Seal have protected, and their limit, so
// that the caller can replace the keys in time with [Conn.Renegotiate] or a new connection. If
// records may be larger than [MaxPlaintext], their 16-byte blocks are limited too, and that limit
// may be reached first. Both results are 0 while Seal fails with [ErrNotOpen]. KeyUsage may be
// called by any goroutine.
func (c *Conn) KeyUsage() (records, limit uint64) {
	e := c.app.Load()
	if e == nil {
		return 0, 0
	}
	return e.next.Load(), e.limits.records - controlReserve
}
