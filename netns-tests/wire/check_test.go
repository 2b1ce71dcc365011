package wire

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// options are those for a capture of this recording: of DTLS 1.3 the
// recording has no exporter secret, only what was exported.
func (r recording) options(t testing.TB) Options {
	o := Options{KeyLog: r.keyLog(t)}
	if r.Version == "1.3" {
		o.Secrets = r.secrets(t)
	}
	return o
}

// TestRecordings passes connections between other implementations, put into
// associations that obey RFC 6083, and reads what the applications said.
func TestRecordings(t *testing.T) { // RFC 6083, Sections 4.1, 4.4 and 4.8
	for _, r := range recordings(t) {
		t.Run(r.Name, func(t *testing.T) {
			s := r.capture(t, r.plan(t))
			a := checkOne(t, s.frames, r.options(t))
			for _, d := range a.Defects {
				t.Errorf("defect: %v", d)
			}
			for _, timer := range a.Timers {
				t.Errorf("timer: %v", timer)
			}
			if len(a.Messages) != len(r.Records) {
				t.Errorf("%d messages, want %d", len(a.Messages), len(r.Records))
			}
			if len(a.DTLS.Handshakes) != len(r.Exporters) || a.DTLS.Client != Initiator {
				t.Errorf("handshakes: %+v", a.DTLS)
			}
			for _, from := range []Side{Initiator, Responder} { // the server echoes
				if len(a.Application(from)) == 0 {
					t.Errorf("no application data from the %s", from)
				}
				for i, m := range a.Application(from) {
					if p := m.Record.Payload; !bytes.Equal(p, clientMessage(i, len(p))) {
						t.Errorf("message %d of the %s is %x", i, from, p)
					}
				}
			}
			if t.Failed() {
				t.Log("\n" + a.Summary() + a.Dump())
			}
		})
	}
}

const plainRecording = "1.2 ECDHE-ECDSA-AES128-GCM-SHA256"

// Places in the plan of plainRecording.
const (
	atClientKeyExchange = 5
	atClientCCS         = 6
	atClientFinished    = 7
	atServerCCS         = 8
	atServerFinished    = 9
	atClientData        = 10
	atServerData        = 11
	atServerCloseNotify = 15
)

