package tunnel

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
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
	refusals     logLimit
	slots        chan struct{} // one for each association, including those being set up
	after        func(time.Duration, func()) (stop func())

	mu          sync.Mutex // guards the following
	all         map[*Association]*pair
	byConn      map[*sctpdtls.Conn]*Association
	bySuccessor map[string]*pair     // by the name of the successor of the newest connection
	notReady    error                // why no association is accepted
	others      map[string]time.Time // when targets refused tunnelProtocol
}

func newRun(s *Service) *run {
	r := &run{
		Service:     s,
		ppids:       newPPIDMap(s.PPIDs),
		log:         s.Log,
		watch:       s.Observer,
		all:         make(map[*Association]*pair),
		byConn:      make(map[*sctpdtls.Conn]*Association),
		bySuccessor: make(map[string]*pair),
		others:      make(map[string]time.Time),
		refusals:    logLimit{began: time.Now()},
		notReady:    errNotRunning,
		after:       sctpsock.AfterFunc, // a timer of Go's would make each wait for a message longer
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
	if r.Limits.large() {
		c.MaxMessageSize = r.Limits.Message
	}
	// Everything that the peer may have in flight, so that keys can change while the daemon is
	// slow.
	c.ReadQueue = 4 * r.Limits.Buffer
	c.Renegotiation = sctpdtls.RenegotiateFreely
	c.OnPeerChanged = r.samePeer
	c.RekeyAfter.Records = recordLife
	r.showCurrent(&c)
	quick(&c.SCTP)
	c.Logger = nil
	c.Trace = &sctpdtls.Trace{KeysChanged: r.keysChanged}
	return &c
}

// showCurrent makes a renegotiation present the current certificates, and not those at the
// beginning of the connection.
func (r *run) showCurrent(c *sctpdtls.Config) {
	if len(c.Certificates) == 0 {
		return
	}
	c.Certificates = nil // otherwise the server's function is called only for a name
	c.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		all := r.TLS().Certificates
		for i := range all {
			if hello.SupportsCertificate(&all[i]) == nil || i == len(all)-1 {
				return &all[i], nil // the handshake reports if it is not suitable
			}
		}
		return nil, nil // none is left
	}
	c.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		all := r.TLS().Certificates
		for i := range all {
			if info.SupportsCertificate(&all[i]) == nil {
				return &all[i], nil
			}
		}
		return new(tls.Certificate), nil // none
	}
}

// samePeer decides whether a peer that presents a different certificate in a renegotiation is still
// the same. The handshake and Allow verify the certificate.
func (r *run) samePeer(old, new sctpdtls.ConnectionState) error {
	if Identity(old) != Identity(new) || r.target(old) != r.target(new) {
		return errOtherPeer
	}
	return nil
}

// closeTimeout is the longest time that SCTP itself allows for a shutdown, 5 times RTO.Max (RFC
// 9260, Section 9.2): a receiver may be slow.
const closeTimeout = 5 * time.Minute

// quick makes SCTP notice within 10 to 40 seconds that the peer is gone, because the daemon's own
// heartbeats end at this tunnel. With the values of RFC 9260, Section 16, it takes minutes.
func quick(o *sctpdtls.SCTPOptions) {
	if o.RTOMax == 0 && o.Heartbeat == 0 && o.AssocMaxRetrans == 0 && o.PathMaxRetrans == 0 {
		o.RTOMax, o.Heartbeat, o.AssocMaxRetrans, o.PathMaxRetrans = 2*time.Second, 5*time.Second, 5, 3
	}
}

// keysChanged counts the key changes of c after the first keys, which are those of epoch 1 in DTLS
// 1.2 and of epoch 3 in DTLS 1.3.
func (r *run) keysChanged(c *sctpdtls.Conn, epoch uint64) {
	r.mu.Lock()
	a := r.byConn[c]
	r.mu.Unlock()
	if a == nil {
		return
	}
	first := uint64(1)
	if a.State.Version == sctpdtls.VersionDTLS13 {
		first = 3
	}
	if epoch > first {
		r.watch.KeysChanged(a)
	}
}

