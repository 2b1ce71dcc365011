package dtlscore

import (
	"crypto/tls"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// A contender is one of several implementations of the same work.
type contender struct {
	name string
	run  func()
}

// A comparison is the times of the contenders in each round.
type comparison [][]float64

// compare measures the contenders in turn, so that other activity on the machine affects all of
// them alike, and reports the median and the minimum of each. The minimum, which excludes garbage
// collection and other processes, is for differences. The suffix of a metric's name, such as "us",
// is its unit.
func compare(b *testing.B, unitName string, unit time.Duration,
	contenders ...contender) comparison {
	oneProcessor(b)
	samples := make(comparison, len(contenders))
	for round := 0; b.Loop(); round++ {
		for i := range contenders {
			i = (i + round) % len(contenders)
			start := time.Now()
			contenders[i].run()
			samples[i] = append(samples[i], float64(time.Since(start))/float64(unit))
		}
	}
	b.ReportMetric(0, "ns/op") // the total has no meaning
	for i, c := range contenders {
		b.ReportMetric(median(samples[i]), unitName+"/"+c.name)
		b.ReportMetric(slices.Min(samples[i]), "best-"+unitName+"/"+c.name)
		allocations, bytes := allocationsOf(c.run)
		b.ReportMetric(allocations, "allocs/"+c.name)
		b.ReportMetric(bytes/1000, "kB/"+c.name)
	}
	return samples
}

// ratio returns the median of the ratios in each round, because the conditions within a round are
// alike.
func (c comparison) ratio(i, j int) float64 {
	ratios := make([]float64, len(c[i]))
	for round := range ratios {
		ratios[round] = c[i][round] / c[j][round]
	}
	return median(ratios)
}

// difference returns the difference of the minima.
func (c comparison) difference(i, j int) float64 { return slices.Min(c[i]) - slices.Min(c[j]) }

func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }

// oneProcessor excludes the time in which goroutines wait for each other from the comparison.
func oneProcessor(b *testing.B) {
	before := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

func allocationsOf(run func()) (count, bytes float64) {
	const times = 20
	run()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		run()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / times,
		float64(after.TotalAlloc-before.TotalAlloc) / times
}

// benchmarkTLSConfigs returns configurations with which crypto/tls makes the same choices as with
// testClientConfig and testServerConfig. version is a TLS version.
func benchmarkTLSConfigs(version uint16, auth tls.ClientAuthType, group tls.CurveID,
	resume bool) (client, server *tls.Config) {
	client = &tls.Config{
		RootCAs: testCerts().ca.pool(), ServerName: testName,
		Certificates: []tls.Certificate{testCerts().client},
		MinVersion:   version, MaxVersion: version, Time: testNow, CurvePreferences: []tls.CurveID{group},
	}
	server = &tls.Config{
		Certificates: []tls.Certificate{testCerts().ecdsa}, ClientCAs: testCerts().ca.pool(),
		ClientAuth: auth,
		MinVersion: version, MaxVersion: version, Time: testNow, SessionTicketsDisabled: !resume,
	}
	if resume {
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return client, server
}

// benchmarkTLSConnect makes a connection. If the client is to resume it in TLS 1.3, it also
// processes the ticket.
func benchmarkTLSConnect(b *testing.B, client, server *tls.Config) (c, s *tls.Conn) {
	near, far := newMemoryPipe()
	ticket := client.ClientSessionCache != nil && client.MaxVersion == tls.VersionTLS13
	done := make(chan error)
	s = tls.Server(far, server)
	go func() {
		err := s.Handshake()
		if err == nil && ticket {
			_, err = s.Write([]byte{0}) // follows the ticket, which Read processes
		}
		done <- err
	}()
	c = tls.Client(near, client)
	if err := c.Handshake(); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if ticket {
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
	}
	return c, s
}

// newMemoryPipe returns the ends of a buffered connection. Unlike with net.Pipe, writers do not
// wait for readers.
func newMemoryPipe() (a, b net.Conn) {
	one, other := newMemoryHalf(), newMemoryHalf()
	return memoryConn{in: one, out: other}, memoryConn{in: other, out: one}
}

type memoryHalf struct {
	mu     sync.Mutex
	ready  sync.Cond
	buffer []byte
	unread int // offset of the unread bytes
}

func newMemoryHalf() *memoryHalf {
	h := new(memoryHalf)
	h.ready.L = &h.mu
	return h
}

type memoryConn struct {
	net.Conn // for methods that are not called
	in, out  *memoryHalf
}

func (c memoryConn) Read(b []byte) (int, error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	for c.in.unread == len(c.in.buffer) {
		c.in.ready.Wait()
	}
	n := copy(b, c.in.buffer[c.in.unread:])
	if c.in.unread += n; c.in.unread == len(c.in.buffer) {
		c.in.buffer, c.in.unread = c.in.buffer[:0], 0
	}
	return n, nil
}

func (c memoryConn) Write(b []byte) (int, error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.buffer = append(c.out.buffer, b...)
	c.out.ready.Signal()
	return len(b), nil
}

// BenchmarkIdle measures the memory of a pair of idle connections, without what connections share.
func BenchmarkIdle(b *testing.B) {
	for _, v := range eachVersion {
		b.Run(v.name, func(b *testing.B) {
			client, server := v.configs(tls.RequireAndVerifyClientCert)
			const pairs = 500
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				keep := make([][2]*Conn, pairs)
				for i := range keep {
					keep[i] = newBarePair(client, server).ends
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/pairs, "heap-B/pair")
				runtime.KeepAlive(keep)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
