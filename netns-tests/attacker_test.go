//go:build kernel

package netns

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
)

// An Attacker is a host that two others need to reach each other: each packet goes on as its
// interceptor says, and it sends others in their names. It knows all that travels in the clear, and
// no key but what a test gives it.
type Attacker struct {
	*Host
	t    testing.TB
	in   *os.File // has each IPv4 packet that comes
	out  int      // a socket for IPv4 packets with any sender
	done chan struct{}

	mu        sync.Mutex // guards the following
	ends      [2]End
	intercept func(*wire.Packet) []*wire.Packet
}

// An End is what the attacker has learnt of one end of the newest association.
type End struct {
	Addr        netip.AddrPort
	Tag         uint32           // of packets to it
	First, Next uint32           // TSN of its first DATA chunk, and of the next one
	Auth        authchunk.Params // what it has said of SCTP-AUTH
	Data        *wire.Packet     // the last one with a DATA chunk that it sent
}

// NewAttacked makes three hosts, which live until the test ends:
//
//	client eth0 10.0.0.1 ── 10.0.0.2 eth0 attacker eth1 10.0.1.1 ── 10.0.1.2 eth1 server
func NewAttacked(t testing.TB) (client, server *Host, a *Attacker) {
	t.Helper()
	client, server = NewHost(t, "client"), NewHost(t, "server")
	a = &Attacker{Host: NewHost(t, "attacker"), t: t, done: make(chan struct{}), intercept: pass}
	Join(t, client, a.Host)
	Join(t, a.Host, server)
	client.ip(t, fmt.Sprintf("route add 10.0.1.0/24 via %s", a.Addrs[0]))
	server.ip(t, fmt.Sprintf("route add 10.0.0.0/24 via %s", a.Addrs[1]))
	a.Do(t, a.open)
	go a.run()
	t.Cleanup(func() {
		a.in.Close()
		<-a.done
		unix.Close(a.out)
	})
	return client, server, a
}

func (a *Attacker) open() {
	// Nothing is forwarded by the kernel. A packet socket without link-layer headers has what comes,
	// not what is sent.
	protocol := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC,
		int(protocol))
	if err != nil {
		a.t.Fatal(os.NewSyscallError("packet socket", err))
	}
	a.in = os.NewFile(uintptr(fd), "packets of the attacker")
	// The protocol IPPROTO_RAW: what is sent begins with its IPv4 header.
	if a.out, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC,
		unix.IPPROTO_RAW); err != nil {
		a.t.Fatal(os.NewSyscallError("raw socket", err))
	}
}

// pass lets a packet go on.
func pass(p *wire.Packet) []*wire.Packet { return []*wire.Packet{p} }

// Intercept has f see each packet from now on, in the order in which they come, with From set to
// Initiator for the client. What f returns goes on in its place. nil lets all pass.
func (a *Attacker) Intercept(f func(*wire.Packet) []*wire.Packet) {
	if f == nil {
		f = pass
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.intercept = f
}

// run takes packets until in is closed.
func (a *Attacker) run() {
	defer close(a.done)
	for b := make([]byte, 64<<10); ; {
		n, err := a.in.Read(b)
		if err != nil {
			return
		}
		p, err := wire.DecodeIPv4(slices.Clone(b[:n]))
		if err != nil {
			a.t.Errorf("a packet that the attacker got: %v", err)
		}
		if p == nil || len(p.Chunks) == 0 {
			continue
		}
		if p.Src.Addr() != netip.AddrFrom4([4]byte{10, 0, 0, 1}) {
			p.From = wire.Responder
		}
		a.mu.Lock()
		intercept := a.intercept
		a.learn(p)
		a.mu.Unlock()
		a.Send(intercept(p)...)
	}
}

// learn takes from a packet what is needed to forge others.
func (a *Attacker) learn(p *wire.Packet) {
	from := &a.ends[p.From]
	from.Addr = p.Src
	for _, c := range p.Chunks {
		switch c.Type {
		case wire.ChunkInit, wire.ChunkInitAck:
			if c.Type == wire.ChunkInitAck && p.Tag != a.ends[1-p.From].Tag {
				continue // the answer to a forged INIT
			}
			auth, _ := authchunk.ParseParams(c.Value[16:]) // without SCTP-AUTH there are none
			*from = End{Addr: p.Src, Tag: binary.BigEndian.Uint32(c.Value), Auth: auth}
			from.First = binary.BigEndian.Uint32(c.Value[12:])
			from.Next = from.First
		case wire.ChunkData:
			if tsn := TSN(c); int32(tsn-from.Next) >= 0 {
				from.Next, from.Data = tsn+1, p
			}
		}
	}
}

// End returns what the attacker knows of an end.
func (a *Attacker) End(s wire.Side) End {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ends[s]
}

// Send sends packets to where they are addressed.
func (a *Attacker) Send(packets ...*wire.Packet) {
	for _, p := range packets {
		b, err := p.Encode()
		if err == nil {
			err = unix.Sendto(a.out, b, 0, &unix.SockaddrInet4{Addr: p.Dst.Addr().As4()})
		}
		if err != nil {
			a.t.Errorf("the attacker cannot send to %v: %v", p.Dst, err)
		}
	}
}

// Forge makes a packet that the end from seems to have sent to the other.
func (a *Attacker) Forge(from wire.Side, chunks ...wire.Chunk) *wire.Packet {
	a.mu.Lock()
	defer a.mu.Unlock()
	me, peer := a.ends[from], a.ends[1-from]
	return &wire.Packet{From: from, Src: me.Addr, Dst: peer.Addr, Tag: peer.Tag, Chunks: chunks}
}

// Sign is Forge with an AUTH chunk first, which is right if secret is the endpoint pair shared key
// that id names.
func (a *Attacker) Sign(from wire.Side, id uint16, secret []byte,
	chunks ...wire.Chunk) *wire.Packet {
	var body []byte
	for _, c := range chunks {
		body = c.Append(body)
	}
	me, peer := a.End(from), a.End(1-from)
	hmac, err := authchunk.ChooseHMAC(peer.Auth.HMACs,
		[]authchunk.HMACID{authchunk.HMACSHA256, authchunk.HMACSHA1})
	if err != nil {
		a.t.Errorf("a forgery with AUTH: %v", err)
		return a.Forge(from, chunks...)
	}
	key := authchunk.AssociationKey(secret, me.Auth.KeyVector(), peer.Auth.KeyVector())
	auth := authchunk.AppendAuth(nil, hmac, id, key, body)
	return a.Forge(from, append([]wire.Chunk{{Type: wire.ChunkAuth, Value: auth[4:]}}, chunks...)...)
}

// TSN returns the transmission sequence number of a DATA chunk.
func TSN(c wire.Chunk) uint32 { return binary.BigEndian.Uint32(c.Value) }

// Stream returns the stream of a DATA chunk.
func Stream(c wire.Chunk) uint16 { return binary.BigEndian.Uint16(c.Value[4:]) }

// DataChunk is a message in one DATA chunk, unordered, so that nothing has to come before it.
func DataChunk(tsn uint32, stream uint16, message []byte) wire.Chunk {
	const unorderedWhole = 7 // U, B, E
	v := binary.BigEndian.AppendUint32(nil, tsn)
	v = binary.BigEndian.AppendUint16(v, stream)
	v = append(v, 0, 0, 0, 0, 0, 0) // its number in the stream, the payload protocol
	return wire.Chunk{Type: wire.ChunkData, Flags: unorderedWhole, Value: append(v, message...)}
}
