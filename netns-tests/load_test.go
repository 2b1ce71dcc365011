//go:build kernel

package netns

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

var messages = flag.Int("messages", 100_000, "how many messages TestLoadKeyUpdates sends")

// TestLoadKeyUpdates sends 100,000 messages on 16 streams, half of them each way, over a link that
// loses and reorders packets, while each side changes its keys every 1,000 messages. None may be
// lost, come twice, or out of order within its stream: RFC 9147, Section 8, attack D11. "make load"
// sends a million.
//
//	client eth0 ──── 1 % loss, 1 % reordered, both ways ──── eth0 server
func TestLoadKeyUpdates(t *testing.T) {
	const streams, updateEvery = 16, 1000
	each := *messages / 2 / streams
	total := 2 * streams * each

	p := newOpenSSLPair(t) // hosts and certificates; there is no OpenSSL here
	p.client.Netem(t, 0, "delay 1ms loss 1% reorder 99% 50%")
	p.server.Netem(t, 0, "delay 1ms loss 1% reorder 99% 50%")
	config := func(role string) *sctpdtls.Config {
		c := p.config(t, role, nil)
		c.MinVersion, c.MaxVersion = sctpdtls.VersionDTLS13, sctpdtls.VersionDTLS13
		c.RekeyAfter = sctpdtls.RekeyPolicy{Records: updateEvery}
		c.SCTP.OutStreams = streams
		c.SCTP.RTOMin = 50 * time.Millisecond // what is lost at the end of a flush would cost a second
		return c
	}
	ln := p.listen(t, config("server"))
	client, err := p.dial(t, config("client"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	server, err := ln.AcceptConn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Abort() })

	start := time.Now()
	var ends sync.WaitGroup
	for _, c := range []*sctpdtls.Conn{client, server} {
		for stream := range uint16(streams) {
			ends.Go(func() {
				msg := make([]byte, 64)
				for i := range uint32(each) {
					binary.BigEndian.PutUint32(msg, i)
					if err := c.WriteMessage(msg, sctpdtls.MessageInfo{Stream: stream}); err != nil {
						t.Errorf("stream %d, message %d: %v", stream, i, err)
						return
					}
				}
			})
		}
		ends.Go(func() {
			next := make([]uint32, streams)
			buf := make([]byte, sctpdtls.MaxMessageSize)
			for i := range streams * each {
				n, info, err := c.ReadMessage(buf)
				if err != nil || n != 64 {
					t.Errorf("message %d of all: %d bytes, %v", i, n, err)
					c.Abort()
					return
				}
				if got := binary.BigEndian.Uint32(buf); got != next[info.Stream] {
					t.Errorf("stream %d: message %d, want %d", info.Stream, got, next[info.Stream])
				}
				next[info.Stream]++
			}
		})
	}
	ends.Wait()
	took := time.Since(start)
	for _, c := range []*sctpdtls.Conn{client, server} {
		ends.Go(func() {
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	ends.Wait()
	leave(t, "load.md", fmt.Sprintf("%d messages in %v, %.0f per second, with %d key updates at each "+
		"end; none was lost, duplicated or reordered.\n", total, took.Round(time.Millisecond),
		float64(total)/took.Seconds(), total/2/updateEvery))
}
