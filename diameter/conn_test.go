package diameter

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/fiorix/go-diameter/v4/diam"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A message is a message on a fake connection.
type message struct {
	data string
	info sctpdtls.MessageInfo
}

// fake is a messageConn in memory.
type fake struct {
	net.Conn // nil, so that a call of a method that fake does not define panics
	in, out  chan message
	next     *message // did not fit into the buffer
	end      error    // the error of reads once in is closed
	closes   chan struct{}
}

func newFake(end error, in ...message) *fake {
	f := &fake{in: make(chan message, 100), out: make(chan message, 100), end: end,
		closes: make(chan struct{}, 100)}
	for _, m := range in {
		f.in <- m
	}
	if end != nil {
		close(f.in)
	}
	return f
}

func (f *fake) ReadMessage(b []byte) (int, sctpdtls.MessageInfo, error) {
	if f.next == nil {
		m, ok := <-f.in
		if !ok {
			return 0, sctpdtls.MessageInfo{}, f.end
		}
		f.next = &m
	}
	m := f.next
	m.info.Length = len(m.data)
	if len(m.data) > len(b) {
		return 0, m.info, io.ErrShortBuffer
	}
	f.next = nil
	return copy(b, m.data), m.info, nil
}

func (f *fake) WriteMessage(b []byte, info sctpdtls.MessageInfo) error {
	if len(b) > sctpdtls.MaxMessageSize {
		return &sctpdtls.MessageTooLargeError{Size: len(b)}
	}
	f.out <- message{string(b), info}
	return nil
}

func (f *fake) Close() error {
	f.closes <- struct{}{}
	return nil
}

// on returns an SCTP message on a stream.
func on(stream uint16, data string) message {
	return message{data, sctpdtls.MessageInfo{Stream: stream, PPID: sctpdtls.PPIDDiameter}}
}

// header returns the header of a Diameter message with this length.
func header(version byte, length uint32) string {
	h := binary.BigEndian.AppendUint32(nil, length&0xffffff)
	h[0] = version
	return string(append(h, make([]byte, diam.HeaderLength-len(h))...))
}

// dm returns a Diameter message with a body.
func dm(body string) string { return header(1, uint32(diam.HeaderLength+len(body))) + body }

const anyStream = diam.InvalidStreamID

// TestReadAny checks that data is returned in the order in which it arrived on all streams, and
// that a read never returns bytes of two messages.
func TestReadAny(t *testing.T) {
	c := newConn(newFake(io.EOF, on(3, dm("abcdef")), on(1, ""), on(1, dm("xyz"))))
	b := make([]byte, 24)
	for _, want := range []struct {
		data   string
		stream uint
	}{{dm("abcdef")[:24], 3}, {"ef", 3}, {dm("xyz"), 1}} {
		n, stream, err := c.ReadAny(b)
		if string(b[:n]) != want.data || stream != want.stream || err != nil {
			t.Errorf("read %q of stream %d, %v; want %q of %d", b[:n], stream, err, want.data, want.stream)
		}
	}
	if n, _, err := c.ReadAny(b); n != 0 || err != io.EOF {
		t.Errorf("read %d, %v after close_notify, want io.EOF", n, err)
	}
}

// TestReadStream checks that a read of one stream skips other streams and loses none of their
// messages.
func TestReadStream(t *testing.T) {
	c := newConn(newFake(io.EOF, on(1, dm("one")), on(2, dm("two")), on(1, dm("three")),
		on(5, dm("five"))))
	b := make([]byte, 100)
	for _, want := range []struct {
		stream uint
		data   string
	}{{5, dm("five")}, {2, dm("two")}, {1, dm("one") + dm("three")}} {
		if n, err := c.ReadStream(b, want.stream); string(b[:n]) != want.data || err != nil {
			t.Errorf("stream %d: read %q, %v, want %q", want.stream, b[:n], err, want.data)
		}
	}
}

