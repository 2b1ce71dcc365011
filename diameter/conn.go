package diameter

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/fiorix/go-diameter/v4/diam"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// maxKept bounds, in bytes, what arrived on streams that nobody has asked for while
// someone waits for the rest of a message on another. The largest message comes on top of it.
const maxKept = 1 << 20

// A Conn is a diam.MultistreamConn over a DTLS connection. All methods may be called at the
// same time by any goroutine. Close and the deadlines are those of [sctpdtls.Conn].
type Conn struct {
	net.Conn // Close, addresses, deadlines
	messages messageConn

	// What diam.MultistreamConn calls the current streams; [diam.InvalidStreamID] if none is set.
	current, writer atomic.Uint64
	onError         atomic.Pointer[diam.MutistreamConnErrorHandler]

	reading sync.Mutex // held by who reads; guards the following
	kept    []part     // received and not read yet, in the order in which streams came by
	size    int        // bytes in kept
	largest int        // bytes of the largest message that has arrived
	bad     error      // a MessageError that came after what is kept
	begun   bool       // something has come
	tls     bool       // TLS, in the hands of whoever calls Read, and not Diameter
}

// messageConn is what a Conn needs of [sctpdtls.Conn].
type messageConn interface {
	net.Conn
	ReadMessage(b []byte) (n int, info sctpdtls.MessageInfo, err error)
	WriteMessage(b []byte, info sctpdtls.MessageInfo) error
}

// part is what has arrived on a stream.
type part struct {
	stream uint
	data   []byte
}

var _ diam.MultistreamConn = (*Conn)(nil)

// NewConn gives go-diameter a connection. Nobody else may read from it.
func NewConn(c *sctpdtls.Conn) *Conn { return newConn(c) }

func newConn(m messageConn) *Conn {
	c := &Conn{Conn: m, messages: m}
	c.ResetCurrentStream()
	c.ResetWriterStream()
	return c
}

// StateOf reports who the peer of a connection is, in a go-diameter handler for example. It is
// false if the connection is none of this package's.
func StateOf(c diam.Conn) (sctpdtls.ConnectionState, bool) {
	if c, ok := c.Connection().(*Conn); ok {
		if d, ok := c.Conn.(*sctpdtls.Conn); ok {
			return d.ConnectionState(), true
		}
	}
	return sctpdtls.ConnectionState{}, false
}

// A BacklogError means that the peer began a Diameter message on a stream and did not go on
// with it, but sent more than 1 MiB on other streams meanwhile.
type BacklogError struct{ Stream uint }

func (e *BacklogError) Error() string {
	return fmt.Sprintf(
		"diameter: the peer does not finish its message on stream %d and has sent more than %d bytes "+
			"on others", e.Stream, maxKept)
}

// A MessageError means that what came on a stream is not one Diameter message or several: the
// header of one at Offset says so. The connection is closed then. go-diameter would believe the
// length, and make room for up to 4 GiB.
type MessageError struct {
	Stream uint
	Offset int    // in the message of SCTP, in bytes
	Size   int    // of that message, in bytes
	Length uint32 // the header's Message Length, 0 if there is no whole header
	Reason string
}

func (e *MessageError) Error() string {
	return fmt.Sprintf(
		"diameter: the peer broke the protocol on stream %d: %s (byte %d of %d, Message Length %d; "+
			"RFC 6733, Section 3)",
		e.Stream, e.Reason, e.Offset, e.Size, e.Length)
}

// check returns a [MessageError] unless b, what came in one message of SCTP, is one Diameter
// message or several, each of them whole. So the lengths that go-diameter reads are true, and none
// is larger than b.
func check(b []byte, stream uint) error {
	const version, lengths = 1, 4 // the first 4 bytes are the version and the length
	for at := 0; at < len(b); {
		rest := b[at:]
		e := &MessageError{Stream: stream, Offset: at, Size: len(b)}
		if len(rest) >= lengths {
			e.Length = binary.BigEndian.Uint32(rest) & 0xffffff
		}
		switch {
		case rest[0] != version:
			e.Reason = fmt.Sprintf("version %d, not 1", rest[0])
		case len(rest) < diam.HeaderLength:
			e.Reason = "a header is cut short"
		case e.Length < diam.HeaderLength:
			e.Reason = "the message is shorter than its header"
		case int(e.Length) > len(rest):
			e.Reason = "the message is longer than what came"
		default:
			at += int(e.Length)
			continue
		}
		return e
	}
	return nil
}

