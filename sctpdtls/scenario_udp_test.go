package sctpdtls

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpudp"
	"github.com/seed-41f70523/dtls-sctp/internal/simnet"
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
		w := newUDPWorld(t, sc.net, seed)
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
			server := w.ln.(*udpListener).socket.LocalAddr()
			w.net.Tap(func(from, _ netip.AddrPort, packet []byte) []byte {
				if from == server && sackAlone(packet) {
					return nil
				}
				return packet
			})
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

// A udpWorld is a network of a client's host and a server's, with UDP sockets.
type udpWorld struct {
	*udpEnds
	net            *simnet.Network
	client, server *simnet.Host
	ln             stream.Listener // for pair; nil before
}

func newUDPWorld(t *testing.T, net weather, seed uint64) *udpWorld {
	w := &udpWorld{net: simnet.New(seed)}
	w.udpEnds = &udpEnds{weather: net, t: t, open: w.open}
	w.client = w.net.Host(netip.AddrFrom4([4]byte{10, 0, 0, 1}))
	w.server = w.net.Host(netip.AddrFrom4([4]byte{10, 0, 0, 2}))
	w.net.SetLink(simnet.Link{
		Delay: max(net.delay, time.Millisecond), Jitter: net.jitter, Loss: net.loss,
	})
	return w
}

func (w *udpWorld) open(server bool, port uint16) (sctpudp.Conn, error) {
	host := w.client
	if server {
		host = w.server
	}
	return host.ListenUDP("udp", netip.AddrPortFrom(host.Addrs()[0], port))
}

func (w *udpWorld) cut()  { w.client.SetDown(w.client.Addrs()[0], true) }
func (w *udpWorld) mend() { w.client.SetDown(w.client.Addrs()[0], false) }

// A false clock does not run while a machine is slow.
func (w *udpWorld) slack() time.Duration { return 0 }

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
	return client, w.accept(l)
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
	w.client.Reset()
	client.Abort() // which nobody hears
	return w.dialAgain(client)
}

// udpEnds are those ends of a world that are of package sctpudp.
type udpEnds struct {
	weather
	t    *testing.T
	open func(server bool, port uint16) (sctpudp.Conn, error) // a UDP socket; port 0 is any
	lns  []stream.Listener
	all  []*sctpudp.Assoc
}

// config makes an end notice soon that its peer has gone, and not take loss for that.
func (w *udpEnds) config() *Config {
	retrans, rtoMax := uint16(4), 400*time.Millisecond
	if w.lasting {
		retrans = 10
	}
	if w.busy { // a shutdown may take five times as long. RFC 9260, Section 9.2
		retrans, rtoMax = 6, time.Second
	}
	if w.lasting && w.busy {
		retrans = 1000
	}
	return &Config{SCTP: SCTPOptions{
		PartialReliability: w.partial,
		RTOInitial:         200 * time.Millisecond,
		RTOMin:             100 * time.Millisecond,
		RTOMax:             rtoMax,
		AssocMaxRetrans:    retrans,
		PathMaxRetrans:     retrans,
		Heartbeat:          500 * time.Millisecond,
	}}
}

func (w *udpEnds) socket(server bool, port uint16) (*sctpudp.Socket, error) {
	c, err := w.open(server, port)
	if err != nil {
		return nil, err
	}
	return sctpudp.New(true, c)
}

func (w *udpEnds) listen() *udpListener {
	w.t.Helper()
	o, err := w.config().sctpcore()
	if err != nil {
		w.t.Fatal(err)
	}
	s, err := w.socket(true, 0)
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

func (w *udpEnds) accept(l *udpListener) association {
	w.t.Helper()
	a, err := l.Accept()
	if err != nil {
		w.t.Fatal(err)
	}
	w.all = append(w.all, a.(udpAssociation).Assoc)
	return a.(association)
}

func (w *udpEnds) dial(
	udpPort, sctpPort, peerPort uint16, peer netip.AddrPort,
) (association, error) {
	o, err := w.config().sctpcore()
	if err != nil {
		return nil, err
	}
	s, err := w.socket(false, udpPort)
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

// dialAgain dials from the ports that client had; nil if the peer has refused that before it could
// be seen.
func (w *udpEnds) dialAgain(client association) association {
	w.t.Helper()
	a := client.(udpAssociation).Assoc
	local, remote := a.LocalAddr().(*sctpudp.Addr), a.RemoteAddr().(*sctpudp.Addr)
	peer := netip.AddrPortFrom(remote.Addrs[0], remote.UDPPort)
	again, err := w.dial(local.UDPPort, local.Port, remote.Port, peer)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return again
}

func (w *udpEnds) outstanding(a association) bool {
	return a.(udpAssociation).Outstanding() > 0
}

func (w *udpEnds) unread(a association) bool { return a.(udpAssociation).Unread() > 0 }

func (w *udpEnds) left() string {
	var left []string
	for _, a := range w.all {
		if !a.Over() {
			left = append(left, fmt.Sprint(a.LocalAddr()))
		}
	}
	return strings.Join(left, ", ")
}