func TestReadAtLeast(t *testing.T) {
	lost := &sctpdtls.AssociationError{State: sctpdtls.AssocLost, Err: io.ErrClosedPipe}
	for _, tt := range []struct {
		name   string
		end    error
		in     []message
		buffer int
		least  int
		stream uint
		want   string
		from   uint
		err    error
	}{
		{"any stream", io.EOF, []message{on(2, dm("one")), on(1, dm("x")), on(2, dm("more"))}, 47, 47,
			anyStream, dm("one") + dm("more"), 2, nil},
		{"given stream", io.EOF, []message{on(2, dm("x")), on(1, dm("ab")), on(1, dm("cd"))}, 44, 43, 1,
			dm("ab") + dm("cd"), 1, nil},
		{"more than enough", io.EOF, []message{on(0, dm("abcdef"))}, 24, 22, anyStream, dm("abcdef")[:24],
			0, nil},
		{"short buffer", io.EOF, []message{on(0, dm("abc"))}, 2, 3, anyStream, "", anyStream,
			io.ErrShortBuffer},
		{"nothing", io.EOF, nil, 4, 4, anyStream, "", anyStream, io.EOF},
		{"too little", io.EOF, []message{on(0, dm("ab"))}, 24, 24, anyStream, dm("ab"), 0,
			io.ErrUnexpectedEOF},
		{"lost", lost, []message{on(0, dm("ab"))}, 24, 24, anyStream, dm("ab"), 0, lost},
		{"nothing wanted", io.EOF, nil, 0, 0, 7, "", 7, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newConn(newFake(tt.end, tt.in...))
			b := make([]byte, tt.buffer)
			n, from, err := c.ReadAtLeast(b, tt.least, tt.stream)
			if string(b[:n]) != tt.want || from != tt.from || err != tt.err {
				t.Errorf("read %q of stream %d, %v; want %q of %d, %v", b[:n], from, err, tt.want, tt.from,
					tt.err)
			}
		})
	}
}

// TestRead checks that Read remains on one stream until the current stream is reset.
func TestRead(t *testing.T) {
	c := newConn(newFake(io.EOF, on(4, dm("abcd")), on(6, dm("other")), on(4, dm("efg"))))
	read := func(size int, want string, current uint) {
		t.Helper()
		b := make([]byte, size)
		n, err := c.Read(b)
		if string(b[:n]) != want || err != nil || c.CurrentStream() != current {
			t.Errorf("read %q, %v, current stream %d; want %q, %d", b[:n], err, c.CurrentStream(), want,
				current)
		}
	}
	read(23, dm("abcd")[:23], 4)
	read(23, "d", 4)
	read(23, dm("efg"), 4)
	c.ResetCurrentStream()
	read(30, dm("other"), 6)
	if was := c.SetCurrentStream(4); was != 6 {
		t.Errorf("the current stream was %d, want 6", was)
	}
}

// TestWrite checks that Write uses the writer's stream, or else the reader's, or else 0, and always
// PPID 47.
func TestWrite(t *testing.T) { // RFC 6083, Section 4.2
	f := newFake(io.EOF)
	c := newConn(f)
	c.Write([]byte("default"))
	c.SetCurrentStream(3)
	c.Write([]byte("reader's"))
	if was := c.SetWriterStream(5); was != anyStream {
		t.Errorf("the writer's stream was %d, want none", was)
	}
	c.Write([]byte("writer's"))
	c.WriteStream([]byte("given"), 7)
	c.WriteStream([]byte("none given"), anyStream)
	c.ResetWriterStream()
	c.Write([]byte("reader's again"))
	for _, want := range []message{on(0, "default"), on(3, "reader's"), on(5, "writer's"),
		on(7, "given"), on(0, "none given"), on(3, "reader's again")} {
		if got := <-f.out; got != want {
			t.Errorf("sent %+v, want %+v", got, want)
		}
	}
}

// TestWriteErrors checks that no part of a message is sent if it cannot be sent whole, and that the
// error has a type.
func TestWriteErrors(t *testing.T) {
	f := newFake(io.EOF)
	c := newConn(f)
	var large *sctpdtls.MessageTooLargeError
	if n, err := c.WriteStream(make([]byte, sctpdtls.MaxMessageSize+1), 0); n != 0 ||
		!errors.As(err, &large) || large.Size != sctpdtls.MaxMessageSize+1 {
		t.Errorf("too large a message: %d, %v, want MessageTooLargeError", n, err)
	}
	if n, err := c.WriteStream([]byte("x"), 1<<16); n != 0 || err == nil ||
		!strings.Contains(err.Error(), "no stream 65536") {
		t.Errorf("stream 65536: %d, %v", n, err)
	}
	if len(f.out) != 0 {
		t.Errorf("something was sent: %+v", <-f.out)
	}
}

// TestLargeMessage checks that a large message that both endpoints support is read whole, between
// small ones.
func TestLargeMessage(t *testing.T) {
	large := dm(strings.Repeat("x", 3<<20))
	f := newFake(io.EOF, on(1, dm("first")), on(2, large), on(1, dm("last")), on(2, dm("behind")))
	c := newConn(f)
	for _, want := range []struct {
		stream uint
		data   string
	}{{1, dm("first")}, {1, dm("last")}, {2, large}, {2, dm("behind")}} {
		got := make([]byte, len(want.data))
		n, _, err := c.ReadAtLeast(got, len(got), want.stream)
		if err != nil || string(got) != want.data {
			t.Fatalf("stream %d: %d bytes, want %d: %v", want.stream, n, len(want.data), err)
		}
	}
	if _, _, err := c.ReadAny(make([]byte, 1)); err != io.EOF || c.size != 0 {
		t.Errorf("%v, %d bytes are kept", err, c.size)
	}
}

