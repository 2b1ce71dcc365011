package sctpcore

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// A testPeer is the other end of one association, in which a test sends literal packets. Chunks are
// written in hexadecimal, with any spaces, and text between quotation marks. Each packet from the
// core is compared with a line of text, in which the TSNs of the core are written as +0, +1 and so
// on, from its Initial TSN. The peer has tag 0000aaaa, port 6000 and Initial TSN 1000; the core has
// port 5000.
type testPeer struct {
	t        testing.TB
	endpoint *Endpoint
	assoc    *Assoc
	config   *Config
	now      time.Duration
	from     netip.AddrPort
	core     initChunk // from the core's INIT or INIT ACK
	cookie   []byte
	listens  bool // the core listens on port 5000
	last     []byte
	lastTo   netip.AddrPort
}

const (
	peerTag  = 0xaaaa
	peerPort = 6000
	corePort = 5000
	// peerInit is an INIT with a window of 65,536 bytes, 10 streams out and 10 in.
	peerInit = "0000aaaa 00010000 000a 000a 000003e8"
)

func newTestPeer(t testing.TB, config *Config) *testPeer {
	t.Helper()
	e, err := NewEndpoint(seededReader{rand.NewChaCha8([32]byte{1})})
	if err != nil {
		t.Fatal(err)
	}
	p := &testPeer{t: t, endpoint: e, config: config, now: time.Hour, from: simAddr(1, 0)}
	return p
}

// acceptPeer returns a peer that has established an association to the core.
func acceptPeer(t testing.TB, config *Config) *testPeer {
	t.Helper()
	p := newTestPeer(t, config)
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	p.wantEvent(EventUp)
	p.search()
	return p
}

// search advances the time to the first probe, if the core sends probes.
func (p *testPeer) search() {
	if p.assoc.config.discovers() {
		p.sleep(probeDelay)
	}
}

// connectPeer returns a peer to which the core has established an association.
func connectPeer(t testing.TB, config *Config) *testPeer {
	t.Helper()
	p := newTestPeer(t, config)
	p.connect()
	p.want("INIT")
	p.send(chunkInitAck, 0, peerInit+"0007 0008 \"cook\"")
	p.want("COOKIE-ECHO \"cook\"")
	p.send(chunkCookieAck, 0, "")
	p.wantEvent(EventUp)
	p.wantNothing("the association is up")
	return p
}

func (p *testPeer) listen() {
	p.t.Helper()
	p.listens = true
	if err := p.endpoint.Listen(corePort, p.config); err != nil {
		p.t.Fatal(err)
	}
}

func (p *testPeer) connect() {
	p.t.Helper()
	var err error
	if p.assoc, err = p.endpoint.Connect(p.now, p.config, corePort, peerPort, p.from); err != nil {
		p.t.Fatal(err)
	}
}

// unhex parses hexadecimal with spaces, and text between quotation marks.
func unhex(s string) []byte {
	var b []byte
	for i, part := range strings.Split(s, "\"") {
		if i%2 == 1 {
			b = append(b, part...)
			continue
		}
		h, err := hex.DecodeString(strings.Join(strings.Fields(part), ""))
		if err != nil {
			panic(err)
		}
		b = append(b, h...)
	}
	return b
}

func chunkOf(typ, flags byte, value []byte) []byte {
	b := appendChunkHeader(nil, typ, flags, len(value))
	return appendPadding(append(b, value...), len(value))
}

func peerChunk(typ, flags byte, value string) []byte { return chunkOf(typ, flags, unhex(value)) }

// data returns a DATA chunk of the peer. With the flags whole, it contains a complete message.
func data(tsn uint32, flags byte, stream, ssn uint16, text string) []byte {
	return peerChunk(chunkData, flags, fmt.Sprintf("%08x %04x %04x 00000000 %q", tsn, stream, ssn,
		text))
}

const whole = flagBegin | flagEnd

// send sends one chunk with the core's tag; raw sends any chunks with any tag.
func (p *testPeer) send(typ, flags byte, value string) {
	p.t.Helper()
	p.raw(p.core.tag, peerChunk(typ, flags, value))
}

func (p *testPeer) raw(tag uint32, chunks ...[]byte) {
	p.t.Helper()
	b := header{peerPort, corePort, tag}.append(nil)
	for _, c := range chunks {
		b = append(b, c...)
	}
	putChecksum(b)
	p.packet(b)
}

