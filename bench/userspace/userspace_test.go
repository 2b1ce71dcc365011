// Package userspace measures the SCTP of this library over UDP on the loopback interface: processor
// time for a message and end, beside what UDP and HMAC alone take, and beside pion/sctp.
//
//	go test -run Figures -rounds 9   # all in turn, their medians and ratios as a table
//	go test -bench Ways/AUTH/64      # one of them
package userspace

import (
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

var sizes = []int{64, 1024, 16384}

// A way carries messages of one size over the loopback interface.
type way struct {
	name string
	open func(tb testing.TB, size int) carrier
}

// A carrier is both ends. What send keeps to itself leaves with flush, which may be nil.
type carrier struct {
	send, receive func(msg []byte) error
	flush         func() error
}

// ways are all that are measured; floorGSO is among them where the system has it.
var ways = append([]way{
	{"UDP and HMAC", floor},
	{"AUTH", ours(true)},
	{"DTLS 1.3", dtls},
	{"no AUTH", ours(false)},
	{"pion, no AUTH", pionSCTP},
}, waysOfSystem...)

// processor returns the processor time of this process.
func processor(tb testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// carry has n messages carried, and returns the processor time that an end takes for one: half of
// what both do.
func (c carrier) carry(tb testing.TB, size, n int) time.Duration {
	tb.Helper()
	done := make(chan error, 1)
	before := processor(tb)
	go func() {
		buf := make([]byte, 1<<16)
		for range n {
			if err := c.receive(buf); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	msg := make([]byte, size)
	for range n {
		if err := c.send(msg); err != nil {
			tb.Fatal(err)
		}
	}
	if c.flush != nil {
		if err := c.flush(); err != nil {
			tb.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		tb.Fatal(err)
	}
	return (processor(tb) - before) / time.Duration(2*n)
}

func BenchmarkWays(b *testing.B) {
	for _, w := range ways {
		for _, size := range sizes {
			b.Run(fmt.Sprintf("%s/%d", w.name, size), func(b *testing.B) {
				c := w.open(b, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				b.ReportMetric(float64(c.carry(b, size, b.N)), "cpu-ns/end")
			})
		}
	}
}

// TestWays carries some messages in each way.
func TestWays(t *testing.T) {
	for _, w := range ways {
		for _, size := range sizes {
			w.open(t, size).carry(t, size, 100)
		}
	}
}

var rounds = flag.Int("rounds", 0, "measure all ways so often in turn, and print the medians")

// TestFigures measures all ways in turn, each in a process of its own, so that what else the
// machine does disturbs all of them alike. It prints medians; ratios are medians of those of each
// round. Without the flag there is one short round.
func TestFigures(t *testing.T) {
	messages := map[int]int{64: 100_000, 1024: 40_000, 16384: 4_000}
	for _, size := range sizes {
		n := 100
		if *rounds > 0 {
			n = messages[size]
		}
		times := map[string][]float64{}
		for range max(*rounds, 1) {
			for _, w := range ways {
				times[w.name] = append(times[w.name], measure(t, w.name, size, n)/1000)
			}
		}
		ratio := func(x, y string) float64 {
			var all []float64
			for i := range times[x] {
				all = append(all, times[x][i]/times[y][i])
			}
			return median(all)
		}
		if *rounds == 0 {
			continue
		}
		fmt.Printf("%d bytes, µs for a message and end:\n", size)
		for _, w := range ways {
			fmt.Printf("  %-22s %6.2f   AUTH has %.2f times as many\n", w.name, median(times[w.name]),
				ratio("AUTH", w.name))
		}
	}
}

// measure runs a benchmark in a process of its own, and returns the nanoseconds for a message and
// end.
func measure(t *testing.T, name string, size, messages int) float64 {
	t.Helper()
	bench := fmt.Sprintf("^BenchmarkWays$/^%s$/^%d$", strings.ReplaceAll(name, " ", "_"), size)
	out, err := exec.Command(os.Args[0], "-test.run", "^$", "-test.bench", bench,
		"-test.benchtime", fmt.Sprintf("%dx", messages)).CombinedOutput()
	match := regexp.MustCompile(`([0-9.]+) cpu-ns/end`).FindSubmatch(out)
	if err != nil || match == nil {
		t.Fatalf("%s: %v\n%s", bench, err, out)
	}
	ns, err := strconv.ParseFloat(string(match[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

func median(all []float64) float64 {
	all = slices.Sorted(slices.Values(all))
	return (all[(len(all)-1)/2] + all[len(all)/2]) / 2
}

func udp(tb testing.TB) *net.UDPConn {
	tb.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	c.SetReadBuffer(4 << 20)
	c.SetWriteBuffer(4 << 20)
	tb.Cleanup(func() { c.Close() })
	return c
}
