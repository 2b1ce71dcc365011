package dtlscore

import (
	"crypto/cipher"
	"crypto/tls"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// BenchmarkRecord seals and opens one record as an application does. It compares that with
// crypto/tls over a buffer in memory, and with AES-128-GCM alone on the bytes that the version
// protects, which in DTLS 1.3 include the content type.
func BenchmarkRecord(b *testing.B) {
	for _, v := range eachVersion {
		for _, size := range []int{64, 256, 1024, 4096, MaxPlaintext} {
			b.Run(fmt.Sprintf("%s/%d", v.name, size), func(b *testing.B) {
				const times = 64 // a sample must be longer than the clock's resolution
				ours, theirs, bare := recordsOfCore(b, v, size), recordsOfTLS(b, v, size),
					recordsOfAEAD(b, v, size)
				repeat := func(once func()) func() {
					return func() {
						for range times {
							once()
						}
					}
				}
				ns := compare(b, "ns", times*time.Nanosecond, contender{"dtlscore", repeat(ours)},
					contender{"crypto-tls", repeat(theirs)}, contender{"aead", repeat(bare)})
				b.ReportMetric(ns.ratio(0, 2), "x-aead")
				b.ReportMetric(ns.ratio(0, 1), "x-crypto-tls")
				b.ReportMetric(float64(size)/median(ns[0])*1000, "MB/s/dtlscore")
			})
		}
	}
}

func recordsOfCore(b *testing.B, v testVersion, size int) func() {
	client, server := v.configs(tls.NoClientCert)
	client.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256}
	p := newBarePair(client, server)
	plaintext := make([]byte, size)
	buffer := make([]byte, 0, size+MaxOverhead)
	return func() {
		record, err := p.ends[0].Seal(buffer, plaintext)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.ends[1].Receive(record, false, Tag{}); err != nil {
			b.Fatal(err)
		}
		p.ends[0].app.Load().anchor.Store(p.ends[0].app.Load().next.Load()) // instead of Upkeep
	}
}

func recordsOfTLS(b *testing.B, v testVersion, size int) func() {
	client, server := benchmarkTLSConfigs(v.tls(), tls.NoClientCert, tls.X25519, false)
	client.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256} // as in 1.3
	c, s := benchmarkTLSConnect(b, client, server)
	plaintext, buffer := make([]byte, MaxPlaintext), make([]byte, MaxPlaintext)
	move := func(n int) {
		if _, err := c.Write(plaintext[:n]); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(s, buffer[:n]); err != nil {
			b.Fatal(err)
		}
	}
	for range 200 { // crypto/tls begins with small records
		move(MaxPlaintext)
	}
	return func() { move(size) }
}

func recordsOfAEAD(b *testing.B, v testVersion, size int) func() {
	aead := must(aeadAES128GCM.new(make([]byte, 16)))
	nonce, additional := make([]byte, aeadNonceLen), make([]byte, additionalLen12)
	if v.number == VersionDTLS13 {
		size, additional = size+1, additional[:unifiedHeaderLen]
	}
	plaintext := make([]byte, size)
	buffer := make([]byte, 0, size+aead.Overhead())
	return func() { sealAndOpen(b, aead, nonce, additional, buffer, plaintext) }
}

func sealAndOpen(b *testing.B, aead cipher.AEAD, nonce, additional, buffer, plaintext []byte) {
	nonce[0]++
	sealed := aead.Seal(buffer, nonce, plaintext, additional)
	if _, err := aead.Open(sealed[:0], nonce, sealed, additional); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkWriters compares two writers of one connection, on a processor each, with one writer,
// and with two writers that have a connection each, which is the limit of the machine. The metrics
// are the ratios of what is sealed in the same time.
func BenchmarkWriters(b *testing.B) {
	if runtime.GOMAXPROCS(0) < 2 {
		b.Fatal("needs two processors")
	}
	for _, v := range eachVersion {
		for _, size := range []int{64, 1024, MaxPlaintext} {
			b.Run(fmt.Sprintf("%s/%d", v.name, size), func(b *testing.B) { benchmarkWriters(b, v, size) })
		}
	}
}

func benchmarkWriters(b *testing.B, v testVersion, size int) {
	client, server := v.configs(tls.NoClientCert)
	var conns [2]*Conn
	for i := range conns {
		conns[i] = newBarePair(client, server).ends[0]
	}
	records := 10 + 500_000/(size+500)
	seal := func(c *Conn, ready *atomic.Int32) {
		plaintext := make([]byte, size)
		buffer := make([]byte, 0, size+MaxOverhead)
		// all begin at the same time, and none has to be woken up
		for ready.Add(-1); ready.Load() > 0; {
		}
		for range records {
			if _, err := c.Seal(buffer, plaintext); err != nil {
				b.Error(err)
			}
		}
	}
	timed := func(writers ...*Conn) float64 {
		var ready atomic.Int32
		ready.Store(int32(len(writers)) + 1)
		var wait sync.WaitGroup
		for _, c := range writers {
			epoch := c.app.Load()
			epoch.window = 0    // instead of Upkeep
			epoch.next.Store(1) // so that the keys are not used up
			wait.Go(func() { seal(c, &ready) })
		}
		for ready.Load() > 1 {
			runtime.Gosched()
		}
		start := time.Now()
		ready.Add(-1)
		wait.Wait()
		return float64(time.Since(start))
	}
	one, two, apart := math.Inf(1), math.Inf(1), math.Inf(1)
	for b.Loop() {
		one = min(one, timed(conns[0]))
		two = min(two, timed(conns[0], conns[0]))
		apart = min(apart, timed(conns[0], conns[1]))
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(one/float64(records), "ns/record")
	b.ReportMetric(2*one/two, "x-one-writer")
	b.ReportMetric(2*one/apart, "x-one-writer/two-connections")
}
