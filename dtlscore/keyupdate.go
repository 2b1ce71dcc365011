package dtlscore

import (
	"math"
	"slices"
)

// maxEpoch13 is the last epoch in which this side sends. See RFC 9147, Section 8.
const maxEpoch13 = 1<<48 - 1

// keyUpdates is the state of key updates. See RFC 9147, Section 8.
type keyUpdates struct {
	pending  bool         // our KeyUpdate is not acknowledged yet
	sentIn   recordNumber // its record, once it has been handed out
	awaiting bool         // the peer was asked to update its keys, and has not done so yet
	owed     bool         // another KeyUpdate must follow
	ask      bool         // which asks the peer to update its keys

	followed bool   // application data was sent between the last KeyUpdate and the use of its keys
	data     uint64 // records of application data in the present epoch at the last KeyUpdate
}

// A KeyUpdateRequest says whether a KeyUpdate asks the peer to update its keys too. See RFC 8446,
// Section 4.6.3.
type KeyUpdateRequest uint8

const (
	UpdateNotRequested KeyUpdateRequest = iota
	UpdateRequested
)

// KeyUpdate changes the keys that this side sends with, and may ask the peer to do the same. The
// keys change when the peer has acknowledged the KeyUpdate; application data may be sent meanwhile.
// Only DTLS 1.3 supports it; see [Conn.Renegotiate] for DTLS 1.2. The secrets of [EventInstallKey]
// and of the exporter do not change: RFC 8446, Section 7.5.
//
// If an update is in progress, KeyUpdate does nothing, or only what is needed to ask the peer. It
// fails with [ErrMisuse] if the connection is not open or not of DTLS 1.3, and with [ErrKeysUsedUp]
// after some 2^16 handshake messages. Without application data between them, 32 updates may follow
// each other, and then one every ten seconds; a further one fails with ErrMisuse, because the peer
// could take it for an attack. These errors do not end the connection.
func (c *Conn) KeyUpdate(request KeyUpdateRequest) error {
	ask := request == UpdateRequested
	s, ok := c.state.(*open13)
	switch {
	case c.err != nil:
		return c.err
	case !c.agreed.HandshakeComplete || c.closing || c.peerClosed:
		return misuse("KeyUpdate on a connection that is not open")
	case !ok:
		return misuse("KeyUpdate on a connection that is not of DTLS 1.3")
	case s.unconfirmed:
		return misuse("KeyUpdate before the server has answered the handshake")
	case s.usedUp(c):
		return ErrKeysUsedUp
	case s.updates.pending && (!ask || s.updates.awaiting):
		return nil
	}
	if !s.updates.followedByData(c.written) && !s.begun.allow(c.config.time(), ownNews, newsInterval) {
		return misuse("KeyUpdate too often without application data: more than %d times, and then "+
			"more than once in %v", ownNews, newsInterval)
	}
	if err := s.update(c, ask); err != nil {
		return c.fail(err)
	}
	return nil
}

func (s *open13) usedUp(c *Conn) bool {
	return c.written.number >= maxEpoch13 || c.nextSendSeq == math.MaxUint16
}

// update sends a KeyUpdate, or schedules one after the update in progress. It first waits until
// everything that was sent in the previous epoch has arrived, because the peer may then discard the
// keys of that epoch.
func (s *open13) update(c *Conn, ask bool) error {
	u := &s.updates
	if u.pending {
		u.owed, u.ask = true, u.ask || ask
		return nil
	}
	*u = keyUpdates{pending: true, awaiting: u.awaiting || ask, data: c.written.data()}
	c.written.updating.Store(true)
	c.push(EventAwaitDry)
	if _, err := c.sendNumbered(&keyUpdate{updateRequested: ask}, &u.sentIn); err != nil {
		return err
	}
	c.push(EventResume)
	return nil
}

// followedByData reports whether application data was sent after the last KeyUpdate.
func (u *keyUpdates) followedByData(present *writeEpoch) bool {
	return u.followed || present.data() > u.data
}

// advance replaces a traffic secret with the next one.
func (s *open13) advance(traffic *[]byte) {
	next := s.nextTraffic(*traffic)
	clear(*traffic)
	*traffic = next
}

// acknowledged handles an ACK. If it acknowledges our KeyUpdate, acknowledged switches to the new
// keys and returns true.
func (s *open13) acknowledged(c *Conn, records []recordNumber) (bool, error) {
	u := &s.updates
	if !u.pending || u.sentIn.epoch == 0 || !slices.Contains(records, u.sentIn) {
		return false, nil
	}
	u.followed, u.data = u.followedByData(c.written), 0
	s.advance(&s.write)
	keys := s.trafficKeys(s.suite.aead, s.write)
	defer keys.forget()
	e, err := newWriteEpoch13(s.suite, c.written.number+1, keys, c.written.form)
	if err != nil {
		return false, err
	}
	c.writeIn(e)
	if c.app.Load() != nil {
		c.app.Store(e)
	}
	u.pending = false
	if u.owed && !c.closing && !s.usedUp(c) {
		return true, s.update(c, u.ask)
	}
	return true, nil
}

// peerUpdates handles a KeyUpdate from the peer. It discards the keys before the present ones,
// because everything that the peer sent with them has arrived. The peer may use the present keys
// until it has our ACK: RFC 9147, Section 8.
func (s *open13) peerUpdates(c *Conn, m *keyUpdate) error {
	if !c.in.messages.empty() {
		return unexpected("handshake data in the same record after KeyUpdate")
	}
	if s.updates.awaiting {
		s.updates.awaiting = false
	} else if err := s.countNews(c, m); err != nil {
		return err
	}
	c.in.checkpoints++
	in := &c.in.v13
	last := in.newest()
	if last.epoch == math.MaxUint64 {
		return unexpected("KeyUpdate in the last epoch")
	}
	s.advance(&s.read)
	keys := s.trafficKeys(s.suite.aead, s.read)
	defer keys.forget()
	next, err := newProtection13(s.suite.aead, last.epoch+1, keys, last.form)
	if err != nil {
		return misuse("%w", err)
	}
	in.epochs = []*protection13{last, next}
	if c.closing {
		return nil // nothing is sent after close_notify
	}
	if err := c.sendACK(); err != nil {
		return err
	}
	// RFC 9147, Section 8: an endpoint "MUST NOT send its own KeyUpdate if that would cause it to
	// exceed these limits and SHOULD instead ignore" the request.
	if !m.updateRequested || s.usedUp(c) {
		return nil
	}
	return s.update(c, false)
}
