package wire

import (
	"strings"
	"testing"
	"time"
)

// TestTimers: which waits are put down to a timer, and which are not.
func TestTimers(t *testing.T) { // RFC 7053; RFC 6083, Section 4.8
	const slow = 180 * time.Millisecond
	r := recordingNamed(t, plainRecording)
	for _, tt := range []struct {
		name string
		// capture makes the part of the capture between the set-up of the
		// association and its shutdown.
		capture func(s *synth, plan []send)
		want    string // of the only timer, "" for none
		waited  bool
	}{
		{
			name: "nothing waits",
			capture: func(s *synth, plan []send) {
				for _, m := range plan {
					s.send(m)
				}
			},
		},
		{
			name: "a slow computation, all acknowledged at once",
			capture: func(s *synth, plan []send) {
				for _, m := range plan {
					s.send(m)
					s.wait(3 * time.Second)
				}
			},
		},
		{
			name: "delayed SACK before the ChangeCipherSpec",
			capture: func(s *synth, plan []send) {
				for i, m := range plan {
					if i == atClientKeyExchange {
						m.sackNow = false
						s.packet(m.from, m.keyID, s.chunks(m)...)
						s.wait(slow)
						s.sack(m.from.peer())
						continue
					}
					s.send(m)
				}
			},
			want: "delayed SACK in the handshake phase", waited: true,
		},
		{
			name: "acknowledged slowly, although SACK-immediately was asked for",
			capture: func(s *synth, plan []send) {
				for i, m := range plan {
					s.packet(m.from, m.keyID, s.chunks(m)...)
					if i == atClientKeyExchange {
						s.wait(slow)
					}
					s.sack(m.from.peer())
				}
			},
		},
		{
			name: "acknowledged with the answer, after a slow computation",
			capture: func(s *synth, plan []send) {
				for i, m := range plan {
					if i == atServerCCS-1 {
						m.sackNow = false
						s.packet(m.from, m.keyID, s.chunks(m)...)
						s.wait(slow)
						continue
					}
					s.send(m)
				}
			},
		},
		{
			name: "delayed SACK of the last data holds up close_notify",
			capture: func(s *synth, plan []send) {
				for i, m := range plan {
					if i == len(plan)-4 { // client's last data
						s.packet(m.from, m.keyID, s.chunks(m)...)
						continue
					}
					s.send(m)
					if i == len(plan)-3 {
						s.wait(slow)
						s.sack(Responder)
					}
				}
			},
			want: "delayed SACK in the close phase", waited: true,
		},
		{
			name: "delayed SACK in an idle second harms nobody",
			capture: func(s *synth, plan []send) {
				for i, m := range plan {
					if i == len(plan)-4 {
						s.packet(m.from, m.keyID, s.chunks(m)...)
						s.wait(slow)
						s.sack(Responder)
						s.wait(time.Second)
						continue
					}
					s.send(m)
				}
			},
			want: "delayed SACK in the data phase",
		},
		{
			name: "retransmission after a second",
			capture: func(s *synth, plan []send) {
				for i, m := range plan {
					if i == atServerFinished {
						chunks := s.chunks(m)
						s.packet(m.from, m.keyID, chunks...)
						s.wait(time.Second)
						s.packet(m.from, m.keyID, chunks...)
						s.sack(m.from.peer())
						continue
					}
					s.send(m)
				}
			},
			want: "retransmission in the handshake phase", waited: true,
		},
		{
			name: "COOKIE-ECHO sent again",
			capture: func(s *synth, plan []send) {
				s.wait(3 * time.Second)
				s.packet(Initiator, Unsigned, chunk(ChunkCookieEcho, 0, make([]byte, 50)))
				for _, m := range plan {
					s.send(m)
				}
			},
			want: "retransmission in the handshake phase", waited: true,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSynth(r.secrets(t))
			s.setup()
			tt.capture(s, r.plan(t))
			s.shutdown()
			a := checkOne(t, s.frames, Options{KeyLog: r.keyLog(t)})
			switch {
			case tt.want == "" && len(a.Timers) == 0:
			case tt.want != "" && len(a.Timers) == 1 &&
				strings.HasPrefix(a.Timers[0].String(), tt.want) && a.Timers[0].Waited == tt.waited:
			default:
				t.Errorf("timers: %v, want %q, waited for: %t", a.Timers, tt.want, tt.waited)
			}
			if len(a.Defects) != 0 {
				t.Errorf("defects: %v", a.Defects)
			}
		})
	}
}

func TestGaps(t *testing.T) {
	r := recordingNamed(t, plainRecording)
	s := newSynth(r.secrets(t))
	s.setup()
	for i, m := range r.plan(t) {
		s.send(m)
		switch i {
		case atClientKeyExchange:
			s.wait(30 * time.Millisecond)
		case atServerData:
			s.wait(5 * time.Second)
		}
	}
	s.wait(time.Second)
	s.sack(Initiator)
	s.shutdown()
	a := checkOne(t, s.frames, Options{KeyLog: r.keyLog(t)})
	gaps := a.Gaps(3)
	for i, want := range []struct {
		d     time.Duration
		phase Phase
	}{{5 * time.Second, DataPhase}, {time.Second, ClosePhase},
		{30 * time.Millisecond, HandshakePhase}} {
		if got := gaps[i]; got.Duration.Round(10*time.Millisecond) != want.d || got.Phase != want.phase ||
			got.Timer != nil {
			t.Errorf("gap %d: %v, want %v in the %v phase", i, got, want.d, want.phase)
		}
	}
	if n := len(a.Gaps(1000)); n != len(a.Packets)-1 {
		t.Errorf("%d gaps between %d packets", n, len(a.Packets))
	}
}
