package sctpdtls

import (
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// MaxMessageSize is the size in bytes of the largest message that every peer takes: what one DTLS
// record holds (RFC 6083, Section 1.1). Two ends of DTLS 1.3 can agree on more:
// [Config].MaxMessageSize.
const MaxMessageSize = 1 << 14

// MaxLargeMessageSize is the largest that [Config].MaxMessageSize may be.
const MaxLargeMessageSize = dtlscore.MaxLargePlaintext

// MessageInfo is what SCTP carries beside a message. All of it crosses the
// network in the clear; SCTP-AUTH protects it from change (RFC 6083, Section 6).
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

// A Message is one of several of [Conn.WriteMessages] and [Conn.ReadMessages].
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
