package dtlscore

import (
	"math"
	"slices"
)

// maxEpoch13 is the last epoch in which we write. RFC 9147, Section 8.
const maxEpoch13 = 1<<48 - 1

// keyUpdates is what goes on with new keys. RFC 9147, Section 8.
type keyUpdates struct {
	pending  bool         // a KeyUpdate of ours is not acknowledged
	sentIn   recordNumber // of it, once it was handed out
	awaiting bool         // the peer was asked to follow, and has not
	owed     bool         // another one has to follow
	ask      bool         // and asks the peer to follow

	followed bool   // application data was sent after the last one, before its keys were used
	data     uint64 // records of it in the present epoch that do not count for that
}

// A KeyUpdateRequest says whether a KeyUpdate asks the peer to change its keys too. RFC 8446,
// Section 4.6.3.
type KeyUpdateRequest uint8

const (
	UpdateNotRequested KeyUpdateRequest = iota
	UpdateRequested
)

// KeyUpdate changes the keys in which this side writes, and asks the peer to do
// the same or not. The keys change when the peer has
// acknowledged it; application data may be sent meanwhile. Only DTLS 1.3 has
// this; see [Conn.Renegotiate] for 1.2. The secrets of [EventInstallKey] and of the
// exporter stay as they are: RFC 8446, Section 7.5.
//
// It fails with [ErrMisuse] if the connection is not open or of another
// version, and with [ErrKeysUsedUp] after some 2^16 messages of the handshake
// and after it. It fails with ErrMisuse too after 32 at once and one in ten seconds while no
// application data is sent between, because the peer would take more for an attack. Such errors
// do not end the connection. If an update is under way
// already there is nothing to do, or as little as is needed to ask the peer.
func (c *Conn) KeyUpdate(request KeyUpdateRequest) error {
	ask := request == UpdateRequested
	s, ok := c.state.(*open13)
	switch {
	case c.err != nil:
		return c.err
	case !c.agreed.HandshakeComplete || c.closing || c.peerClosed:
		return misuse("KeyUpdate on a connection that is not open")
	case !ok:
		return misuse("KeyUpdate on a connection of another version than 1.3")
	case s.unconfirmed:
		return misuse("KeyUpdate before the server has answered the handshake")
	case s.usedUp(c):
		return ErrKeysUsedUp
	case s.updates.pending && (!ask || s.updates.awaiting):
		return nil
	}
	if !s.updates.followedByData(c.written) && !s.begun.allow(c.config.time(), ownNews, newsInterval) {
		return misuse("KeyUpdate more than %d times at once and then once in %v, with no "+
			"application data between", ownNews, newsInterval)
	}
	if err := s.update(c, ask); err != nil {
		return c.fail(err)
	}
	return nil
}

func (s *open13) usedUp(c *Conn) bool {
	return c.written.number >= maxEpoch13 || c.nextSendSeq == math.MaxUint16
}

// update sends a KeyUpdate, or makes one follow the one that is under way.
// What was sent in the epoch before this one has all arrived before the
// peer may forget its keys: that is what the flush is for.
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

// advance puts the next traffic secret in the place of one.
func (s *open13) advance(traffic *[]byte) {
	next := s.nextTraffic(*traffic)
	clear(*traffic)
	*traffic = next
}

// acknowledged takes an ACK, and reports whether it was the one for our
// KeyUpdate: from here on the new keys are used.
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

// peerUpdates handles a KeyUpdate of the peer. Keys before the present ones are
// forgotten now: the peer has flushed what it sent with them. RFC 9147, Section
// 8, lets it go on in the present ones until it has our ACK.
func (s *open13) peerUpdates(c *Conn, m *keyUpdate) error {
	if !c.in.messages.empty() {
		return unexpected("more of the handshake in the record with KeyUpdate")
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
	// "MUST NOT send its own KeyUpdate if that would cause it to exceed these
	// limits and SHOULD instead ignore" the wish.
	if !m.updateRequested || s.usedUp(c) {
		return nil
	}
	return s.update(c, false)
}
