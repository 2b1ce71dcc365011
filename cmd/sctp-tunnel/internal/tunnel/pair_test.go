package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A memChain is two pairs in memory, and their daemons: near daemon, pair, DTLS, pair, far daemon.
type memChain struct {
	t         *testing.T
	options   assoctest.Options
	near, far *assoctest.Assoc // the daemons' ends
	farTunnel *assoctest.Assoc // the tunnel's end of far
	link      *assoctest.Assoc // the client's end below DTLS, of the newest connection
	client    *pair
	server    *pair
	stop      context.CancelFunc // of both
	done      sync.WaitGroup

	runs      [2]*run // of the client and the server
	authority *authority
	version   uint16
	configs   [2]atomic.Pointer[sctpdtls.Config] // for the next handshake
	keys      [2]keyCounter
	dialled   int          // successors
	refused   error        // by the next redial
	asked     atomic.Int32 // redials that were refused
	lost      error        // the client's, after the server has changed over
}

// newMemChain makes associations as o says, and runs the pairs.
func newMemChain(
	t *testing.T, version uint16, o assoctest.Options, change func(*memChain),
) *memChain {
	t.Helper()
	o.Streams = 30
	c := &memChain{t: t, options: o, authority: newAuthority()}
	near, nearTunnel := assoctest.Pair(t, o)
	c.near = near
	c.far, c.farTunnel = assoctest.Pair(t, o)
	c.version = version
	for i, name := range []string{"client", "server"} {
		c.use(i, name, time.Hour)
		c.runs[i] = newRun(&Service{Role: Client - Role(i), TLS: c.configs[i].Load,
			Observer: &c.keys[i], Log: logTo(t, name)})
		c.runs[i].after = falseClock
	}
	if change != nil {
		change(c)
	}
	conn, peer, err := c.connect([]string{tunnelProtocol})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	c.stop = stop
	pairOf := func(r *run, clear *assoctest.Assoc, conn *sctpdtls.Conn, redial redial) *pair {
		p := r.newPair(clear, conn, func() {}, redial)
		c.done.Go(func() { p.run(ctx, 5*time.Second) })
		return p
	}
	c.server = pairOf(c.runs[1], c.farTunnel, peer, nil)
	c.client = pairOf(c.runs[0], nearTunnel, conn, c.redial)
	return c
}

// falseClock is time.AfterFunc, whose time is that of package synctest.
func falseClock(d time.Duration, f func()) (stop func()) {
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

// use gives an end, 0 for the client's, a new certificate for so long.
func (c *memChain) use(end int, name string, valid time.Duration) {
	config := c.authority.config(name, time.Now().Add(valid))
	config.MinVersion, config.MaxVersion = c.version, c.version
	c.configs[end].Store(config)
}

// connect makes a connection of the two ends, for protocols.
func (c *memChain) connect(protocols []string) (conn, peer *sctpdtls.Conn, err error) {
	below, above := assoctest.Pair(c.t, c.options)
	config, serverConfig := c.runs[0].config(), c.runs[1].config()
	config.NextProtos, serverConfig.NextProtos = protocols, protocols
	if conn, err = sctpdtls.Client(below, config); err != nil {
		return nil, nil, err
	}
	if peer, err = sctpdtls.Server(above, serverConfig); err != nil {
		return nil, nil, err
	}
	done := make(chan error)
	go func() { done <- peer.Handshake() }()
	if err := errors.Join(conn.Handshake(), <-done); err != nil {
		return nil, nil, err
	}
	c.link = below
	return conn, peer, nil
}

// redial makes a successor as a client does.
func (c *memChain) redial(_ context.Context, old *sctpdtls.Conn) (*sctpdtls.Conn, error) {
	if c.refused != nil {
		c.asked.Add(1)
		return nil, c.refused
	}
	next, peer, err := c.connect([]string{nameOfSuccessor(old.ConnectionState())})
	if err != nil {
		return nil, err
	}
	p, err := c.runs[1].predecessor(peer.ConnectionState())
	if err != nil {
		peer.Abort()
		next.Abort()
		return nil, err
	}
	c.dialled++
	p.succeed(peer)
	if c.lost != nil {
		c.send(c.far, "on the successor", stream.Info{})
		next.Abort()
	}
	return next, c.lost
}

// A keyCounter is notified of changed keys.
type keyCounter struct {
	nobody
	changed atomic.Int32
}

func (k *keyCounter) KeysChanged(*Association) { k.changed.Add(1) }

// inMemory runs a test with a false clock, in both versions.
func inMemory(t *testing.T, o assoctest.Options, test func(t *testing.T, c *memChain)) {
	changedInMemory(t, o, nil, test)
}

// changedInMemory is inMemory with something else about the chain before it begins.
func changedInMemory(t *testing.T, o assoctest.Options, change func(c *memChain),
	test func(t *testing.T, c *memChain)) {
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		t.Run(sctpdtls.VersionName(version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newMemChain(t, version, o, change)
				test(t, c)
				c.near.Abort()
				c.far.Abort()
				c.done.Wait()
			})
		})
	}
}

