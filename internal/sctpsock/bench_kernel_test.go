//go:build kernel && linux

package sctpsock

import (
	"fmt"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// BenchmarkMessage sends messages one way, as fast as they are read.
func BenchmarkMessage(b *testing.B) {
	for _, auth := range []bool{false, true} {
		for _, size := range []int{64, 1024, 16384} {
			b.Run(fmt.Sprintf("AUTH=%v/size=%d", auth, size), func(b *testing.B) {
				var o *Options
				if auth {
					o = withAuth()
				}
				c, s := pair(b, o, o)
				s.SetReadDeadline(time.Time{})
				c.SetWriteDeadline(time.Time{})
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				go func() {
					msg := make([]byte, size)
					for range b.N {
						if err := c.Send(msg, stream.Info{Stream: 1}); err != nil {
							b.Error(err)
							return
						}
					}
				}()
				buf := stream.Buffer(buffer(make([]byte, largestRecord)))
				for n := 0; n < b.N*size; {
					p, err := s.Recv(buf, true)
					if err != nil {
						b.Fatal(err)
					}
					n += p.N
				}
			})
		}
	}
}

// BenchmarkRoundTrip is a request and its answer.
func BenchmarkRoundTrip(b *testing.B) {
	c, s := pair(b, withAuth(), withAuth())
	c.SetReadDeadline(time.Time{})
	s.SetReadDeadline(time.Time{})
	msg, in := make([]byte, 200), stream.Buffer(buffer(make([]byte, 1000)))
	echoed := make(chan error)
	go func() {
		buf := make([]byte, 1000)
		for range b.N {
			p, err := s.Recv(buffer(buf), true)
			if err == nil {
				err = s.Send(buf[:p.N], stream.Info{})
			}
			if err != nil {
				echoed <- err
				return
			}
		}
		echoed <- nil
	}()
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if err := c.Send(msg, stream.Info{}); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Recv(in, true); err != nil {
			b.Fatal(err)
		}
	}
	if err := <-echoed; err != nil {
		b.Fatal(err)
	}
}
