package sctpsock

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// note builds a notification of 32-bit and 16-bit fields in host byte order,
// and bytes.
func note(fields ...any) []byte {
	b := make([]byte, 0, 200)
	for _, f := range fields {
		switch f := f.(type) {
		case EventType:
			b = binary.NativeEndian.AppendUint16(b, uint16(f))
		case uint16:
			b = binary.NativeEndian.AppendUint16(b, f)
		case uint32:
			b = binary.NativeEndian.AppendUint32(b, f)
		case []byte:
			b = append(b, f...)
		}
	}
	return b
}

// assocChange is a notification with this state, an error cause of 12, 5
// streams out and 7 in.
func assocChange(state uint16) []byte {
	return note(EventAssocChange, uint16(0), uint32(20), state, []byte{0, 12}, uint16(5), uint16(7),
		uint32(1))
}

func pathChange() []byte {
	addr, _ := appendSockaddr(nil, netip.MustParseAddrPort("192.0.2.1:5868"))
	addr = append(addr, make([]byte, 128-len(addr))...)
	return note(EventPeerAddrChange, uint16(0), uint32(148), addr, uint32(stream.AddrConfirmed),
		uint32(0), uint32(1))
}

var notifications = []struct {
	name string
	raw  []byte
	want stream.Event
}{
	{"up", assocChange(commUp), stream.AssocChange{State: stream.AssocUp, OutStreams: 5,
		InStreams: 7}},
	{"lost", assocChange(commLost), stream.AssocChange{State: stream.AssocAborted, Cause: 12}},
	{"lost, with the ABORT chunk's cause", append(assocChange(commLost), 0, 12, 0, 4),
		stream.AssocChange{State: stream.AssocAborted, Cause: 12}},
	{"restart", assocChange(restart), stream.AssocChange{State: stream.AssocRestarted}},
	{"shut down", assocChange(shutdownComplete), stream.AssocChange{State: stream.AssocShutdown}},
	{"cannot start", assocChange(cannotStart),
		stream.AssocChange{State: stream.AssocAborted, Cause: 12}},
	{"unknown state", assocChange(9), nil},
	{"path", pathChange(), stream.PeerAddrChange{Addr: netip.MustParseAddr("192.0.2.1"),
		Change: stream.AddrConfirmed}},
	{"remote error", note(EventRemoteError, uint16(0), uint32(16), []byte{0, 3}, uint16(0), uint32(1)),
		stream.ErrorReceived{Cause: 3}},
	{"peer's shutdown", note(EventShutdown, uint16(0), uint32(12), uint32(1)), stream.PeerShutdown{}},
	{"partial delivery aborted", note(EventPartialDelivery, uint16(0), uint32(24), uint32(0),
		uint32(1), uint32(0), uint32(0)), stream.PartialDeliveryAborted{}},
	{"partial delivery otherwise", note(EventPartialDelivery, uint16(0), uint32(24), uint32(1),
		uint32(1), uint32(0), uint32(0)), nil},
	{"key", note(EventAuthentication, uint16(0), uint32(20), uint16(7), uint16(0), uint32(0),
		uint32(1)), stream.NewKey{ID: 7}},
	{"dry", note(EventSenderDry, uint16(0), uint32(12), uint32(1)), stream.Dry{}},
	{
		"send failed",
		note(EventSendFailed, uint16(1), uint32(32+3), uint32(0), uint16(4), uint16(flagUnordered),
			[]byte{0, 0, 0, 66}, uint32(0), uint32(1), uint32(1), []byte("abc")),
		stream.SendFailed{Stream: 4, PPID: 66, Unordered: true, Sent: true},
	},
	{"stream reset", note(EventType(0x800a), uint16(0), uint32(12), uint32(1)), nil},
	{"unknown type", note(EventType(0x80ff), uint16(0), uint32(8)), nil},
	{"old type", note(EventType(1), uint16(0), uint32(8)), nil},
}

func TestNotifications(t *testing.T) {
	for _, tt := range notifications {
		t.Run(tt.name, func(t *testing.T) {
			if got := parseNotification(tt.raw); got != tt.want {
				t.Errorf("got %#v, want %#v", got, tt.want)
			}
		})
	}
}

func TestAttackH13Notifications(t *testing.T) {
	for _, tt := range notifications {
		t.Run(tt.name, func(t *testing.T) {
			least := max(8, minLength[EventType(binary.NativeEndian.Uint16(tt.raw))])
			for n := range tt.raw {
				got := parseNotification(slices.Clip(tt.raw[:n]))
				if n < least && got != nil || n >= least && got != tt.want {
					t.Errorf("cut to %d bytes: %#v", n, got)
				}
			}
			long := append(slices.Clip(tt.raw), make([]byte, 70000)...)
			if got := parseNotification(long); got != tt.want {
				t.Errorf("followed by 70000 bytes: %#v", got)
			}
		})
	}
}

// FuzzNotification reads a notification whole, and in two parts, as the kernel
// gives it if the buffer is small.
func FuzzNotification(f *testing.F) {
	for _, tt := range notifications {
		f.Add(tt.raw, 9)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		fuzzcount.Input(len(b) + 1)
		var whole, parts Socket
		want := whole.notified(b, true)
		cut = int(uint(cut) % uint(len(b)+1))
		if got := parts.notified(b[:cut], false); got != nil {
			t.Fatalf("half of it is %#v", got)
		}
		if got := parts.notified(b[cut:], true); got != want {
			t.Fatalf("in parts it is %#v, in one %#v", got, want)
		}
		if parts.note != nil {
			t.Fatal("it is kept")
		}
		if (whole.end == nil) != (want != stream.AssocChange{State: stream.AssocRestarted}) {
			t.Fatalf("after %#v the end is %v", want, whole.end)
		}
	})
}
