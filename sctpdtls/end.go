package sctpdtls

import (
	"io"
)

// end makes err what readers get from now on, and writers too, unless it is the peer's
// close_notify.
func (c *Conn) end(err error) {
	if c.ended == nil {
		c.ended = err
		c.readEnd.Store(&err)
		c.endLife(err)
		c.mux.Wake()
		c.tellEnd(err)
	}
	if err == io.EOF {
		c.gate.poke()
		c.requests.finishAll(renegotiateTask, ErrPeerClosed)
		return
	}
	c.endWrites(err)
}

// endWrites makes err what writers get from now on.
func (c *Conn) endWrites(err error) {
	c.writeEnd.CompareAndSwap(nil, &err)
	c.gate.poke()
	c.requests.finishAll(renegotiateTask, err)
	c.requests.finishAll(closeWriteTask, err)
}

// finished answers the request of a task that was begun, if there is one, and has the next one
// begun.
func (c *Conn) finished(t task, err error) {
	if r := c.requests.first(t); r == nil || !r.begun && err == nil {
		return
	}
	if c.requests.finish(t, err) {
		c.alarm.ring()
	}
}
