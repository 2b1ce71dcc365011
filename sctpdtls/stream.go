package sctpdtls

import (
	"context"
	"net"
	"syscall"
	"time"
)

// A Stream is one SCTP stream of a [Conn] as a net.Conn with its own deadlines. It reads the
// messages that the peer sends on this stream, which the Conn then no longer reads. Each Write
// sends one message.
//
// SCTP streams are neither opened nor closed: all of them exist during the whole association, in
// both directions, and the peer need not have a Stream. The end of the connection is the end of all
// streams: reads then return io.EOF, or the error of [Conn.ReadMessage].
//
// SCTP delivers the messages of a stream in order, and a loss on one stream does not delay another.
// But all streams share the receive window of the association: [Config].ReadQueue describes what
// happens if one is not read.
//
// All methods can be called concurrently by any goroutine.
type Stream struct {
	party
	conn *Conn
	id   uint16
}

// Stream returns the Stream with a number, the same one until it is closed. From then on it gets
// the messages of that stream, including those that are queued. Stream 0 can be used; the DTLS
// control records on it are not visible. Writes return a [StreamError] if the association has no
// such stream.
func (c *Conn) Stream(id uint16) *Stream {
	if !c.ok() {
		return nil
	}
	c.streams.Lock()
	defer c.streams.Unlock()
	s := c.streams.open[id]
	if s == nil {
		s = c.newStream(id)
		s.reads(c.mux.Claim(id), &c.turn)
	}
	return s
}

// newStream is called with c.streams locked.
func (c *Conn) newStream(id uint16) *Stream {
	s := &Stream{conn: c, id: id}
	s.closed = make(chan struct{})
	if c.streams.open == nil {
		c.streams.open = make(map[uint16]*Stream)
	}
	c.streams.open[id] = s
	return s
}

// AcceptStream waits for a message on a stream without a Stream, and returns a Stream for it, which
// reads that message first. A concurrent [Conn.ReadMessage] may take the message instead. Errors
// are those of ReadMessage and of ctx.
func (c *Conn) AcceptStream(ctx context.Context) (*Stream, error) {
	if !c.ok() {
		return nil, syscall.EINVAL
	}
	p := new(party)
	p.reads(c.mux.Rest(), &c.turn)
	defer context.AfterFunc(ctx, func() { p.read.set(past) })()
	for {
		if _, _, err := c.recv(p, nil, aSign); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, err
		}
		if s := c.acceptKept(); s != nil {
			return s, nil
		}
	}
}

// acceptKept returns a Stream for the first message that is kept for none, or nil.
func (c *Conn) acceptKept() *Stream {
	c.streams.Lock()
	defer c.streams.Unlock()
	q, id, ok := c.mux.ClaimNext()
	if !ok {
		return nil
	}
	s := c.newStream(id)
	s.reads(q, &c.turn)
	return s
}

// ok reports whether there is a stream at all.
func (s *Stream) ok() bool { return s != nil && s.conn != nil }

// ID returns the number of the stream.
func (s *Stream) ID() uint16 {
	if s == nil {
		return 0
	}
	return s.id
}

// Conn returns the connection that s is a stream of.
func (s *Stream) Conn() *Conn {
	if s == nil {
		return nil
	}
	return s.conn
}

// ReadMessage is [Conn.ReadMessage] for the messages of this stream.
func (s *Stream) ReadMessage(b []byte) (n int, info MessageInfo, err error) {
	if !s.ok() {
		return 0, info, syscall.EINVAL
	}
	return s.conn.recv(&s.party, b, aMessage)
}

// Read is [Conn.Read] for the messages of this stream.
func (s *Stream) Read(b []byte) (n int, err error) {
	if !s.ok() || len(b) == 0 {
		return 0, s.Conn().Handshake()
	}
	n, _, err = s.conn.recv(&s.party, b, someBytes)
	return n, err
}

// WriteMessage is [Conn.WriteMessage] on this stream, whatever info.Stream says.
func (s *Stream) WriteMessage(b []byte, info MessageInfo) error {
	if !s.ok() {
		return syscall.EINVAL
	}
	info.Stream = s.id
	return s.conn.send(&s.party, b, &info)
}

// Write is [Conn.Write] on this stream, with [Config].PPID.
func (s *Stream) Write(b []byte) (n int, err error) {
	if !s.ok() {
		return 0, syscall.EINVAL
	}
	return s.conn.write(&s.party, b, MessageInfo{Stream: s.id, PPID: s.conn.config.PPID})
}

// Close ends the use of s. It neither closes the connection nor informs the peer, because SCTP
// streams do not end. Blocked reads and writes of s return net.ErrClosed. What was written is
// delivered. Unread messages of s, and later ones, go to [Conn.ReadMessage], [Conn.AcceptStream] or
// the next [Conn.Stream] with that number; only the rest of a message that Read has returned in
// part is lost.
func (s *Stream) Close() error {
	if !s.ok() {
		return syscall.EINVAL
	}
	c := s.conn
	c.streams.Lock()
	if s.isClosed() {
		c.streams.Unlock()
		return nil
	}
	close(s.closed)
	delete(c.streams.open, s.id)
	c.mux.Release(s.id)
	c.streams.Unlock()
	s.read.queue.Wake()
	c.turn.interrupt()
	s.noDeadlines()
	c.makesRoom()
	c.writeDeadline.poke() // a writer of s may be waiting for space
	return nil
}

// SetDeadline sets both deadlines.
func (s *Stream) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

// SetReadDeadline is [Conn.SetReadDeadline] for this stream.
func (s *Stream) SetReadDeadline(t time.Time) error {
	if !s.ok() {
		return syscall.EINVAL
	}
	return s.conn.setReadDeadline(&s.party, t)
}

// SetWriteDeadline is [Conn.SetWriteDeadline] for this stream.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	if !s.ok() {
		return syscall.EINVAL
	}
	return s.conn.setWriteDeadline(&s.party, t)
}

// LocalAddr returns that of the connection.
func (s *Stream) LocalAddr() net.Addr { return s.Conn().LocalAddr() }

// RemoteAddr returns that of the connection.
func (s *Stream) RemoteAddr() net.Addr { return s.Conn().RemoteAddr() }
