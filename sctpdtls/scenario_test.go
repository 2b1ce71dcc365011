package sctpdtls

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A scenario is what two ends do, and what each must see of it. Every scenario runs over
// associations in memory with a false clock (TestScenarios), and over those of a kernel
// (TestKernelScenarios), which shows that the associations in memory behave like the kernel's.
//
// Each must end in time, and leave nothing over: no goroutine, no descriptor, no association with
// its keys.
type scenario struct {
	name  string
	net   weather
	setUp func(client, server *Config) // if not nil, changes the configurations
	run   func(s *stage)

	memoryOnly bool // a kernel cannot be brought to it in time
	timesOut   bool // CloseTimeout ends a call
	gone       bool // a host is gone until the association is given up
}

// scenarios is the table. Those that must be seen in each version of DTLS are in versioned.
func scenarios() []scenario {
	return slices.Concat(associationScenarios, versioned(endingScenarios), versioned(stepScenarios()),
		versioned(trafficScenarios))
}

// versioned returns each scenario once for each version of DTLS.
func versioned(all []scenario) (out []scenario) {
	for _, v := range []struct {
		name    string
		version uint16
	}{{"1.2", VersionDTLS12}, {"1.3", VersionDTLS13}} {
		for _, s := range all {
			setUp := s.setUp
			s.name = v.name + " " + s.name
			s.setUp = func(client, server *Config) {
				for _, c := range []*Config{client, server} {
					c.MinVersion, c.MaxVersion = v.version, v.version
					c.Renegotiation = RenegotiateFreely
				}
				if setUp != nil {
					setUp(client, server)
				}
			}
			out = append(out, s)
		}
	}
	return out
}

// weather is what a network does to messages, and whether SCTP may give them up.
type weather struct {
	delay, jitter time.Duration
	loss          float64
	partial       bool // both ends ask for partial reliability
	lasting       bool // no association is given up, however long a slow machine lets nothing through
	busy          bool // the machine has much else to do
}

// A world makes associations, and does to them what only a network or a host can do.
type world interface {
	// pair returns both ends of a new association.
	pair(t *testing.T) (client, server association)
	// listener returns a listener, and a way to dial it.
	listener(t *testing.T) (ln stream.Listener, dial func() association)

	cut()  // from now on the network lets nothing through,
	mend() // and now it does again

	// restart makes the client's host lose its state and start over, at the same address and port. The
	// new association is nil if the server has refused it before that could be seen.
	restart(t *testing.T, client association) (again association)

	// outstanding and unread return whether something that a sent is not acknowledged, and
	// whether something that it received is not read.
	outstanding(a association) bool
	unread(a association) bool

	// left reports what is left of all associations; empty if nothing is.
	left() string

	// slack is the time that a slow machine may need in addition to what is allowed.
	slack() time.Duration
}

// These bound every ending. An end that gets no answer gets an error after lostAfter at the latest,
// because the tests ask the kernel for few retransmissions. A handshake that does not end by itself
// may take long on a slow machine.
const (
	scenarioHandshakeTimeout = 6 * time.Second
	scenarioCloseTimeout     = time.Second
	lostAfter                = 8 * time.Second
)

// A stage is where a scenario plays.
type stage struct {
	*testing.T
	world
	setUp          func(client, server *Config)
	client, server *Conn
	all            []*Conn       // that there ever were
	newer          []association // that someone began in place of others
}

// play runs a scenario in w and looks for what is left.
func play(t *testing.T, w world, sc scenario) {
	s := &stage{T: t, world: w, setUp: sc.setUp}
	defer func() {
		if t.Failed() { // so that all goroutines end
			for _, c := range s.all {
				c.Abort()
			}
		}
	}()
	sc.run(s)
	for _, c := range []*Conn{s.client, s.server} {
		if c != nil {
			s.wantNothingLeft(c)
		}
	}
	s.until("no association is left", func() bool { return s.left() == "" })
}

// wantNothingLeft wants c to hold nothing that outlives it.
func (s *stage) wantNothingLeft(c *Conn) {
	s.Helper()
	c.keys.mu.Lock()
	timer := c.keys.timer
	c.keys.mu.Unlock()
	if timer != nil {
		s.Errorf("%s: a timer holds on to an SCTP-AUTH key", s.name(c))
	}
	if _, err := c.core.Seal(nil, nil); err == nil {
		s.Errorf("%s: its keys still encrypt", s.name(c))
	}
	if n := c.gate.state.Load() &^ gateShut; n != 0 {
		s.Errorf("%s: %d writers are inside", s.name(c), n)
	}
	if c.owner.messages.Partial() {
		s.Errorf("%s holds a buffer", s.name(c))
	}
}

