package sctpdtls

import (
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Stats are the statistics of a connection since its beginning.
type Stats struct {
	// Application messages, and their bytes before encryption. Received ones are counted when they are
	// decrypted, whether or not they have been read.
	MessagesSent, MessagesReceived uint64
	BytesSent, BytesReceived       uint64

	Handshakes int    // completed; more than one after renegotiations of DTLS 1.2
	Epoch      uint64 // of the keys of DTLS in which this end writes
	AuthKeyID  uint16 // of SCTP-AUTH, made by the last handshake
	// RecordsInEpoch were protected by the present keys, of RecordsPerEpoch that they may protect.
	RecordsInEpoch, RecordsPerEpoch uint64

	// Stats of SCTP are the kernel's: PacketsSent, PacketsReceived, ChunksSent, ChunksReceived,
	// Retransmitted, Duplicates, Unacked, Pending, PeerWindow and Primary, the primary path. Pending
	// chunks are lost and not sent again yet, or a [TruncationError] to come.
	stream.Stats
}

// Stats returns statistics. It may be called at any time by any goroutine. After the end of the
// association it returns this end's counts together with the error of writes.
func (c *Conn) Stats() (Stats, error) {
	if !c.ok() {
		return Stats{}, syscall.EINVAL
	}
	s := Stats{
		MessagesSent:     c.counted.messagesSent.Load(),
		BytesSent:        c.counted.bytesSent.Load(),
		MessagesReceived: c.counted.messagesReceived.Load(),
		BytesReceived:    c.counted.bytesReceived.Load(),
		Epoch:            c.core.Epoch(),
	}
	s.RecordsInEpoch, s.RecordsPerEpoch = c.core.KeyUsage()
	if state := c.state.Load(); state != nil {
		s.Handshakes, s.AuthKeyID = state.Handshakes, state.AuthKeyID
	}
	err := optional(c, func(a stream.StatsReporter) (err error) {
		s.Stats, err = a.Stats()
		return err
	})
	return s, err
}
