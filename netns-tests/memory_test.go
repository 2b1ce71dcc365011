package netns

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A sample is the memory of this process and of the kernel at one moment.
type sample struct {
	at          time.Duration // since the first sample
	messages    uint64        // number that have arrived so far
	heap        uint64        // bytes in use after a garbage collection
	resident    uint64        // resident set size of the process, in bytes
	kernel      uint64        // bytes of unreclaimable slabs
	goroutines  uint64
	descriptors uint64
}

// gauges are the values that must not grow, with the amount by which each may vary with the load:
// messages wait for their reader, and pages for the runtime to return them.
var gauges = []struct {
	name  string
	unit  uint64 // unit in which it is printed
	slack uint64
	value func(sample) uint64
}{
	{"heap, MiB", 1 << 20, 4 << 20, func(s sample) uint64 { return s.heap }},
	{"resident, MiB", 1 << 20, 12 << 20, func(s sample) uint64 { return s.resident }},
	{"kernel, MiB", 1 << 20, 12 << 20, func(s sample) uint64 { return s.kernel }},
	{"goroutines", 1, 32, func(s sample) uint64 { return s.goroutines }},
	{"descriptors", 1, 32, func(s sample) uint64 { return s.descriptors }},
}

func takeSample() sample {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	open, _ := filepath.Glob("/proc/self/fd/*")
	return sample{
		heap:        stats.HeapAlloc,
		resident:    kibibytes("/proc/self/status", "VmRSS:"),
		kernel:      kibibytes("/proc/meminfo", "SUnreclaim:"),
		goroutines:  uint64(runtime.NumGoroutine()),
		descriptors: uint64(len(open)),
	}
}

// kibibytes returns the value of a line "NAME N kB" of a file of the kernel, in bytes, or 0 if
// there is none.
func kibibytes(file, name string) uint64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == name {
			n, _ := strconv.ParseUint(f[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// A memory is a series of samples.
type memory struct {
	quit, done chan struct{}
	samples    []sample
}

// enough is two samples for each quarter.
const enough = 8

// startMemory takes samples until finish is called and there are enough. messages returns the
// number that have arrived.
func startMemory(interval time.Duration, messages func() uint64) *memory {
	m := &memory{quit: make(chan struct{}), done: make(chan struct{})}
	start := time.Now()
	go func() {
		defer close(m.done)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for quit := m.quit; quit != nil || len(m.samples) < enough; {
			select {
			case <-tick.C:
			case <-quit:
				quit = nil
				continue
			}
			s := takeSample()
			s.at, s.messages = time.Since(start), messages()
			m.samples = append(m.samples, s)
		}
	}()
	return m
}

// finish must be called while what is measured still runs.
func (m *memory) finish() {
	close(m.quit)
	<-m.done
}

// quarter returns the median of a gauge in a quarter of the time, 0 to 3.
func (m *memory) quarter(n int, value func(sample) uint64) uint64 {
	var values []uint64
	for _, s := range m.samples[n*len(m.samples)/4 : (n+1)*len(m.samples)/4] {
		values = append(values, value(s))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// check checks that no gauge is higher in the last quarter than in the second by more than a tenth
// and its slack. Buffers and pools fill in the first quarter.
func (m *memory) check(t testing.TB) {
	t.Helper()
	t.Logf("medians in each quarter of the time:\n%s", m.table())
	for _, g := range gauges {
		if second, last := m.quarter(1, g.value), m.quarter(3, g.value); last > second+second/10+g.slack {
			t.Errorf("%s: %d in the second quarter, %d in the last: it grows", g.name, second/g.unit,
				last/g.unit)
		}
	}
}

// table returns the medians of the quarters in Markdown.
func (m *memory) table() string {
	var b strings.Builder
	b.WriteString("| median of | first quarter | second | third | last |\n|---|---|---|---|---|\n")
	for _, g := range gauges {
		fmt.Fprintf(&b, "| %s |", g.name)
		for quarter := range 4 {
			fmt.Fprintf(&b, " %.*f |", cmp.Compare(g.unit, 1),
				float64(m.quarter(quarter, g.value))/float64(g.unit))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// csv returns one line for each sample.
func (m *memory) csv() string {
	var b strings.Builder
	b.WriteString("seconds,messages,heap,resident,kernel,goroutines,descriptors\n")
	for _, s := range m.samples {
		fmt.Fprintf(&b, "%.1f,%d,%d,%d,%d,%d,%d\n", s.at.Seconds(), s.messages, s.heap, s.resident,
			s.kernel, s.goroutines, s.descriptors)
	}
	return b.String()
}

// failures counts the errors of a check.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Errorf(format string, args ...any) { f.n++; f.Logf(format, args...) }

// TestMemoryGrows checks that check detects growth, and accepts values that vary or that are high
// from the start.
func TestMemoryGrows(t *testing.T) {
	const MiB = 1 << 20
	for _, test := range []struct {
		name  string
		heap  func(i int) uint64
		found int
	}{
		{"a leak", func(i int) uint64 { return 20*MiB + uint64(i)*MiB/4 }, 1},
		{"as high all the time", func(i int) uint64 { return 500 * MiB }, 0},
		{"up and down", func(i int) uint64 { return 20*MiB + uint64(i%7)*4*MiB }, 0},
		{"only in the beginning", func(i int) uint64 { return min(uint64(i), 25) * MiB }, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := new(memory)
			for i := range 100 {
				m.samples = append(m.samples, sample{heap: test.heap(i)})
			}
			f := &failures{TB: t}
			if m.check(f); f.n != test.found {
				t.Errorf("%d gauges grow, want %d", f.n, test.found)
			}
		})
	}
	live := startMemory(time.Millisecond, func() uint64 { return 1 })
	live.finish()
	if n := strings.Count(live.csv(), "\n"); n < 1+enough {
		t.Errorf("%d lines of samples", n)
	}
	for _, s := range live.samples {
		if s.heap == 0 || s.resident == 0 || s.goroutines == 0 || s.descriptors == 0 {
			t.Errorf("a gauge does not work: %+v", s)
		}
	}
}
