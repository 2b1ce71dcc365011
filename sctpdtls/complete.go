package sctpdtls

import (
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// Acknowledgements are not authenticated: whoever is on the path can take a message away and
// acknowledge it in the receiver's name, and the sender does not send it again. But the receiver's
// SCTP has not got it. So at each record before which the peer had to have everything acknowledged
// (RFC 6083, Sections 4.7 and 4.9) SCTP is asked whether all of it has come.

// A checkpoint is such a record after which the peer may go on sending: what is missing may have
// been sent after it.
type checkpoint struct {
	open  bool
	tsn   uint32 // its transmission sequence number
	later int    // messages received that were sent after it
}

func (p *checkpoint) begin(tsn uint32) { *p = checkpoint{open: true, tsn: tsn} }

// count is called for each message.
func (p *checkpoint) count(tsn uint32) {
	if int32(tsn-p.tsn) > 0 {
		p.later++
	}
}

// look asks whether something is missing that was sent before the checkpoint. Nothing is as soon as
// nothing at all is. As long as it cannot be told apart from what was sent later, and may still
// come, look is called with each message; the next checkpoint takes over from this one, and what
// comes with close_notify leaves no doubt.
func (c *Conn) look() error {
	missing, highest, err := c.assoc.Missing()
	if err != nil || missing == 0 || c.partial {
		c.check.open = false // an association that is over tells so itself
		return nil
	}
	later := int(int32(highest - c.check.tsn)) // chunks that were sent after it, and may be missing
	if later < 0 {
		c.check.open = false // what was counted does not fit
		return nil
	}
	later -= max(c.check.later, min(later, 1)) // the highest is not
	if missing > later {
		return c.truncated(missing - later)
	}
	return nil
}

// settleTime is how long the peer has to give up what it cannot deliver, after its close_notify. A
// FORWARD TSN chunk may be lost as well, and comes again with the acknowledgement of close_notify.
const settleTime = time.Second

// nothingMissing finds out, when the peer's close_notify has come, whether all before it has.
func (c *Conn) nothingMissing() error {
	if c.closing.Load() {
		return nil // nobody asks for messages any more
	}
	for until := time.Now().Add(settleTime); ; c.tuner.Pause(10 * time.Millisecond) {
		missing, _, err := c.assoc.Missing()
		switch {
		case err != nil && c.config.RequireComplete:
			return c.truncated(0)
		case err != nil || missing == 0:
			return nil
		case !c.partial || reached(until):
			return c.truncated(missing)
		}
	}
}

// truncated ends the connection. There is no alert for it; it stands in the place of a message that
// is not what it should be.
func (c *Conn) truncated(missing int) error {
	c.core.Fail(dtlscore.AlertUnexpectedMessage, &TruncationError{missing})
	return c.core.Err()
}
