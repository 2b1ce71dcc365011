package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A reply says what a server sends for the nth message, counted from 1.
type reply func(n int, data []byte, info sctpdtls.MessageInfo) []fakeMessage

func faithful(_ int, data []byte, info sctpdtls.MessageInfo) []fakeMessage {
	return []fakeMessage{{data: data, info: info}}
}

// serveReplies answers on s until its client closes.
func serveReplies(t *testing.T, s session, answer reply) {
	defer s.Close()
	for n := 1; ; n++ {
		buf := make([]byte, sctpdtls.MaxMessageSize)
		l, info, err := s.ReadMessage(buf)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Errorf("server: %v", err)
			}
			return
		}
		for _, m := range answer(n, buf[:l], info) {
			s.WriteMessage(m.data, m.info)
		}
	}
}

// An echoRun is what came of one run of a client.
type echoRun struct {
	client *echoClient
	err    error
	out    string
	took   time.Duration
}

// runEcho runs a client against a server 5 ms away, in false time.
func runEcho(t *testing.T, ctx context.Context, o echoOptions, answer reply) (r echoRun) {
	near, far := fakePair(5 * time.Millisecond)
	go serveReplies(t, far, answer)
	var out bytes.Buffer
	if o.timeout == 0 {
		o.timeout = time.Second
	}
	r.client = &echoClient{session: near, echoOptions: o,
		printf: func(format string, args ...any) { fmt.Fprintf(&out, format, args...) }}
	start := time.Now()
	r.err = r.client.run(ctx)
	r.took = time.Since(start)
	near.Close()
	synctest.Wait()
	r.out = out.String()
	return r
}

func TestEcho(t *testing.T) {
	for _, o := range []echoOptions{
		{count: 1, size: 1, streams: 1},
		{count: 12, size: 64, streams: 4, ppid: 47},
		{count: 3, size: sctpdtls.MaxMessageSize, streams: 2},
		{count: 300, size: 1, streams: 3, unordered: true},
		{count: 20, size: 100, streams: 1, interval: time.Millisecond}, // several under way
		{count: 20, size: 16000, streams: 2, interval: time.Microsecond},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				streams := make(map[uint16]int)
				r := runEcho(t, t.Context(), o,
					func(n int, data []byte, info sctpdtls.MessageInfo) []fakeMessage {
						streams[info.Stream]++
						if len(data) != o.size || info.PPID != o.ppid || info.Unordered != o.unordered {
							t.Errorf("server got %d bytes, %+v", len(data), info)
						}
						return faithful(n, data, info)
					})
				c := r.client
				if r.err != nil || c.sent != o.count || c.received != o.count || c.wrong != 0 ||
					len(c.waiting) != 0 {
					t.Errorf("%v; %+v", r.err, c)
				}
				if len(streams) != min(o.streams, o.count) {
					t.Errorf("messages on each stream: %v", streams)
				}
				if c.rtt.min < 10*time.Millisecond {
					t.Errorf("%v, but the way takes 5 ms each", &c.rtt)
				}
			})
		})
	}
}

// Without an interval one message is under way at a time; with one, as many as
// it takes, within a bound.
func TestEchoPace(t *testing.T) {
	for _, tt := range []struct {
		name     string
		o        echoOptions
		took     time.Duration
		inFlight int
	}{
		{"echo after echo", echoOptions{count: 5, size: 64, streams: 1}, 50 * time.Millisecond, 1},
		{"slow", echoOptions{count: 5, size: 64, streams: 1, interval: time.Second},
			4010 * time.Millisecond, 1},
		{"fast", echoOptions{count: 11, size: 64, streams: 1, interval: time.Millisecond},
			20 * time.Millisecond, 10},
		// 65,536 bytes hold four messages of 16,384, so there are three rounds.
		{"bounded", echoOptions{count: 12, size: 16384, streams: 1, interval: time.Nanosecond},
			30 * time.Millisecond, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				near, far := fakePair(5 * time.Millisecond)
				most := 0
				go serveReplies(t, far, func(n int, data []byte, info sctpdtls.MessageInfo) []fakeMessage {
					most = max(most, len(far.in)+1)
					return faithful(n, data, info)
				})
				tt.o.timeout = 5 * time.Second
				c := &echoClient{session: near, echoOptions: tt.o, printf: func(string, ...any) {}}
				start := time.Now()
				if err := c.run(t.Context()); err != nil {
					t.Error(err)
				}
				if took := time.Since(start).Round(time.Millisecond); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if most > tt.inFlight {
					t.Errorf("%d messages were under way, want at most %d", most, tt.inFlight)
				}
				near.Close()
			})
		})
	}
}

