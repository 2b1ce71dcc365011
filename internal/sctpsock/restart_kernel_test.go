//go:build kernel && linux

package sctpsock

import (
	"bytes"
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

// send sends one chunk in a packet. RFC 9260, Section 3.
func (m *impostor) send(kind, flags byte, value []byte) {
	m.t.Helper()
	p := binary.BigEndian.AppendUint16(nil, m.src)
	p = binary.BigEndian.AppendUint16(p, m.dst)
	p = binary.BigEndian.AppendUint32(p, m.peerTag)
	p = append(p, 0, 0, 0, 0, kind, flags)
	p = binary.BigEndian.AppendUint16(p, uint16(4+len(value)))
	p = append(p, value...)
	p = append(p, make([]byte, -len(p)&3)...)
	binary.LittleEndian.PutUint32(p[8:], crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
	must(m.t, unix.Sendto(m.fd, p, 0, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
}

// receive waits for a packet to the impostor that begins with a chunk of this type.
func (m *impostor) receive(kind byte, flags int) (value []byte, ok bool) {
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
		p := b[4*int(b[0]&15) : n] // what follows the IP header
		if len(p) >= 16 && binary.BigEndian.Uint16(p[2:]) == m.src &&
			binary.BigEndian.Uint32(p[4:]) == impostorTag && p[12] == kind {
			return p[16 : 12+binary.BigEndian.Uint16(p[14:])], true
		}
	}
}

const (
	chunkData       = 0
	chunkInit       = 1
	chunkInitAck    = 2
	chunkCookieEcho = 10
	chunkCookieAck  = 11
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
	m.send(chunkInit, 0, append(v, params...))
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

// restart goes through with it, and sends a message without AUTH.
func (m *impostor) restart(params []byte) {
	m.t.Helper()
	m.sendInit(params)
	m.send(chunkCookieEcho, 0, m.cookie())
	if _, ok := m.receive(chunkCookieAck, 0); !ok {
		m.t.Fatal("no COOKIE ACK")
	}
	const wholeMessage = 3
	v := binary.BigEndian.AppendUint32(nil, impostorTSN)
	v = append(v, make([]byte, 8)...) // stream 0, number 0, no protocol
	m.send(chunkData, wholeMessage, append(v, "forged"...))
}

// authParams are those of an endpoint that uses SCTP-AUTH. RFC 4895, Section 3.
func authParams() []byte {
	p := append([]byte{0x80, 0x02, 0, 36}, bytes.Repeat([]byte{7}, 32)...) // RANDOM
	p = append(p, 0x80, 0x03, 0, 6, 0, 0xc0, 0, 0)                         // CHUNKS, padded
	p = append(p, 0x80, 0x04, 0, 8, 0, 3, 0, 1)                            // HMAC-ALGO
	return append(p, 0x80, 0x08, 0, 5, 15, 0, 0, 0)                        // supported: AUTH, padded
}

// protectedPair is an association as it is after a handshake.
func protectedPair(t *testing.T) (c, s *Socket) {
	t.Helper()
	c, s = pair(t, withAuth(), withAuth())
	for _, end := range []*Socket{c, s} {
		must(t, end.SetAuthKey(1, []byte("one")), end.SetActiveAuthKey(1), end.DeleteAuthKey(0))
	}
	return c, s
}

func TestAttackH1Restart(t *testing.T) { // 1.15
	tests := []struct {
		name   string
		params []byte
		auth   bool // afterwards
	}{
		{"without AUTH", nil, false},
		{"with AUTH", authParams(), true}, // on, because Accept has made the settings again
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, s := protectedPair(t)
			send(t, c, "before", SendInfo{SackImmediately: true})
			wantMessage(t, s, "before")
			newImpostor(t, c, s).restart(tt.params)
			wantEvent[Restarted](t, s)
			wantError(t, s, ErrRestarted)
			if err := s.Send([]byte("secret"), SendInfo{}); err != ErrRestarted {
				t.Errorf("sending after the restart: error %v", err)
			}
			if auth, err := s.AuthSupported(); err != nil || auth != tt.auth {
				t.Errorf("AUTH after the restart is %v, error %v, want %v", auth, err, tt.auth)
			}
		})
	}
}

func TestAttackH12BlindInit(t *testing.T) {
	c, s := protectedPair(t)
	m := newImpostor(t, c, s)
	m.sendInit(nil)
	m.cookie() // but it is not echoed
	send(t, c, "still here", SendInfo{})
	wantMessage(t, s, "still here")
	send(t, s, "so am I", SendInfo{})
	wantMessage(t, c, "so am I")
	wantNothing(t, s)
}

func TestAttackH1RefuseRestart(t *testing.T) {
	l := listenLoopback(t, withAuth())
	c := dialListener(t, l, withAuth())
	s := accept(t, l)
	wantEvent[Up](t, c)
	wantEvent[Up](t, s)
	must(t, s.RefuseRestart())
	m := newImpostor(t, c, s)
	m.sendInit(nil)

	// The association lives, and others can be set up.
	send(t, c, "still here", SendInfo{})
	wantMessage(t, s, "still here")
	send(t, s, "so am I", SendInfo{})
	wantMessage(t, c, "so am I")
	dialListener(t, l, withAuth())
	accept(t, l)
	wantNothing(t, s)
	if _, ok := m.receive(chunkInitAck, unix.MSG_DONTWAIT); ok {
		t.Error("the INIT was answered")
	}
	// It ends as usual.
	must(t, c.Shutdown())
	wantEvent[PeerShutdown](t, s)
	wantEOF(t, s)
}
