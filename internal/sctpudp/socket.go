package sctpudp

import (
	"cmp"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// Port is the UDP port that is registered for SCTP. RFC 6951, Section 5.1.
const Port = 9899

// A Socket carries SCTP associations: on one UDP socket, or several with one address of this host
// each and the same port. All methods may be called by any goroutine.
type Socket struct {
	links  []*link
	routes routes
	start  time.Time
	// A socket whose port was not requested remains open for linger after its last association.
	lingers bool
	several int // how many batches are received at once
	maxMTU  int // the most that packets may have, from the header of IPv4 on
	devices devices

	mu       sync.Mutex // guards the following
	endpoint *sctpcore.Endpoint
	assocs   map[*sctpcore.Assoc]*Assoc
	ports    map[uint16]*Listener
	refs     int // associations, listeners, and users
	closed   bool
	// If other processes receive the same packets, the number of uses of each SCTP port here.
	used map[uint16]int
}

// Open opens UDP sockets for addresses of this host, or one for all of it if none is given or
// specified; network is “udp”, “udp4” or “udp6”. Port 0 is any, the same for all
// addresses.
func Open(network string, port uint16, addrs ...netip.Addr) (*Socket, error) {
	if len(addrs) == 0 {
		addrs = []netip.Addr{{}}
	}
	for tries := 0; ; tries++ {
		conns, err := openAll(network, port, addrs)
		if err == nil {
			return New(port == 0, conns...)
		}
		// The port of the first may be in use with another address.
		if port != 0 || len(addrs) == 1 || !errors.Is(err, syscall.EADDRINUSE) || tries == 100 {
			return nil, err
		}
	}
}

func openAll(network string, port uint16, addrs []netip.Addr) (conns []Conn, err error) {
	serves := port != 0 // who dials goes on if the system takes another address of this host
	for _, addr := range addrs {
		at := &net.UDPAddr{Port: int(port)}
		if addr.IsValid() && !addr.IsUnspecified() {
			at = net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, port))
		}
		conn, err := net.ListenUDP(network, at)
		if err != nil {
			closeAll(conns)
			return nil, err
		}
		port = uint16(conn.LocalAddr().(*net.UDPAddr).Port)
		// Associations share these buffers. A system that gives less gives what it has.
		conn.SetReadBuffer(socketBuffer)
		conn.SetWriteBuffer(socketBuffer)
		conns = append(conns, offload(conn, serves && !at.AddrPort().Addr().IsValid()))
	}
	return conns, nil
}

func closeAll(conns []Conn) (err error) {
	for _, c := range conns {
		err = cmp.Or(c.Close(), err)
	}
	return err
}

// linger is how long a socket still answers for associations that are over: if SHUTDOWN COMPLETE or
// ABORT is lost, the peer retransmits after its retransmission timeout. RFC 9260, Section 8.4,
// rules 5 and 8.
const linger = 3 * time.Second

const socketBuffer = 1 << 20

// New returns a Socket over one or more conns, which it closes after its last use. If it lingers,
// it closes them some seconds later, to answer a peer that has not received the last packet.
func New(lingers bool, conns ...Conn) (*Socket, error) {
	return newSocket(lingers, nil, conns)
}

func newSocket(lingers bool, used map[uint16]int, conns []Conn) (*Socket, error) {
	random := rand.Reader
	if c, ok := conns[0].(interface{ Rand() io.Reader }); ok {
		random = c.Rand()
	}
	endpoint, err := sctpcore.NewEndpoint(random)
	if err != nil {
		closeAll(conns)
		return nil, err
	}
	s := &Socket{
		start:    time.Now(),
		several:  1,
		used:     used,
		lingers:  lingers,
		endpoint: endpoint,
		assocs:   map[*sctpcore.Assoc]*Assoc{},
		ports:    map[uint16]*Listener{},
		refs:     1,
	}
	if !lingers || used != nil { // it is for many associations
		s.several = 8
	}
	for _, c := range conns {
		s.links = append(s.links, newLink(c))
	}
	s.maxMTU = ethernetMTU
	if s.links[0].batch != nil { // it is no simulated one
		s.maxMTU, s.devices = maxMTU, devicesHere()
	}
	for _, l := range s.links {
		go s.read(l)
	}
	return s, nil
}

// LocalAddr returns the first address of the socket, and its UDP port.
func (s *Socket) LocalAddr() netip.AddrPort { return s.links[0].local }

// LocalAddrs returns the addresses of the socket, none if it has all of this host.
func (s *Socket) LocalAddrs() (addrs []netip.Addr) {
	for _, l := range s.links {
		if at := l.at(); at.IsValid() {
			addrs = append(addrs, at)
		}
	}
	return addrs
}