// TestErrorHandler checks that the handler is called without a lock held, so that it may close the
// connection and read again.
func TestErrorHandler(t *testing.T) {
	f := newFake(io.EOF)
	c := newConn(f)
	var got []error
	c.SetErrorHandler(func(m diam.MultistreamConn, err error) {
		got = append(got, err)
		m.Close()
		m.Close()
		if len(got) < 3 {
			m.ReadAny(make([]byte, 1))
		}
	})
	b := make([]byte, 1)
	for _, read := range []func() error{
		func() error { _, err := c.Read(b); return err },
		func() error { _, err := c.ReadStream(b, 1); return err },
		func() error { _, _, err := c.ReadAtLeast(b, 1, anyStream); return err },
	} {
		if err := read(); err != io.EOF {
			t.Errorf("error %v, want io.EOF", err)
		}
	}
	if len(got) != 5 || len(f.closes) != 10 {
		t.Errorf("the handler was called %d times and closed %d times, want 5 and 10", len(got),
			len(f.closes))
	}
	c.SetErrorHandler(nil)
	if _, err := c.Read(b); err != io.EOF || len(got) != 5 {
		t.Errorf("error %v, handler called %d times after it was taken away", err, len(got))
	}
}

// TestBacklog checks that a peer that does not complete a message cannot make an endpoint store an
// unlimited number of others.
func TestBacklog(t *testing.T) {
	f := newFake(nil)
	f.in <- on(1, dm(""))
	go func() {
		for {
			select {
			case f.in <- on(2, dm(strings.Repeat("x", sctpdtls.MaxMessageSize-diam.HeaderLength))):
			case <-t.Context().Done():
				return
			}
		}
	}()
	c := newConn(f)
	_, _, err := c.ReadAtLeast(make([]byte, 24), 24, 1)
	var backlog *BacklogError
	if !errors.As(err, &backlog) || backlog.Stream != 1 {
		t.Errorf("error %v, want BacklogError of stream 1", err)
	}
	if n, stream, err := c.ReadAny(make([]byte, 4)); n != 4 || stream != 2 || err != nil {
		t.Errorf("read %d bytes of stream %d, %v: what was kept can still be read", n, stream, err)
	}
}

// TestWriteWhileReading checks that a reader that waits for a message does not block writers.
func TestWriteWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(nil)
		c := newConn(f)
		done := make(chan error)
		go func() {
			_, err := c.Read(make([]byte, 10))
			done <- err
		}()
		synctest.Wait()
		c.Write([]byte("request"))
		c.SetWriterStream(1)
		c.SetErrorHandler(nil)
		c.Close()
		f.end = os.ErrDeadlineExceeded
		close(f.in)
		if err := <-done; err != os.ErrDeadlineExceeded {
			t.Errorf("error %v, want the connection's own", err)
		}
	})
}

// TestMessageLengths checks that the headers of all messages on all streams are checked on arrival,
// and that the connection is closed if one is invalid: go-diameter allocates whatever length a
// header claims, and 4 GiB if that is less than the length of a header.
func TestMessageLengths(t *testing.T) {
	const unreadable = 1<<24 - 1
	for _, tt := range []struct {
		name   string
		data   string
		offset int
		length uint32
	}{
		{"length 0", header(1, 0), 0, 0},
		{"length 19", header(1, 19), 0, 19},
		{"length 2^24-1", header(1, unreadable), 0, unreadable},
		{"one more than came", header(1, 25) + "body", 0, 25},
		{"one less than came", header(1, 23) + "body", 23, 0},
		{"version 0", header(0, 20), 0, 20},
		{"version 2", header(2, 24) + "body", 0, 24},
		{"half a header", header(1, 20)[:19], 0, 20},
		{"one byte", "\x01", 0, 0},
		{"length 0 of a second", dm("first") + header(1, 0), 25, 0},
		{"2^24-1 of a third", dm("first") + dm("") + header(1, unreadable), 45, unreadable},
		{"a second cut short", dm("first") + header(1, 20)[:3], 25, 0},
	} {
		for _, stream := range []uint16{0, 7} {
			t.Run(tt.name, func(t *testing.T) {
				f := newFake(nil, on(3, dm("good")), on(stream, tt.data), on(3, dm("never read")))
				c := newConn(f)
				var reported error
				c.SetErrorHandler(func(_ diam.MultistreamConn, err error) { reported = err })
				b := make([]byte, 100)
				if n, _, err := c.ReadAny(b); string(b[:n]) != dm("good") || err != nil {
					t.Errorf("what came before: %q, %v", b[:n], err)
				}
				for range 2 { // and in all later reads
					n, _, err := c.ReadAtLeast(b, diam.HeaderLength, anyStream)
					var bad *MessageError
					if n != 0 || !errors.As(err, &bad) || bad.Stream != uint(stream) || bad.Offset != tt.offset ||
						bad.Length != tt.length || bad.Size != len(tt.data) {
						t.Errorf("%d bytes, %+v", n, err)
					}
					if reported != err || len(f.closes) == 0 {
						t.Errorf("the handler got %v; closed %d times", reported, len(f.closes))
					}
				}
			})
		}
	}
	for _, good := range []string{dm(""), dm("x"), dm("first") + dm("") + dm("third"),
		dm(strings.Repeat("x", sctpdtls.MaxMessageSize-diam.HeaderLength))} {
		if err := check([]byte(good), 0); err != nil {
			t.Errorf("%d bytes: %v", len(good), err)
		}
	}
}