type space []byte

func (s space) Get() []byte { return s }
func (space) Put()          {}

// read returns the next message, or the error at the end.
func read(a *assoctest.Assoc) (string, stream.Info, error) {
	b := make([]byte, 20_000)
	for n := 0; ; {
		if n == len(b) {
			b = append(b, make([]byte, n)...)
		}
		p, err := a.Recv(space(b[n:]), true)
		if err != nil {
			return "", stream.Info{}, err
		}
		if n += p.N; p.End && p.Event == nil {
			return string(b[:n]), p.Info, nil
		}
	}
}

func (c *memChain) send(a *assoctest.Assoc, text string, info stream.Info) {
	c.t.Helper()
	if err := a.Send([]byte(text), info); err != nil {
		c.t.Error(err)
	}
}

func (c *memChain) wantRead(a *assoctest.Assoc, text string, want stream.Info) {
	c.t.Helper()
	got, info, err := read(a)
	if err != nil || got != text || info != want {
		c.t.Errorf("read %.20q with %+v, %v; want %.20q with %+v", got, info, err, text, want)
	}
}

// wantReason waits for the end of both pairs.
func (c *memChain) wantReason(client, server Reason) {
	c.t.Helper()
	c.done.Wait()
	if c.client.why != client || c.server.why != server {
		c.t.Errorf("the client says %s (%v), the server %s (%v); want %s, %s",
			c.client.why, c.client.err, c.server.why, c.server.err, client, server)
	}
}

func TestPairCarries(t *testing.T) {
	inMemory(t, assoctest.Options{Delay: time.Millisecond}, func(t *testing.T, c *memChain) {
		for _, info := range []stream.Info{
			{PPID: 46}, {Stream: 29, PPID: 60}, {Stream: 7, PPID: 18, Unordered: true}, {PPID: 0},
		} {
			text := fmt.Sprint("message ", info)
			c.send(c.near, text, info)
			c.wantRead(c.far, text, info)
			c.send(c.far, text, info)
			c.wantRead(c.near, text, info)
		}
		if n, _ := c.client.info.Carried(Out); n != 4 {
			t.Errorf("%d messages carried", n)
		}
		var ppids []uint32 // over DTLS, the last four
		for _, m := range c.link.Sent() {
			ppids = append(ppids, m.Info.PPID)
		}
		for i := range c.keys {
			if n := c.keys[i].changed.Load(); n != 0 {
				t.Errorf("the first keys of end %d are told as %d changes", i, n)
			}
		}
		if a := c.client.info.attributes(); !slices.Contains(a, any(sctpdtls.VersionName(c.version))) {
			t.Errorf("the log has no version: %v", a)
		}
		if want := []uint32{47, 66, 18, 0}; !slices.Equal(ppids[len(ppids)-4:], want) {
			t.Errorf("over DTLS the identifiers are %v, want %v", ppids, want)
		}
	})
}

