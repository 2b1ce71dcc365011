package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Under is where a DATA chunk stands: what its sender had sent of the first
// handshake, and the key identifier that authenticates it, or [Unsigned].
type Under struct {
	Stage Stage
	KeyID int
}

// DataChunks counts the DATA chunks of all messages, retransmissions aside.
func (a *Association) DataChunks() map[Under]int {
	n := make(map[Under]int)
	for _, m := range a.Messages {
		n[Under{m.Stage, m.KeyID}] += m.Chunks
	}
	return n
}

// Application returns the messages of one side that carry application data.
func (a *Association) Application(from Side) []*Message {
	var out []*Message
	for _, m := range a.Messages {
		if m.From == from && m.Record != nil && m.Record.Type == ApplicationData {
			out = append(out, m)
		}
	}
	return out
}

// Summary says in a few lines what was found.
func (a *Association) Summary() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%v to %v: %d packets, %d messages, retransmitted DATA chunks: %d and %d\n",
		a.Addr[Initiator], a.Addr[Responder], len(a.Packets), len(a.Messages), a.Retransmitted[Initiator],
		a.Retransmitted[Responder])
	counts := a.DataChunks()
	keys := slices.SortedFunc(maps.Keys(counts), func(x, y Under) int {
		return 1000*int(x.Stage-y.Stage) + x.KeyID - y.KeyID
	})
	for _, u := range keys {
		fmt.Fprintf(&s, "  DATA chunks %v under key %d: %d\n", u.Stage, u.KeyID, counts[u])
	}
	for _, g := range a.Gaps(3) {
		fmt.Fprintf(&s, "  gap of %v\n", g)
	}
	for _, t := range a.Timers {
		fmt.Fprintf(&s, "  timer: %v\n", t)
	}
	for _, d := range a.Defects {
		fmt.Fprintf(&s, "  DEFECT: %v\n", d)
	}
	return s.String()
}

// Dump writes the packets one a line, with the time since the first.
func (a *Association) Dump() string {
	var s strings.Builder
	for _, p := range a.Packets {
		fmt.Fprintf(&s, "%11.6f %v\n", p.Time.Sub(a.Packets[0].Time).Seconds(), p)
	}
	return s.String()
}
