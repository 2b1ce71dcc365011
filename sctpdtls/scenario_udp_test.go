package sctpdtls

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpudp"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// TestUDPScenarios plays the scenarios over SCTP of this process, in a simulated network with a
// false clock.
func TestUDPScenarios(t *testing.T) {
	for i, sc := range scenarios() {
		if sc.memoryOnly {
			continue
		}
		t.Run(sc.name, func(t *testing.T) { playUDP(t, sc, uint64(i)) })
	}
}

func playUDP(t *testing.T, sc scenario, seed uint64) {
	bubble(t, func(t *testing.T) {
		w := &udpWorld{weather: sc.net, t: t, fate: rand.New(rand.NewPCG(seed, 0))}
		defer func() {
			for _, l := range w.lns {
				l.Close()
			}
			time.Sleep(time.Minute) // nothing may be left that keeps a goroutine
		}()
		play(t, w, sc)
		synctest.Wait()
	})
}

// TestShutdownInFlush: the peer closes, and shuts down, before this end knows that what it wrote
// has arrived. It cannot send close_notify any more, and need not, in either version.
func TestShutdownInFlush(t *testing.T) {
	for _, closeBoth := range []bool{false, true} {
		sc := scenario{setUp: patient, run: func(s *stage) {
			s.connect()
			w := s.world.(*udpWorld)
			w.mu.Lock()
			server := w.ln.(*udpListener).socket.LocalAddr()
			w.drop = func(from netip.AddrPort, b []byte) bool { return from == server && sackAlone(b) }
			w.mu.Unlock()
			s.send(s.client, 0, 1)
			s.receive(s.server, 0, 1)
			time.Sleep(300 * time.Millisecond) // the SACK has gone, and does not go along with DATA
			closed := make(chan error)
			go func() {
				if closeBoth {
					closed <- s.client.Close()
					return
				}
				s.client.CloseWrite()
				_, _, err := s.client.ReadMessage(make([]byte, 100))
				if err == io.EOF {
					err = nil
				}
				closed <- err
			}()
			must(s.T, s.server.Close(), <-closed)
			s.closeAll()
		}}
		for _, sc := range versioned([]scenario{sc}) {
			t.Run(fmt.Sprintf("%sClose %v", sc.name, closeBoth), func(t *testing.T) { playUDP(t, sc, 0) })
		}
	}
}

// sackAlone reports whether a packet has a SACK chunk and nothing else. RFC 9260, Section 3.3.4.
func sackAlone(b []byte) bool {
	return len(b) >= 28 && b[12] == 3 && int(binary.BigEndian.Uint16(b[14:])) == len(b)-12
}

// A udpWorld is a network of UDP sockets with addresses of one host, which does what its weather
// says.
type udpWorld struct {
	weather
	t   *testing.T
	lns []stream.Listener
	ln  stream.Listener // for pair; nil before
	all []*sctpudp.Assoc

	mu    sync.Mutex // guards the following
	fate  *rand.Rand
	isCut bool
	drop  func(from netip.AddrPort, packet []byte) bool // if not nil, says what is lost beside
	conns map[netip.AddrPort]*simulatedConn
	ports uint16
}

// A simulatedConn is a UDP socket in that network.
type simulatedConn struct {
	w    *udpWorld
	at   netip.AddrPort
	in   chan datagram
	shut chan struct{}
	due  time.Time // of the datagram that was sent last; guarded by udpWorld.mu
}

type datagram struct {
	from netip.AddrPort
	b    []byte
}

func (c *simulatedConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.at) }

func (c *simulatedConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-c.in:
		return copy(b, d.b), d.from, nil
	case <-c.shut:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (c *simulatedConn) Close() error {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	if c.w.conns[c.at] == c {
		delete(c.w.conns, c.at)
	}
	close(c.shut)
	return nil
}

// WriteToUDPAddrPort keeps the order of datagrams unless there is jitter.
func (c *simulatedConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	w := c.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.isCut || w.fate.Float64() < w.loss || w.drop != nil && w.drop(c.at, b) {
		return len(b), nil
	}
	due := time.Now().Add(max(w.delay, time.Millisecond))
	if w.jitter > 0 {
		due = due.Add(time.Duration(w.fate.Int64N(int64(w.jitter))))
	} else if !c.due.Before(due) {
		due = c.due.Add(time.Microsecond)
	}
	c.due = due
	d := datagram{c.at, bytes.Clone(b)}
	time.AfterFunc(time.Until(due), func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if peer := w.conns[to]; peer != nil && !w.isCut {
			select {
			case peer.in <- d:
			default: // its buffer is full
			}
		}
	})
	return len(b), nil
}

