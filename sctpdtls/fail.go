package sctpdtls

import (
	"io"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// finish makes err, which is final, what readers get. After a close_notify nothing is wrong.
func (c *Conn) finish(err error) {
	switch {
	case !c.peerClosed:
		c.fail(err)
	case err != io.EOF:
		c.giveUp(err)
	}
}

// fail ends the connection because of err: the core's alert goes out, then the
// association is aborted. It returns what readers get from now on.
func (c *Conn) fail(err error) error {
	if c.ended == nil {
		c.end(err)
		c.tellAlert(err)
		if c.down == nil {
			c.lastWords(err)
		}
		c.giveUp(err)
	}
	return c.ended
}

// giveUp ends the connection because of err without a word.
func (c *Conn) giveUp(err error) error {
	c.end(err)
	c.keys.stop()
	c.core.Fail(dtlscore.AlertInternalError, err)
	c.forget()
	c.assoc.Abort()
	if !c.dead {
		c.dead, c.failure = true, err
	}
	c.requests.close(*c.writeEnd.Load())
	return c.ended
}

// forget overwrites the secrets of a connection that sends and receives nothing any more.
func (c *Conn) forget() {
	clear(c.current.Data) // it may be a key of SCTP-AUTH
	c.current = dtlscore.Event{}
	c.core.Forget()
}

// lastWords sends what the core still has to say, and waits a little for it to arrive,
// since an ABORT throws away what is on its way.
func (c *Conn) lastWords(err error) {
	c.shutGate()
	c.current, c.dryAsked = dtlscore.Event{}, false
	c.keys.follow()
	c.core.Fail(dtlscore.AlertInternalError, err) // unless it was the core that failed
	if len(c.flight) > 0 {
		c.trySendFlight() // the alert may be in keys that it has brought
	}
	c.flight = nil
	said := false
	for ev := c.core.NextEvent(); ev.Kind != dtlscore.EventNone; ev = c.core.NextEvent() {
		if ev.Kind == dtlscore.EventSend {
			c.writeDeadline.take(time.Now().Add(alertTime))
			said = c.assoc.Send(ev.Data, lastControlInfo) == nil
		}
	}
	if !said || c.assoc.AskDry() != nil {
		return
	}
	c.alarm.limitTo(time.Now().Add(alertTime))
	for {
		_, ev, err := c.messages.Next(true)
		if _, ok := ev.(stream.Dry); ok || err != nil {
			return
		}
	}
}

// alertTime is how long a dying connection waits for the peer to acknowledge the alert.
const alertTime = time.Second
