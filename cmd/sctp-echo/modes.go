package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// modes are what a server can do with a client. Each returns why it ended: io.EOF if the client
// closed the connection.
var modes = map[string]func(*traffic) error{
	"echo":    echo,
	"discard": discard,
	"chargen": chargen,
}

// traffic is a session of a server, with counters.
type traffic struct {
	session session
	ppid    uint32        // for what is sent; 0 keeps that of the message
	timeout time.Duration // for the client to take what is sent
	read    func(n int, info sctpdtls.MessageInfo)

	messagesIn, bytesIn, messagesOut, bytesOut atomic.Int64
}

// receive returns the next message, which is valid until the next call. It does not keep the buffer
// that it allocates for a large message.
func (t *traffic) receive(buf []byte) ([]byte, sctpdtls.MessageInfo, error) {
	n, info, err := t.session.ReadMessage(buf)
	if errors.Is(err, io.ErrShortBuffer) {
		buf = make([]byte, info.Length)
		n, info, err = t.session.ReadMessage(buf)
	}
	if err != nil {
		return nil, info, err
	}
	t.messagesIn.Add(1)
	t.bytesIn.Add(int64(n))
	if t.read != nil {
		t.read(n, info)
	}
	return buf[:n], info, nil
}

func (t *traffic) send(b []byte, info sctpdtls.MessageInfo) error {
	if t.ppid != 0 {
		info.PPID = t.ppid
	}
	t.session.SetWriteDeadline(time.Now().Add(t.timeout))
	if err := t.session.WriteMessage(b, info); err != nil {
		return fmt.Errorf("sending on stream %d: %w", info.Stream, err)
	}
	t.messagesOut.Add(1)
	t.bytesOut.Add(int64(len(b)))
	return nil
}

func (t *traffic) String() string {
	return fmt.Sprintf("%d messages (%d bytes) in, %d (%d) out",
		t.messagesIn.Load(), t.bytesIn.Load(), t.messagesOut.Load(), t.bytesOut.Load())
}

// echo sends every message back as it came.
func echo(t *traffic) error {
	buf := make([]byte, sctpdtls.MaxMessageSize)
	for {
		b, in, err := t.receive(buf)
		if err != nil {
			return err
		}
		if err := t.send(b, sctpdtls.MessageInfo{Stream: in.Stream, PPID: in.PPID,
			Unordered: in.Unordered}); err != nil {
			return err
		}
	}
}

// discard reads until the end.
func discard(t *traffic) error {
	buf := make([]byte, sctpdtls.MaxMessageSize)
	for {
		if _, _, err := t.receive(buf); err != nil {
			return err
		}
	}
}

// chargen sends until the client closes or stops reading, and discards what the client sends.
func chargen(t *traffic) error {
	ended := make(chan error, 1)
	go func() { ended <- discard(t) }()
	streams := int(t.session.ConnectionState().OutStreams)
	for i := 0; ; i++ {
		select {
		case err := <-ended:
			return err
		default:
		}
		err := t.send(chargenLine(i), sctpdtls.MessageInfo{Stream: uint16(i % streams)})
		if err == nil {
			continue
		}
		if !errors.Is(err, net.ErrClosed) { // else discard returns the reason
			t.session.Close()
		}
		if endErr := <-ended; errors.Is(endErr, io.EOF) {
			return endErr
		}
		return err
	}
}

// chargenLine returns the ith line of the pattern that RFC 864 recommends: 72 of the
// 95 printing characters, one further at each line.
func chargenLine(i int) []byte {
	const first, printing, width = ' ', 95, 72
	line := make([]byte, 0, width+2)
	for j := range width {
		line = append(line, byte(first+(i+j)%printing))
	}
	return append(line, '\r', '\n')
}