func (s *stage) name(c *Conn) string {
	if c == s.client {
		return "client"
	}
	return "server"
}

func (s *stage) ends() []*Conn { return []*Conn{s.client, s.server} }

func (s *stage) other(c *Conn) *Conn {
	if c == s.client {
		return s.server
	}
	return s.client
}

// configs returns the configurations of both ends.
func (s *stage) configs() (client, server *Config) {
	client, server = clientConfig(), serverConfig()
	for _, c := range []*Config{client, server} {
		c.HandshakeTimeout, c.CloseTimeout = scenarioHandshakeTimeout, scenarioCloseTimeout
	}
	if s.setUp != nil {
		s.setUp(client, server)
	}
	return client, server
}

// meet makes an association and an end of DTLS at each end of it, which have not begun.
func (s *stage) meet() {
	s.Helper()
	a, b := s.pair(s.T)
	client, server := s.configs()
	s.client, s.server = s.newEnd(a, client, dtlscore.Client), s.newEnd(b, server, dtlscore.Server)
}

func (s *stage) newEnd(a association, config *Config,
	role func(*dtlscore.Config) (*dtlscore.Conn, error)) *Conn {
	s.Helper()
	core, err := role(config.core())
	if err != nil {
		s.Fatal(err)
	}
	c, err := newConn(&stepped{association: a}, config, core)
	if err != nil {
		s.Fatal(err)
	}
	s.all = append(s.all, c)
	return c
}

// connect is meet and the handshake.
func (s *stage) connect() {
	s.Helper()
	s.meet()
	done := make(chan error)
	go func() { done <- s.server.Handshake() }()
	if err := errors.Join(s.client.Handshake(), <-done); err != nil {
		s.Fatalf("handshake: %v", err)
	}
}

// stepped is an association that calls step before each call that may wait for it.
type stepped struct {
	association
	step atomic.Pointer[func()]
}

func (a *stepped) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	a.stop()
	return a.association.Recv(b, wait)
}

func (a *stepped) TrySend(b []byte, info stream.Info) error {
	a.stop()
	return a.association.TrySend(b, info)
}

func (a *stepped) stop() {
	if step := a.step.Load(); step != nil {
		(*step)()
	}
}

// atStep has do called when c may wait for its association for the n-th time from now on, by the
// goroutine that may. It returns a function that reports whether it came to that, and calls off
// what has not happened yet.
func atStep(c *Conn, n int, do func()) (reached func() bool) {
	var count atomic.Int32
	step := func() {
		if int(count.Add(1)) == n {
			do()
		}
	}
	c.assoc.(*stepped).step.Store(&step)
	return func() bool {
		c.assoc.(*stepped).step.Store(nil)
		return int(count.Swap(math.MinInt32)) >= n // one that begins at this moment does not count
	}
}

// under returns the association under c.
func under(c *Conn) association { return c.assoc.(*stepped).association }

// settle waits until all that c has sent was acknowledged, or never will be.
func (s *stage) settle(c *Conn) {
	s.Helper()
	s.until("all is acknowledged", func() bool { return !s.outstanding(under(c)) })
}

// until waits for what no call waits for: something in the kernel.
func (s *stage) until(what string, done func() bool) {
	s.Helper()
	for limit := time.Now().Add(2*lostAfter + s.slack()); !done(); {
		if time.Now().After(limit) {
			s.Fatalf("it did not come about that %s; left is %s", what, s.left())
		}
		time.Sleep(time.Millisecond)
	}
}

// send writes messages to streams 1 to 4 in turn. Their text tells their number.
func (s *stage) send(c *Conn, from, to int) {
	s.Helper()
	for i := from; i < to; i++ {
		if err := c.WriteMessage(fmt.Appendf(nil, "%d", i),
			MessageInfo{Stream: uint16(1 + i%4)}); err != nil {
			s.Errorf("%s: writing message %d: %v", s.name(c), i, err)
		}
	}
}

// receive reads messages that send has sent, and checks the order of each stream.
func (s *stage) receive(c *Conn, from, to int) {
	s.Helper()
	var next nextMessages
	for i := from; i < from+4; i++ {
		next[i%4] = i
	}
	s.receiveNext(c, &next, to-from)
}

// nextMessages has the number of the next message of each stream.
type nextMessages [4]int

