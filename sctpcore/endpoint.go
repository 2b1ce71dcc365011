package sctpcore

import (
	"fmt"
	"io"
	"net/netip"
	"time"
)

// An Endpoint is a set of associations that share a network. It finds the association that a packet
// belongs to, answers packets that belong to none, and creates associations. It stores nothing for
// a peer before COOKIE ECHO has proved the peer's address. See RFC 9260, Sections 5.1 and 8.4.
//
// An Endpoint must not be used concurrently, but its associations may be used at the same time as
// the Endpoint.
type Endpoint struct {
	rand      io.Reader
	key       cookieKeys
	listeners map[uint16]*Config
	byTag     map[uint32]*Assoc
	byPlace   map[place]*Assoc
	// claimed has the unconfirmed addresses of associations. INIT and COOKIE ECHO from there are not
	// for these associations, so that a peer cannot occupy the address of another host. RFC 5062,
	// Section 2.
	claimed map[place]*Assoc
	bound   map[*Assoc]binding
	replies []Packet
}

// A place identifies an association without its verification tag.
type place struct {
	peer                netip.AddrPort
	localPort, peerPort uint16
}

// A binding is the set of keys by which the Endpoint finds an association.
type binding struct {
	tag             uint32
	places, claimed []place
}

// maxReplies limits the answers that wait to be sent to packets without an association.
const maxReplies = 64

// NewEndpoint returns an Endpoint. rand is the source of all random numbers, including tags and
// cookie keys. It must be unpredictable, such as [crypto/rand.Reader], and safe for concurrent use
// if associations are used concurrently.
func NewEndpoint(rand io.Reader) (*Endpoint, error) {
	e := &Endpoint{
		rand:      rand,
		listeners: map[uint16]*Config{},
		byTag:     map[uint32]*Assoc{},
		byPlace:   map[place]*Assoc{},
		claimed:   map[place]*Assoc{},
		bound:     map[*Assoc]binding{},
	}
	return e, e.key.begin(rand)
}

func fill(r io.Reader, b []byte) error {
	if _, err := io.ReadFull(r, b); err != nil {
		return fmt.Errorf("sctp: no random numbers: %w", err)
	}
	return nil
}

// Listen accepts associations to an SCTP port; [Endpoint.Receive] returns them.
func (e *Endpoint) Listen(port uint16, config *Config) error {
	c, err := config.prepare()
	if err != nil {
		return err
	}
	if e.listeners[port] != nil {
		return fmt.Errorf("%w: port %d has a listener", ErrInUse, port)
	}
	e.listeners[port] = c
	return nil
}

// Unlisten ends Listen. It does not affect existing associations.
func (e *Endpoint) Unlisten(port uint16) { delete(e.listeners, port) }

// Connect begins an association to an SCTP port of a peer with one or more addresses, whose ports
// are UDP ports. If localPort is 0, Connect chooses a port from 49,152 up.
func (e *Endpoint) Connect(now time.Duration, config *Config, localPort, peerPort uint16,
	peers ...netip.AddrPort) (*Assoc, error) {
	c, err := config.prepare()
	if err != nil {
		return nil, err
	}
	if len(peers) == 0 || len(peers) > maxAddresses {
		return nil, fmt.Errorf("%w: %d addresses of the peer are not from 1 to %d", ErrConfig, len(peers),
			maxAddresses)
	}
	for _, p := range peers {
		if !usable(p.Addr()) {
			return nil, fmt.Errorf("%w: %v cannot be the address of a peer", ErrConfig, p)
		}
	}
	a := newAssoc(c, e.rand, &e.key)
	a.peerPort = peerPort
	if a.localTag, err = e.newTag(); err != nil {
		return nil, err
	}
	if a.localPort, err = e.choosePort(localPort, peerPort, peers); err != nil {
		return nil, err
	}
	if err := a.connect(now, peers); err != nil {
		return nil, err
	}
	e.Bind(a)
	return a, nil
}

func (e *Endpoint) newTag() (uint32, error) {
	for {
		tag, err := random32(e.rand)
		if err != nil || e.byTag[tag] == nil {
			return tag, err
		}
	}
}

