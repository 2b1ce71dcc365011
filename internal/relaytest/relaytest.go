// Package relaytest checks that a relay loses nothing, over whatever kind of associations.
package relaytest

import (
	"encoding/binary"
	"sync"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls/relay"
)

// Traffic has both ends write on 16 streams, as long as more says, and reads it all: nothing
// is lost, comes twice or out of order within its stream. finish has the ends write no more and
// waits for the last message.
func Traffic(t testing.TB, ends [2]*relay.Relay, pause func()) (finish func()) {
	const streams = 16
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i, r := range ends {
		var writers sync.WaitGroup
		var sent [streams]uint32
		all := make(chan struct{})
		for s := range sent {
			writers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := r.WriteMessage(binary.BigEndian.AppendUint32(nil, sent[s]),
						sctpdtls.MessageInfo{Stream: uint16(s)}); err != nil {
						t.Errorf("end %d, stream %d, message %d: %v", i, s, sent[s], err)
						return
					}
					sent[s]++
					pause()
				}
			})
		}
		go func() { writers.Wait(); close(all) }()
		readers.Go(func() { // what the other end gets
			var next [streams]uint32
			total, buf := uint32(0), make([]byte, 16)
			for last := ^uint32(0); total != last; total++ {
				n, info, err := ends[1-i].ReadMessage(buf)
				if err != nil {
					t.Errorf("end %d: after %d messages: %v", 1-i, total, err)
					return
				}
				if n == 1 { // the last one, from stream 0
					<-all
					last = 0
					for _, n := range sent {
						last += n
					}
					total--
					continue
				}
				if got := binary.BigEndian.Uint32(buf[:n]); got != next[info.Stream] {
					t.Errorf("end %d, stream %d: message %d, want %d", 1-i, info.Stream, got, next[info.Stream])
				}
				next[info.Stream]++
			}
		})
		readers.Go(func() {
			<-all
			if err := r.WriteMessage([]byte{0}, sctpdtls.MessageInfo{}); err != nil {
				t.Errorf("end %d: %v", i, err)
			}
		})
	}
	return func() { close(stop); readers.Wait() }
}
