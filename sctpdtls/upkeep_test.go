package sctpdtls

import (
	"fmt"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// The record numbers of DTLS 1.3 have 16 bits. However many messages are written, by one who reads
// or one who does not, all arrive, and nobody has to know: requirements 3.12, 3.13.
func TestUpkeep(t *testing.T) {
	const messages = 40_000 // more than 2^15
	for _, reads := range []bool{false, true} {
		t.Run(fmt.Sprintf("writer reads %v", reads), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := connected(t, assoctest.Options{Buffer: 2000})
				if reads {
					go p.client.ReadMessage(nil)
				}
				done := make(chan error)
				go func() {
					buf := make([]byte, 10)
					for i := range messages {
						n, _, err := p.server.ReadMessage(buf)
						if err == nil && string(buf[:n]) != fmt.Sprint(i) {
							err = fmt.Errorf("message %q, want %d", buf[:n], i)
						}
						if err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
				for i := range messages {
					if err := p.client.WriteMessage(fmt.Append(nil, i), MessageInfo{Stream: 1}); err != nil {
						t.Fatal(err)
					}
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				halts := 0
				for _, s := range p.clientSCTP.Sent() {
					if s.Info.Stream == 0 {
						halts++
					}
				}
				if halts -= 4; halts < 2 || halts > 3 { // a handshake, and one every 2^14 or so
					t.Errorf("%d control records", halts)
				}
				p.close()
			})
		})
	}
}
