//go:build kernel && linux

package sctpsock

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Messages sent together are messages all the same, and the first that cannot be sent ends it.
func TestSendAll(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	var msgs [][]byte
	var infos []stream.Info
	for i := range stream.MaxBatch {
		msgs = append(msgs, fmt.Append(nil, "message ", i))
		infos = append(infos, stream.Info{Stream: uint16(i % 10), PPID: uint32(i)})
	}
	if n, err := c.TrySendAll(msgs, infos); n != stream.MaxBatch || err != nil {
		t.Fatalf("TrySendAll = %d, %v", n, err)
	}
	for i, m := range msgs {
		if info := wantMessage(t, s, string(m)); info != (stream.Info{Stream: infos[i].Stream,
			PPID: infos[i].PPID}) {
			t.Errorf("message %d came with %+v", i, info)
		}
	}

	infos[3].Stream = 77
	n, err := c.TrySendAll(msgs, infos)
	if n != 3 || !errors.Is(err, syscall.EINVAL) ||
		!strings.Contains(err.Error(), "no outgoing stream 77") {
		t.Errorf("with a wrong stream at 3: %d, %v", n, err)
	}
	for _, m := range msgs[:n] {
		wantMessage(t, s, string(m))
	}

	fill(t, c)
	if n, err := c.TrySendAll(msgs[:3], infos[:3]); n != 0 || err != stream.ErrWouldBlock {
		t.Errorf("without space: %d, %v", n, err)
	}
	s.Abort()
	c.SetReadDeadline(time.Now().Add(patience))
	for err := error(nil); err == nil; {
		_, err = c.Recv(buffer(make([]byte, 100)), true)
	}
	n, err = c.TrySendAll(msgs[:3], infos[:3])
	if _, ok := errtype.As[*stream.EndError](err); n != 0 || !ok {
		t.Errorf("after an ABORT: %d, %v", n, err)
	}
}

// Messages that are there together are read with few calls: all that came before the end, whole,
// in the order of their stream, and then how it ended.
func TestRecvMany(t *testing.T) {
	for _, how := range []string{"ABORT", "SHUTDOWN"} {
		c, s := pair(t, withAuth(), withAuth())
		c.SetWriteDeadline(time.Now().Add(patience))
		s.SetReadDeadline(time.Now().Add(patience))
		sizes := []int{1, 100, 2047, 2048, 2049, 5000, largestRecord}
		const rounds = 10
		sent := make(chan bool)
		go func() {
			defer close(sent)
			for i := range rounds * len(sizes) {
				msg := bytes.Repeat([]byte{byte(i)}, sizes[i%len(sizes)])
				if err := c.Send(msg, stream.Info{Stream: uint16(i % 10), PPID: uint32(i)}); err != nil {
					t.Error(err)
				}
			}
		}()
		buf := buffer(make([]byte, largestRecord))
		var next [10]int // of each stream: messages of different streams may overtake one another
		for id := range next {
			next[id] = id
		}
		read := func() {
			t.Helper()
			p, err := s.Recv(buf, true)
			id, i := p.Info.Stream, int(p.Info.PPID)
			if err != nil || int(id) >= len(next) || i != next[id] {
				t.Fatalf("%+v, %v; the next message of each stream is %d", p, err, next)
			}
			next[id] += len(next)
			got := bytes.Clone(buf[:p.N])
			for !p.End {
				p, err = s.Recv(buf, true)
				if err != nil || p.Event != nil || p.Info != (stream.Info{Stream: id, PPID: uint32(i)}) {
					t.Fatalf("message %d goes on with %+v, %v", i, p, err)
				}
				got = append(got, buf[:p.N]...)
			}
			if !bytes.Equal(got, bytes.Repeat([]byte{byte(i)}, sizes[i%len(sizes)])) {
				t.Fatalf("message %d came as %d bytes", i, len(got))
			}
		}
		const last = 3 * 7 // that many are there when it ends
		for range rounds*len(sizes) - last {
			read()
		}
		<-sent
		askDry(t, c)
		wantEvent[stream.Dry](t, c)
		if how == "ABORT" {
			c.Abort()
		} else {
			c.Shutdown()
		}
		time.Sleep(100 * time.Millisecond)
		for range last {
			read()
		}
		var err error
		for err == nil {
			var p stream.Part
			if p, err = s.Recv(buf, true); p.N > 0 {
				t.Errorf("%d bytes after the last message", p.N)
			}
		}
		if how == "ABORT" && !errors.Is(err, syscall.ECONNRESET) || how == "SHUTDOWN" && err != io.EOF {
			t.Errorf("after %s: %v", how, err)
		}
		if _, again := s.Recv(buf, true); again != err {
			t.Errorf("and then: %v", again)
		}
	}
}

