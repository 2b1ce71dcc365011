//go:build !race

package sctpdtls

import (
	"fmt"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// BenchmarkPath is what a message costs at both ends without a kernel: our part of it, the AEAD
// included.
func BenchmarkPath(b *testing.B) {
	config := clientConfig()
	// 1.3 would halt now and then, for a peer that does not answer here
	config.MaxVersion = VersionDTLS12
	p := newTestPair(b, assoctest.Options{}, config, serverConfig())
	if cerr, serr := p.handshake(); cerr != nil || serr != nil {
		b.Fatalf("handshake: client %v, server %v", cerr, serr)
	}
	defer p.close()
	defer loopBack(p)()
	buf := make([]byte, MaxMessageSize)
	for _, size := range []int{64, 1024, 16384} {
		msg := make([]byte, size)
		for _, reads := range []string{"Conn", "Stream"} {
			b.Run(fmt.Sprintf("%s/size=%d", reads, size), func(b *testing.B) {
				read, write := p.server.ReadMessage, p.client.WriteMessage
				if reads == "Stream" {
					read, write = p.server.Stream(3).ReadMessage, p.client.Stream(3).WriteMessage
					defer p.server.Stream(3).Close()
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := write(msg, MessageInfo{Stream: 3}); err != nil {
						b.Fatal(err)
					}
					if _, _, err := read(buf); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