// allow calls Service.Allow.
func (r *run) allow(state sctpdtls.ConnectionState) error {
	if r.Allow == nil {
		return nil
	}
	if err := r.Allow(state); err != nil {
		return &notAllowedError{err}
	}
	return nil
}

// refuse reports that no association was set up.
func (r *run) refuse(from net.Addr, why Reason, err error) {
	r.watch.Refused(r.Name, why, err)
	omitted, ok := r.refusals.allow()
	if !ok {
		return
	}
	attributes := []any{"from", text(from), "why", string(why), "err", legible.Text(err.Error())}
	if omitted > 0 {
		attributes = append(attributes, "omitted", omitted)
	}
	r.log.Warn("association refused", attributes...)
}

var numbers atomic.Uint64

// carry connects two associations until both have ended, and returns the reason. redial makes the
// successors of conn at a client.
func (r *run) carry(
	ctx context.Context, daemon stream.Association, conn *sctpdtls.Conn, blame func(), redial redial,
) Reason {
	p := r.newPair(daemon, conn, blame, redial)
	r.watch.Began(p.info)
	log := p.renew.log
	log.Info("association begins", p.info.attributes()...)
	p.run(ctx, r.Limits.Drain)

	r.forget(p.info)
	r.watch.Ended(p.info, p.why, p.err)
	log.Log(context.Background(), p.level(), "association ends", p.attributes()...)
	return p.why
}

// newPair connects two associations, and adds the pair to the known ones.
func (r *run) newPair(
	daemon stream.Association, conn *sctpdtls.Conn, blame func(), redial redial,
) *pair {
	a := &Association{
		ID:      numbers.Add(1),
		Service: r.Name,
		Began:   time.Now(),
		Daemon:  daemon.RemoteAddr(),
		Peer:    conn.RemoteAddr(),
		State:   conn.ConnectionState(),
	}
	a.conn.Store(conn)
	p := &pair{
		info: a, clear: daemon, links: newLinks(conn), ppids: &r.ppids, watch: r.watch, blame: blame,
	}
	p.adopt = func(next *sctpdtls.Conn) {
		r.know(next, p)
		a.conn.Store(next)
		r.watch.KeysChanged(a)
	}
	p.renew = &renewer{
		renewal: r.renewal.withDefaults(),
		pair:    p,
		log:     r.log.With("id", a.ID, "daemon", text(a.Daemon), "peer", text(a.Peer)),
		own:     func() []tls.Certificate { return r.TLS().Certificates },
		redial:  redial,
		after:   r.after,
	}
	a.fail = p.fail
	r.mu.Lock()
	r.all[a] = p
	r.mu.Unlock()
	r.know(conn, p)
	return p
}

// know replaces the newest connection of a pair, unless the pair has ended.
func (r *run) know(conn *sctpdtls.Conn, p *pair) {
	name := nameOfSuccessor(conn.ConnectionState())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all[p.info] == nil {
		return
	}
	delete(r.byConn, p.known)
	p.known = conn
	r.byConn[conn] = p.info
	delete(r.bySuccessor, p.successor)
	if p.successor = name; name != "" {
		r.bySuccessor[name] = p
	}
}

// forget removes a pair and its connections.
func (r *run) forget(a *Association) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.bySuccessor, r.all[a].successor)
	delete(r.byConn, r.all[a].known)
	delete(r.all, a)
}

// attributes returns the attributes of the log line for the beginning.
func (a *Association) attributes() []any {
	s := &a.State
	return []any{
		"identity", Identity(*s),
		"version", sctpdtls.VersionName(s.Version),
		"suite", sctpdtls.CipherSuiteName(s.CipherSuite),
		"outStreams", s.OutStreams,
		"inStreams", s.InStreams,
	}
}

// attributes returns the attributes of the log line for the end.
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

// Identity describes the peer in a few words: by the name in its certificate, or by its pre-shared
// key.
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