func (p *testPeer) packet(b []byte) {
	p.t.Helper()
	if a := p.endpoint.Find(p.from, b); a != nil {
		a.Receive(p.now, p.from, netip.Addr{}, b)
	} else if a := p.endpoint.Receive(p.now, p.from, netip.Addr{}, b); a != nil {
		p.assoc = a
	}
}

// next returns a description of the core's next packet, or "" if there is none.
func (p *testPeer) next() string {
	p.t.Helper()
	out, ok := p.endpoint.NextPacket()
	if !ok && p.assoc != nil {
		out, ok = p.assoc.NextPacket(p.now, make([]byte, 0, 65536))
	}
	if !ok {
		return ""
	}
	p.last, p.lastTo = out.Data, out.To
	h, chunks, ok := parsePacket(out.Data)
	if !ok || h.src != corePort || h.dst != peerPort {
		p.t.Fatalf("packet with header %+v, checksum right: %v", h, ok)
	}
	var words []string
	if isInit := chunks[0] == chunkInit; h.tag != peerTag && !(isInit && h.tag == 0) {
		words = append(words, fmt.Sprintf("tag %x", h.tag))
	}
	for len(chunks) > 0 {
		c, rest, ok := nextChunk(chunks)
		if !ok || len(rest)%4 != 0 {
			p.t.Fatalf("the core sent a bad packet % x", out.Data)
		}
		chunks = rest
		words = append(words, p.describe(c))
	}
	return strings.Join(words, " | ")
}

func (p *testPeer) describe(c chunk) string {
	be32 := func(i int) uint32 { return binary.BigEndian.Uint32(c.value[i:]) }
	be16 := func(i int) uint16 { return binary.BigEndian.Uint16(c.value[i:]) }
	flags := ""
	if c.flags != 0 && c.typ != chunkData {
		flags = fmt.Sprintf(" flags %x", c.flags)
	}
	switch c.typ {
	case chunkInit, chunkInitAck:
		i, f := parseInit(c.value)
		if f != nil {
			p.t.Fatalf("the core sent a bad INIT: %v", f)
		}
		p.core, p.cookie = i, i.cookie
		s := "INIT"
		if c.typ == chunkInitAck {
			s = "INIT-ACK"
		}
		for rest := c.value[initFixedLen:]; len(rest) > 0; {
			var q param
			q, rest, _ = nextParam(rest)
			if q.typ == paramUnrecognized {
				s += fmt.Sprintf(" unrecognized %x", q.value)
			}
		}
		return s
	case chunkData:
		s := fmt.Sprintf("DATA +%d stream %d ssn %d ", be32(0)-p.core.tsn, be16(4), be16(6))
		for i, name := range []string{"E", "B", "U", "I"} {
			if c.flags&(1<<i) != 0 {
				s += name
			}
		}
		if v := c.value[12:]; len(v) <= 32 {
			return s + fmt.Sprintf(" %q", v)
		}
		return s + fmt.Sprintf(" %d bytes", len(c.value)-12)
	case chunkSack:
		s := fmt.Sprintf("SACK %d", be32(0))
		gaps, dups := int(be16(8)), int(be16(10))
		for i := range gaps {
			s += fmt.Sprintf(" gap %d-%d", be16(12+4*i), be16(14+4*i))
		}
		for i := range dups {
			s += fmt.Sprintf(" dup %d", be32(12+4*gaps+4*i))
		}
		if rwnd := int(be32(4)); rwnd < 1500 {
			s += fmt.Sprintf(" window %d", rwnd)
		}
		return s
	case chunkHeartbeat:
		return "HEARTBEAT"
	case chunkHeartbeatAck:
		return fmt.Sprintf("HEARTBEAT-ACK %x", c.value)
	case chunkAbort, chunkError:
		s := "ABORT" + flags
		if c.typ == chunkError {
			s = "ERROR"
		}
		for rest := c.value; len(rest) > 0; {
			var q param
			q, rest, _ = nextParam(rest)
			s += fmt.Sprintf(" %v", Cause(q.typ))
			if Cause(q.typ) != CauseProtocolViolation && len(q.value) > 0 {
				s += fmt.Sprintf(" %x", q.value)
			}
		}
		return s
	case chunkShutdown:
		return fmt.Sprintf("SHUTDOWN %d", be32(0))
	case chunkShutdownAck:
		return "SHUTDOWN-ACK"
	case chunkShutdownComplete:
		return "SHUTDOWN-COMPLETE" + flags
	case chunkCookieEcho:
		if len(c.value) > 20 {
			return "COOKIE-ECHO"
		}
		return fmt.Sprintf("COOKIE-ECHO %q", c.value)
	case chunkCookieAck:
		return "COOKIE-ACK"
	case chunkAuth:
		a, err := authchunk.ParseAuth(c.whole)
		if err != nil {
			p.t.Fatal(err)
		}
		return fmt.Sprintf("AUTH key %d %v", a.KeyID, a.HMAC)
	case chunkPad:
		return fmt.Sprintf("PAD %d", len(c.whole))
	case chunkForwardTSN:
		s := fmt.Sprintf("FORWARD-TSN +%d", be32(0)-p.core.tsn)
		for i := 4; i < len(c.value); i += 4 {
			s += fmt.Sprintf(" stream %d ssn %d", be16(i), be16(i+2))
		}
		return s
	}
	return fmt.Sprintf("chunk %d", c.typ)
}

