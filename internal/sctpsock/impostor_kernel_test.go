//go:build kernel && linux

package sctpsock

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"golang.org/x/sys/unix"
)

// An impostor is at the client's address and port, with a raw socket and
// no state, like a client whose host has crashed. The real one's kernel
// ignores what the server sends to the impostor, because its tag is another.
type impostor struct {
	t        *testing.T
	fd       int
	src, dst uint16 // ports
	peerTag  uint32
}

const (
	impostorTag = 0xfeedface
	impostorTSN = 1000
)

func newImpostor(t *testing.T, c, s *Socket) *impostor {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	tv := unix.NsecToTimeval(patience.Nanoseconds())
	must(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv))
	return &impostor{t: t, fd: fd, src: c.LocalAddrs()[0].Port(), dst: s.LocalAddrs()[0].Port()}
}

// chunk appends a chunk, padded. RFC 9260, Section 3.2.
func chunk(b []byte, kind, flags byte, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(append(b, kind, flags), uint16(4+len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(b)&3)...)
}

// dataChunk is a message on stream 1, the first one there.
func dataChunk(tsn uint32, msg string) []byte {
	const wholeMessage = 3
	v := binary.BigEndian.AppendUint32(nil, tsn)
	v = append(v, 0, 1, 0, 0, 0, 0, 0, 0) // stream, number, protocol
	return chunk(nil, chunkData, wholeMessage, append(v, msg...))
}

// send sends a packet.
func (m *impostor) send(chunks []byte) {
	m.t.Helper()
	p := binary.BigEndian.AppendUint16(nil, m.src)
	p = binary.BigEndian.AppendUint16(p, m.dst)
	p = binary.BigEndian.AppendUint32(p, m.peerTag)
	p = append(p, 0, 0, 0, 0)
	p = append(p, chunks...)
	binary.LittleEndian.PutUint32(p[8:], crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
	must(m.t, unix.Sendto(m.fd, p, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
}

// capture waits for a packet of SCTP, whosever it is.
func (m *impostor) capture(flags int) (p []byte, ok bool) {
	m.t.Helper()
	b := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(m.fd, b, flags)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, false
		}
		if p := b[4*int(b[0]&15) : n]; len(p) >= 16 { // what follows the IP header
			return p, true
		}
	}
}

// receive waits for a packet to the impostor that begins with a chunk of this type.
func (m *impostor) receive(kind byte, flags int) (value []byte, ok bool) {
	m.t.Helper()
	for {
		p, ok := m.capture(flags)
		if !ok {
			return nil, false
		}
		if binary.BigEndian.Uint16(p[2:]) == m.src && binary.BigEndian.Uint32(p[4:]) == impostorTag &&
			p[12] == kind {
			return p[16 : 12+binary.BigEndian.Uint16(p[14:])], true
		}
	}
}

// overhear waits for a message of the client's, and takes on its tag. It returns
// the message's sequence number.
func (m *impostor) overhear() (tsn uint32) {
	m.t.Helper()
	for {
		p, ok := m.capture(0)
		if !ok {
			m.t.Fatal("no message to overhear")
		}
		if binary.BigEndian.Uint16(p) != m.src || binary.BigEndian.Uint16(p[2:]) != m.dst {
			continue
		}
		m.peerTag = binary.BigEndian.Uint32(p[4:])
		for chunks := p[12:]; len(chunks) >= 16; {
			if chunks[0] == chunkData {
				return binary.BigEndian.Uint32(chunks[4:])
			}
			n := int(binary.BigEndian.Uint16(chunks[2:]))
			chunks = chunks[min((n+3)&^3, len(chunks)):]
		}
	}
}

const (
	chunkData       = 0
	chunkInit       = 1
	chunkInitAck    = 2
	chunkCookieEcho = 10
	chunkCookieAck  = 11
	chunkAuth       = 15
	chunkForwardTSN = 0xc0
)

// sendInit asks for a new association, with these parameters.
func (m *impostor) sendInit(params []byte) {
	m.t.Helper()
	m.peerTag = 0
	v := binary.BigEndian.AppendUint32(nil, impostorTag)
	v = binary.BigEndian.AppendUint32(v, 100000) // window
	v = binary.BigEndian.AppendUint16(v, 10)     // streams
	v = binary.BigEndian.AppendUint16(v, 10)
	v = binary.BigEndian.AppendUint32(v, impostorTSN)
	m.send(chunk(nil, chunkInit, 0, append(v, params...)))
}

// cookie reads the answer to sendInit and returns the cookie in it.
func (m *impostor) cookie() []byte {
	m.t.Helper()
	ack, ok := m.receive(chunkInitAck, 0)
	if !ok {
		m.t.Fatal("no INIT ACK")
	}
	m.peerTag = binary.BigEndian.Uint32(ack)
	for p := ack[16:]; len(p) >= 4; {
		const stateCookie = 7
		n := int(binary.BigEndian.Uint16(p[2:]))
		if binary.BigEndian.Uint16(p) == stateCookie {
			return p[4:n]
		}
		p = p[min((n+3)&^3, len(p)):]
	}
	m.t.Fatal("no cookie in the INIT ACK")
	return nil
}
