package tunnel

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// renewing sets when both ends renew, before they run.
func renewing(n renewal) func(*memChain) {
	return func(c *memChain) { c.runs[0].renewal, c.runs[1].renewal = n, n }
}

// traffic sends so many messages in both directions at once, on all streams, and wants each to come
// in its order.
func (c *memChain) traffic(count int, pause time.Duration) {
	c.t.Helper()
	var both sync.WaitGroup
	for _, ends := range [][2]*assoctest.Assoc{{c.near, c.far}, {c.far, c.near}} {
		both.Go(func() {
			for i := range count {
				text := fmt.Sprintf("%d of %d", i/30, i%30)
				if err := ends[0].Send([]byte(text), stream.Info{Stream: uint16(i % 30)}); err != nil {
					c.t.Errorf("message %d: %v", i, err)
					return
				}
				time.Sleep(pause)
			}
		})
		both.Go(func() {
			var next [30]int
			for range count {
				text, info, err := read(ends[1])
				if want := fmt.Sprintf("%d of %d", next[info.Stream], info.Stream); text != want || err != nil {
					c.t.Errorf("%q came on stream %d, %v; want %q", text, info.Stream, err, want)
					return
				}
				next[info.Stream]++
			}
		})
	}
	both.Wait()
}

// Keys are renewed before they have served for too long: by renegotiations in DTLS 1.2, by
// successors in DTLS 1.3. The daemons see nothing of it, whoever sends.
func TestRenewKeys(t *testing.T) {
	for _, loss := range []float64{0, 0.01} {
		testRenewKeys(t, loss)
	}
}

func testRenewKeys(t *testing.T, loss float64) {
	o := assoctest.Options{Delay: 3 * time.Millisecond, Loss: loss, Seed: 1,
		RTO: 100 * time.Millisecond}
	change := renewing(renewal{life: 400, interval: 25 * time.Millisecond})
	changedInMemory(t, o, change, func(t *testing.T, c *memChain) {
		c.traffic(1_800, time.Millisecond)
		if thirteen := c.version == sctpdtls.VersionDTLS13; thirteen != (c.dialled > 3) {
			t.Errorf("%d successors", c.dialled)
		}
		for i := range c.keys {
			if n := c.keys[i].changed.Load(); n < 4 {
				t.Errorf("end %d was told of %d new keys", i, n)
			}
		}
		if n := len(c.client.links.conns) + len(c.server.links.conns); n > 4 {
			t.Errorf("%d connections are not closed", n)
		}
		for _, r := range c.runs {
			if n := len(r.byConn) + len(r.bySuccessor); n > 2 {
				t.Errorf("%d entries of one association", n)
			}
		}
		if loss > 0 {
			return
		}
		c.near.Shutdown()
		c.wantEnd(c.far, io.EOF)
		c.wantEnd(c.near, io.EOF)
		c.wantReason(DaemonShutdown, PeerClose)
	})
}

// Keys are to be renewed while a daemon does not read for longer than closing may take. Nothing is
// lost, and it goes on when the daemon reads again.
func TestRenewWhileSlow(t *testing.T) {
	change := func(c *memChain) {
		renewing(renewal{due: 50, interval: time.Second})(c)
		for _, r := range c.runs {
			r.Limits.Buffer = 16 << 10 // so that what is under way is not read ahead
		}
	}
	o := assoctest.Options{Delay: time.Millisecond}
	changedInMemory(t, o, change, func(t *testing.T, c *memChain) {
		const size = 4000
		info := func(i int) stream.Info {
			return stream.Info{Stream: uint16(i % 30), PPID: uint32(1000 + i)}
		}
		sent := 0
		for ; ; sent++ {
			c.near.SetWriteDeadline(time.Now().Add(3 * closeTimeout))
			if err := c.near.Send(make([]byte, size), info(sent)); err != nil {
				break
			}
		}
		if most := 8 << 20; sent*size > most || sent < 100 {
			t.Errorf("%d messages of %d bytes were taken while nobody reads", sent, size)
		}
		var next [30]int
		for range sent {
			_, got, err := read(c.far)
			want := info(30*next[got.Stream] + int(got.Stream))
			if err != nil || got != want {
				t.Fatalf("%+v of %d messages, %v; want %+v", got, sent, err, want)
			}
			next[got.Stream]++
		}
		c.near.SetWriteDeadline(time.Time{})
		c.traffic(200, 100*time.Millisecond)
		if n := c.keys[0].changed.Load(); n < 2 {
			t.Errorf("%d new keys", n)
		}
		c.near.Shutdown()
		c.wantEnd(c.far, io.EOF)
		c.wantEnd(c.near, io.EOF)
		c.wantReason(DaemonShutdown, PeerClose)
	})
}