// ReadAny reads from whichever stream has something, the one that has waited longest.
func (c *Conn) ReadAny(b []byte) (n int, stream uint, err error) {
	if !c.ok() {
		return 0, diam.InvalidStreamID, syscall.EINVAL
	}
	c.reading.Lock()
	n, stream, err = c.read(b, diam.InvalidStreamID, false)
	c.reading.Unlock()
	c.report(err)
	return n, stream, err
}

// ReadStream reads from a stream.
func (c *Conn) ReadStream(b []byte, stream uint) (n int, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	c.reading.Lock()
	n, _, err = c.read(b, stream, false)
	c.reading.Unlock()
	c.report(err)
	return n, err
}

// ReadAtLeast reads at least least bytes from one stream, any if stream is [diam.InvalidStreamID].
// Errors are those of [io.ReadAtLeast].
func (c *Conn) ReadAtLeast(b []byte, least int, stream uint) (n int, from uint, err error) {
	if !c.ok() {
		return 0, diam.InvalidStreamID, syscall.EINVAL
	}
	if len(b) < least {
		return 0, diam.InvalidStreamID, io.ErrShortBuffer
	}
	c.reading.Lock()
	from = stream
	for n < least && err == nil {
		var more int
		more, from, err = c.read(b[n:], from, false)
		n += more
	}
	c.reading.Unlock()
	if err == io.EOF && n > 0 {
		err = io.ErrUnexpectedEOF
	}
	c.report(err)
	return n, from, err
}

// Read reads from the current stream; if none is set, from any, which becomes the current one. It
// never puts bytes of two streams into b.
func (c *Conn) Read(b []byte) (n int, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	c.reading.Lock()
	n, from, err := c.read(b, c.CurrentStream(), true)
	if err == nil {
		c.current.CompareAndSwap(uint64(diam.InvalidStreamID), uint64(from))
	}
	c.reading.Unlock()
	c.report(err)
	return n, err
}

// read reads from a stream, or from any, with reading held. plain says that it is for Read.
func (c *Conn) read(b []byte, stream uint, plain bool) (n int, from uint, err error) {
	if len(b) == 0 {
		return 0, stream, nil
	}
	for {
		for i := range c.kept {
			if p := &c.kept[i]; stream == diam.InvalidStreamID || p.stream == stream {
				n, from = copy(b, p.data), p.stream
				if p.data = p.data[n:]; len(p.data) == 0 {
					c.kept = slices.Delete(c.kept, i, i+1)
				}
				c.size -= n
				return n, from, nil
			}
		}
		if c.bad != nil {
			return 0, stream, c.bad
		}
		if c.size > maxKept+c.largest {
			return 0, stream, &BacklogError{stream}
		}
		if err := c.receive(plain); err != nil {
			return 0, stream, err
		}
	}
}

// buffers have room for the largest usual message. They are shared, as a Conn that waits should
// hold none while it has nothing to read. (go-diameter asks for 20 bytes first, then for the rest.)
var buffers = sync.Pool{New: func() any { return new([sctpdtls.MaxMessageSize]byte) }}