// Each end becomes its like, and what was sent before it still comes.
func TestPairEnds(t *testing.T) {
	for _, tt := range []struct {
		name           string
		end            func(c *memChain)
		atNear, atFar  error // what the daemons read
		client, server Reason
		before         bool // what was sent before a clean end comes out
	}{
		{"the near daemon shuts down", func(c *memChain) { c.near.Shutdown() },
			io.EOF, io.EOF, DaemonShutdown, PeerClose, true},
		{"the far daemon shuts down", func(c *memChain) { c.far.Shutdown() },
			io.EOF, io.EOF, PeerClose, DaemonShutdown, false},
		{"the near daemon aborts", func(c *memChain) { c.near.Abort() },
			nil, syscall.ECONNRESET, DaemonAbort, PeerAbort, false},
		{"the far daemon aborts", func(c *memChain) { c.far.Abort() },
			syscall.ECONNRESET, nil, PeerAbort, DaemonAbort, false},
		{"a message is too large", func(c *memChain) {
			c.near.Send(make([]byte, 16385), stream.Info{})
		}, syscall.ECONNRESET, syscall.ECONNRESET, TooLarge, PeerAbort, false},
		{"the link is cut", func(c *memChain) { c.link.Cut() },
			syscall.ECONNRESET, syscall.ECONNRESET, PeerLost, PeerLost, false},
		{"the tunnel stops", func(c *memChain) { c.stop() },
			io.EOF, io.EOF, Stopped, Stopped, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inMemory(t, assoctest.Options{Delay: time.Millisecond}, func(t *testing.T, c *memChain) {
				c.send(c.near, "first", stream.Info{})
				c.wantRead(c.far, "first", stream.Info{})
				if tt.before {
					c.send(c.near, "last", stream.Info{Stream: 1})
				}
				tt.end(c)
				if tt.before {
					c.wantRead(c.far, "last", stream.Info{Stream: 1})
				}
				for _, end := range []struct {
					name string
					a    *assoctest.Assoc
					want error
				}{{"near", c.near, tt.atNear}, {"far", c.far, tt.atFar}} {
					if end.want == nil {
						continue
					}
					if text, _, err := read(end.a); !errors.Is(err, end.want) {
						t.Errorf("the %s daemon reads %q, %v; want %v", end.name, text, err, end.want)
					}
					end.a.Close()
				}
				c.wantReason(tt.client, tt.server)
			})
		})
	}
}

// A message on a stream that the far daemon lacks ends the association.
func TestPairNoStream(t *testing.T) {
	fewer := func(c *memChain) {
		o := c.options
		o.Streams = 5
		c.far, c.farTunnel = assoctest.Pair(c.t, o)
	}
	o := assoctest.Options{Delay: time.Millisecond, Streams: 30}
	changedInMemory(t, o, fewer, func(t *testing.T, c *memChain) {
		c.send(c.near, "on the last one", stream.Info{Stream: 4})
		c.wantRead(c.far, "on the last one", stream.Info{Stream: 4})
		c.send(c.near, "on none", stream.Info{Stream: 5})
		c.wantEnd(c.near, syscall.ECONNRESET)
		c.wantEnd(c.far, syscall.ECONNRESET)
		c.wantReason(PeerAbort, NoStream)
	})
}

// A daemon that does not read stops the other one, within bounds, and nothing is lost when it reads
// again.
func TestPairBackPressure(t *testing.T) {
	inMemory(t, assoctest.Options{Delay: time.Millisecond}, func(t *testing.T, c *memChain) {
		const size = 4000
		sent := 0
		for ; sent < 10_000; sent++ {
			c.near.SetWriteDeadline(time.Now().Add(10 * time.Second))
			info := stream.Info{Stream: uint16(sent % 30), PPID: uint32(1000 + sent)}
			if err := c.near.Send(make([]byte, size), info); err != nil {
				break
			}
		}
		if most := 4 << 20; sent*size > most || sent < 100 {
			t.Errorf("%d messages of %d bytes were taken while nobody reads", sent, size)
		}
		var next [30]int // of each stream: SCTP keeps no order between them
		for i := range sent {
			_, info, err := read(c.far)
			if err != nil || int(info.PPID) != 1000+int(info.Stream)+30*next[info.Stream] {
				t.Fatalf("message %d: %+v, %v", i, info, err)
			}
			next[info.Stream]++
		}
	})
}

// Messages of all sizes in both directions at once, over a network that loses some: each stream
// keeps its order.
func TestPairBothWays(t *testing.T) {
	o := assoctest.Options{Delay: time.Millisecond, Loss: 0.02, Seed: 7, RTO: 100 * time.Millisecond}
	inMemory(t, o, func(t *testing.T, c *memChain) {
		const count = 500
		var both sync.WaitGroup
		for seed, a := range []*assoctest.Assoc{c.near, c.far} {
			both.Go(func() {
				r := rand.New(rand.NewPCG(uint64(seed), 0))
				var next [30]int
				for range count {
					s := r.IntN(30)
					text := fmt.Sprintf("%d %d %0*d", s, next[s], 1+r.IntN(5000), 0)
					next[s]++
					c.send(a, text, stream.Info{Stream: uint16(s)})
				}
			})
		}
		for _, a := range []*assoctest.Assoc{c.far, c.near} {
			both.Go(func() {
				var next [30]int
				for range count {
					text, info, err := read(a)
					var s, n int
					fmt.Sscanf(text, "%d %d", &s, &n)
					if err != nil || s != int(info.Stream) || n != next[s] {
						t.Errorf("message %d of stream %d, want %d, on %d: %v",
							n, s, next[s], info.Stream, err)
						return
					}
					next[s]++
				}
			})
		}
		both.Wait()
	})
}

