package sctpdtls

import (
	"io"
)

// end makes err what readers get from now on, and writers too, unless it is the peer's
// close_notify.
func (o *owner) end(err error) {
	if o.ended() == nil {
		o.readEnd.Store(&err)
		o.endLife(err)
		o.mux.Wake()
		o.tellEnd(err)
	}
	if err == io.EOF {
		o.gate.poke()
		o.requests.finishAll(renegotiateTask, ErrPeerClosed)
		return
	}
	o.endWrites(err)
}

// endWrites makes err what writers get from now on.
func (o *owner) endWrites(err error) {
	o.writeEnd.CompareAndSwap(nil, &err)
	o.gate.poke()
	o.requests.finishAll(renegotiateTask, err)
	o.requests.finishAll(closeWriteTask, err)
}

// finished answers the request of a task that was begun, if there is one, and has the next one
// begun.
func (o *owner) finished(t task, err error) {
	if r := o.requests.first(t); r == nil || !r.begun && err == nil {
		return
	}
	if o.requests.finish(t, err) {
		o.alarm.ring()
	}
}
