package sctpudp

import (
	"net/netip"
	"sync"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// A batchConn sends and receives several packets with one system call. The caller provides room for
// control messages.
type batchConn interface {
	// writeBatch sends b as packets of size bytes; the last one may be shorter. They are sent from
	// the given address of this host, or from one that the system chooses if that is not valid.
	writeBatch(b []byte, size int, to netip.AddrPort, from netip.Addr, room []byte)
	// newReceiver returns a receiver of up to count batches, or parts of them, per system call.
	newReceiver(count int) receiver
}

// A receiver receives the packets of a Conn.
type receiver interface {
	// receive waits for packets, and calls f with packets of size bytes, of which the last may be
	// shorter, and with the address of this host that they were sent to, if the system reports it.
	// The packets are valid until f returns.
	receive(f func(from netip.AddrPort, local netip.Addr, b []byte, size int)) error
}

// A singleReceiver is the receiver of a Conn without batches.
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

// batchRoom is the length of the room: control messages for a packet size and an IPv6 address.
const batchRoom = 96

// A batch has at most as many packets as every Linux kernel accepts, and as many bytes as a
// datagram.
const (
	maxBatch      = 64
	maxBatchBytes = 65000
)

// burst is Max.Burst where there are batches: a packet of a batch costs less than a single one, and
// the packets of a batch are acknowledged together. RFC 9260, Section 6.1, rule D, recommends 4,
// but leaves it to the implementation. The congestion window is a limit too. In the same way, Linux
// passes up to 64 KiB of a TCP connection to the device at once.
const burst = 32

// Packets are probed up to a size from the header of IPv4 on: the 1,500 bytes of Ethernet, or more
// if the devices of this host take more, and the buffers of both sides hold seven of them: if not
// set otherwise, each has room for a DTLS record of 16,384 bytes.
const (
	ethernetMTU = 1500
	maxMTU      = 65535
)

// overhead is the size of the headers before that of SCTP: of IP and, unless the socket is a raw IP
// socket, of UDP.
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

// tuned returns config with what is best for the socket.
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

// An outgoing is the buffer in which packets are built. It collects those that can be sent as a
// batch.
type outgoing struct {
	buf  [maxPacket]byte
	room [batchRoom]byte
	// Packets of size bytes are from start to end; only the last one may be shorter.
	start, end, size int
	to               netip.AddrPort
	from             netip.Addr
	by               *link
}

var outgoings = sync.Pool{New: func() any { return new(outgoing) }}

// next returns the buffer for the next packet, which usually has at most mtu bytes.
func (o *outgoing) next(mtu int) []byte {
	if o.end+mtu > len(o.buf) {
		o.send()
		o.start, o.end = 0, 0
	}
	return o.buf[o.end:o.end]
}

// add sends a packet, or keeps it to be sent with those that follow. A packet that is not in the
// buffer is sent alone.
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

// send sends the packets that were collected.
func (o *outgoing) send() {
	b := o.buf[o.start:o.end]
	if o.start = o.end; len(b) > o.size {
		o.by.batch.writeBatch(b, o.size, o.to, o.by.source(o.from), o.room[:])
	} else if len(b) > 0 {
		o.by.write(sctpcore.Packet{Data: b, To: o.to, From: o.from})
	}
}

// done sends the packets that were collected, and prepares o for the next user.
func (o *outgoing) done() {
	o.send()
	o.start, o.end, o.by = 0, 0, nil
	outgoings.Put(o)
}