// TestMethodsOfNothing checks that no method of a nil pointer or of a zero value panics, and that
// those that return an error return EINVAL. It finds the methods by reflection.
func TestMethodsOfNothing(t *testing.T) {
	for _, of := range []any{(*Conn)(nil), new(Conn), NewConn(nil), (*Listener)(nil), new(Listener)} {
		v := reflect.ValueOf(of)
		for i := range v.NumMethod() {
			name, method := v.Type().Method(i).Name, v.Method(i)
			var args []reflect.Value
			for j := range method.Type().NumIn() {
				arg := reflect.Zero(method.Type().In(j))
				switch arg.Interface().(type) {
				case []byte:
					arg = reflect.ValueOf(make([]byte, 1))
				case int:
					arg = reflect.ValueOf(1)
				}
				if arg.Type() == reflect.TypeFor[context.Context]() {
					arg = reflect.ValueOf(t.Context())
				}
				args = append(args, arg)
			}
			for _, result := range call(t, of, name, method, args) {
				if result.Type() != reflect.TypeFor[error]() {
					continue
				}
				if err, _ := result.Interface().(error); err != syscall.EINVAL {
					t.Errorf("%T, nil %v: %s returns %v", of, v.IsNil(), name, err)
				}
			}
		}
	}
}

func call(
	t *testing.T, of any, name string, method reflect.Value, args []reflect.Value,
) []reflect.Value {
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("%T, nil %v: %s panics: %v", of, reflect.ValueOf(of).IsNil(), name, p)
		}
	}()
	return method.Call(args)
}

// TestTLS checks that data read by crypto/tls is not treated as Diameter, and that a reader of
// Diameter does not see it.
func TestTLS(t *testing.T) {
	const records = "\x16\x03\x01 hello"
	c := newConn(newFake(io.EOF, on(0, records), on(0, "more"), on(0, records)))
	b := make([]byte, 100)
	for _, want := range []string{records, "more"} {
		if n, err := c.Read(b); string(b[:n]) != want || err != nil {
			t.Errorf("Read = %q, %v", b[:n], err)
		}
	}
	var bad *MessageError
	if _, _, err := c.ReadAny(b); !errors.As(err, &bad) {
		t.Errorf("ReadAny: %v, want a MessageError", err)
	}
	// Records that do not come first, and a message that is not a record.
	for _, in := range [][]message{{on(0, dm("x")), on(0, records)}, {on(0, "\x02")}} {
		c := newConn(newFake(io.EOF, in...))
		err := error(nil)
		for err == nil {
			_, err = c.Read(b)
		}
		if !errors.As(err, &bad) {
			t.Errorf("Read: %v, want a MessageError", err)
		}
	}
}

// FuzzCheck checks that go-diameter allocates no more than has arrived when it reads a message that
// has passed the check.
func FuzzCheck(f *testing.F) {
	for _, data := range []string{"", dm(""), dm("body"), header(1, 0), header(1, 1<<24-1),
		header(2, 20), dm("first") + dm("second") + "\x01"} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if check(b, 0) != nil {
			return
		}
		for len(b) > 0 {
			h, err := diam.DecodeHeader(b)
			if err != nil || h.MessageLength < diam.HeaderLength || int(h.MessageLength) > len(b) {
				t.Fatalf("%+v of %d bytes, %v", h, len(b), err)
			}
			b = b[h.MessageLength:]
		}
	})
}
