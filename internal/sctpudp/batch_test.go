package sctpudp

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A recorder is a connection that notes what is sent.
type recorder struct {
	Conn
	sent []string
}

func (r *recorder) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	r.sent = append(r.sent, fmt.Sprintf("%d %d", to.Port(), len(b)))
	return len(b), nil
}

func (r *recorder) writeBatch(b []byte, size int, to netip.AddrPort, _ netip.Addr, _ []byte) {
	r.sent = append(r.sent, fmt.Sprintf("%d %dx%d+%d", to.Port(), len(b)/size, size, len(b)%size))
}

func (r *recorder) newReceiver(int) receiver { return nil }

// TestOutgoing: packets go together if they are of one size, but for the last, and to one address.
func TestOutgoing(t *testing.T) {
	for _, tt := range []struct {
		sizes []int // with 10,000 for another address; negative if not in the buffer
		want  string
	}{
		{[]int{100}, "[1 100]"},
		{[]int{1200, 1200, 1200}, "[1 3x1200+0]"},
		{[]int{1200, 1200, 500, 1200}, "[1 2x1200+500 1 1200]"},
		{[]int{500, 1200, 1200}, "[1 500 1 2x1200+0]"},
		{[]int{1200, 11200, 11200, 1200}, "[1 1200 2 2x1200+0 1 1200]"},
		{[]int{1200, -300, 1200}, "[1 1200 1 300 1 1200]"},
		{slices.Repeat([]int{600}, 70), "[1 64x600+0 1 6x600+0]"},
		// As much as a datagram has, and what then has room in the buffer.
		{slices.Repeat([]int{1232}, 60), "[1 52x1232+0 1 1232 1 7x1232+0]"},
		{slices.Repeat([]int{1024}, 64), "[1 63x1024+0 1 1024]"},
	} {
		r := &recorder{}
		s := &Socket{links: []*link{{conn: r, batch: r}}}
		o := new(outgoing)
		for _, n := range tt.sizes {
			p := sctpcore.Packet{To: netip.AddrPortFrom(loopback, 1)}
			b := o.next(1232)
			if n < 0 {
				n, b = -n, nil
			} else if n > 10000 {
				n, p.To = n-10000, netip.AddrPortFrom(loopback, 2)
			}
			p.Data = append(b, make([]byte, n)...)
			o.add(s, p)
		}
		o.done()
		if got := fmt.Sprint(r.sent); got != tt.want {
			t.Errorf("%v: sent %s, want %s", tt.sizes, got, tt.want)
		}
	}
}

// TestThousand has 1,000 associations between two sockets, each with a message there and back. An
// idle one takes less than 8 KiB, and no goroutine.
func TestThousand(t *testing.T) {
	const count = 1000
	to, from := open(t, 0), open(t, 0)
	l := listen(t, to, nil)
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // what was in a sync.Pool goes with the second
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before, goroutines := heap(), runtime.NumGoroutine()
	assocs := make([]*Assoc, 0, 2*count)
	for range count {
		assocs = append(assocs, dial(t, from, l, nil, 0), accept(t, l))
	}
	var all sync.WaitGroup
	for i := 0; i < len(assocs); i += 2 {
		all.Go(func() {
			client, server := assocs[i], assocs[i+1]
			message := fmt.Appendf(nil, "message %d", i)
			if err := client.Send(message, stream.Info{}); err != nil {
				t.Error(err)
			}
			for _, a := range []*Assoc{server, client} {
				if got := nextMessage(t, a); got != string(message) {
					t.Errorf("read %q, want %q", got, message)
				}
				if a == server {
					a.Send(message, stream.Info{})
				}
			}
		})
	}
	all.Wait()
	// Those of the messages are about to end.
	for limit := time.Now().Add(patience); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(limit) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
	}
	each := (heap() - before) / (2 * count)
	// On a busy machine, messages may not be acknowledged yet.
	for limit := time.Now().Add(patience); each > 8192 && time.Now().Before(limit); {
		each = (heap() - before) / (2 * count)
	}
	t.Logf("%d bytes for an end", each)
	if each > 8192 {
		t.Errorf("%d bytes for an end, want 8192 at most", each)
	}
	runtime.KeepAlive(assocs)
}

// nextMessage returns the next message of a.
func nextMessage(t *testing.T, a *Assoc) string {
	for r := stream.NewReader(a); ; {
		m, event, err := r.Next(true)
		if err != nil {
			t.Error(err)
		}
		if event == nil {
			return string(m.Data)
		}
	}
}
