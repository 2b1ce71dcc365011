//go:build kernel

package sctpdtls

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// kernelEnds returns both ends of a connection over the loopback, which end with the test.
func kernelEnds(t *testing.T) (client, server *Conn) { return kernelEndsWith(t, SCTPOptions{}) }

func kernelEndsWith(t *testing.T, o SCTPOptions) (client, server *Conn) {
	t.Helper()
	sc, cc := serverConfig(), clientConfig()
	sc.SCTP, cc.SCTP = o, o
	sc.ReadQueue, cc.ReadQueue = 128<<10, 128<<10
	ln, err := Listen("sctp", "127.0.0.1:0", sc)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = Dial("sctp", ln.Addr().String(), cc); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.AcceptConn(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		var both sync.WaitGroup
		for _, c := range []*Conn{client, server} {
			both.Go(func() { c.Close() })
		}
		both.Wait()
	})
	return client, server
}

// control calls f with the descriptor of c.
func (c *Conn) control(t *testing.T, f func(fd int) error) {
	t.Helper()
	rc, err := c.assoc.(*kernelAssociation).SyscallConn()
	if err == nil {
		cerr := rc.Control(func(fd uintptr) { err = f(int(fd)) })
		err = errors.Join(cerr, err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// loseStream has c lose every packet with data of a stream, until hearAll.
func (c *Conn) loseStream(t *testing.T, id uint16) {
	// of HMAC-SHA256; the filter sees a packet from its first chunk on
	const auth, data, authLength = 15, 0, 8 + 32
	load := func(size uint16, at uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | size | unix.BPF_ABS, K: at}
	}
	ifNot := func(k uint32, skip uint8) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: k, Jf: skip}
	}
	filter := []unix.SockFilter{
		load(unix.BPF_B, 0), ifNot(auth, 5),
		load(unix.BPF_B, authLength), ifNot(data, 3),
		load(unix.BPF_H, authLength+8), ifNot(uint32(id), 1),
		{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
	}
	c.control(t, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	})
}

func (c *Conn) hearAll(t *testing.T) {
	c.control(t, func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET,
			unix.SO_DETACH_FILTER, 0)
	})
}

// While a packet of one stream is lost, the messages of other streams arrive, and unordered ones of
// the same stream; the ordered ones of that stream wait for it. As nothing but SCTP's own order
// holds messages back, DTLS and the Streams do not.
func TestKernelLossDelaysOneStreamOnly(t *testing.T) {
	client, server := kernelEnds(t)
	server.loseStream(t, 3)
	const lost = "the lost one"
	mustWrite(t, client, lost, MessageInfo{Stream: 3})
	time.Sleep(50 * time.Millisecond) // lest it comes into one packet with others
	server.Stream(3)
	var all sync.WaitGroup
	for i := uint16(4); i < 10; i++ {
		s := server.Stream(i)
		s.SetReadDeadline(time.Now().Add(20 * time.Second))
		all.Go(func() {
			for n := range 20 {
				wantRead(t, s, fmt.Sprint(i, " number ", n), i)
			}
		})
		all.Go(func() {
			for n := range 20 {
				mustWrite(t, client.Stream(i), fmt.Sprint(i, " number ", n), MessageInfo{})
			}
		})
	}
	all.Wait()
	s := server.Stream(3)
	s.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, _, err := s.ReadMessage(nil)
	want(t, "reading the stream with the loss", err, os.ErrDeadlineExceeded)

	server.hearAll(t)
	s.SetReadDeadline(time.Time{})
	mustWrite(t, client, "after it", MessageInfo{Stream: 3})
	wantRead(t, s, lost, 3)
	wantRead(t, s, "after it", 3)
}

// A message that may not be sent again is given up when it is lost, one with a lifetime when that
// is over; DTLS goes on without it, and what is reliable comes. RFC 6083, Section 4.5.
func TestKernelPartialReliability(t *testing.T) {
	for _, info := range []MessageInfo{{Stream: 3, Retransmissions: -1},
		{Stream: 3, Retransmissions: 1}, {Stream: 3, Lifetime: 20 * time.Millisecond}} {
		client, server := kernelEndsWith(t, SCTPOptions{PartialReliability: true})
		server.loseStream(t, 3)
		mustWrite(t, client, "given up", info)
		time.Sleep(50 * time.Millisecond)
		mustWrite(t, client, "on another stream", MessageInfo{Stream: 4})
		wantRead(t, server, "on another stream", 4)
		for n := 0; n < info.Retransmissions; time.Sleep(time.Millisecond) {
			stats, err := client.Stats()
			must(t, err)
			n = int(stats.Retransmitted)
		}
		server.hearAll(t)
		mustWrite(t, client, "reliable", MessageInfo{Stream: 3})
		wantRead(t, server, "reliable", 3)
	}
}

// Streams of both ends, each with its reader, and one that nobody reads for a while, on the real
// kernel: the bound holds the peer back, and nothing is lost.
func TestKernelStreams(t *testing.T) {
	client, server := kernelEnds(t)
	const messages = 120
	var all sync.WaitGroup
	late := make(chan struct{})
	for _, c := range []*Conn{client, server} {
		for i := range uint16(10) {
			s := c.Stream(i)
			all.Go(func() {
				for n := range messages {
					if _, err := s.Write(fmt.Appendf(nil, "%2000d", n)); err != nil {
						t.Error(err)
						return
					}
				}
			})
			all.Go(func() {
				if i == 7 {
					<-late
				}
				buf := make([]byte, MaxMessageSize)
				for n := range messages {
					size, _, err := s.ReadMessage(buf)
					if want := fmt.Sprintf("%2000d", n); err != nil || string(buf[:size]) != want {
						t.Errorf("stream %d, message %d: %.10q..., %v", i, n, buf[:size], err)
						return
					}
				}
			})
		}
	}
	for client.mux.Size() < client.config.readQueue() ||
		server.mux.Size() < server.config.readQueue() {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond)
	for _, c := range []*Conn{client, server} {
		if n := c.mux.Size(); n > c.config.readQueue()+4096 {
			t.Errorf("%d bytes are kept", n)
		}
	}
	close(late)
	all.Wait()
}

// Deadlines of Streams that wait together, some for reading and some for space, on the kernel's
// poller.
func TestKernelStreamDeadlines(t *testing.T) {
	client, server := kernelEnds(t)
	fill(t, client)
	start := time.Now()
	var all sync.WaitGroup
	for i := range uint16(6) {
		s := client.Stream(i)
		after := time.Duration((i*5)%6+1) * 30 * time.Millisecond
		s.SetDeadline(start.Add(after))
		for _, f := range []func([]byte) (int, error){s.Read, s.Write} {
			all.Go(func() {
				_, err := f(make([]byte, 1))
				want(t, "Read or Write", err, os.ErrDeadlineExceeded)
				if d := time.Since(start); d < after || d > after+5*time.Second {
					t.Errorf("it came back after %v, want %v", d, after)
				}
			})
		}
	}
	all.Wait()
	for i := range uint16(6) {
		s := client.Stream(i)
		s.SetDeadline(time.Time{})
		for _, f := range []func([]byte) (int, error){s.Read, s.Write} {
			all.Go(func() {
				_, err := f(make([]byte, 1))
				want(t, "Read or Write", err, net.ErrClosed)
			})
		}
	}
	time.Sleep(10 * time.Millisecond)
	for i := range uint16(6) {
		client.Stream(i).Close()
	}
	all.Wait()
	server.Abort()
	_, err := client.Stream(1).Read(make([]byte, 1))
	want(t, "Read after an ABORT", err, syscall.ECONNRESET)
}