// choosePort returns a local port without an association to any of the peers.
func (e *Endpoint) choosePort(port, peerPort uint16, peers []netip.AddrPort) (uint16, error) {
	free := func(port uint16) bool {
		for _, p := range peers {
			if e.byPlace[place{unmap(p), port, peerPort}] != nil {
				return false
			}
		}
		return true
	}
	if port != 0 {
		if !free(port) {
			return 0, fmt.Errorf("%w: local port %d", ErrInUse, port)
		}
		return port, nil
	}
	const first, count = 49152, 65536 - 49152
	n, err := random32(e.rand)
	if err != nil {
		return 0, err
	}
	for i := range uint32(count) {
		port := uint16(first + (n+i)%count)
		if e.listeners[port] == nil && free(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("%w: all local ports from %d up", ErrInUse, first)
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(),
		a.Port())
}

// Bind registers the present tag and addresses of the association with the Endpoint. The driver
// must call it again after [EventUp], [EventRestart] and [EventPath], which may change them. The
// association must not be used at the same time.
func (e *Endpoint) Bind(a *Assoc) {
	e.Forget(a)
	if a.state == StateClosed {
		return
	}
	b := binding{tag: a.localTag}
	for _, p := range a.paths {
		at := place{p.peer, a.localPort, a.peerPort}
		if p.state == PathUnconfirmed {
			b.claimed = append(b.claimed, at)
		} else {
			b.places = append(b.places, at)
		}
	}
	e.bound[a] = b
	e.byTag[b.tag] = a
	put(e.byPlace, b.places, a)
	put(e.claimed, b.claimed, a)
}

// put adds those places to m that no other association has.
func put(m map[place]*Assoc, places []place, a *Assoc) {
	for _, p := range places {
		if m[p] == nil {
			m[p] = a
		}
	}
}

// drop removes from m what put has added for a.
func drop(m map[place]*Assoc, places []place, a *Assoc) {
	for _, p := range places {
		if m[p] == a {
			delete(m, p)
		}
	}
}

// Forget removes the association from the Endpoint. The driver must call it when the state is
// [StateClosed] and the last packet has been sent.
func (e *Endpoint) Forget(a *Assoc) {
	b, ok := e.bound[a]
	if !ok {
		return
	}
	delete(e.bound, a)
	if e.byTag[b.tag] == a {
		delete(e.byTag, b.tag)
	}
	drop(e.byPlace, b.places, a)
	drop(e.claimed, b.claimed, a)
}

// Find returns the association that a packet belongs to, for a call of [Assoc.Receive], or nil if
// [Endpoint.Receive] must be called.
func (e *Endpoint) Find(from netip.AddrPort, packet []byte) *Assoc {
	if len(packet) < headerLen {
		return nil
	}
	h := readHeader(packet)
	if a := e.byTag[h.tag]; a != nil && h.tag != 0 && a.localPort == h.dst && a.peerPort == h.src {
		return a
	}
	at := place{unmap(from), h.dst, h.src}
	if a := e.byPlace[at]; a != nil || len(packet) == headerLen {
		return a
	}
	switch packet[headerLen] {
	case chunkInit, chunkCookieEcho, chunkAuth:
		return nil
	}
	return e.claimed[at]
}

// Receive handles a packet that belongs to no association. If the packet creates an association,
// Receive returns it, established and bound. See RFC 9260, Section 8.4.
func (e *Endpoint) Receive(now time.Duration, from netip.AddrPort, local netip.Addr,
	packet []byte) *Assoc {
	from = unmap(from)
	h, chunks, ok := parsePacket(packet)
	if !ok || !usable(from.Addr()) { // rule 1
		return nil
	}
	first, rest, ok := nextChunk(chunks)
	if !ok {
		return nil
	}
	if first.typ == chunkAuth { // RFC 4895, Section 6.3: before COOKIE ECHO
		if second, _, ok := nextChunk(rest); ok && second.typ == chunkCookieEcho {
			first = second
		}
	}
	config := e.listeners[h.dst]
	switch {
	case first.typ == chunkInit && h.tag != 0, has(chunks, chunkAbort): // rule 2; Section 8.5.1, A
		return nil
	case first.typ == chunkInit && config != nil: // rule 3
		if len(rest) == 0 {
			e.answerInit(now, config, h, from, local, first.value)
		}
		return nil
	case first.typ == chunkInit: // no listener: Section 8.4, rule 3, and Section 5.1
		if len(first.value) >= initFixedLen && len(rest) == 0 {
			if peer, _ := parseInit(first.value); peer.tag != 0 {
				e.reply(from, local, abortPacket(h, peer.tag, 0))
			}
		}
		return nil
	case first.typ == chunkCookieEcho && config != nil: // rule 4
		return e.accept(now, config, h, from, local, packet, first.value)
	case first.typ == chunkShutdownAck: // rule 5
		e.reply(from, local, shutdownCompletePacket(h, h.tag, flagT))
		return nil
	// rules 6 and 7
	case has(chunks, chunkShutdownComplete), has(chunks, chunkCookieAck), hasStaleCookie(chunks):
		return nil
	}
	e.reply(from, local, abortPacket(h, h.tag, flagT)) // rule 8
	return nil
}

func (e *Endpoint) answerInit(now time.Duration, config *Config, h header, from netip.AddrPort,
	local netip.Addr, value []byte) {
	s := answer{config: config, key: &e.key}
	var err error
	if s.localTag, err = e.newTag(); err == nil {
		s.localTSN, err = random32(e.rand)
	}
	if err != nil || fill(e.rand, s.random[:]) != nil {
		return
	}
	if b := s.toInit(now, h, from, value); b != nil {
		e.reply(from, local, b)
	}
}

// accept creates an association from the cookie in COOKIE ECHO. See RFC 9260, Section 5.1.5.
func (e *Endpoint) accept(now time.Duration, config *Config, h header, from netip.AddrPort,
	local netip.Addr, packet, value []byte) *Assoc {
	c, v := e.key.check(now, h, value)
	switch {
	case v == cookieBad || e.byTag[c.localTag] != nil:
		return nil
	case v == cookieStale:
		e.reply(from, local, staleError(now, &c))
		return nil
	case c.from.Addr() != from.Addr().WithZone("") && !listed(c.peer.addrs, from.Addr()):
		return nil // COOKIE ECHO from an address that INIT did not list
	}
	a := newAssoc(config, e.rand, &e.key)
	a.localPort, a.peerPort = c.localPort, c.peerPort
	a.localTag, a.random = c.localTag, c.random
	a.agree(c.localTSN, &c.peer)
	a.addPaths(c.origin(from), local, c.peer.addrs)
	a.now = now
	isAuth := packet[headerLen] == chunkAuth
	if isAuth && a.verify(packet[headerLen:]) == nil || !isAuth && a.demands(chunkCookieEcho) {
		return nil // RFC 4895, Section 6.3
	}
	a.up(now)
	e.Bind(a)
	a.Receive(now, from, local, packet) // COOKIE ECHO again, and the chunks after it
	return a
}

func listed(addrs []netip.Addr, a netip.Addr) bool {
	for _, l := range addrs {
		if inZone(l, a) == a {
			return true
		}
	}
	return false
}

func (e *Endpoint) reply(to netip.AddrPort, local netip.Addr, b []byte) {
	if len(e.replies) < maxReplies {
		e.replies = append(e.replies, Packet{Data: b, To: to, From: local})
	}
}

// NextPacket returns the next packet that answers a packet without an association; ok is false if
// there is none.
func (e *Endpoint) NextPacket() (p Packet, ok bool) {
	if len(e.replies) == 0 {
		return Packet{}, false
	}
	p = e.replies[0]
	if e.replies = e.replies[1:]; len(e.replies) == 0 {
		e.replies = nil
	}
	return p, true
}

// abortPacket returns the ABORT that answers a packet with header h. With the T bit, tag is the
// verification tag of h. See RFC 9260, Section 8.5.1, B.
func abortPacket(h header, tag uint32, flags byte) []byte {
	b := header{h.dst, h.src, tag}.append(nil)
	b = appendChunkHeader(b, chunkAbort, flags, 0)
	putChecksum(b)
	return b
}

// shutdownCompletePacket returns a SHUTDOWN COMPLETE in the same way. See RFC 9260, Section 8.5.1,
// C.
func shutdownCompletePacket(h header, tag uint32, flags byte) []byte {
	b := header{h.dst, h.src, tag}.append(nil)
	b = appendChunkHeader(b, chunkShutdownComplete, flags, 0)
	putChecksum(b)
	return b
}

// has reports whether chunks contains a chunk of the type.
func has(chunks []byte, typ byte) bool {
	for len(chunks) > 0 {
		c, rest, ok := nextChunk(chunks)
		if !ok {
			return false
		}
		if c.typ == typ {
			return true
		}
		chunks = rest
	}
	return false
}

// hasStaleCookie reports whether an ERROR chunk in chunks has the cause Stale Cookie.
func hasStaleCookie(chunks []byte) bool {
	for c, rest, ok := nextChunk(chunks); ok; c, rest, ok = nextChunk(rest) {
		if c.typ != chunkError {
			continue
		}
		for cause, rest, ok := nextParam(c.value); ok; cause, rest, ok = nextParam(rest) {
			if Cause(cause.typ) == CauseStaleCookie {
				return true
			}
		}
	}
	return false
}