// receive waits for a message and keeps it.
func (c *Conn) receive(plain bool) error {
	buf := buffers.Get().(*[sctpdtls.MaxMessageSize]byte)
	defer buffers.Put(buf)
	data := buf[:]
	n, info, err := c.messages.ReadMessage(data)
	large := err == io.ErrShortBuffer
	if large { // as both ends have agreed: it is kept in a buffer of its own
		data = make([]byte, info.Length)
		n, info, err = c.messages.ReadMessage(data)
	}
	if err != nil || n == 0 {
		return err
	}
	data = data[:n]
	c.largest = max(c.largest, n)
	// go-diameter can put TLS between itself and a Conn. It reads by Read then, and a record of TLS's
	// handshake comes first.
	const handshake, major = 22, 3
	c.tls = c.tls || plain && !c.begun && n > 1 && data[0] == handshake && data[1] == major
	c.begun = true
	if !plain || !c.tls {
		if c.bad = check(data, uint(info.Stream)); c.bad != nil {
			return nil // what came before is read first
		}
	}
	c.size += n
	for i := range c.kept {
		if p := &c.kept[i]; p.stream == uint(info.Stream) {
			p.data = append(p.data, data...)
			return nil
		}
	}
	if !large {
		data = slices.Clone(data)
	}
	c.kept = append(c.kept, part{uint(info.Stream), data})
	return nil
}

// report tells the error handler, which may call any method: no lock is held. After a MessageError
// it closes the connection first: nothing that the peer sends means anything any more.
func (c *Conn) report(err error) {
	if _, ok := err.(*MessageError); ok {
		c.Close()
	}
	if h := c.onError.Load(); err != nil && h != nil {
		(*h)(c, err)
	}
}

// SetErrorHandler sets what is called, by the goroutine that reads, when reading fails; nil:
// nothing.
func (c *Conn) SetErrorHandler(h diam.MutistreamConnErrorHandler) {
	if !c.ok() {
		return
	}
	if h == nil {
		c.onError.Store(nil)
		return
	}
	c.onError.Store(&h)
}

// Write sends b, a whole Diameter message, on the stream set by SetWriterStream, else on the
// current stream of reading, else on stream 0.
func (c *Conn) Write(b []byte) (n int, err error) {
	stream := c.CurrentWriterStream()
	if stream == diam.InvalidStreamID {
		stream = c.CurrentStream()
	}
	return c.WriteStream(b, stream)
}

// WriteStream sends b, a whole Diameter message, on a stream, or on stream 0 if that is
// [diam.InvalidStreamID]. Errors are those of [sctpdtls.Conn.WriteMessage]; nothing was sent then.
func (c *Conn) WriteStream(b []byte, stream uint) (n int, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	if stream == diam.InvalidStreamID {
		stream = 0
	}
	if stream > math.MaxUint16 {
		return 0, fmt.Errorf("diameter: no stream %d: SCTP has streams 0 to %d", stream, math.MaxUint16)
	}
	info := sctpdtls.MessageInfo{Stream: uint16(stream), PPID: sctpdtls.PPIDDiameter}
	if err := c.messages.WriteMessage(b, info); err != nil {
		return 0, err
	}
	return len(b), nil
}

// CurrentStream returns the stream that Read is bound to.
func (c *Conn) CurrentStream() uint {
	if !c.ok() {
		return diam.InvalidStreamID
	}
	return uint(c.current.Load())
}

// ResetCurrentStream lets the next Read read from any stream.
func (c *Conn) ResetCurrentStream() { c.SetCurrentStream(diam.InvalidStreamID) }

// SetCurrentStream binds Read to a stream and returns the one before.
func (c *Conn) SetCurrentStream(stream uint) uint {
	if !c.ok() {
		return diam.InvalidStreamID
	}
	return uint(c.current.Swap(uint64(stream)))
}

// CurrentWriterStream returns the stream that Write is bound to.
func (c *Conn) CurrentWriterStream() uint {
	if !c.ok() {
		return diam.InvalidStreamID
	}
	return uint(c.writer.Load())
}

// ResetWriterStream lets Write choose the stream.
func (c *Conn) ResetWriterStream() { c.SetWriterStream(diam.InvalidStreamID) }

// SetWriterStream binds Write to a stream and returns the one before.
func (c *Conn) SetWriterStream(stream uint) uint {
	if !c.ok() {
		return diam.InvalidStreamID
	}
	return uint(c.writer.Swap(uint64(stream)))
}