// Small messages of a batch share packets, and the last one does not wait for an acknowledgement.
// What follows one by one does not share any; a socket on which Nagle's algorithm is on keeps it
// on.
func TestSendAllShares(t *testing.T) {
	for _, nagle := range []bool{false, true} {
		client, server := withAuth(), withAuth()
		client.Nagle = nagle
		// On loopback an acknowledgement that is not delayed is there before the next message of a batch,
		// so that Nagle's algorithm has nothing to wait for.
		server.SACKDelay = 200 * time.Millisecond
		c, s := pair(t, client, server)
		packets := func() uint64 {
			st, err := c.Stats()
			must(t, err)
			return st.PacketsSent
		}
		msgs, infos := make([][]byte, stream.MaxBatch), make([]stream.Info, stream.MaxBatch)
		for i := range msgs {
			msgs[i] = fmt.Append(nil, "message ", i)
		}
		before := packets()
		if n, err := c.TrySendAll(msgs, infos); n != stream.MaxBatch || err != nil {
			t.Fatalf("TrySendAll = %d, %v", n, err)
		}
		// The first goes at once where nothing is under way, and the others in one: loopback has packets
		// of 64 KiB.
		if n := packets() - before; !nagle && (n < 1 || n > 4) {
			t.Errorf("%d messages took %d packets, want 2 or so", stream.MaxBatch, n)
		}
		for _, m := range msgs {
			wantMessage(t, s, string(m))
		}
		must(t, c.control(func(fd int) error {
			off, err := getInt(fd, solSCTP, optNoDelay)
			if (off == 0) != nagle {
				t.Errorf("Nagle %v: SCTP_NODELAY is %d after a batch", nagle, off)
			}
			return err
		}))
		if nagle {
			continue
		}
		before = packets()
		for range 5 {
			send(t, c, "alone", stream.Info{})
		}
		if n := packets() - before; n < 5 {
			t.Errorf("five messages one by one took %d packets", n)
		}
	}
}

// What a batch has collected is delivered though the kernel does not take its last message, and
// nothing is sent any more.
func TestSendAllFull(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	msgs, infos := make([][]byte, stream.MaxBatch), make([]stream.Info, stream.MaxBatch)
	for i := range msgs {
		msgs[i] = make([]byte, 100)
	}
	sent, n, err := 0, 0, error(nil)
	for ; err == nil; sent += n {
		n, err = c.TrySendAll(msgs, infos)
	}
	if err != stream.ErrWouldBlock {
		t.Fatal(err)
	}
	s.SetReadDeadline(time.Now().Add(patience))
	b := buffer(make([]byte, 1000))
	for range sent {
		if _, err := s.Recv(b, true); err != nil {
			t.Fatalf("of %d messages: %v", sent, err)
		}
	}
}

// More is said of messages that were read together: the next one is there then.
func TestMore(t *testing.T) {
	c, s := pair(t, nil, nil)
	const n = 10
	for range n {
		send(t, c, "message", stream.Info{})
	}
	more := 0
	for i := range n {
		p, _ := recv(t, s)
		if !p.More {
			continue
		}
		more++
		if i == n-1 {
			t.Error("the last message has another one behind it")
		}
		if s.batch == nil {
			t.Errorf("message %d: the next one has not been read", i)
		}
	}
	if more == 0 {
		t.Error("no message had another one behind it")
	}
}
