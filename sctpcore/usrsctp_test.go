//go:build usrsctp

// These tests need a C compiler and usrsctp (Debian: libusrsctp-dev):
//
//	go test -tags usrsctp -run Usrsctp ./sctpcore

package sctpcore

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"
)

// A udpDriver drives one association over UDP on loopback, with loss.
type udpDriver struct {
	t        *testing.T
	conn     *net.UDPConn
	endpoint *Endpoint
	assoc    *Assoc
	start    time.Time
	loss     float64
	events   []EventKind
	got      []simMessage
	part     []byte
}

func (d *udpDriver) now() time.Duration { return time.Hour + time.Since(d.start) }

func (d *udpDriver) write(p Packet) {
	if mathrand.Float64() < d.loss {
		return
	}
	if _, err := d.conn.WriteToUDPAddrPort(p.Data, p.To); err != nil {
		d.t.Fatal(err)
	}
}

func (d *udpDriver) flush() {
	for p, ok := d.endpoint.NextPacket(); ok; p, ok = d.endpoint.NextPacket() {
		d.write(p)
	}
	buf, msg := make([]byte, 0, 2000), make([]byte, 65536)
	for again := d.assoc != nil; again; {
		again = false
		for p, ok := d.assoc.NextPacket(d.now(), buf); ok; p, ok = d.assoc.NextPacket(d.now(), buf) {
			d.write(p)
		}
		for e, ok := d.assoc.NextEvent(); ok; e, ok = d.assoc.NextEvent() {
			d.events = append(d.events, e.Kind)
			again = true
		}
		if n, info, end, ok := d.assoc.Read(msg); ok {
			again = true
			if d.part = append(d.part, msg[:n]...); end {
				d.got = append(d.got, simMessage{d.part, info})
				d.part = nil
			}
		}
	}
}

// until drives the association until a condition holds.
func (d *udpDriver) until(limit time.Duration, condition func() bool) {
	d.t.Helper()
	b := make([]byte, 65536)
	for end := time.Now().Add(limit); !condition(); d.flush() {
		if time.Now().After(end) {
			d.t.Fatalf("not within %v: %+v", limit, d.assoc)
		}
		wait := 50 * time.Millisecond
		if d.assoc != nil {
			wait = min(wait, max(d.assoc.NextTimeout()-d.now(), 0))
		}
		d.conn.SetReadDeadline(time.Now().Add(wait))
		if n, from, err := d.conn.ReadFromUDPAddrPort(b); err == nil && mathrand.Float64() >= d.loss {
			if a := d.endpoint.Find(from, b[:n]); a != nil {
				a.Receive(d.now(), from, netip.Addr{}, b[:n])
			} else if a := d.endpoint.Receive(d.now(), from, netip.Addr{}, b[:n]); a != nil {
				d.assoc = a
			}
		}
		if d.assoc != nil {
			d.assoc.Timeout(d.now())
		}
	}
}

// TestUsrsctp talks to usrsctp in both roles, with and without SCTP-AUTH and loss. usrsctp echoes
// messages of 1 to 40,000 bytes on several streams, under key 0 and then under key 1.
func TestUsrsctp(t *testing.T) {
	peer := filepath.Join(t.TempDir(), "peer")
	if out, err := exec.Command("cc", "-O1", "-Wall", "-o", peer, "testdata/usrsctp/peer.c",
		"-lusrsctp", "-lpthread").CombinedOutput(); err != nil {
		t.Fatalf("%v (is libusrsctp-dev installed?)\n%s", err, out)
	}
	for _, role := range []string{"server", "client"} {
		for _, auth := range []bool{false, true} {
			for _, loss := range []float64{0, 0.02} {
				t.Run(fmt.Sprintf("%s/Auth=%v/Loss=%v", role, auth, loss), func(t *testing.T) {
					t.Parallel() // it mostly waits for timers
					withUsrsctp(t, peer, role, auth, loss)
				})
			}
		}
	}
}

