package sctpdtls

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// A connection that is closed keeps no message that nobody has read, and no timer, which would keep
// the connection until a deadline has passed. Nor does a Stream that is closed.
func TestClosedKeepsNothing(t *testing.T) {
	for name, end := range map[string]func(p *testPair){
		"Close": func(p *testPair) {
			go p.client.Close()
			p.server.Close()
		},
		"Abort": func(p *testPair) { p.server.Abort() },
		"Close of a connection that has ended": func(p *testPair) {
			p.client.Abort()
			<-p.server.Context().Done()
			p.server.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := connected(t, assoctest.Options{})
				open, closed := p.server.Stream(3), p.server.Stream(4)
				parties := []*party{&p.server.own, &open.party, &closed.party}
				for _, one := range parties {
					one.read.set(time.Now().Add(time.Hour))
					one.write.set(time.Now().Add(time.Hour))
					one.write.wait() // makes the timer
				}
				p.write("unread")
				synctest.Wait()
				if time.Sleep(10 * time.Millisecond); p.server.mux.Size() == 0 {
					t.Fatal("no message has come")
				}
				closed.Close()
				end(p)
				if n := p.server.mux.Size(); n > 0 {
					t.Errorf("messages of %d bytes are kept", n)
				}
				for i, one := range parties {
					if one.read.timer.Stop() || one.write.timer.Stop() {
						t.Errorf("a timer of party %d is left", i)
					}
				}
				p.client.Abort()
				p.server.Abort()
			})
		})
	}
}