// want expects these packets, and no others after them.
func (p *testPeer) want(packets ...string) {
	p.t.Helper()
	for _, want := range packets {
		if got := p.next(); got != want {
			p.t.Fatalf("the core sent\n  %s\nwanted\n  %s", got, want)
		}
	}
	p.wantNothing("all that was expected has come")
}

func (p *testPeer) wantNothing(because string) {
	p.t.Helper()
	if got := p.next(); got != "" {
		p.t.Fatalf("the core sent\n  %s\nwanted nothing: %s", got, because)
	}
}

// wantEvent expects an event of a kind, and returns it.
func (p *testPeer) wantEvent(k EventKind) Event {
	p.t.Helper()
	e, ok := p.assoc.NextEvent()
	if !ok || e.Kind != k {
		p.t.Fatalf("event %+v, wanted kind %d", e, k)
	}
	return e
}

// wantRead expects to read these messages, each written as stream:text, with U after the stream if
// it is unordered.
func (p *testPeer) wantRead(messages ...string) {
	p.t.Helper()
	var got []string
	var b [65536]byte
	for {
		n, info, end, ok := p.assoc.Read(b[:])
		if !ok {
			break
		}
		s := fmt.Sprint(info.Stream)
		if info.Unordered {
			s += "U"
		}
		s += ":" + string(b[:n])
		if !end {
			s += "..."
		}
		got = append(got, s)
	}
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", messages) {
		p.t.Fatalf("read %q, wanted %q", got, messages)
	}
}

func (p *testPeer) wantState(s State) {
	p.t.Helper()
	if got := p.assoc.State(); got != s {
		p.t.Fatalf("state %v, wanted %v", got, s)
	}
}

// sleep advances the time by d, and runs the timers only at its end.
func (p *testPeer) sleep(d time.Duration) {
	p.now += d
	if p.assoc != nil && p.assoc.NextTimeout() <= p.now {
		p.assoc.Timeout(p.now)
	}
}

// write makes the core send a message.
func (p *testPeer) write(text string, info Info) {
	p.t.Helper()
	if err := p.assoc.Send(p.now, []byte(text), info); err != nil {
		p.t.Fatal(err)
	}
}

// sack acknowledges the core's TSN +n in a SACK, with a window and Gap Ack Blocks in hexadecimal.
func (p *testPeer) sack(n int, window uint32, gaps string) {
	p.t.Helper()
	p.send(chunkSack, 0, fmt.Sprintf("%08x %08x %04x 0000 %s", p.core.tsn+uint32(n), window,
		len(unhex(gaps))/4, gaps))
}

// peerAuth are the parameters with which the peer offers SCTP-AUTH: RANDOM with 32 bytes of value
// 22, CHUNKS with DATA, and HMAC-ALGO with SHA-256 and SHA-1.
const peerAuth = "8008 0005 0f 000000" +
	"8002 0024 2222222222222222222222222222222222222222222222222222222222222222" +
	"8003 0005 00 000000" + "8004 0008 0003 0001"
