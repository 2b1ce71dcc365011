//go:build kernel

package sctpdtls

import (
	"fmt"
	"testing"
)

// BenchmarkKernelDiscard sends messages one way over the loopback, one at a time and several at
// once.
func BenchmarkKernelDiscard(b *testing.B) {
	for _, size := range []int{64, 256, 1024, 4096, 16384} {
		for _, batch := range []int{1, 32} {
			b.Run(fmt.Sprintf("size=%d/batch=%d", size, batch), func(b *testing.B) {
				ln, err := Listen("sctp", "127.0.0.1:0", serverConfig())
				if err != nil {
					b.Fatal(err)
				}
				defer ln.Close()
				client, err := Dial("sctp", ln.Addr().String(), clientConfig())
				if err != nil {
					b.Fatal(err)
				}
				defer client.Abort()
				server, err := ln.AcceptConn(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				defer server.Abort()
				msgs := make([]Message, batch)
				for i := range msgs {
					msgs[i] = Message{make([]byte, size), MessageInfo{Stream: 1}}
				}
				buf := make([]byte, MaxMessageSize)
				transfer := func(messages int) {
					go func() {
						for n := 0; n < messages; n += batch {
							var err error
							if batch == 1 {
								err = client.WriteMessage(msgs[0].Data, msgs[0].MessageInfo)
							} else {
								_, err = client.WriteMessages(msgs[:min(batch, messages-n)])
							}
							if err != nil {
								b.Error(err)
								return
							}
						}
					}()
					for range messages {
						if _, _, err := server.ReadMessage(buf); err != nil {
							b.Fatal(err)
						}
					}
				}
				transfer(300) // until the windows are open
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				transfer(b.N)
			})
		}
	}
}
