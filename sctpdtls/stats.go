package sctpdtls

import (
	"sync/atomic"
	"syscall"
)

// Stats are what was counted of a connection since its beginning.
type Stats struct {
	// Application messages, and their bytes before encryption. Received ones are counted when they are
	// decrypted, whether somebody has read them or not.
	MessagesSent, MessagesReceived uint64
	BytesSent, BytesReceived       uint64

	Handshakes int    // completed; more than one after renegotiations of DTLS 1.2
	Epoch      uint64 // of the keys of DTLS in which this end writes
	AuthKeyID  uint16 // of SCTP-AUTH, made by the last handshake
	// RecordsInEpoch were protected by the present keys, of RecordsPerEpoch that they may protect.
	RecordsInEpoch, RecordsPerEpoch uint64

	// What follows is the kernel's. Retransmissions are not in ChunksSent, duplicates are not in
	// ChunksReceived.
	PacketsSent, PacketsReceived uint64
	ChunksSent, ChunksReceived   uint64 // of data
	Retransmitted                uint64 // chunks
	Duplicates                   uint64 // chunks received more than once
	Unacked                      int    // chunks sent that the peer has not acknowledged
	Pending                      int    // chunks missing below the last: lost and not sent again yet, or a [TruncationError] to come
	PeerWindow                   int    // bytes that the peer is ready to receive
	Primary                      Path   // its RTT and RTO above all
}

// Stats returns what was counted. It may be called at any time by any goroutine. After the end of
// the association it returns this end's counts together with the error of writes.
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
	k, err := c.kernel()
	if err != nil {
		return s, err
	}
	st, err := k.Stats()
	if err != nil {
		return s, c.whyEnded(err)
	}
	s.PacketsSent, s.PacketsReceived = st.OutPackets, st.InPackets
	s.ChunksSent, s.ChunksReceived = st.OutChunks, st.InChunks
	s.Retransmitted, s.Duplicates = st.Retransmitted, st.InDuplicates
	s.Unacked, s.Pending, s.PeerWindow = st.Unacked, st.Pending, st.PeerWindow
	s.Primary = newPath(st.Primary)
	return s, nil
}

// counters are apart from each other as those who count are: writers, and the reader.
type counters struct {
	messagesSent, bytesSent         atomic.Uint64
	_                               [64]byte // a cache line
	messagesReceived, bytesReceived atomic.Uint64
}

func (n *counters) sent(bytes int) {
	n.messagesSent.Add(1)
	n.bytesSent.Add(uint64(bytes))
}

// oneWay reports whether so much more was sent than received that an acknowledgement of each
// message would be one packet for each that nobody waits for, where SCTP sends half as many by
// itself. The flush at the end, of so many messages, may take 200 ms then.
func (n *counters) oneWay() bool { return n.messagesSent.Load() > n.messagesReceived.Load()+64 }

func (n *counters) received(bytes int) {
	n.messagesReceived.Add(1)
	n.bytesReceived.Add(uint64(bytes))
}