// TestDefects breaks one rule at a time.
func TestDefects(t *testing.T) {
	r := recordingNamed(t, plainRecording)
	secret := r.secrets(t)
	for _, tt := range []struct {
		name  string
		want  []Kind
		plan  func(plan []send) []send // changes what is sent,
		synth func(s *synth)           // or the capture
	}{
		{
			name: "application data without AUTH", want: []Kind{Unauthenticated},
			plan: func(p []send) []send { p[atClientData].keyID = Unsigned; return p },
		},
		{
			name: "handshake message without AUTH", want: []Kind{Unauthenticated},
			plan: func(p []send) []send { p[0].keyID = Unsigned; return p },
		},
		{
			name: "application data under key 0", want: []Kind{WrongKey},
			plan: func(p []send) []send { p[atServerData].keyID = 0; return p },
		},
		{
			name: "ClientKeyExchange under key 1", want: []Kind{WrongKey},
			plan: func(p []send) []send { p[atClientKeyExchange].keyID = 1; return p },
		},
		{
			name: "Finished under key 0, as OpenSSL's client", want: []Kind{WrongKey},
			plan: func(p []send) []send { p[atClientFinished].keyID = 0; return p },
		},
		{
			name: "ChangeCipherSpec under key 0 is allowed", want: nil,
			plan: func(p []send) []send { p[atClientCCS].keyID, p[atServerCCS].keyID = 0, 0; return p },
		},
		{
			name: "a key that no handshake has made", want: []Kind{WrongKey, UnknownKey},
			plan: func(p []send) []send { p[atClientData].keyID = 2; return p },
		},
		{
			name: "two records in one message", want: []Kind{NotOneRecord},
			plan: func(p []send) []send {
				p[2].data = append(p[2].data, p[3].data...)
				return append(p[:3], p[4:]...)
			},
		},
		{
			name: "a byte after the record", want: []Kind{NotOneRecord},
			plan: func(p []send) []send { p[2].data = append(p[2].data, 0); return p },
		},
		{
			name: "a record cut off", want: []Kind{NotOneRecord},
			plan: func(p []send) []send { p[2].data = p[2].data[:100]; return p },
		},
		{
			name: "no record at all", want: []Kind{NotOneRecord},
			plan: func(p []send) []send {
				return append(p,
					send{keyID: 1, stream: 1, data: []byte("hello, world")})
			},
		},
		{
			name: "handshake message on stream 1", want: []Kind{WrongStream},
			plan: func(p []send) []send { p[1].stream = 1; return p },
		},
		{
			name: "unordered alert", want: []Kind{WrongStream},
			plan: func(p []send) []send { p[atServerCloseNotify].unordered = true; return p },
		},
		{
			name: "handshake message with the application's PPID", want: []Kind{WrongStream},
			plan: func(p []send) []send { p[1].ppid = 46; return p },
		},
		{
			name: "application data in the clear, in epoch 0", want: []Kind{OutOfTurn, Plaintext},
			plan: func(p []send) []send { p[atClientData].data[4] = 0; return p },
		},
		{
			name: "application data before the Finished", want: []Kind{OutOfTurn},
			plan: func(p []send) []send {
				p[atServerFinished], p[atServerData] = p[atServerData], p[atServerFinished]
				return p
			},
		},
		{
			name: "Finished without ChangeCipherSpec", want: []Kind{OutOfTurn, WrongKey},
			plan: func(p []send) []send { return append(p[:atServerCCS], p[atServerFinished:]...) },
		},
		{
			name: "record changed on the way", want: []Kind{Undecryptable},
			plan: func(p []send) []send { p[atClientData].data[40] ^= 1; return p },
		},
		{
			name: "the application's data inside another chunk", want: []Kind{Plaintext},
			synth: func(s *synth) {
				s.packet(Initiator, Unsigned, chunk(ChunkHeartbeat, 0, clientMessage(0, 40)))
			},
		},
		{
			name: "the application's data as a message", want: []Kind{NotOneRecord, Plaintext},
			plan: func(p []send) []send {
				return append(p,
					send{keyID: 1, stream: 1, data: clientMessage(1, 40)})
			},
		},
		{
			name: "HMAC wrong in one packet", want: []Kind{WrongHMAC},
			synth: func(s *synth) { s.frames[4].Data[14+20+12+10] ^= 1 },
		},
		{
			name: "HMAC made with another secret", want: []Kind{WrongHMAC},
			synth: func(s *synth) {
				s.secrets = map[uint16][]byte{1: bytes.Repeat([]byte{1}, 64)}
				s.packet(Initiator, 1, chunk(ChunkHeartbeat, 0, make([]byte, 40)))
			},
		},
		{
			name: "HMAC-SHA-1 although the peer prefers SHA-256", want: []Kind{WrongAlgorithm},
			synth: func(s *synth) {
				s.hmac = authchunk.HMACSHA1
				s.packet(Initiator, 1, chunk(ChunkHeartbeat, 0, make([]byte, 40)))
			},
		},
		{
			name: "two AUTH chunks", want: []Kind{Malformed},
			synth: func(s *synth) {
				body := chunk(ChunkHeartbeat, 0, make([]byte, 40))
				body = append(s.auth(1, body), body...)
				s.packet(Initiator, 1, body)
			},
		},
		{
			name: "DATA chunk before the AUTH chunk", want: []Kind{Unauthenticated},
			synth: func(s *synth) {
				m := send{from: Initiator, data: unhex(t, r.Records[atServerCloseNotify-1][1])}
				data, heartbeat := s.chunks(m)[0], chunk(ChunkHeartbeat, 0, make([]byte, 40))
				s.packet(Initiator, Unsigned, data, s.auth(1, heartbeat), heartbeat)
			},
		},
		{
			name: "FORWARD-TSN without AUTH", want: []Kind{Unauthenticated},
			synth: func(s *synth) {
				s.packet(Initiator, Unsigned, chunk(ChunkForwardTSN, 0, []byte{0, 0, 0, 0}))
			},
		},
		{
			name: "TSN never captured", want: []Kind{Hole},
			synth: func(s *synth) {
				s.tsn[Initiator]++
				s.packet(Initiator, 1, s.chunks(send{from: Initiator,
					data: unhex(t, r.Records[atServerCloseNotify-1][1])})...)
			},
		},
		{
			name: "TSN reused for other data", want: []Kind{Malformed},
			synth: func(s *synth) {
				s.tsn[Initiator]--
				s.packet(Initiator, 1, s.chunks(send{from: Initiator, data: []byte("other")})...)
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := r.plan(t)
			if tt.plan != nil {
				plan = tt.plan(plan)
			}
			s := r.capture(t, plan)
			if tt.synth != nil {
				tt.synth(s)
			}
			a := checkOne(t, s.frames, Options{KeyLog: r.keyLog(t)})
			want := make(map[Kind]bool)
			for _, k := range tt.want {
				want[k] = true
			}
			got := make(map[Kind]bool)
			for _, d := range a.Defects {
				got[d.Kind] = true
				if !want[d.Kind] {
					t.Errorf("unexpected: %v", d)
				}
			}
			for k := range want {
				if !got[k] {
					t.Errorf("not found: %s", k)
				}
			}
		})
	}

	t.Run("Finished under key 0 where that is accepted", func(t *testing.T) {
		plan := r.plan(t)
		plan[atClientFinished].keyID = 0
		a := checkOne(t, r.capture(t, plan).frames,
			Options{KeyLog: r.keyLog(t), FinishedUnderOldKey: true})
		if len(a.Defects) != 0 {
			t.Errorf("defects: %v", a.Defects)
		}
	})
	t.Run("exporter label of old OpenSSL versions", func(t *testing.T) {
		s := r.capture(t, r.plan(t))
		a := checkOne(t, s.frames, Options{KeyLog: r.keyLog(t), Label: DefaultLabel + "\x00"})
		if len(a.Defects) == 0 || a.Defects[0].Kind != WrongHMAC {
			t.Errorf("defects: %v, want wrong HMACs", a.Defects)
		}
	})
	t.Run("no key log", func(t *testing.T) {
		a := checkOne(t, r.capture(t, r.plan(t)).frames, Options{})
		kinds := make(map[Kind]bool)
		for _, d := range a.Defects {
			kinds[d.Kind] = true
		}
		if len(kinds) != 2 || !kinds[UnknownKey] || !kinds[Undecryptable] {
			t.Errorf("defects: %v", a.Defects)
		}
	})
	t.Run("SCTP-AUTH alone", func(t *testing.T) {
		s := newSynth(secret)
		s.setup()
		s.send(send{keyID: 0, data: []byte("not a record")})
		s.send(send{keyID: 1, data: []byte("nor this")})
		a := checkOne(t, s.frames, Options{NoDTLS: true, Secrets: secret})
		if len(a.Defects) != 0 || len(a.Messages) != 2 {
			t.Errorf("defects: %v, %d messages", a.Defects, len(a.Messages))
		}
	})
}

