package dtlscore

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
)

// A Conn is one side of a DTLS connection, as a state machine without I/O. A driver passes it the
// records that arrive, and executes the events that it returns.
//
// Seal, UpkeepDue, Epoch and KeyUsage may be called by any goroutine at any time. All other methods
// must be called by one goroutine at a time.
type Conn struct {
	config   *Config
	isClient bool
	err      error // the first error, which is permanent

	// The handshake.
	state        state // the message that the peer may send next; nil before Start
	form         messageForm
	nextSendSeq  uint16 // message_seq of the next handshake message to send
	started      bool
	handshaking  bool
	helloRequest bool            // server: a HelloRequest was sent and has no answer yet
	unbound      bool            // no renegotiation can be bound to the last handshake: RFC 5746
	closing      bool            // close_notify is queued or sent
	peerClosed   bool            // close_notify was received, and everything sent before it
	handshake    forgetter       // the handshake in progress
	resuming     string          // client: the cache key of the session that is offered
	agreed       ConnectionState // by the last complete handshake
	finished     finishedPair    // of the last complete handshake
	begun        rateLimit       // renegotiations that this side begins
	refused      refusal         // of this side's last request to renegotiate

	callbackContext context.Context // see SetContext
	callbackConn    net.Conn

	// Sending.
	queue   []action    // not yet taken by the driver, in order
	written *writeEpoch // epoch of the record that was queued last
	sent    *writeEpoch // epoch of the record that the driver took last
	app     atomic.Pointer[writeEpoch]

	// Receiving.
	in             inbound
	renegotiations rateLimit // renegotiations that the peer begins
}

// Client returns the client side of a new connection. A nil config is equivalent to an empty one.
// Client fails with [ErrMisuse] if no handshake with config can succeed, or if config does not say
// how to verify the server.
func Client(config *Config) (*Conn, error) { return newConn(config, true) }

// Server returns the server side of a new connection. It fails with [ErrMisuse] if no handshake
// with config can succeed.
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

// IsClient reports whether c is the client side.
func (c *Conn) IsClient() bool { return c.isClient }

// Start begins the handshake: a client queues its ClientHello, and a server waits for one. It must
// be called once, before any other method except SetContext.
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

// Err returns the error that ended the connection, or nil.
//
// Computations that the peer need not wait for are deferred until NextEvent has returned the
// records that the peer can process meanwhile. They can fail, so the driver must call Err after
// NextEvent has returned [EventNone].
func (c *Conn) Err() error { return c.err }

// Close ends the connection in order: it waits until the peer has acknowledged everything that was
// sent, and then sends close_notify. What the peer sent before its own close_notify still arrives
// through [Conn.Receive]. See RFC 6083, Section 4.9.
//
// Before the first handshake is complete, Close ends the connection with the alert user_canceled
// instead.
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

// PeerClosed reports whether close_notify was received. It may do so before NextEvent returns
// [EventPeerClosed].
func (c *Conn) PeerClosed() bool { return c.peerClosed || c.in.drain == drainCloseNotify }

// Fail ends the connection because of an error that only the driver can detect, such as a restart
// of the association. It queues a fatal alert, and all later calls return an [AlertError] that
// wraps err. Fail has no effect if the connection has already ended.
func (c *Conn) Fail(alert Alert, err error) {
	if err == nil {
		err = errors.New("ended by the transport")
	}
	if c.err == nil {
		c.end(&AlertError{Alert: alert, Local: true, Err: err})
	}
}

// fail is the only place that turns an error into an alert.
func (c *Conn) fail(err error) error {
	if c.err == nil {
		// An *AlertError here is an alert from the peer; one that a callback returned is wrapped in
		// another error.
		alert, isPeers := err.(*AlertError)
		if !isPeers {
			alert = &AlertError{Alert: alertOf(err), Local: true, Err: err}
		}
		c.end(alert)
	}
	return c.err
}

// end releases everything and queues the alert. It drops the events that the driver has not taken:
// nothing is sent or delivered after a fatal alert, whichever side sent it. See RFC 5246, Section
// 7.2.2.
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