// portPairs counts pairs of ports, below those that Linux chooses itself. Nobody else may take the
// peer's port before usrsctp does, which reports no error then, and sends nothing.
var portPairs atomic.Int32

// listenBeside opens a UDP socket on the port after that of the peer.
func listenBeside(t *testing.T) (peer int, conn *net.UDPConn) {
	t.Helper()
	open := func(port int) (*net.UDPConn, error) {
		return net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	}
	for range 100 {
		peer = 20000 + 2*int(portPairs.Add(1))
		free, err := open(peer)
		if err != nil {
			continue
		}
		conn, err = open(peer + 1)
		free.Close()
		if err == nil {
			return peer, conn
		}
	}
	t.Fatal("no two ports in a row are free")
	return 0, nil
}

func withUsrsctp(t *testing.T, peer, role string, auth bool, loss float64) {
	port, conn := listenBeside(t)
	defer conn.Close()
	e, err := NewEndpoint(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	d := &udpDriver{t: t, conn: conn, endpoint: e, start: time.Now(), loss: loss}
	config := &Config{Auth: auth, OutStreams: 20, MaxInStreams: 20}
	if err := e.Listen(5000, config); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(peer, role, fmt.Sprint(port), fmt.Sprint(b2i(auth)))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if role == "server" {
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if d.assoc, err = e.Connect(d.now(), config, 0, 5001,
			netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))); err != nil {
			t.Fatal(err)
		}
	}
	d.flush()
	d.until(2*time.Minute, func() bool {
		return d.assoc != nil &&
			d.assoc.State() == StateEstablished
	})
	if i := d.assoc.Auth(); i.Agreed != auth {
		t.Fatalf("%+v", i)
	}
	if o, i := d.assoc.Streams(); o != 20 || i != 20 {
		t.Errorf("%d and %d streams", o, i)
	}
	var want [20][][]byte
	sent := 0
	send := func(b []byte, info Info) {
		t.Helper()
		err := d.assoc.Send(d.now(), b, info)
		for ; errors.Is(err, ErrBufferFull); err = d.assoc.Send(d.now(), b, info) {
			d.until(time.Minute, d.assoc.CanSend)
		}
		if err != nil {
			t.Fatal(err)
		}
		sent++
		want[info.Stream] = append(want[info.Stream], b)
	}
	burst := func(count int) {
		t.Helper()
		for i := range count {
			stream := uint16(i % 20)
			send(bytes.Repeat([]byte{byte(i)}, 1+i*i*13%40000),
				Info{Stream: stream, PPID: uint32(stream) + 7, Unordered: stream == 19 && i%7 == 0})
		}
		d.flush()
		d.until(2*time.Minute, func() bool { return len(d.got) == sent })
	}
	burst(600)
	if auth {
		send([]byte("KEY!"), Info{PPID: 7})
		d.until(time.Minute, func() bool { return d.assoc.Unacknowledged() == 0 })
		if err := d.assoc.SetAuthKey(1, []byte("secret")); err != nil {
			t.Fatal(err)
		}
		if err := d.assoc.SetActiveAuthKey(1); err != nil {
			t.Fatal(err)
		}
		burst(300)
	}
	for _, m := range d.got {
		s := m.info.Stream
		if len(want[s]) == 0 || m.info.PPID != uint32(s)+7 {
			t.Fatalf("stream %d, PPID %d", s, m.info.PPID)
		}
		if s == 19 { // some messages are unordered
			continue
		}
		if !bytes.Equal(m.data, want[s][0]) {
			t.Fatalf("stream %d: %d bytes, wanted %d", s, len(m.data), len(want[s][0]))
		}
		want[s] = want[s][1:]
	}
	if role == "server" {
		d.assoc.Shutdown(d.now())
	} else {
		send([]byte("BYE!"), Info{})
	}
	d.flush()
	d.until(time.Minute, func() bool { return d.assoc.State() == StateClosed })
	if d.assoc.Err() != ErrClosed {
		t.Error(d.assoc.Err())
	}
	t.Logf("%+v", d.assoc.Stats())
}
