package sctpudp

import (
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// Port is the UDP port that is registered for SCTP. RFC 6951, Section 5.1.
const Port = 9899

// A Socket is a UDP socket that carries SCTP associations. All methods may be called by any
// goroutine.
type Socket struct {
	conn  Conn
	batch batchConn // conn, if it can
	local netip.AddrPort
	start time.Time
	// A socket with a port that nobody asks for stays for linger after its last association.
	lingers bool

	mu       sync.Mutex // guards the following
	endpoint *sctpcore.Endpoint
	assocs   map[*sctpcore.Assoc]*Assoc
	ports    map[uint16]*Listener
	refs     int // associations, listeners, and the user
	closed   bool
}

// Conn is what a Socket needs of a *net.UDPConn. One that has a method Rand() io.Reader, as in
// package internal/simnet, is simulated, and has the random numbers of SCTP come from there.
type Conn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// Open opens a UDP socket; network is “udp”, “udp4” or “udp6”. An address that is not
// specified stands for all of this host, and port 0 for any.
func Open(network string, local netip.AddrPort) (*Socket, error) {
	addr := &net.UDPAddr{Port: int(local.Port())}
	if local.IsValid() && !local.Addr().IsUnspecified() {
		addr = net.UDPAddrFromAddrPort(local)
	}
	conn, err := net.ListenUDP(network, addr)
	if err != nil {
		return nil, err
	}
	// Associations share these buffers. A system that gives less gives what it has.
	conn.SetReadBuffer(socketBuffer)
	conn.SetWriteBuffer(socketBuffer)
	return New(offload(conn), local.Port() == 0)
}

// linger is how long a socket goes on answering for associations that are over: if SHUTDOWN
// COMPLETE or ABORT is lost, the peer sends something again after its retransmission timeout. RFC
// 9260, Section 8.4, rules 5 and 8.
const linger = 3 * time.Second

const socketBuffer = 1 << 20

// New returns a Socket over conn, which it closes in the end: some seconds after that if it
// lingers, to answer a peer that has not got the last packet.
func New(conn Conn, lingers bool) (*Socket, error) {
	random := rand.Reader
	if c, ok := conn.(interface{ Rand() io.Reader }); ok {
		random = c.Rand()
	}
	endpoint, err := sctpcore.NewEndpoint(random)
	if err != nil {
		conn.Close()
		return nil, err
	}
	at := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	s := &Socket{
		conn:     conn,
		local:    netip.AddrPortFrom(at.Addr().Unmap(), at.Port()),
		start:    time.Now(),
		lingers:  lingers,
		endpoint: endpoint,
		assocs:   map[*sctpcore.Assoc]*Assoc{},
		ports:    map[uint16]*Listener{},
		refs:     1,
	}
	s.batch, _ = conn.(batchConn)
	go s.read()
	return s, nil
}

// LocalAddr returns the address and UDP port of the socket.
func (s *Socket) LocalAddr() netip.AddrPort { return s.local }

// Close lets the socket be closed as soon as it has no association and no listener any more.
// Nothing new can be begun.
func (s *Socket) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.closed = true
	return s.release()
}

// release ends one use of the socket. It is called with mu held.
func (s *Socket) release() error {
	if s.refs--; s.refs > 0 {
		return nil
	}
	return s.conn.Close() // which ends read
}

// now is the time of the state machines.
func (s *Socket) now() time.Duration { return time.Since(s.start) }

// maxPacket is the size of the largest UDP datagram.
const maxPacket = 1 << 16

// read takes packets until the socket is closed. If that is not by release, the network is gone and
// everything ends.
func (s *Socket) read() {
	b, room := make([]byte, maxPacket), make([]byte, batchRoom)
	pause := time.Duration(0)
	for {
		n, size, from, err := s.readSome(b, room)
		if errors.Is(err, net.ErrClosed) {
			s.end()
			return
		}
		if err != nil { // some systems tell of ICMP messages so. RFC 6951, Section 5.5: SCTP's timers decide
			pause = min(pause+time.Millisecond, 100*time.Millisecond)
			time.Sleep(pause)
			continue
		}
		pause = 0
		s.receive(from, b[:n], size)
	}
}

// end ends all listeners and associations, from whom no packet can leave any more.
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

// readSome waits for packets, of which all have size bytes but for the last, which may be shorter.
func (s *Socket) readSome(b, room []byte) (n, size int, from netip.AddrPort, err error) {
	if s.batch != nil {
		return s.batch.readBatch(b, room)
	}
	n, from, err = s.conn.ReadFromUDPAddrPort(b)
	return n, n, from, err
}

// receive takes packets of size bytes, of which the last may be shorter. Those of one association
// that follow each other are answered together.
func (s *Socket) receive(from netip.AddrPort, b []byte, size int) {
	for len(b) > 0 {
		n := min(size, len(b))
		s.mu.Lock()
		a := s.assocs[s.endpoint.Find(from, b[:n])]
		if a == nil {
			a = s.receiveStray(from, b[:n])
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
			a.core.Receive(now, from, netip.Addr{}, b[:n])
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

// receiveStray takes a packet that belongs to no association, and returns one that it makes. It is
// called with mu held.
func (s *Socket) receiveStray(from netip.AddrPort, packet []byte) *Assoc {
	core := s.endpoint.Receive(s.now(), from, netip.Addr{}, packet)
	for p, ok := s.endpoint.NextPacket(); ok; p, ok = s.endpoint.NextPacket() {
		s.write(p)
	}
	if core == nil {
		return nil
	}
	a := s.add(core)
	local, _ := core.Ports()
	if l := s.ports[local]; l == nil || !l.offer(a) {
		core.Abort("")
		a.closed = true // nobody has seen it
	}
	return a
}

// add makes an Assoc of a state machine. It is called with mu held.
func (s *Socket) add(core *sctpcore.Assoc) *Assoc {
	a := newAssoc(s, core)
	s.assocs[core] = a
	s.refs++
	return a
}

// write sends a packet. One that cannot be sent is one that is lost.
func (s *Socket) write(p sctpcore.Packet) { s.conn.WriteToUDPAddrPort(p.Data, p.To) }