// A restart of the daemon ends the connection, and leaves the daemon's association.
func TestPairRestart(t *testing.T) {
	inMemory(t, assoctest.Options{Delay: time.Millisecond}, func(t *testing.T, c *memChain) {
		c.send(c.near, "before", stream.Info{})
		c.wantRead(c.far, "before", stream.Info{})
		c.client.clear.(*assoctest.Assoc).Inject(stream.AssocChange{State: stream.AssocRestarted})
		if text, _, err := read(c.far); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the far daemon reads %q, %v", text, err)
		}
		c.wantReason(DaemonRestart, PeerAbort)
		if c.client.clear.(*assoctest.Assoc).Gone() {
			t.Error("the daemon's association is gone")
		}
		c.client.clear.Abort()
	})
}

// At a server a restart of the daemon ends both: the far daemon dials again.
func TestServerRestart(t *testing.T) {
	inMemory(t, assoctest.Options{Delay: time.Millisecond}, func(t *testing.T, c *memChain) {
		conn, peer, err := c.connect(nil)
		if err != nil {
			t.Fatal(err)
		}
		daemon, dialled := assoctest.Pair(t, c.options)
		r := c.runs[1]
		r.slots <- struct{}{}
		var done sync.WaitGroup
		done.Go(func() { r.welcome(t.Context(), &admission{r: r, daemon: dialled}, peer) })
		dialled.Inject(stream.AssocChange{State: stream.AssocRestarted})
		c.wantEnd(daemon, syscall.ECONNRESET)
		done.Wait()
		if !dialled.Gone() {
			t.Error("the daemon has an association with nobody")
		}
		conn.Abort()
		daemon.Close()
	})
}

// Messages larger than RFC 6083 has them cross where both tunnels and DTLS 1.3 let them, up to the
// limit of the smaller one, among others; a larger one ends the association and says so.
func TestPairLarge(t *testing.T) {
	const most, less = 1 << 20, 300_000
	o := assoctest.Options{Delay: time.Millisecond, Window: 3 * most, Buffer: 3 * most, PartSize: 5000,
		Forget: true, MTU: 60_000}
	changedInMemory(t, o, func(c *memChain) {
		c.runs[0].Limits.Message, c.runs[1].Limits.Message = most, less
	}, func(t *testing.T, c *memChain) {
		limits := map[*assoctest.Assoc]int{c.near: less, c.far: most}
		if c.version == sctpdtls.VersionDTLS12 {
			limits = map[*assoctest.Assoc]int{c.near: 16384, c.far: 16384}
		}
		for from, to := range map[*assoctest.Assoc]*assoctest.Assoc{c.near: c.far, c.far: c.near} {
			for i, size := range []int{1, 65535, 65536, 65537, 2, 131_072, 131_073, 16384, less, 3, most} {
				size = min(size, limits[from])
				text := strings.Repeat(string(rune('a'+i)), size-1) + "."
				c.send(from, text, stream.Info{Stream: uint16(i)})
				c.send(from, "behind", stream.Info{Stream: uint16(i)})
				c.wantRead(to, text, stream.Info{Stream: uint16(i)})
				c.wantRead(to, "behind", stream.Info{Stream: uint16(i)})
			}
		}
		c.send(c.near, strings.Repeat("x", limits[c.near]+1), stream.Info{})
		c.wantEnd(c.near, syscall.ECONNRESET)
		c.wantEnd(c.far, syscall.ECONNRESET)
		c.wantReason(TooLarge, PeerAbort)
		if text := c.client.err.Error(); !strings.Contains(text, fmt.Sprint(limits[c.near], " bytes")) {
			t.Errorf("the error does not say how many: %s", text)
		}
	})
}