func (w *udpWorld) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = cut
}

func (w *udpWorld) cut()  { w.set(true) }
func (w *udpWorld) mend() { w.set(false) }

// config makes an end notice soon that its peer has gone, and not take loss for that.
func (w *udpWorld) config() *Config {
	retrans := uint16(4)
	if w.lasting {
		retrans = 10
	}
	return &Config{SCTP: SCTPOptions{
		PartialReliability: w.partial,
		RTOInitial:         200 * time.Millisecond,
		RTOMin:             100 * time.Millisecond,
		RTOMax:             400 * time.Millisecond,
		AssocMaxRetrans:    retrans,
		PathMaxRetrans:     retrans,
		Heartbeat:          500 * time.Millisecond,
	}}
}

// open opens a socket; port 0 is one that nobody has had. Any other it takes over.
func (w *udpWorld) open(port uint16) (*sctpudp.Socket, error) {
	w.mu.Lock()
	if port == 0 {
		w.ports++
		port = 10000 + w.ports
	}
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), port)
	c := &simulatedConn{w: w, at: at, in: make(chan datagram, 1000), shut: make(chan struct{})}
	if w.conns == nil {
		w.conns = map[netip.AddrPort]*simulatedConn{}
	}
	w.conns[at] = c
	w.mu.Unlock()
	return sctpudp.New(c, true)
}

func (w *udpWorld) listen() *udpListener {
	w.t.Helper()
	o, err := w.config().udp()
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := w.open(0)
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := newUDPListener(s, 0, o, new(SCTPOptions))
	if err != nil {
		w.t.Fatal(err)
	}
	w.lns = append(w.lns, l)
	return l
}

func (w *udpWorld) dial(
	udpPort, sctpPort, peerPort uint16, peer netip.AddrPort,
) (association, error) {
	o, err := w.config().udp()
	if err != nil {
		return nil, err
	}
	s, err := w.open(udpPort)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	a, err := s.Dial(ctx, o, sctpPort, peerPort, peer)
	if err != nil {
		return nil, err
	}
	w.all = append(w.all, a)
	return newUDPAssociation(a, new(SCTPOptions)).(association), nil
}

func (w *udpWorld) pair(t *testing.T) (client, server association) {
	t.Helper()
	if w.ln == nil {
		w.ln = w.listen()
	}
	l := w.ln.(*udpListener)
	client, err := w.dial(0, 0, l.Port(), l.socket.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	w.all = append(w.all, accepted.(udpAssociation).Assoc)
	return client, accepted.(association)
}

func (w *udpWorld) listener(t *testing.T) (stream.Listener, func() association) {
	l := w.listen()
	return l, func() association {
		a, err := w.dial(0, 0, l.Port(), l.socket.LocalAddr())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

func (w *udpWorld) restart(t *testing.T, client association) association {
	t.Helper()
	a := client.(udpAssociation)
	local, remote := a.Assoc.LocalAddr().(*sctpudp.Addr), a.Assoc.RemoteAddr().(*sctpudp.Addr)
	w.cut()
	client.Abort() // which nobody hears
	var again association
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		peer := netip.AddrPortFrom(remote.Addrs[0], remote.UDPPort)
		again, err = w.dial(local.UDPPort, local.Port, remote.Port, peer)
	}()
	// With the new association it does not answer what is sent to the old one.
	synctest.Wait()
	w.mend()
	<-done
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func (w *udpWorld) outstanding(a association) bool {
	return a.(udpAssociation).Outstanding() > 0
}

func (w *udpWorld) unread(a association) bool { return a.(udpAssociation).Unread() > 0 }

func (w *udpWorld) left() string {
	var left []string
	for _, a := range w.all {
		if !a.Over() {
			left = append(left, fmt.Sprint(a.LocalAddr()))
		}
	}
	return strings.Join(left, ", ")
}