// Close closes the socket as soon as it has no association and no listener. New ones are refused.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = s.used == nil // else others may go on
	return s.release()
}

// release ends one use of the socket. It is called with mu held.
func (s *Socket) release() error {
	if s.refs--; s.refs > 0 {
		return nil
	}
	s.closed = true
	var err error
	for _, l := range s.links {
		err = cmp.Or(l.conn.Close(), err) // which ends read
	}
	return err
}

// now is the time of the state machines.
func (s *Socket) now() time.Duration { return time.Since(s.start) }

// maxPacket is the size of the largest UDP datagram.
const maxPacket = 1 << 16

// read receives packets until the socket is closed. If release did not close it, the network is
// gone and everything ends.
func (s *Socket) read(l *link) {
	receiver := l.newReceiver(s.several)
	take := func(from netip.AddrPort, local netip.Addr, b []byte, size int) {
		if !local.IsValid() {
			local = l.at()
		}
		s.receive(from, local, b, size)
	}
	pause := time.Duration(0)
	for {
		err := receiver.receive(take)
		if errors.Is(err, net.ErrClosed) {
			s.end()
			return
		}
		// Some systems report ICMP messages this way. RFC 6951, Section 5.5: SCTP's timers decide.
		if err != nil {
			pause = min(pause+time.Millisecond, 100*time.Millisecond)
			time.Sleep(pause)
			continue
		}
		pause = 0
	}
}

// end ends all listeners and associations, because they can send no more packets.
func (s *Socket) end() {
	s.mu.Lock()
	s.closed = true
	listeners := slices.Collect(maps.Values(s.ports))
	assocs := slices.Collect(maps.Values(s.assocs))
	s.mu.Unlock()
	for _, l := range listeners {
		l.Close()
	}
	for _, a := range assocs {
		a.mu.Lock()
		a.cutOff = true
		a.abort()
		a.mu.Unlock()
	}
}

// receive processes packets of size bytes, of which the last may be shorter, that were sent to an
// address of this host, if that is known. Consecutive packets of one association are answered
// together.
func (s *Socket) receive(from netip.AddrPort, local netip.Addr, b []byte, size int) {
	for len(b) > 0 {
		n := min(size, len(b))
		s.mu.Lock()
		a := s.assocs[s.endpoint.Find(from, b[:n])]
		if a == nil {
			a = s.receiveStray(from, local, b[:n])
			s.mu.Unlock()
			if a != nil {
				a.mu.Lock()
				a.after()
				a.mu.Unlock()
			}
			b = b[n:]
			continue
		}
		s.mu.Unlock()

		a.mu.Lock()
		now := s.now()
		for first := b; len(b) > 0 && sameHeader(first, b); {
			n := min(size, len(b))
			a.core.Receive(now, from, local, b[:n])
			b = b[n:]
		}
		a.after()
		a.mu.Unlock()
	}
}

// sameHeader reports whether two packets have the same ports and verification tag. RFC 9260,
// Section 3.1.
func sameHeader(x, y []byte) bool {
	return len(x) >= 8 && len(y) >= 8 && [8]byte(x) == [8]byte(y)
}

// receiveStray processes a packet that belongs to no association, and returns the association that
// it creates, if any. It is called with mu held.
func (s *Socket) receiveStray(from netip.AddrPort, local netip.Addr, packet []byte) *Assoc {
	if s.used != nil && (len(packet) < 4 || s.used[binary.BigEndian.Uint16(packet[2:])] == 0) {
		return nil // for another process
	}
	core := s.endpoint.Receive(s.now(), from, local, packet)
	for p, ok := s.endpoint.NextPacket(); ok; p, ok = s.endpoint.NextPacket() {
		s.linkTo(p).write(p)
	}
	if core == nil {
		return nil
	}
	a := s.add(core)
	port, _ := core.Ports()
	if l := s.ports[port]; l == nil || !l.offer(a) {
		core.Abort("")
		a.closed = true // nobody has seen it
	}
	return a
}

// add makes an Assoc of a state machine. It is called with mu held.
func (s *Socket) add(core *sctpcore.Assoc) *Assoc {
	a := newAssoc(s, core)
	s.assocs[core] = a
	port, _ := core.Ports()
	s.use(port)
	return a
}

// use records that an association or listener uses an SCTP port, and drop that it no longer does.
// They are called with mu held.
func (s *Socket) use(port uint16) {
	s.refs++
	if s.used != nil {
		s.used[port]++
	}
}

func (s *Socket) drop(port uint16) error {
	if s.used != nil {
		if s.used[port]--; s.used[port] == 0 {
			delete(s.used, port)
		}
	}
	return s.release()
}
