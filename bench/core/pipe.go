package core

import (
	"io"
	"net"
	"sync"
	"time"
)

// A queue carries packets in one direction in memory. A reader that reads less than a packet gets
// bytes.
type queue struct {
	mu      sync.Mutex // guards the following
	changed sync.Cond
	packets [][]byte
	first   int // index of the first unread packet
	held    bool
	closed  bool
}

func newQueue() *queue {
	q := new(queue)
	q.changed.L = &q.mu
	return q
}

// put stores a copy of b, in the memory of a packet that was read, if possible.
func (q *queue) put(b []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.first == len(q.packets) {
		q.packets, q.first = q.packets[:0], 0
	}
	n := len(q.packets)
	if n < cap(q.packets) {
		q.packets = q.packets[:n+1]
	} else {
		q.packets = append(q.packets, nil)
	}
	q.packets[n] = append(q.packets[n][:0], b...)
	q.changed.Signal()
}

func (q *queue) get(b []byte, stream bool) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.held || q.first == len(q.packets) {
		if q.closed {
			return 0, io.EOF
		}
		q.changed.Wait()
	}
	n := copy(b, q.packets[q.first])
	if stream && n < len(q.packets[q.first]) {
		rest := q.packets[q.first]
		q.packets[q.first] = rest[:copy(rest, rest[n:])]
		return n, nil
	}
	q.first++
	return n, nil
}

// hold blocks readers until it is called with false.
func (q *queue) hold(on bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held = on
	q.changed.Signal()
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed, q.held = true, false
	q.changed.Broadcast()
}

// A pipe is one end of a connection in memory.
type pipe struct{ in, out *queue }

func newPipe() (a, b pipe) {
	one, other := newQueue(), newQueue()
	return pipe{one, other}, pipe{other, one}
}

func (p pipe) LocalAddr() net.Addr              { return &net.UDPAddr{} }
func (p pipe) RemoteAddr() net.Addr             { return &net.UDPAddr{} }
func (p pipe) SetDeadline(time.Time) error      { return nil }
func (p pipe) SetReadDeadline(time.Time) error  { return nil }
func (p pipe) SetWriteDeadline(time.Time) error { return nil }
func (p pipe) Close() error                     { p.in.close(); p.out.close(); return nil }

// A streamPipe is a pipe with the interface that crypto/tls needs.
type streamPipe struct{ pipe }

func (p streamPipe) Read(b []byte) (int, error)  { return p.in.get(b, true) }
func (p streamPipe) Write(b []byte) (int, error) { p.out.put(b); return len(b), nil }

// A packetPipe is a pipe with the interface that pion/dtls needs.
type packetPipe struct{ pipe }

func (p packetPipe) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.in.get(b, false)
	return n, p.RemoteAddr(), err
}
func (p packetPipe) WriteTo(b []byte, _ net.Addr) (int, error) { p.out.put(b); return len(b), nil }
