package sctpudp

import (
	"net/netip"
	"sync"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// A batchConn sends and receives several packets with one system call. The room is for what it
// needs beside, and belongs to the caller.
type batchConn interface {
	// writeBatch sends b as packets of size bytes, of which the last may be shorter. They leave from
	// an address of this host, the one that the system chooses if that is not valid.
	writeBatch(b []byte, size int, to netip.AddrPort, from netip.Addr, room []byte)
	// newReceiver returns what receives up to count batches, or parts of them, with one system call.
	newReceiver(count int) receiver
}

// A receiver receives what comes to a Conn.
type receiver interface {
	// receive waits, and calls f with packets of size bytes, of which the last may be shorter, and the
	// address of this host that they came to, if the system says it. They are valid until f returns.
	receive(f func(from netip.AddrPort, local netip.Addr, b []byte, size int)) error
}

// A singleReceiver is that of a Conn that has no batches.
type singleReceiver struct {
	conn Conn
	b    []byte
}

func (r *singleReceiver) receive(
	f func(from netip.AddrPort, local netip.Addr, b []byte, size int),
) error {
	n, from, err := r.conn.ReadFromUDPAddrPort(r.b)
	if err != nil {
		return err
	}
	f(from, netip.Addr{}, r.b[:n], n)
	return nil
}

// batchRoom is the length of the room: for the size of packets, and an address of IPv6.
const batchRoom = 96

// A batch may have as many packets and bytes as every Linux takes; the bytes are those of a
// datagram that is not cut.
const (
	maxBatch      = 64
	maxBatchBytes = 65000
)

// burst is Max.Burst where there are batches: a packet costs less as one of many, and those of a
// batch are acknowledged together. RFC 9260, Section 6.1, rule D, recommends 4 and leaves it to the
// implementation; the congestion window bounds it too. TCP lets 64 KiB leave at once by the same
// means.
const burst = 32

// Packets are probed up to a size from the header of IPv4 on: the 1,500 bytes of Ethernet, or more
// if the devices of this host take more, and the buffers of both sides hold eight of them.
const (
	ethernetMTU = 1500
	maxMTU      = 65535
)

// overhead is the size of the headers before SCTP's: of UDP, unless the socket is one of raw IP,
// and of IP.
func (s *Socket) overhead(ip6 bool) int {
	n := 20
	if ip6 {
		n = 40
	}
	if s.used == nil {
		n += 8
	}
	return n
}

// tuned returns config as it is best for the socket.
func (s *Socket) tuned(config *sctpcore.Config) *sctpcore.Config {
	var c sctpcore.Config
	if config != nil {
		c = *config
	}
	if c.MaxBurst == 0 && s.links[0].batch != nil {
		c.MaxBurst = burst
	}
	if c.MTU == 0 && c.MaxMTU == 0 && s.links[0].whole != nil {
		c.MaxMTU = s.maxMTU - s.overhead(false)
	}
	return &c
}

// An outgoing is where packets are built. It collects those that can go as a batch.
type outgoing struct {
	buf  [maxPacket]byte
	room [batchRoom]byte
	// From start to end are packets of size bytes, of which only the last may be shorter.
	start, end, size int
	to               netip.AddrPort
	from             netip.Addr
	by               *link
}

var outgoings = sync.Pool{New: func() any { return new(outgoing) }}

// next is where the next packet is to be built, of usually at most mtu bytes.
func (o *outgoing) next(mtu int) []byte {
	if o.end+mtu > len(o.buf) {
		o.send()
		o.start, o.end = 0, 0
	}
	return o.buf[o.end:o.end]
}

// add sends a packet, or keeps it for those that follow. One that is elsewhere goes alone.
func (o *outgoing) add(s *Socket, p sctpcore.Packet) {
	n, by := len(p.Data), s.linkTo(p)
	if by.batch == nil || p.MayFragment || o.end+n > len(o.buf) || &p.Data[0] != &o.buf[o.end] {
		o.send()
		by.write(p)
		return
	}
	if o.start < o.end && (p.To != o.to || p.From != o.from || by != o.by || n > o.size) {
		o.send()
	}
	if o.start == o.end {
		o.size, o.to, o.from, o.by = n, p.To, p.From, by
	}
	o.end += n
	all := o.end - o.start
	if n < o.size || all == maxBatch*o.size || all+o.size > maxBatchBytes {
		o.send()
	}
}

// send sends what was collected.
func (o *outgoing) send() {
	b := o.buf[o.start:o.end]
	if o.start = o.end; len(b) > o.size {
		o.by.batch.writeBatch(b, o.size, o.to, o.by.source(o.from), o.room[:])
	} else if len(b) > 0 {
		o.by.write(sctpcore.Packet{Data: b, To: o.to, From: o.from})
	}
}

// done sends what was collected, and makes o ready for the next user.
func (o *outgoing) done() {
	o.send()
	o.start, o.end, o.by = 0, 0, nil
	outgoings.Put(o)
}
