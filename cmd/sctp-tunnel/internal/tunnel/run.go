package tunnel

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A run is a Service while it runs.
type run struct {
	*Service // with its defaults
	ppids    ppidMap
	log      *slog.Logger
	watch    Observer

	associations sync.WaitGroup
	table        *listenTable
	slots        chan struct{} // one for each association, those that are being set up included

	mu       sync.Mutex // guards the following
	all      map[*Association]bool
	byConn   map[*sctpdtls.Conn]*Association
	notReady error // why no association is accepted
}

func newRun(s *Service) *run {
	r := &run{
		Service:  s,
		ppids:    newPPIDMap(s.PPIDs),
		log:      s.Log,
		watch:    s.Observer,
		all:      make(map[*Association]bool),
		byConn:   make(map[*sctpdtls.Conn]*Association),
		notReady: errNotRunning,
	}
	s.Limits = s.Limits.withDefaults(s.Role)
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.log = r.log.With("service", s.Name)
	if r.watch == nil {
		r.watch = nobody{}
	}
	r.slots = make(chan struct{}, s.Limits.Associations)
	return r
}

func (r *run) setReady(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notReady = err
}

// config returns the configuration for a handshake.
func (r *run) config() *sctpdtls.Config {
	c := *r.TLS()
	c.HandshakeTimeout = r.Limits.Handshake
	c.CloseTimeout = closeTimeout
	c.MaxHandshakes = r.Limits.Handshakes
	c.MaxHandshakesPerHost = r.Limits.HandshakesPerHost
	c.SCTP.OutStreams, c.SCTP.MaxInStreams = r.Limits.Streams, r.Limits.Streams
	c.SCTP.ReadBuffer, c.SCTP.WriteBuffer = r.Limits.Buffer, r.Limits.Buffer
	// All that the peer may have on its way, so that keys can change while the daemon is slow.
	c.ReadQueue = 4 * r.Limits.Buffer
	quick(&c.SCTP)
	c.Logger = nil
	c.Trace = &sctpdtls.Trace{KeysChanged: r.keysChanged}
	return &c
}

// closeTimeout is as long as SCTP itself waits for the end of a shutdown at most, 5 times RTO.Max
// (RFC 9260, Section 9.2): a receiver may be slow.
const closeTimeout = 5 * time.Minute

// quick makes SCTP notice in 10 to 30 seconds that the peer is gone, for the daemon's own
// heartbeats see no further than this tunnel. With the values of RFC 9260, Section 16, it takes
// minutes.
func quick(o *sctpdtls.SCTPOptions) {
	if o.RTOMax == 0 && o.Heartbeat == 0 && o.AssocMaxRetrans == 0 && o.PathMaxRetrans == 0 {
		o.RTOMax, o.Heartbeat, o.AssocMaxRetrans, o.PathMaxRetrans = 2*time.Second, 5*time.Second, 5, 3
	}
}

func (r *run) keysChanged(c *sctpdtls.Conn, _ uint64) {
	r.mu.Lock()
	a := r.byConn[c]
	r.mu.Unlock()
	if a != nil {
		r.watch.KeysChanged(a)
	}
}

// allow asks Service.Allow.
func (r *run) allow(state sctpdtls.ConnectionState) error {
	if r.Allow == nil {
		return nil
	}
	if err := r.Allow(state); err != nil {
		return &notAllowedError{err}
	}
	return nil
}

// refuse tells that no association came about.
func (r *run) refuse(from net.Addr, why Reason, err error) {
	r.watch.Refused(r.Name, why, err)
	r.log.Warn("association refused",
		"from", text(from), "why", string(why), "err", legible.Text(err.Error()))
}

var numbers atomic.Uint64

// carry makes one association of two, until both have ended, and returns why they have.
func (r *run) carry(
	ctx context.Context, daemon stream.Association, conn *sctpdtls.Conn, blame func(),
) Reason {
	a := &Association{
		ID:      numbers.Add(1),
		Service: r.Name,
		Began:   time.Now(),
		Daemon:  daemon.RemoteAddr(),
		Peer:    conn.RemoteAddr(),
		State:   conn.ConnectionState(),
	}
	a.conn.Store(conn)
	r.mu.Lock()
	r.all[a], r.byConn[conn] = true, a
	r.mu.Unlock()
	r.watch.Began(a)
	log := r.log.With("id", a.ID, "daemon", text(a.Daemon), "peer", text(a.Peer))
	log.Info("association begins", a.attributes()...)

	p := &pair{
		info: a, clear: daemon, conn: conn, ppids: &r.ppids, watch: r.watch, blame: blame,
	}
	p.run(ctx, r.Limits.Drain)

	r.mu.Lock()
	delete(r.all, a)
	delete(r.byConn, conn)
	r.mu.Unlock()
	r.watch.Ended(a, p.why, p.err)
	log.Log(context.Background(), p.level(), "association ends", p.attributes()...)
	return p.why
}

// attributes of the line that tells of the beginning.
func (a *Association) attributes() []any {
	s := &a.State
	return []any{
		"identity", Identity(*s),
		"version", fmt.Sprintf("%#x", s.Version),
		"suite", sctpdtls.CipherSuiteName(s.CipherSuite),
		"outStreams", s.OutStreams,
		"inStreams", s.InStreams,
	}
}

// attributes of the line that tells of the end.
func (p *pair) attributes() []any {
	list := []any{"why", string(p.why)}
	if p.err != nil {
		list = append(list, "err", legible.Text(p.err.Error()))
	}
	for _, d := range []Direction{Out, In} {
		messages, bytes := p.info.Carried(d)
		list = append(list, d.String()+"Messages", messages, d.String()+"Bytes", bytes)
	}
	if p.late > 0 {
		list = append(list, "tooLate", p.late)
	}
	if p.empty > 0 {
		list = append(list, "empty", p.empty)
	}
	return append(list, "time", time.Since(p.info.Began).Round(time.Millisecond))
}

func (p *pair) level() slog.Level {
	if p.why.Clean() && p.late == 0 && p.empty == 0 {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}

// Identity returns in a few words who the peer is: the name of its certificate, or of its
// pre-shared key.
func Identity(s sctpdtls.ConnectionState) string {
	if len(s.PeerCertificates) > 0 {
		c := s.PeerCertificates[0]
		switch {
		case len(c.URIs) > 0:
			return legible.Text(c.URIs[0].String())
		case len(c.DNSNames) > 0:
			return legible.Text(c.DNSNames[0])
		}
		return legible.Text(c.Subject.String())
	}
	return legible.Text(string(s.PSKIdentity))
}

func text(a net.Addr) string {
	if a == nil {
		return ""
	}
	return legible.Text(a.String())
}

// nobody is the Observer of a Service that has none.
type nobody struct{}

func (nobody) Began(*Association)                        {}
func (nobody) Ended(*Association, Reason, error)         {}
func (nobody) Refused(string, Reason, error)             {}
func (nobody) Handshake(string, time.Duration)           {}
func (nobody) Carried(*Association, Direction, int, int) {}
func (nobody) KeysChanged(*Association)                  {}
func (nobody) MissingData(string)                        {}
