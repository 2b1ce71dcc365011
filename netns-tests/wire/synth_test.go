package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// A recording is a DTLS connection between two other implementations.
type recording struct {
	Name, Version string
	KeyLog        []string
	Exporters     []string // the endpoint pair shared keys 1, 2, ...
	Records       [][2]string
}

func recordings(t testing.TB) []recording {
	t.Helper()
	b, err := os.ReadFile("testdata/connections.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Connections []recording }
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	return file.Connections
}

func recordingNamed(t testing.TB, name string) recording {
	t.Helper()
	for _, r := range recordings(t) {
		if r.Name == name {
			return r
		}
	}
	t.Fatalf("no recording %q", name)
	return recording{}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// keyLog returns the recording's key log as SSLKEYLOGFILE has it. Recordings
// of DTLS 1.3 name epochs in place of labels.
func (r recording) keyLog(t testing.TB) []byte {
	var out bytes.Buffer
	for _, line := range r.KeyLog {
		f := strings.Fields(line)
		if f[0] == "EPOCH_SECRET" {
			label := map[string]string{"2": "_HANDSHAKE_TRAFFIC_SECRET ", "3": "_TRAFFIC_SECRET_0 "}[f[1]]
			if label == "" {
				continue // follows from the one before
			}
			hello := unhex(t, r.Records[0][1])
			line = strings.ToUpper(f[2]) + label + hex.EncodeToString(hello[27:59]) + " " + f[3]
		}
		out.WriteString(line + "\n")
	}
	return out.Bytes()
}

// secrets returns the endpoint pair shared keys by their identifiers.
func (r recording) secrets(t testing.TB) map[uint16][]byte {
	out := map[uint16][]byte{0: nil}
	for i, e := range r.Exporters {
		out[uint16(i+1)] = unhex(t, e)
	}
	return out
}

// A synth makes the capture of an association.
type synth struct {
	frames  []Frame
	now     time.Time
	params  [2]authchunk.Params
	tag     [2]uint32
	tsn     [2]uint32
	ssn     [2][4]uint16 // by stream
	secrets map[uint16][]byte
	hmac    authchunk.HMACID
	mtu     int // bytes of user data in a packet
}

func newSynth(secrets map[uint16][]byte) *synth {
	s := &synth{
		now:     time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		tag:     [2]uint32{0x11111111, 0x22222222},
		tsn:     [2]uint32{0xfffffffa, 1000}, // one of them wraps
		secrets: secrets,
		hmac:    authchunk.HMACSHA256,
		mtu:     1400,
	}
	for side := range s.params {
		s.params[side] = authchunk.Params{
			Random: bytes.Repeat([]byte{byte(0xa0 + side)}, 32),
			Chunks: []byte{ChunkData, ChunkForwardTSN},
			HMACs:  []authchunk.HMACID{authchunk.HMACSHA256, authchunk.HMACSHA1},
		}
	}
	return s
}

// wait lets time pass.
func (s *synth) wait(d time.Duration) { s.now = s.now.Add(d) }

// packet captures a packet with these chunks; keyID [Unsigned] leaves out AUTH.
func (s *synth) packet(from Side, keyID int, chunks ...[]byte) {
	body := bytes.Join(chunks, nil)
	if keyID != Unsigned {
		body = append(s.auth(uint16(keyID), body), body...)
	}
	tag := s.tag[from.peer()]
	if body[0] == ChunkInit {
		tag = 0
	}
	s.frame(from, tag, body)
}

func (s *synth) auth(keyID uint16, body []byte) []byte {
	key := authchunk.AssociationKey(s.secrets[keyID], s.params[0].KeyVector(), s.params[1].KeyVector())
	return authchunk.AppendAuth(nil, s.hmac, keyID, key, body)
}

var synthAddr = [2]netip.AddrPort{netip.MustParseAddrPort("10.0.0.1:40000"),
	netip.MustParseAddrPort("10.0.0.2:5868")}

func (s *synth) frame(from Side, tag uint32, body []byte) {
	be := binary.BigEndian
	src, dst := synthAddr[from], synthAddr[from.peer()]
	b := append(make([]byte, 12), 0x08, 0x00)
	b = append(b, 0x45, 0)
	b = be.AppendUint16(b, uint16(ipv4HeaderLen+sctpHeaderLen+len(body)))
	b = append(b, 0, 0, 0x40, 0, 64, protocolSCTP, 0, 0)
	b = append(b, src.Addr().AsSlice()...)
	b = append(b, dst.Addr().AsSlice()...)
	b = be.AppendUint16(b, src.Port())
	b = be.AppendUint16(b, dst.Port())
	b = be.AppendUint32(b, tag)
	b = append(b, 0, 0, 0, 0)
	b = append(b, body...)
	s.frames = append(s.frames, Frame{s.now, b})
	s.wait(time.Millisecond)
}

func chunk(typ, flags byte, value []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{typ, flags}, uint16(chunkHeaderLen+len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(b)&3)...)
}

func (s *synth) initChunk(typ byte, from Side) []byte {
	b := binary.BigEndian.AppendUint32(nil, s.tag[from])
	b = append(b, 0, 1, 0, 0, 0, 10, 0, 10)
	b = binary.BigEndian.AppendUint32(b, s.tsn[from])
	return chunk(typ, 0, s.params[from].Append(b))
}

// setup is the four-way handshake of SCTP.
func (s *synth) setup() {
	s.packet(Initiator, Unsigned, s.initChunk(ChunkInit, Initiator))
	s.packet(Responder, Unsigned, s.initChunk(ChunkInitAck, Responder))
	s.packet(Initiator, Unsigned, chunk(ChunkCookieEcho, 0, make([]byte, 50)))
	s.packet(Responder, Unsigned, chunk(ChunkCookieAck, 0, nil))
}

// A send is one user message as it goes out.
type send struct {
	from      Side
	keyID     int
	stream    uint16
	ppid      uint32
	unordered bool
	sackNow   bool
	data      []byte
}

// chunks cuts m into DATA chunks.
func (s *synth) chunks(m send) [][]byte {
	var out [][]byte
	const end, begin, unordered, sackNow = 1, 2, 4, 8
	flags := byte(begin)
	for rest := m.data; ; rest = rest[s.mtu:] {
		b := binary.BigEndian.AppendUint32(nil, s.tsn[m.from])
		b = binary.BigEndian.AppendUint16(b, m.stream)
		b = binary.BigEndian.AppendUint16(b, s.ssn[m.from][m.stream])
		b = binary.BigEndian.AppendUint32(b, m.ppid)
		s.tsn[m.from]++
		if m.unordered {
			flags |= unordered
		}
		if len(rest) > s.mtu {
			out = append(out, chunk(ChunkData, flags, append(b, rest[:s.mtu]...)))
			flags = 0
			continue
		}
		flags |= end
		if m.sackNow {
			flags |= sackNow
		}
		s.ssn[m.from][m.stream]++
		return append(out, chunk(ChunkData, flags, append(b, rest...)))
	}
}

// send sends a message, each chunk in its own packet, and acknowledges it.
func (s *synth) send(m send) {
	for _, c := range s.chunks(m) {
		s.packet(m.from, m.keyID, c)
	}
	s.sack(m.from.peer())
}

// sack acknowledges all that the other side has sent.
func (s *synth) sack(from Side) {
	b := binary.BigEndian.AppendUint32(nil, s.tsn[from.peer()]-1)
	s.packet(from, Unsigned, chunk(ChunkSack, 0, append(b, 0, 1, 0, 0, 0, 0, 0, 0)))
}

func (s *synth) shutdown() {
	s.packet(Initiator, Unsigned, chunk(ChunkShutdown, 0,
		binary.BigEndian.AppendUint32(nil, s.tsn[1]-1)))
	s.packet(Responder, Unsigned, chunk(ChunkShutdownAck, 0, nil))
	s.packet(Initiator, Unsigned, chunk(ChunkShutdownComplete, 0, nil))
}

// plan returns the recording's records as messages that obey RFC 6083:
// control records on stream 0, each under the right key.
func (r recording) plan(t testing.TB) []send {
	var out []send
	var protected [2]bool // application traffic keys of DTLS 1.3 are in use
	for i, rec := range r.Records {
		data := unhex(t, rec[1])
		m := send{data: data, sackNow: true}
		if rec[0] == "s>c" {
			m.from = Responder
		}
		if data[0]>>5 == 1 {
			protected[m.from] = protected[m.from] || data[0]&3 == 3
			m.keyID = 1
			if m.from == Responder && !protected[m.from] {
				m.keyID = 0
			}
		} else {
			m.keyID = int(binary.BigEndian.Uint16(data[3:]))
			if ContentType(data[0]) == ChangeCipherSpec {
				m.keyID++
			}
		}
		if ContentType(data[0]) == ApplicationData {
			m.stream, m.ppid, m.sackNow = uint16(i%3+1), 47, false
		}
		out = append(out, m)
	}
	return out
}

// capture makes a capture of these messages.
func (r recording) capture(t testing.TB, plan []send) *synth {
	s := newSynth(r.secrets(t))
	s.setup()
	for _, m := range plan {
		s.send(m)
	}
	s.shutdown()
	return s
}

// checkOne expects one association in the capture.
func checkOne(t *testing.T, frames []Frame, o Options) *Association {
	t.Helper()
	all, err := Check(frames, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%s associations, want 1", strconv.Itoa(len(all)))
	}
	return all[0]
}
