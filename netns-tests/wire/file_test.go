package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
)

func TestPcap(t *testing.T) {
	r := recordingNamed(t, plainRecording)
	frames := r.capture(t, r.plan(t)).frames
	var file bytes.Buffer
	if err := WritePcap(&file, frames); err != nil {
		t.Fatal(err)
	}
	got, err := ReadPcap(bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(frames) {
		t.Fatalf("%d frames, want %d", len(got), len(frames))
	}
	for i := range got {
		if !got[i].Time.Equal(frames[i].Time) || !bytes.Equal(got[i].Data, frames[i].Data) {
			t.Fatalf("frame %d: %v, want %v", i, got[i], frames[i])
		}
	}
	for n := range file.Len() { // cut off anywhere but between frames
		if short, err := ReadPcap(bytes.NewReader(file.Bytes()[:n])); err == nil &&
			len(short) == len(frames) {
			t.Fatalf("%d of %d bytes are taken for all", n, file.Len())
		}
	}
}

// TestPcapBigEndian reads what an old tcpdump on another machine writes.
func TestPcapBigEndian(t *testing.T) {
	be := binary.BigEndian
	b := be.AppendUint32(nil, pcapMicroseconds)
	b = append(b, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, pcapEthernet)
	b = be.AppendUint32(b, 1000)
	b = be.AppendUint32(b, 999_999)
	b = append(b, 0, 0, 0, 2, 0, 0, 0, 2, 'h', 'i')
	got, err := ReadPcap(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	want := []Frame{{time.Unix(1000, 999_999_000), []byte("hi")}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("ReadPcap = %v, want %v", got, want)
	}
}

func TestOtherTraffic(t *testing.T) {
	r := recordingNamed(t, plainRecording)
	s := r.capture(t, r.plan(t))
	arp := append(make([]byte, 12), 0x08, 0x06, 0, 1)
	udp := slices.Clone(s.frames[0].Data) // of ports that are not those of SCTP
	udp[14+9] = 17
	stray := slices.Clone(s.frames[8].Data)
	stray[14+20+4] ^= 1 // verification tag
	frames := slices.Concat([]Frame{{s.now, arp}, {s.now, udp}, {s.now, nil}, {s.now, stray}},
		s.frames)
	a := checkOne(t, frames, Options{KeyLog: r.keyLog(t)})
	if len(a.Defects) != 0 || len(a.Packets) != len(s.frames) {
		t.Errorf("%d packets, want %d, defects: %v", len(a.Packets), len(s.frames), a.Defects)
	}
}

// TestIPv6 moves a capture to IPv6.
func TestIPv6(t *testing.T) {
	r := recordingNamed(t, plainRecording)
	frames := r.capture(t, r.plan(t)).frames
	for i, f := range frames {
		ip, segment := f.Data[14:34], f.Data[34:]
		b := append(make([]byte, 12), 0x86, 0xdd, 0x60, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(segment)))
		b = append(b, protocolSCTP, 64)
		b = append(append(b, make([]byte, 12)...), ip[12:16]...)
		b = append(append(b, make([]byte, 12)...), ip[16:20]...)
		frames[i].Data = append(b, segment...)
	}
	if a := checkOne(t, frames, Options{KeyLog: r.keyLog(t)}); len(a.Defects) != 0 {
		t.Errorf("defects: %v", a.Defects)
	}
}

// inUDP puts UDP around the SCTP of IPv4 frames: from port 40001 to the registered one, and back.
func inUDP(frames []Frame) {
	for i, f := range frames {
		ip, segment := f.Data[14:34], bytes.Clone(f.Data[34:])
		from, to := uint16(40001), uint16(udpPort)
		if netip.AddrFrom4([4]byte(ip[12:])) != synthAddr[Initiator].Addr() {
			from, to = to, from
		}
		sum := crc32.Checksum(segment, crc32.MakeTable(crc32.Castagnoli)) // which is still 0 in it
		binary.LittleEndian.PutUint32(segment[8:], sum)
		b := append(bytes.Clone(f.Data[:34]), byte(from>>8), byte(from), byte(to>>8), byte(to))
		b = binary.BigEndian.AppendUint16(b, uint16(udpHeaderLen+len(segment)))
		b = append(append(b, 0, 0), segment...)
		binary.BigEndian.PutUint16(b[14+2:], uint16(len(b)-14))
		b[14+9] = protocolUDP
		frames[i].Data = b
	}
}

// TestUDP moves a capture into UDP, where checksums are seen. RFC 6951, Section 5.
func TestUDP(t *testing.T) {
	r := recordingNamed(t, plainRecording)
	frames := r.capture(t, r.plan(t)).frames
	inUDP(frames)
	a := checkOne(t, frames, Options{KeyLog: r.keyLog(t)})
	if len(a.Defects) != 0 || len(a.Packets) != len(frames) {
		t.Errorf("%d packets of %d, defects: %v", len(a.Packets), len(frames), a.Defects)
	}
	frames[7].Data[14+20+8+8]++
	a = checkOne(t, frames, Options{KeyLog: r.keyLog(t)})
	if len(a.Defects) != 1 || a.Defects[0].Kind != WrongChecksum || a.Defects[0].Packet != 8 {
		t.Errorf("with a wrong checksum: %v", a.Defects)
	}
}

// TestJoinedSegments: GSO shows as packets that are longer than they say, and
// such a capture is refused rather than misread.
func TestJoinedSegments(t *testing.T) {
	r := recordingNamed(t, plainRecording)
	frames := r.capture(t, r.plan(t)).frames
	frames[5].Data = append(frames[5].Data[:14+2],
		append([]byte{0xff, 0xff}, frames[5].Data[14+4:]...)...)
	if _, err := Check(frames, Options{}); err == nil {
		t.Error("a frame shorter than its IP packet is taken")
	}
}

func FuzzCheck(f *testing.F) {
	r := recordingNamed(f, plainRecording)
	s := newSynth(r.secrets(f))
	s.setup()
	for _, m := range r.plan(f)[:3] {
		s.send(m)
	}
	s.shutdown()
	var file bytes.Buffer
	if err := WritePcap(&file, s.frames); err != nil {
		f.Fatal(err)
	}
	log := r.keyLog(f)
	f.Add(file.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzcount.Input(len(b))
		frames, err := ReadPcap(bytes.NewReader(b))
		if err != nil {
			return
		}
		all, err := Check(frames, Options{KeyLog: log})
		if err != nil {
			return
		}
		for _, a := range all {
			_ = a.Summary() + a.Dump()
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	for _, r := range recordings(f) {
		for _, rec := range r.Records[:6] {
			f.Add(unhex(f, rec[1]))
		}
	}
	f.Fuzz(func(t *testing.T, m []byte) {
		fuzzcount.Input(len(m))
		r, err := parseRecord(m)
		if err != nil {
			return
		}
		if len(r.raw) != len(m) || r.header > len(m) {
			t.Fatalf("record %v of %d bytes in a message of %d", r, len(r.raw), len(m))
		}
		if r.Handshake == ClientHello || r.Handshake == ServerHello {
			parseHello(r.Payload)
		}
	})
}

// FuzzKeyLog: what was read is in the lines that it is written as.
func FuzzKeyLog(f *testing.F) {
	f.Add(recordingNamed(f, plainRecording).keyLog(f))
	f.Add([]byte("# comment\n\nCLIENT_RANDOM 00 11\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		fuzzcount.Input(len(text))
		log, err := parseKeyLog(text)
		if err != nil {
			return
		}
		var again []byte
		for random, secrets := range log {
			for label, secret := range secrets {
				again = fmt.Appendf(again, "%s %x %X\n", label, random, secret)
			}
		}
		if log2, err := parseKeyLog(again); err != nil || !reflect.DeepEqual(log, log2) {
			t.Fatalf("%q written as %q and read as %v, %v", text, again, log2, err)
		}
	})
}