// clientMessage is message i of the application in the recordings, n bytes.
func clientMessage(i, n int) []byte {
	b := make([]byte, n)
	for j := range b {
		b[j] = byte(7*i + 13*j + j/256)
	}
	return b
}

// TestFragments: a message in many chunks, out of order, some sent twice.
func TestFragments(t *testing.T) { // RFC 6083, Section 4.1
	r := recordingNamed(t, plainRecording)
	s := newSynth(r.secrets(t))
	s.mtu = 50
	s.setup()
	for i, m := range r.plan(t) {
		chunks := s.chunks(m)
		if i == 2 && len(chunks) < 5 {
			t.Fatalf("only %d chunks", len(chunks))
		}
		for j := range chunks { // the last one first
			s.packet(m.from, m.keyID, chunks[len(chunks)-1-j])
		}
		s.packet(m.from, m.keyID, chunks[0]) // and again, bundled
		s.sack(m.from.peer())
	}
	a := checkOne(t, s.frames, Options{KeyLog: r.keyLog(t)})
	if len(a.Defects) != 0 {
		t.Errorf("defects: %v", a.Defects)
	}
	if len(a.Messages) != len(r.Records) {
		t.Errorf("%d messages, want %d", len(a.Messages), len(r.Records))
	}
	for i, m := range a.Messages {
		if got := hex.EncodeToString(m.Data); got != r.Records[i][1] {
			t.Errorf("message %d is %s, want %s", i, got, r.Records[i][1])
		}
	}
	if n := a.Retransmitted[0] + a.Retransmitted[1]; n != len(r.Records) {
		t.Errorf("%d retransmissions, want %d", n, len(r.Records))
	}
	if a.Late[0] == 0 || a.Late[1] == 0 {
		t.Errorf("late: %v", a.Late)
	}
}

// TestDataChunks counts DATA chunks by key identifier, before and after the
// key switch.
func TestDataChunks(t *testing.T) {
	r := recordingNamed(t, plainRecording)
	a := checkOne(t, r.capture(t, r.plan(t)).frames, Options{KeyLog: r.keyLog(t)})
	want := map[Under]int{{Before, 0}: 6, {Switching, 1}: 4, {After, 1}: 6}
	got := a.DataChunks()
	if len(got) != len(want) {
		t.Errorf("DataChunks = %v, want %v", got, want)
	}
	for k, n := range want {
		if got[k] != n {
			t.Errorf("%v under key %d: %d, want %d", k.Stage, k.KeyID, got[k], n)
		}
	}
}

// TestSeveralAssociations: the same ports again, as a client that reconnects.
func TestSeveralAssociations(t *testing.T) {
	r := recordingNamed(t, plainRecording)
	first := r.capture(t, r.plan(t))
	second := newSynth(r.secrets(t))
	second.now = first.now.Add(time.Second)
	second.tag = [2]uint32{0x33333333, 0x44444444}
	second.setup()
	for _, m := range r.plan(t) {
		second.send(m)
	}
	all, err := Check(append(first.frames, second.frames...), Options{KeyLog: r.keyLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 2 {
		t.Fatalf("%d associations, want 2", len(all))
	}
	for i, a := range all {
		if len(a.Defects) != 0 || len(a.Messages) != len(r.Records) {
			t.Errorf("association %d: %d messages, defects: %v", i, len(a.Messages), a.Defects)
		}
	}
}
