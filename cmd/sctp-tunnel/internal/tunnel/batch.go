package tunnel

import (
	"sync"

	"github.com/seed-41f70523/dtls-sctp/internal/largebuf"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A batch is messages on their way through. It is pooled: an association on which nothing happens
// has none.
type batch struct {
	buf  [4 * sctpdtls.MaxMessageSize]byte
	msgs [stream.MaxBatch]sctpdtls.Message
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// A clearReader reads messages from the daemon, as many at a time as are there.
type clearReader struct {
	from  stream.Association
	limit int    // bytes that a message may have
	batch *batch // nil while there is nothing
	used  int    // messages of it
	large []byte // in place of batch.buf, for a message that is larger
	start int    // of the message that is being read, in buf
	at    int    // its end so far
	err   error  // of the last Recv, for the next call

	waited bool // for the message that was read last
	alone  bool // the last one that was waited for came without another one
}

func (r *clearReader) buf() []byte {
	if r.large != nil {
		return r.large
	}
	return r.batch.buf[:]
}

// Get and Put make it the [stream.Buffer] of its association.
func (r *clearReader) Get() []byte {
	if r.batch == nil {
		r.batch = batches.Get().(*batch)
	}
	return r.buf()[r.at:]
}

// Put gives the batch back unless there is something in it.
func (r *clearReader) Put() {
	r.waited = true
	if r.at == 0 {
		r.release()
	}
}

func (r *clearReader) release() {
	largebuf.Put(r.large)
	r.large = nil
	if r.batch != nil {
		clear(r.batch.msgs[:r.used])
		batches.Put(r.batch)
		r.batch, r.used = nil, 0
	}
}

// next waits for a message and returns it with those behind it that are there already. They are
// valid until the next call. An error comes alone, after all messages before it.
//
// Where requests and answers take turns, nothing is ever behind a message. To look for it is a
// system call, so that next does without as long as it has found nothing, and has to wait.
func (r *clearReader) next() ([]sctpdtls.Message, error) {
	if r.err != nil {
		r.release()
		return nil, r.err
	}
	if r.batch != nil {
		r.toFront()
	}
	alone := r.alone
	r.alone, r.waited = false, false
	n := 0
	for r.err == nil && n < stream.MaxBatch && (n == 0 || r.room() > 0) {
		if r.room() == 0 {
			r.grow()
		}
		part, err := r.from.Recv(r, n == 0)
		switch {
		case err == stream.ErrWouldBlock:
			r.alone = n == 1
			return r.batch.msgs[:n], nil
		case err != nil:
			r.err = err
		case part.Event != nil:
			r.event(part.Event)
		default:
			r.at += part.N
			size := r.at - r.start
			if size > r.limit {
				r.err = &tooLargeError{Stream: part.Info.Stream, PPID: part.Info.PPID, Limit: r.limit}
			} else if part.End {
				m := &r.batch.msgs[n]
				r.used = max(r.used, n+1)
				m.Data = r.buf()[r.start:r.at:r.at]
				m.MessageInfo = sctpdtls.MessageInfo{
					Stream:    part.Info.Stream,
					PPID:      part.Info.PPID,
					Unordered: part.Info.Unordered,
				}
				r.start = r.at
				if n++; alone && r.waited {
					r.alone = true
					return r.batch.msgs[:n], nil
				}
			}
		}
	}
	if n == 0 {
		r.release()
		return nil, r.err
	}
	return r.batch.msgs[:n], nil
}

// toFront moves what there is of the next message to the front, out of a large buffer if it fits
// into the usual one.
func (r *clearReader) toFront() {
	rest := r.buf()[r.start:r.at]
	if r.large != nil && len(rest) < len(r.batch.buf) {
		copy(r.batch.buf[:], rest)
		largebuf.Put(r.large)
		r.large = nil
	} else {
		copy(r.buf(), rest)
	}
	r.start, r.at = 0, len(rest)
}

// grow makes room for more of a message that fills the buffer.
func (r *clearReader) grow() {
	large := largebuf.Get(min(2*len(r.buf()), r.limit+1)) // one byte more tells that it is too large
	copy(large, r.buf())
	largebuf.Put(r.large)
	r.large = large
}

func (r *clearReader) room() int {
	if r.batch == nil {
		return len(batch{}.buf)
	}
	return len(r.buf()) - r.at
}

func (r *clearReader) event(e stream.Event) {
	switch e := e.(type) {
	case stream.AssocChange:
		if e.State == stream.AssocRestarted {
			r.err = errRestarted
		}
	case stream.PartialDeliveryAborted: // the rest of the message never comes
		r.at = r.start
	}
}

// A clearWriter sends messages to the daemon.
type clearWriter struct {
	to      stream.Association
	streams uint16 // that the daemon takes
	data    [stream.MaxBatch][]byte
	infos   [stream.MaxBatch]stream.Info
}

func newClearWriter(to stream.Association) *clearWriter {
	streams, _ := to.Streams()
	return &clearWriter{to: to, streams: streams}
}

// write sends messages in their order, and waits for room. It returns how many were sent.
func (w *clearWriter) write(msgs []sctpdtls.Message) (sent int, err error) {
	if len(msgs) == 1 { // as a rule
		return w.writeOne(&msgs[0])
	}
	for i := range msgs {
		m := &msgs[i]
		if m.Stream >= w.streams {
			if sent, err = w.write(msgs[:i]); err == nil {
				err = &noStreamError{m.Stream, w.streams}
			}
			return sent, err
		}
		w.data[i] = m.Data
		w.infos[i] = stream.Info{Stream: m.Stream, PPID: m.PPID, Unordered: m.Unordered}
	}
	n := len(msgs)
	if n > 0 { // nothing may follow, and the daemon's SCTP would acknowledge it in 200 ms (RFC 7053)
		w.infos[n-1].SackImmediately = true
	}
	defer clear(w.data[:n])
	many, ok := w.to.(stream.BatchSender)
	for sent < n {
		if ok && n-sent > 1 {
			more, err := many.TrySendAll(w.data[sent:n], w.infos[sent:n])
			sent += more
			if err == nil || err != stream.ErrWouldBlock {
				if err != nil {
					return sent, err
				}
				continue
			}
		}
		if err := w.to.Send(w.data[sent], w.infos[sent]); err != nil {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

func (w *clearWriter) writeOne(m *sctpdtls.Message) (sent int, err error) {
	if m.Stream >= w.streams {
		return 0, &noStreamError{m.Stream, w.streams}
	}
	info := stream.Info{Stream: m.Stream, PPID: m.PPID, Unordered: m.Unordered,
		SackImmediately: len(m.Data) > 1000}
	if err := w.to.Send(m.Data, info); err != nil {
		return 0, err
	}
	return 1, nil
}
