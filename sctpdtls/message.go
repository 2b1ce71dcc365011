package sctpdtls

import (
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// MaxMessageSize is the size in bytes of the largest message that every peer takes: what one DTLS
// record holds (RFC 6083, Section 1.1). Two ends of DTLS 1.3 can agree on more:
// [Config].MaxMessageSize.
const MaxMessageSize = 1 << 14

// MaxLargeMessageSize is the largest that [Config].MaxMessageSize may be.
const MaxLargeMessageSize = dtlscore.MaxLargePlaintext

// MessageInfo is what SCTP carries beside a message. All of it crosses the
// network in clear; SCTP-AUTH protects it from change (RFC 6083, Section 6).
type MessageInfo struct {
	Stream    uint16 // from 0 to ConnectionState.OutStreams-1
	PPID      uint32 // payload protocol identifier, in host byte order
	Unordered bool   // may overtake other messages of its stream

	// Lifetime and Retransmissions make a message partially reliable: SCTP gives it up when it could
	// not be delivered in that time (RFC 3758), or when it has been sent again so often (RFC 7496,
	// Section 3.1; negative: not once). What has been given up is never received, not even in part.
	// Both 0 is reliable; only one may be set, and only if both ends have
	// [SCTPOptions].PartialReliability, else the error is a [PartialReliabilityError]. ReadMessage
	// does not set them.
	Lifetime        time.Duration
	Retransmissions int

	Length int // of the message in bytes; set by ReadMessage
}

// ReadMessage waits for the next message, of any stream that has no [Stream], and puts it into b.
// When b is too short it returns io.ErrShortBuffer and info.Length; the message stays for the next
// call, and a loop that passes over errors with the same b never comes further: give b
// [MaxMessageSize] bytes, which are always enough, or where both ends have set
// [Config].MaxMessageSize what info.Length or ConnectionState.MaxRead says. It returns io.EOF after
// the peer's close_notify; an [AssociationError], which is an io.ErrUnexpectedEOF, when the
// association ended without; and a [TruncationError], likewise, when messages were removed on the
// way.
func (c *Conn) ReadMessage(b []byte) (n int, info MessageInfo, err error) {
	if !c.ok() {
		return 0, info, syscall.EINVAL
	}
	return c.recv(&c.own, b, aMessage)
}

// Read reads the bytes of messages, of all streams that have no [Stream], as they come. It never
// puts bytes of two messages into b; what does not fit stays for the next call of Read. Errors are
// those of [Conn.ReadMessage].
func (c *Conn) Read(b []byte) (n int, err error) {
	if !c.ok() || len(b) == 0 {
		return 0, c.Handshake()
	}
	n, _, err = c.recv(&c.own, b, someBytes)
	return n, err
}

// WriteMessage sends b as one message, which is one record, as info says. It waits for buffer
// space, and while a handshake changes keys. b must not be longer than ConnectionState.MaxWrite,
// which is [MaxMessageSize] unless both ends have set [Config].MaxMessageSize. It neither
// changes b nor keeps a reference to it. Any number of goroutines may write at once; each encrypts
// for itself.
//
// It returns when the kernel has taken the message; what was not acknowledged before the connection
// ends may be lost, and [Conn.Close] tells. After a [MessageTooLargeError], a [StreamError], a
// [PartialReliabilityError] or os.ErrDeadlineExceeded nothing of the message was sent, and the
// connection goes on, as after an info with two limits. After the end of the connection the error
// says how it ended.
func (c *Conn) WriteMessage(b []byte, info MessageInfo) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.send(&c.own, b, &info)
}

// Write sends b as one message on [Config].DefaultStream with [Config].PPID. More than
// ConnectionState.MaxWrite bytes are a [MessageTooLargeError]: a reader of messages could not put
// several together again. All else is as with WriteMessage.
func (c *Conn) Write(b []byte) (n int, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	return c.write(&c.own, b, MessageInfo{Stream: c.config.DefaultStream, PPID: c.config.PPID})
}

func (c *Conn) write(p *party, b []byte, info MessageInfo) (n int, err error) {
	if err := c.send(p, b, &info); err != nil {
		return 0, err
	}
	return len(b), nil
}
