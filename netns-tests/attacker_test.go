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

// An Attacker is a host on the only path between two others. It forwards each packet as its
// interceptor decides, and sends packets on behalf of the others. It can read everything that is
// not encrypted, and has no keys but those that a test gives it.
type Attacker struct {
	*Host
	t    testing.TB
	in   *os.File // receives each IPv4 packet
	out  int      // a socket for IPv4 packets with any source address
	done chan struct{}

	mu        sync.Mutex // guards the following fields
	ends      [2]End
	intercept func(*wire.Packet) []*wire.Packet
}

// An End is what the attacker has learned about one endpoint of the newest association.
type End struct {
	Addr        netip.AddrPort
	Tag         uint32           // of packets to this endpoint
	First, Next uint32           // TSN of its first DATA chunk, and of the next one
	Auth        authchunk.Params // its SCTP-AUTH parameters
	Data        *wire.Packet     // the last packet with a DATA chunk that it sent
}

// NewAttacked creates three hosts, which exist until the test ends:
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
	// The kernel forwards nothing. A packet socket without link-layer headers receives what
	// arrives, not what is sent.
	protocol := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP))
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC,
		int(protocol))
	if err != nil {
		a.t.Fatal(os.NewSyscallError("packet socket", err))
	}
	a.in = os.NewFile(uintptr(fd), "packets of the attacker")
	// With the protocol IPPROTO_RAW, packets to send begin with their IPv4 header.
	if a.out, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC,
		unix.IPPROTO_RAW); err != nil {
		a.t.Fatal(os.NewSyscallError("raw socket", err))
	}
}

// pass forwards a packet.
func pass(p *wire.Packet) []*wire.Packet { return []*wire.Packet{p} }

// Intercept makes the attacker call f for each packet from now on, in order of arrival, with From
// set to Initiator for the client's. The attacker forwards what f returns in place of the packet.
// If f is nil, it forwards all packets.
func (a *Attacker) Intercept(f func(*wire.Packet) []*wire.Packet) {
	if f == nil {
		f = pass
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.intercept = f
}

// run handles packets until in is closed.
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

// learn takes from a packet what the attacker needs to forge others.
func (a *Attacker) learn(p *wire.Packet) {
	from := &a.ends[p.From]
	from.Addr = p.Src
	for _, c := range p.Chunks {
		switch c.Type {
		case wire.ChunkInit, wire.ChunkInitAck:
			if c.Type == wire.ChunkInitAck && p.Tag != a.ends[1-p.From].Tag {
				continue // the answer to a forged INIT
			}
			auth, _ := authchunk.ParseParams(c.Value[16:]) // without SCTP-AUTH there are no parameters
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

// End returns what the attacker knows about an endpoint.
func (a *Attacker) End(s wire.Side) End {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ends[s]
}

// Send sends packets to their destinations.
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

// Forge returns a packet from an endpoint to the other.
func (a *Attacker) Forge(from wire.Side, chunks ...wire.Chunk) *wire.Packet {
	a.mu.Lock()
	defer a.mu.Unlock()
	me, peer := a.ends[from], a.ends[1-from]
	return &wire.Packet{From: from, Src: me.Addr, Dst: peer.Addr, Tag: peer.Tag, Chunks: chunks}
}

// Sign is like Forge, with an AUTH chunk first, which is valid if secret is the endpoint pair
// shared key with number id.
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

// TSN returns the Transmission Sequence Number of a DATA chunk.
func TSN(c wire.Chunk) uint32 { return binary.BigEndian.Uint32(c.Value) }

// Stream returns the stream identifier of a DATA chunk.
func Stream(c wire.Chunk) uint16 { return binary.BigEndian.Uint16(c.Value[4:]) }

// DataChunk returns an unordered message in a single DATA chunk, which is delivered without waiting
// for others.
func DataChunk(tsn uint32, stream uint16, message []byte) wire.Chunk {
	const unorderedWhole = 7 // U, B, E
	v := binary.BigEndian.AppendUint32(nil, tsn)
	v = binary.BigEndian.AppendUint16(v, stream)
	v = append(v, 0, 0, 0, 0, 0, 0) // stream sequence number and payload protocol identifier
	return wire.Chunk{Type: wire.ChunkData, Flags: unorderedWhole, Value: append(v, message...)}
}
