package sctpdtls

import (
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// MaxMessageSize is the size in bytes of the largest message that every peer accepts, the content
// of one DTLS record (RFC 6083, Section 1.1). With DTLS 1.3 two ends can negotiate more: see
// [Config].MaxMessageSize.
const MaxMessageSize = 1 << 14

// MaxLargeMessageSize is the largest value of [Config].MaxMessageSize.
const MaxLargeMessageSize = dtlscore.MaxLargePlaintext

// MessageInfo is what SCTP carries with each message, in cleartext, but protected from changes by
// SCTP-AUTH (RFC 6083, Section 6).
type MessageInfo struct {
	Stream    uint16 // from 0 to ConnectionState.OutStreams-1
	PPID      uint32 // payload protocol identifier, in host byte order
	Unordered bool   // may overtake other messages of its stream

	// Lifetime and Retransmissions make a message partially reliable: SCTP abandons it if it has not
	// been delivered within that time (RFC 3758), or after that many retransmissions (RFC 7496,
	// Section 3.1; negative means none). An abandoned message is not received, not even in part. If
	// both are 0, the message is reliable. At most one may be set, and only if both ends have
	// [SCTPOptions].PartialReliability; otherwise the error is a [PartialReliabilityError].
	// ReadMessage does not set them.
	Lifetime        time.Duration
	Retransmissions int

	Length int // of the message in bytes; set by ReadMessage
}

// A Message is one message of [Conn.WriteMessages] or [Conn.ReadMessages].
type Message struct {
	Data []byte
	MessageInfo
}

// partial reports whether SCTP may give the message up.
func (m *MessageInfo) partial() bool { return m.Lifetime != 0 || m.Retransmissions != 0 }

func (m *MessageInfo) info() stream.Info {
	return stream.Info{Stream: m.Stream, PPID: m.PPID, Unordered: m.Unordered, Lifetime: m.Lifetime,
		Retransmissions: m.Retransmissions}
}

func messageInfo(i stream.Info, length int) MessageInfo {
	return MessageInfo{Stream: i.Stream, PPID: i.PPID, Unordered: i.Unordered, Length: length}
}
