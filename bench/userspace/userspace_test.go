// Package userspace measures the SCTP of this library over UDP on the loopback interface: processor
// time for a message and end, beside what UDP and HMAC alone take, and beside pion/sctp.
//
//	go test -bench . -count 3
package userspace

import (
	"crypto/hmac"
	"crypto/sha256"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/sctp"
)

var sizes = []int{64, 1024, 16384}

// processor returns the processor time of this process.
func processor(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// run has send send b.N messages, and receive receive one at each call, and reports what an end
// takes for one: half of what both do.
func run(b *testing.B, size int, send, receive func(msg []byte) error) {
	b.Helper()
	done := make(chan error, 1)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	before := processor(b)
	go func() {
		buf := make([]byte, 1<<16)
		for range b.N {
			if err := receive(buf); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	msg := make([]byte, size)
	for range b.N {
		if err := send(msg); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(processor(b)-before)/float64(b.N)/2, "cpu-ns/end")
}

// TestBenchmarks carries some messages in each way that is measured.
func TestBenchmarks(t *testing.T) {
	benchtime := flag.Lookup("test.benchtime").Value
	defer benchtime.Set(benchtime.String())
	benchtime.Set("100x")
	for name, benchmark := range map[string]func(*testing.B){
		"Floor": BenchmarkFloor,
		"Pion":  BenchmarkPion,
		"Plain": BenchmarkPlain, "Auth": BenchmarkAuth, "DTLS": BenchmarkDTLS,
	} {
		if r := testing.Benchmark(benchmark); r.N != 1 { // that it calls others, without an error
			t.Errorf("%s: %v", name, r)
		}
	}
}

func udp(b *testing.B) *net.UDPConn {
	b.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		b.Fatal(err)
	}
	c.SetReadBuffer(4 << 20)
	c.SetWriteBuffer(4 << 20)
	b.Cleanup(func() { c.Close() })
	return c
}

// mtu is that of the packets whose floor is measured, without IP and UDP: that of sctpdtls.
const mtu = 1232

// BenchmarkFloor is as many bytes in as few datagrams, each with an HMAC at either end. The
// receiver says after each window that it has it, for else datagrams would be lost.
func BenchmarkFloor(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			from, to := udp(b), udp(b)
			at := to.LocalAddr().(*net.UDPAddr).AddrPort()
			key := make([]byte, sha256.Size)
			signer, verifier := hmac.New(sha256.New, key), hmac.New(sha256.New, key)
			var sum, check [sha256.Size]byte
			const window = 64
			room := make(chan struct{}, window)
			buf := make([]byte, 1<<16)
			run(b, size, func(msg []byte) error {
				room <- struct{}{}
				for len(msg) > 0 {
					n := min(len(msg), mtu)
					signer.Reset()
					signer.Write(msg[:n])
					signer.Sum(sum[:0])
					if _, err := from.WriteToUDPAddrPort(msg[:n], at); err != nil {
						return err
					}
					msg = msg[n:]
				}
				return nil
			}, func([]byte) error {
				for left := size; left > 0; {
					n, _, err := to.ReadFromUDPAddrPort(buf)
					if err != nil {
						return err
					}
					verifier.Reset()
					verifier.Write(buf[:n])
					verifier.Sum(check[:0])
					left -= n
				}
				<-room
				return nil
			})
		})
	}
}

func pionPair(b *testing.B) (client, server *pion.Stream) {
	x, y := udp(b), udp(b)
	conn := func(c *net.UDPConn, to net.Addr) pion.AssociationOption {
		return pion.WithNetConn(joined{c, to.(*net.UDPAddr).AddrPort()})
	}
	logger := pion.WithLoggerFactory(logging.NewDefaultLoggerFactory())
	buffer := pion.WithMaxReceiveBufferSize(1 << 20)
	accepted := make(chan *pion.Association, 1)
	go func() {
		a, err := pion.ServerWithOptions(conn(y, x.LocalAddr()), logger, buffer)
		if err != nil {
			b.Error(err)
		}
		accepted <- a
	}()
	a, err := pion.ClientWithOptions(conn(x, y.LocalAddr()), logger, buffer)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { a.Close() })
	if client, err = a.OpenStream(1, pion.PayloadTypeWebRTCBinary); err != nil {
		b.Fatal(err)
	}
	if _, err := client.WriteSCTP([]byte("x"), pion.PayloadTypeWebRTCBinary); err != nil {
		b.Fatal(err)
	}
	s := <-accepted
	b.Cleanup(func() { s.Close() })
	if server, err = s.AcceptStream(); err != nil {
		b.Fatal(err)
	}
	if _, _, err := server.ReadSCTP(make([]byte, 100)); err != nil {
		b.Fatal(err)
	}
	return client, server
}

// joined is a UDP socket as a net.Conn.
type joined struct {
	*net.UDPConn
	to netip.AddrPort
}

func (c joined) Write(b []byte) (int, error) { return c.WriteToUDPAddrPort(b, c.to) }
func (c joined) Read(b []byte) (int, error) {
	n, _, err := c.ReadFromUDPAddrPort(b)
	return n, err
}
func (c joined) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.to) }

// BenchmarkPion is pion/sctp, which has no AUTH.
func BenchmarkPion(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client, server := pionPair(b)
			run(b, size, func(msg []byte) error {
				for client.BufferedAmount() > 1<<18 {
					time.Sleep(50 * time.Microsecond) // it has no writes that wait
				}
				_, err := client.WriteSCTP(msg, pion.PayloadTypeWebRTCBinary)
				return err
			}, func(buf []byte) error {
				_, _, err := server.ReadSCTP(buf)
				return err
			})
		})
	}
}
