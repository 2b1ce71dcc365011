package sctpdtls

import (
	"net"
	"runtime"
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

// A deadline that is set while its Conn or Stream is closed, after the deadlines of that were
// removed, leaves no timer either.
func TestDeadlineWhileClosing(t *testing.T) {
	pki()
	p := newTestPair(t, assoctest.Options{}, clientConfig(), serverConfig())
	defer p.client.Abort()
	defer p.server.Abort()
	for name, one := range map[string]*party{
		"Conn": &p.server.own, "Stream": &p.server.Stream(1).party,
	} {
		for kind, set := range map[string]func(*party, time.Time) error{
			"read": p.server.setReadDeadline, "write": p.server.setWriteDeadline,
		} {
			l := &one.read.timeLimit
			if kind == "write" {
				l = &one.write.timeLimit
				one.write.wait() // makes a timer with each deadline
			}
			// The deadline is set as soon as l is unlocked, as a rule, after it was found open.
			l.mu.Lock()
			done := make(chan error)
			go func() { done <- set(one, time.Now().Add(time.Hour)) }()
			for range 1000 {
				runtime.Gosched()
			}
			p.server.closing.Store(true)
			l.mu.Unlock()
			if err := <-done; err != net.ErrClosed {
				t.Errorf("%s, %s deadline: %v", name, kind, err)
			}
			if l.mu.Lock(); l.get() != 0 || l.timer != nil && l.timer.Stop() {
				t.Errorf("%s, %s deadline: it was set, or a timer is left", name, kind)
			}
			l.mu.Unlock()
			p.server.closing.Store(false)
		}
	}
}
