package sctpdtls

import (
	"io"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// finish makes err, which is final, what readers get. After a close_notify nothing is wrong.
func (o *owner) finish(err error) {
	switch {
	case !o.peerClosed:
		o.fail(err)
	case err != io.EOF:
		o.giveUp(err)
	}
}

// fail ends the connection because of err: the core's alert goes out, then the
// association is aborted. It returns what readers get from now on.
func (o *owner) fail(err error) error {
	if o.ended() == nil {
		o.end(err)
		o.tellAlert(err)
		if o.down == nil {
			o.lastWords(err)
		}
		o.giveUp(err)
	}
	return o.ended()
}

// giveUp ends the connection because of err without a word.
func (o *owner) giveUp(err error) error {
	o.end(err)
	o.keys.stop()
	o.core.Fail(dtlscore.AlertInternalError, err)
	o.forget()
	o.assoc.Abort()
	if !o.dead {
		o.dead, o.result = true, err
	}
	o.requests.close(*o.writeEnd.Load())
	return o.ended()
}

// forget overwrites the secrets of a connection that sends and receives nothing any more.
func (o *owner) forget() {
	clear(o.current.Data) // it may be a key of SCTP-AUTH
	o.current = dtlscore.Event{}
	o.core.Forget()
}

// lastWords sends what the core still has to say, and waits a little for it to arrive,
// since an ABORT throws away what is on its way.
func (o *owner) lastWords(err error) {
	o.shutGate()
	o.current, o.dryAsked = dtlscore.Event{}, false
	o.keys.follow()
	o.core.Fail(dtlscore.AlertInternalError, err) // unless it was the core that failed
	if len(o.flight) > 0 {
		o.trySendFlight() // the alert may be in keys that it has brought
	}
	o.flight = nil
	said := false
	for ev := o.core.NextEvent(); ev.Kind != dtlscore.EventNone; ev = o.core.NextEvent() {
		if ev.Kind == dtlscore.EventSend {
			o.writeDeadline.take(time.Now().Add(alertTime))
			said = o.assoc.Send(ev.Data, lastControlInfo) == nil
		}
	}
	if !said || o.assoc.AskDry() != nil {
		return
	}
	o.alarm.limitTo(time.Now().Add(alertTime))
	for {
		_, ev, err := o.messages.Next(true)
		if _, ok := ev.(stream.Dry); ok || err != nil {
			return
		}
	}
}

// alertTime is how long a dying connection waits for the peer to acknowledge the alert.
const alertTime = time.Second
