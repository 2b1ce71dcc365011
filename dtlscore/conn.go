package dtlscore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
)

// A Conn is one DTLS connection as a state machine. It does no I/O: a driver
// gives it the records that arrive, and obeys the events that it returns.
//
// Seal may be called at any time by any goroutine. All other methods have to
// be called by one goroutine at a time.
type Conn struct {
	config   *Config
	isClient bool
	err      error // the first permanent error

	// The handshake.
	state        state // what the peer may send next; nil before Start
	form         messageForm
	nextSendSeq  uint16 // message_seq of our next handshake message
	started      bool
	handshaking  bool
	helloRequest bool            // as a server: one has no answer yet
	unbound      bool            // no renegotiation can be bound to the last complete handshake
	closing      bool            // our close_notify is queued or sent
	peerClosed   bool            // the peer's was received, and all before it
	handshake    forgetter       // the handshake that is under way
	resuming     string          // as a client: the key of the session that is offered
	agreed       ConnectionState // of the last complete handshake
	finished     finishedPair    // likewise
	begun        rateLimit       // renegotiations of ours
	refused      refusal         // of the last one

	callbackContext context.Context // see SetContext
	callbackConn    net.Conn

	// To the peer.
	queue   []action    // what the driver has not taken yet, in order
	written *writeEpoch // of the record that was queued last
	sent    *writeEpoch // of the record that was handed out last
	app     atomic.Pointer[writeEpoch]

	// From the peer.
	in             inbound
	renegotiations rateLimit // that the peer begins
}

// Client returns the client side of a new connection. It fails with
// [ErrMisuse] if config cannot lead to a connection, or only to one in which
// the server is not verified by oversight. A nil config is an empty one.
func Client(config *Config) (*Conn, error) { return newConn(config, true) }

// Server returns the server side of a new connection. It fails with
// [ErrMisuse] if config cannot lead to a connection.
func Server(config *Config) (*Conn, error) { return newConn(config, false) }

func newConn(config *Config, isClient bool) (*Conn, error) {
	if config == nil {
		config = new(Config)
	}
	if err := config.check(isClient); err != nil {
		return nil, fmt.Errorf("dtls: %w", err)
	}
	plain := newPlainEpoch()
	return &Conn{config: config, isClient: isClient, written: plain, sent: plain}, nil
}

// IsClient reports whether this is the client side.
func (c *Conn) IsClient() bool { return c.isClient }

// Start begins the handshake: a client queues its ClientHello, a server waits
// for it. It is called once, before anything else.
func (c *Conn) Start() error {
	if c.err != nil {
		return c.err
	}
	if c.started {
		return c.fail(misuse("Start was called twice"))
	}
	c.started = true
	if !c.isClient {
		c.handshaking, c.state = true, &serverWaitClientHello{}
		return nil
	}
	if err := c.beginClient(); err != nil {
		return c.fail(err)
	}
	return nil
}

// Err returns the error that ended the connection, nil as long as there is
// none.
//
// Calculations that the peer need not wait for are left until NextEvent has
// handed out what it can work on meanwhile. They can fail, so a driver looks
// here when NextEvent has returned [EventNone].
func (c *Conn) Err() error { return c.err }

// Close ends the connection in order: what was sent is acknowledged first,
// then close_notify is sent. What the peer sent before its own close_notify
// still goes to [Conn.Receive]. RFC 6083, Section 4.9.
//
// Before the first handshake is complete there is no such order, and the
// connection fails with user_canceled.
func (c *Conn) Close() {
	c.app.Store(nil)
	if c.err != nil || c.closing {
		return
	}
	if !c.agreed.HandshakeComplete {
		c.Fail(AlertUserCanceled, errors.New("closed before the handshake was complete"))
		return
	}
	c.closing = true
	c.push(EventAwaitDry)
	c.pushRecord(contentAlert, appendAlert(nil, levelWarning, AlertCloseNotify))
}

// PeerClosed reports whether the peer's close_notify was received, also before [EventPeerClosed] is
// taken.
func (c *Conn) PeerClosed() bool { return c.peerClosed || c.in.drain == drainCloseNotify }

// Fail ends the connection because of what only the driver can see, such as a
// restart of the association: a fatal alert is queued, and all later calls
// return an [AlertError] with err inside. If the connection is over already,
// nothing changes.
func (c *Conn) Fail(alert Alert, err error) {
	if err == nil {
		err = errors.New("ended by the transport")
	}
	if c.err == nil {
		c.end(&AlertError{Alert: alert, Local: true, Err: err})
	}
}

// fail is the one place where an error becomes an alert.
func (c *Conn) fail(err error) error {
	if c.err == nil {
		// One that a callback returned is inside of another error.
		alert, isPeers := err.(*AlertError)
		if !isPeers {
			alert = &AlertError{Alert: alertOf(err), Local: true, Err: err}
		}
		c.end(alert)
	}
	return c.err
}

// end releases everything and queues our alert. Events that
// the driver has not taken are dropped: nothing is sent or delivered after a
// fatal alert, whoever sent it. RFC 5246, Section 7.2.2.
func (c *Conn) end(alert *AlertError) {
	c.err = alert
	c.forget()
	if c.resuming != "" {
		c.config.SessionCache.Put(c.resuming, nil) // RFC 5246, Section 7.2.2
	}
	c.written = c.sent
	if alert.Local && c.started {
		c.pushRecord(contentAlert, appendAlert(nil, levelFatal, alert.Alert))
	}
}