// wantEnd reads the end of a daemon's association, and closes it.
func (c *memChain) wantEnd(a *assoctest.Assoc, want error) {
	c.t.Helper()
	a.SetReadDeadline(time.Now().Add(time.Hour))
	if text, _, err := read(a); !errors.Is(err, want) {
		c.t.Errorf("a daemon reads %q, %v; want %v", text, err, want)
	}
	a.Close()
}

// A daemon that shuts down at any moment of the change to a successor loses nothing, and ends
// cleanly, as does its far one.
func TestSuccessorAndShutdown(t *testing.T) {
	change := renewing(renewal{life: 100, interval: time.Second})
	o := assoctest.Options{Delay: 2 * time.Millisecond}
	dialled := 0
	for ms := range 30 {
		changedInMemory(t, o, change, func(t *testing.T, c *memChain) {
			ends := [2]*assoctest.Assoc{c.near, c.far}
			if ms%2 == 1 {
				ends = [2]*assoctest.Assoc{c.far, c.near}
			}
			for i := range 80 { // more than three quarters
				c.send(ends[0], fmt.Sprint(i), stream.Info{Stream: 3})
				c.wantRead(ends[1], fmt.Sprint(i), stream.Info{Stream: 3})
			}
			// Looks are at full seconds.
			next := time.Now().Truncate(time.Second).Add(time.Second)
			time.Sleep(time.Until(next) + time.Duration(ms)*time.Millisecond)
			c.send(ends[0], "last", stream.Info{Stream: 3})
			ends[0].Shutdown()
			c.wantRead(ends[1], "last", stream.Info{Stream: 3})
			c.wantEnd(ends[1], io.EOF)
			c.wantEnd(ends[0], io.EOF)
			c.done.Wait()
			if !c.client.why.Clean() || !c.server.why.Clean() {
				t.Errorf("after %d ms: the client says %s (%v), the server %s (%v)", ms,
					c.client.why, c.client.err, c.server.why, c.server.err)
			}
			dialled += c.dialled
		})
	}
	if dialled < 10 {
		t.Errorf("%d successors came before the shutdown: the test does not meet the change", dialled)
	}
}

// Where the far end has no part in new keys, the association ends before the old ones have served
// for too long, and says so.
func TestKeysUsedUp(t *testing.T) {
	changedInMemory(t, assoctest.Options{}, func(c *memChain) {
		renewing(renewal{life: 400, interval: time.Second})(c)
		c.refused = errNoTunnel
	}, func(t *testing.T, c *memChain) {
		if c.client.info.State.Version != sctpdtls.VersionDTLS13 {
			return // it renegotiates
		}
		for range 350 {
			c.send(c.near, "x", stream.Info{})
			c.wantRead(c.far, "x", stream.Info{})
		}
		time.Sleep(2 * time.Second)
		if n := c.asked.Load(); n != 1 {
			t.Errorf("%d successors were tried with who has none", n)
		}
		for range 50 {
			c.send(c.near, "x", stream.Info{})
			c.wantRead(c.far, "x", stream.Info{})
		}
		c.wantEnd(c.near, syscall.ECONNRESET)
		c.wantEnd(c.far, syscall.ECONNRESET)
		c.done.Wait()
		if c.client.why != KeysUsedUp && c.server.why != KeysUsedUp {
			t.Errorf("the client says %s, the server %s", c.client.why, c.server.why)
		}
	})
}

// A certificate that is replaced before it expires is shown in time, and the association goes on.
func TestRenewCertificates(t *testing.T) {
	inMemory(t, assoctest.Options{Delay: time.Millisecond}, func(t *testing.T, c *memChain) {
		for hour := range 3 {
			time.Sleep(50 * time.Minute) // within the last quarter
			c.use(0, "client", time.Hour)
			c.use(1, "server", time.Hour)
			c.traffic(100, 4*time.Second)
			if end := c.client.info.Now().PeerCertificates[0].NotAfter; end.Before(time.Now()) {
				t.Errorf("hour %d: the server's certificate expired at %v", hour, end)
			}
			if end := c.server.info.Now().PeerCertificates[0].NotAfter; end.Before(time.Now()) {
				t.Errorf("hour %d: the client's certificate expired at %v", hour, end)
			}
		}
	})
}