// receiveNext reads n messages that send has sent, and checks the order of each stream.
func (s *stage) receiveNext(c *Conn, next *nextMessages, n int) {
	s.Helper()
	buf := make([]byte, MaxMessageSize)
	for i := range n {
		n, info, err := c.ReadMessage(buf)
		if err != nil {
			s.Errorf("%s: reading message %d: %v, want the messages from %v on", s.name(c), i, err, *next)
			return
		}
		k := (info.Stream + 3) % 4
		if want := fmt.Sprint(next[k]); string(buf[:n]) != want {
			s.Errorf("%s: stream %d: message %.20q, want %s", s.name(c), info.Stream, buf[:n], want)
		}
		next[k] += 4
	}
}

// wantEnd wants reading to end in err, now and ever after, and writing to fail.
func (s *stage) wantEnd(c *Conn, what string, is func(error) bool) {
	s.Helper()
	for range 2 {
		n, _, err := c.ReadMessage(make([]byte, 100))
		if err == nil || !is(err) {
			s.Errorf("%s: reading: %d bytes, %v, want %s", s.name(c), n, err, what)
		}
	}
}

// closeAll closes both ends at once, within the time that is allowed, and returns what they say.
func (s *stage) closeAll() (client, server error) {
	s.Helper()
	done := make(chan error)
	go func() { done <- s.closeInTime(s.server) }()
	client = s.closeInTime(s.client)
	return client, <-done
}

// closeInTime closes c, which must not take longer than CloseTimeout and what a last word takes.
func (s *stage) closeInTime(c *Conn) error {
	s.Helper()
	var err error
	s.within(c.config.closeTimeout()+alertTime, s.name(c)+": Close", func() { err = c.Close() })
	return err
}

// within runs f, which must not take longer than d, and some time for a slow machine.
func (s *stage) within(d time.Duration, what string, f func()) {
	s.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > d+s.slack() {
		s.Errorf("%s took %v, want at most %v", what, took, d)
	}
}

func TestScenarios(t *testing.T) {
	for i, sc := range scenarios() {
		t.Run(sc.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				play(t, &memoryWorld{weather: sc.net, seed: uint64(i)}, sc)
				synctest.Wait()
			})
		})
	}
}

// A memoryWorld is one of package assoctest.
type memoryWorld struct {
	weather
	seed  uint64
	pairs []*assoctest.Assoc // all ends
}

func (w *memoryWorld) pair(t *testing.T) (client, server association) {
	w.seed += 2000
	a, b := assoctest.Pair(t, assoctest.Options{
		Delay: max(w.delay, time.Millisecond), Jitter: w.jitter, Loss: w.loss, Seed: w.seed,
		RTO: 200 * time.Millisecond, GiveUp: lostAfter / 5, Partial: w.partial,
	})
	w.pairs = append(w.pairs, a, b)
	return &memAssociation{Assoc: a}, &memAssociation{Assoc: b}
}

func (w *memoryWorld) listener(t *testing.T) (stream.Listener, func() association) {
	l := newFakeListener()
	return l, func() association {
		a, b := w.pair(t)
		go func() {
			select {
			case l.assocs <- b:
			case <-l.closed:
				b.Abort() // as a kernel does with those that wait to be accepted
			}
		}()
		return a
	}
}

func mem(a association) *assoctest.Assoc { return a.(*memAssociation).Assoc }

func (w *memoryWorld) cut() {
	for _, a := range w.pairs {
		a.Cut()
	}
}

func (w *memoryWorld) mend() {
	for _, a := range w.pairs {
		a.Mend()
	}
}

func (w *memoryWorld) restart(_ *testing.T, client association) association {
	again := mem(client).Restart()
	if again == nil {
		return nil
	}
	w.pairs = append(w.pairs, again)
	return &memAssociation{Assoc: again}
}

// A false clock does not run while a machine is slow.
func (w *memoryWorld) slack() time.Duration { return 0 }

func (w *memoryWorld) outstanding(a association) bool { return mem(a).InFlight() > 0 }
func (w *memoryWorld) unread(a association) bool      { return mem(a).Unread() > 0 }

func (w *memoryWorld) left() string {
	var left []string
	for _, a := range w.pairs {
		_, _, closed, _ := a.State()
		if !closed || !a.Gone() {
			left = append(left, fmt.Sprintf("%v (closed %v, gone %v)", a.LocalAddr(), closed, a.Gone()))
		}
	}
	return strings.Join(left, ", ")
}
