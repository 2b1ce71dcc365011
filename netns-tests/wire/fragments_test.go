package wire

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// inFragments cuts an IPv4 frame into two, of which the first is a packet of n bytes.
func inFragments(f Frame, n int) []Frame {
	cut := etherHeaderLen + n
	first, second := bytes.Clone(f.Data[:cut]), bytes.Clone(f.Data[:etherHeaderLen+ipv4HeaderLen])
	second = append(second, f.Data[cut:]...)
	for _, b := range [][]byte{first, second} {
		binary.BigEndian.PutUint16(b[14+2:], uint16(len(b)-etherHeaderLen))
		binary.BigEndian.PutUint16(b[14+4:], 0xd9a8)
	}
	binary.BigEndian.PutUint16(first[14+6:], moreFragments)
	binary.BigEndian.PutUint16(second[14+6:], uint16(n-ipv4HeaderLen)/8)
	return []Frame{{f.Time, first}, {f.Time, second}}
}

// TestIPFragments: a packet in IP fragments is read, and is a defect, unless it comes from Linux
// and has control chunks beside one authenticated DATA chunk, which alone would fit.
func TestIPFragments(t *testing.T) {
	r := recordingNamed(t, plainRecording)
	heartbeatAck := chunk(ChunkHeartbeatAck, 0, make([]byte, 12))
	ours, linux := Options{}, Options{Kernel: [2]bool{Responder: true}}
	for _, tt := range []struct {
		name   string
		o      Options
		from   Side
		chunks func(s *synth, data [][]byte) [][]byte
		small  int // bytes by which the first fragment is smaller than the DATA chunk requires
		want   bool
	}{
		{"HEARTBEAT-ACK, AUTH, DATA", linux, Responder, func(s *synth, data [][]byte) [][]byte {
			return [][]byte{heartbeatAck, s.auth(1, data[0]), data[0]}
		}, 0, false},
		{"AUTH, HEARTBEAT-ACK, DATA", linux, Responder, func(s *synth, data [][]byte) [][]byte {
			b := slices.Concat(heartbeatAck, data[0])
			return [][]byte{s.auth(1, b), b}
		}, 0, false},
		{"of this library", ours, Responder, func(s *synth, data [][]byte) [][]byte {
			return [][]byte{heartbeatAck, s.auth(1, data[0]), data[0]}
		}, 0, true},
		{"of the other side", linux, Initiator, func(s *synth, data [][]byte) [][]byte {
			return [][]byte{heartbeatAck, s.auth(1, data[0]), data[0]}
		}, 0, true},
		{"a DATA chunk that is too large", linux, Responder, func(s *synth, data [][]byte) [][]byte {
			return [][]byte{heartbeatAck, s.auth(1, data[0]), data[0]}
		}, 8, true},
		{"no control chunk", linux, Responder, func(s *synth, data [][]byte) [][]byte {
			return [][]byte{s.auth(1, data[0]), data[0]}
		}, 8, true},
		{"two DATA chunks", linux, Responder, func(s *synth, data [][]byte) [][]byte {
			b := slices.Concat(data[0], data[1])
			return [][]byte{heartbeatAck, s.auth(1, b), b}
		}, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSynth(r.secrets(t))
			s.mtu = 604
			s.setup()
			data := s.chunks(send{from: tt.from, stream: 1, data: make([]byte, 1208)})
			s.packet(tt.from, Unsigned, tt.chunks(s, data)...)
			// IPv4, SCTP, AUTH with SHA-256, DATA
			last := len(s.frames) - 1
			s.frames = slices.Replace(s.frames, last, last+1,
				inFragments(s.frames[last], 20+12+40+16+604-tt.small)...)
			if len(s.frames[last+1].Data) <= etherHeaderLen+ipv4HeaderLen {
				t.Fatal("one fragment has all")
			}
			s.packet(tt.from, 1, data[1])
			tt.o.NoDTLS, tt.o.Secrets = true, r.secrets(t)
			a := checkOne(t, s.frames, tt.o)
			if len(a.Messages) != 1 {
				t.Errorf("%d messages, want 1", len(a.Messages))
			}
			if !tt.want && len(a.Defects) > 0 || tt.want && (len(a.Defects) != 1 ||
				a.Defects[0].Kind != Fragmented || a.Defects[0].Packet != last+2) {
				t.Errorf("defects: %v", a.Defects)
			}
		})
	}
}

// TestMissingIPFragments: a capture without all fragments of a packet is refused.
func TestMissingIPFragments(t *testing.T) {
	r := recordingNamed(t, plainRecording)
	frames := r.capture(t, r.plan(t)).frames
	parts := inFragments(frames[4], 20+80)
	for name, got := range map[string][]Frame{"first": parts[:1], "second": parts[1:],
		"swapped": {parts[1], parts[0]}, "first twice": {parts[0], parts[0], parts[1]}} {
		if _, err := Check(slices.Concat(frames[:4], got, frames[5:]), Options{}); err == nil {
			t.Errorf("%s: taken for the whole", name)
		}
	}
}