// One that is not replaced ends the association when it expires, at both ends.
func TestCertificateExpires(t *testing.T) {
	for end, who := range []string{"client", "server"} {
		changedInMemory(t, assoctest.Options{Delay: time.Millisecond}, func(c *memChain) {
			c.use(end, who, 10*time.Minute)
		}, func(t *testing.T, c *memChain) {
			c.traffic(100, 5*time.Second)
			begin := time.Now()
			c.wantEnd(c.near, syscall.ECONNRESET)
			c.wantEnd(c.far, syscall.ECONNRESET)
			if lasted := time.Since(begin).Round(time.Second); lasted != 100*time.Second {
				t.Errorf("it lasted %v", lasted)
			}
			if who == "client" {
				c.wantReason(PeerAbort, Expired)
			} else {
				c.wantReason(Expired, PeerAbort)
			}
		})
	}
}

// When one end has changed over and the other one may not have, the association is aborted at both
// ends: what the first one has written since would be lost, behind what looks like a clean end.
func TestSuccessorOfOneEnd(t *testing.T) {
	for _, lost := range []error{
		&sctpdtls.HandshakeTimeoutError{KeyInUse: true},
		&sctpdtls.AssociationError{State: sctpdtls.AssocLost},
		&inDoubtError{errOtherPeer},
	} {
		changedInMemory(t, assoctest.Options{Delay: time.Millisecond}, func(c *memChain) {
			renewing(renewal{life: 4, interval: time.Second})(c)
			c.lost = lost
		}, func(t *testing.T, c *memChain) {
			if c.client.info.State.Version != sctpdtls.VersionDTLS13 {
				return // it renegotiates
			}
			for range 3 {
				c.send(c.near, "x", stream.Info{})
				c.wantRead(c.far, "x", stream.Info{})
			}
			c.wantEnd(c.near, syscall.ECONNRESET)
			c.wantEnd(c.far, syscall.ECONNRESET)
			c.done.Wait()
			if c.client.why.Clean() || c.server.why != PeerAbort {
				t.Errorf("the client says %s, the server %s", c.client.why, c.server.why)
			}
		})
	}
}

// A successor that comes when the association has ended is aborted, and leaves nothing behind.
func TestSuccessorTooLate(t *testing.T) {
	inMemory(t, assoctest.Options{}, func(t *testing.T, c *memChain) {
		name := nameOfSuccessor(c.client.links.newest().ConnectionState())
		if name == "" {
			return // DTLS 1.2 has none
		}
		next, peer, err := c.connect([]string{name})
		if err != nil {
			t.Fatal(err)
		}
		r := c.runs[1]
		p, err := r.predecessor(peer.ConnectionState())
		if err != nil {
			t.Fatal(err)
		}
		c.near.Abort()
		c.wantEnd(c.far, syscall.ECONNRESET)
		c.done.Wait()
		r.forget(p.info)
		p.succeed(peer)
		if _, _, err := next.ReadMessage(nil); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the successor ends with %v", err)
		}
		if n := len(r.all) + len(r.byConn) + len(r.bySuccessor); n != 0 {
			t.Errorf("%d entries are left", n)
		}
		next.Abort()
	})
}

// A successor is one of the same peer alone.
func TestPredecessor(t *testing.T) {
	inMemory(t, assoctest.Options{}, func(t *testing.T, c *memChain) {
		name := nameOfSuccessor(c.client.links.newest().ConnectionState())
		for _, tt := range []struct {
			who, name string
			want      error
		}{
			{"client", successorProtocol + "00", errNoPredecessor},
			{"client", successorProtocol, errNoPredecessor},
			{"mallory", name, errOtherPeer},
			{"client", name, nil},
		} {
			if name == "" {
				continue // DTLS 1.2 has none
			}
			c.use(0, tt.who, time.Minute)
			next, peer, err := c.connect([]string{tt.name})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.runs[1].predecessor(peer.ConnectionState()); err != tt.want {
				t.Errorf("%s with %q: %v, want %v", tt.who, tt.name, err, tt.want)
			}
			next.Abort()
			peer.Abort()
		}
		c.server.links.changeOver(nil, nil)
	})
}