func TestEchoWrong(t *testing.T) {
	o := echoOptions{count: 6, size: 64, streams: 2, ppid: 47}
	for _, tt := range []struct {
		name   string
		o      echoOptions
		answer reply // for message 3, and by it for others
		want   string
		right  int
		wrong  int
		err    string
	}{
		{"byte", o, func(_ int, b []byte, i sctpdtls.MessageInfo) []fakeMessage {
			b[17] ^= 0x80
			return []fakeMessage{{data: b, info: i}}
		}, "wrong: message 3 on stream 0: byte 17 is 0xb0 instead of 0x30\n", 5, 1, ""},
		{"short", o, func(_ int, b []byte, i sctpdtls.MessageInfo) []fakeMessage {
			return []fakeMessage{{data: b[:63], info: i}}
		}, "wrong: message 3 on stream 0: came back with 63 bytes instead of 64\n", 5, 1, ""},
		{"long", o, func(_ int, b []byte, i sctpdtls.MessageInfo) []fakeMessage {
			return []fakeMessage{{data: append(b, 0), info: i}}
		}, "wrong: message 3 on stream 0: came back with 65 bytes instead of 64\n", 5, 1, ""},
		{"stream", o, func(_ int, b []byte, i sctpdtls.MessageInfo) []fakeMessage {
			i.Stream = 1
			return []fakeMessage{{data: b, info: i}}
		}, "wrong: message 3 on stream 0: came back on stream 1\n", 5, 1, ""},
		{"PPID", o, func(_ int, b []byte, i sctpdtls.MessageInfo) []fakeMessage {
			i.PPID = 46
			return []fakeMessage{{data: b, info: i}}
		}, "wrong: message 3 on stream 0: came back with PPID 46 instead of 47\n", 5, 1, ""},
		{"twice", o, func(_ int, b []byte, i sctpdtls.MessageInfo) []fakeMessage {
			return []fakeMessage{{data: b, info: i}, {data: b, info: i}}
		}, "wrong: 64 bytes on stream 0, where no echo is due\n", 6, 1, ""},
		{"never", o, func(int, []byte, sctpdtls.MessageInfo) []fakeMessage {
			return nil
		}, "", 2, 0, "no echo of message 3 on stream 0 within 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := runEcho(t, t.Context(), tt.o,
					func(n int, data []byte, info sctpdtls.MessageInfo) []fakeMessage {
						if n == 3 {
							return tt.answer(n, data, info)
						}
						return faithful(n, data, info)
					})
				if !strings.Contains(r.out, tt.want) {
					t.Errorf("output:\n%s\nwant: %s", r.out, tt.want)
				}
				if r.client.received != tt.right || r.client.wrong != tt.wrong {
					t.Errorf("%d right, %d wrong; want %d and %d", r.client.received, r.client.wrong, tt.right,
						tt.wrong)
				}
				switch {
				case tt.err == "" && r.err != nil:
					t.Error(r.err)
				case tt.err != "" && (r.err == nil || !strings.Contains(r.err.Error(), tt.err)):
					t.Errorf("error %v, want %s", r.err, tt.err)
				}
			})
		})
	}
}

// A server that sends something else is not listened to forever.
func TestEchoAllWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := runEcho(t, t.Context(), echoOptions{count: 100, size: 64, streams: 1},
			func(int, []byte, sctpdtls.MessageInfo) []fakeMessage {
				return []fakeMessage{{data: []byte("220 welcome")}}
			})
		if r.err == nil || !strings.Contains(r.err.Error(), "is the peer an echo server?") ||
			r.client.wrong != maxWrong {
			t.Errorf("%v after %d wrong ones", r.err, r.client.wrong)
		}
	})
}

// Messages of one stream may overtake each other only when they are sent unordered.
func TestEchoOrder(t *testing.T) {
	for _, unordered := range []bool{false, true} {
		t.Run(fmt.Sprintf("unordered=%t", unordered), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var held []fakeMessage
				o := echoOptions{count: 4, size: 64, streams: 1, unordered: unordered,
					interval: time.Millisecond}
				r := runEcho(t, t.Context(), o,
					func(n int, data []byte, info sctpdtls.MessageInfo) []fakeMessage {
						held = append(held, fakeMessage{data: data, info: info})
						if n < 2 {
							return nil
						}
						out := []fakeMessage{held[n-1]} // 2 1 3 4
						if n == 2 {
							out = append(out, held[0])
						}
						return out
					})
				wantWrong := 1
				if unordered {
					wantWrong = 0
				}
				if r.err != nil || r.client.wrong != wantWrong || r.client.received != 4-wantWrong {
					t.Errorf("%v; %d right, %d wrong\n%s", r.err, r.client.received, r.client.wrong, r.out)
				}
				if !unordered && !strings.Contains(r.out,
					"wrong: message 2 on stream 0: came back before message 1\n") {
					t.Errorf("output:\n%s", r.out)
				}
			})
		})
	}
}

func TestEchoPeerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := fakePair(0)
		go func() {
			far.ReadMessage(make([]byte, 100))
			far.Close()
		}()
		c := &echoClient{session: near, echoOptions: echoOptions{count: 2, size: 10, streams: 1,
			timeout: time.Second},
			printf: func(string, ...any) {}}
		err := c.run(t.Context())
		if err == nil || !strings.Contains(err.Error(),
			"the peer closed the connection before all echoes were back") {
			t.Errorf("error %v", err)
		}
		if c.sent != 1 || c.received != 0 || len(c.waiting) != 1 {
			t.Errorf("%d sent, %d received, %d lost", c.sent, c.received, len(c.waiting))
		}
		near.Close()
	})
}

func TestEchoInterrupted(t *testing.T) {
	for name, answer := range map[string]reply{
		"between messages": faithful,
		"one under way":    func(int, []byte, sctpdtls.MessageInfo) []fakeMessage { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
				defer cancel()
				o := echoOptions{size: 64, streams: 1, interval: time.Second, timeout: time.Minute} // forever
				r := runEcho(t, ctx, o, answer)
				if r.err != nil || !r.client.interrupted || r.client.sent != 3 ||
					r.took != 2500*time.Millisecond {
					t.Errorf("%v after %v; %d sent, interrupted %t", r.err, r.took, r.client.sent,
						r.client.interrupted)
				}
			})
		})
	}
}

func TestEchoOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := echoOptions{count: 120, size: 64, streams: 4, ppid: 66}
		r := runEcho(t, t.Context(), o, faithful)
		r.client.summary("192.0.2.2:5868", r.took)
		if got := strings.Count(r.out, "\n"); got != 10+9 { // each to 10, each tenth to 100
			t.Errorf("%d lines for 120 echoes:\n%s", got, r.out)
		}
		if first, _,
			_ := strings.Cut(r.out, "\n"); first != "64 bytes: stream=0 seq=1 ppid=66 time=10.000 ms" {
			t.Errorf("first line: %s", first)
		}

		o.all = true
		if r := runEcho(t, t.Context(), o, faithful); strings.Count(r.out, "\n") != 120 {
			t.Errorf("with all asked for:\n%s", r.out)
		}
	})
}

func TestSummary(t *testing.T) {
	for _, tt := range []struct {
		name   string
		client echoClient
		want   string
	}{
		{"all well", echoClient{sent: 2, received: 2, rtt: measured(1000, 2000)},
			"\n--- host:1 echo statistics ---\n2 sent, 2 received, 0 lost, 0 wrong, time 12.500 ms\n" +
				"rtt min/avg/max/mdev = 1.000/1.500/2.000/0.500 ms\n"},
		{"nothing back", echoClient{sent: 1, waiting: make([]message, 1)},
			"\n--- host:1 echo statistics ---\n1 sent, 0 received, 1 lost, 0 wrong, time 12.500 ms\n"},
		{"interrupted", echoClient{sent: 3, received: 1, wrong: 1, waiting: make([]message, 1),
			interrupted: true, rtt: measured(250)},
			"\n--- host:1 echo statistics ---\n3 sent, 1 received, 1 under way, 1 wrong, time 12.500 ms\n" +
				"rtt min/avg/max/mdev = 0.250/0.250/0.250/0.000 ms\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			tt.client.printf = func(format string, args ...any) { fmt.Fprintf(&out, format, args...) }
			tt.client.summary("host:1", 12500*time.Microsecond)
			if out.String() != tt.want {
				t.Errorf("got:\n%s\nwant:\n%s", out.String(), tt.want)
			}
		})
	}
}

// measured returns the sum of round-trip times in microseconds.
func measured(micros ...int) (r rtts) {
	for _, m := range micros {
		r.add(time.Duration(m) * time.Microsecond)
	}
	return r
}

func TestRTTs(t *testing.T) {
	for _, tt := range []struct {
		micros []int
		want   string
	}{
		{nil, ""},
		{[]int{100}, "rtt min/avg/max/mdev = 0.100/0.100/0.100/0.000 ms"},
		{[]int{2000, 4000, 4000, 4000, 5000, 5000, 7000, 9000},
			"rtt min/avg/max/mdev = 2.000/5.000/9.000/2.000 ms"},
		{[]int{1e6, 1e6, 1e6}, "rtt min/avg/max/mdev = 1000.000/1000.000/1000.000/0.000 ms"},
	} {
		r := measured(tt.micros...)
		if got := r.String(); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.micros, got, tt.want)
		}
	}
}
