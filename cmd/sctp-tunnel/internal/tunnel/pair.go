package tunnel

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/largebuf"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A pair is one association with the daemon and the DTLS connection that it is made to, or made
// from, and its successors.
//
// Two goroutines carry messages, one each way. Each reads until the end of its side, and passes
// that on: what SHUTDOWN ends in the clear, close_notify ends over DTLS, and the other way round.
// Each direction ends by itself, as those of SCTP do: what the daemon or the peer had sent before
// it learned of the other's end still crosses. Any other end is an ABORT of both.
type pair struct {
	info  *Association
	clear stream.Association
	links *links
	ppids *ppidMap
	watch Observer
	blame func()               // called before an end by the peer is passed on to the daemon
	adopt func(*sctpdtls.Conn) // called when there is another connection
	renew *renewer

	known     *sctpdtls.Conn // run.mu guards it and successor
	successor string         // name of the one of known

	mu    sync.Mutex // guards the following
	ended bool       // the daemon sends no more
	over  bool       // both associations have ended
	why   Reason     // the first to be known; a failure takes the place of a clean one
	err   error      // of a failure
	late  int        // messages that could not be delivered because their receiver had ended
	empty int        // messages of no bytes, which plain SCTP does not have
}

// run carries messages until both directions have ended. When stop is done it ends them, cleanly if
// that is possible within limit.
func (p *pair) run(stop context.Context, limit time.Duration) {
	var both sync.WaitGroup
	both.Go(p.out)
	both.Go(p.in)
	done := make(chan struct{})
	go func() {
		both.Wait()
		close(done)
	}()
	ctx, cancel := context.WithCancel(stop)
	var renewer sync.WaitGroup
	renewer.Go(func() { p.renew.run(ctx) })
	select {
	case <-done:
	case <-stop.Done():
		p.stop(done, limit)
		<-done
	}
	cancel()
	renewer.Wait()
	p.finish()
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
}

// out carries messages from the daemon to the peer.
func (p *pair) out() {
	r := &clearReader{from: p.clear, limit: p.info.State.MaxWrite}
	defer r.release()
	for {
		msgs, err := r.next()
		switch {
		case err == io.EOF:
			p.ending(DaemonShutdown)
			p.mu.Lock()
			p.ended = true
			p.mu.Unlock()
			p.links.newest().CloseWrite() // an error is also that of ReadMessages
			return
		case err != nil:
			p.fail(daemonReason(err), err)
			return
		}
		for i := range msgs {
			msgs[i].PPID = mapped(p.ppids.out, msgs[i].PPID)
		}
		n, err := p.links.write(msgs)
		p.carried(Out, msgs[:n])
		switch {
		case err == nil:
		case isOver(err):
			p.tooLate(len(msgs) - n)
		default:
			p.fail(peerReason(err), err)
			return
		}
	}
}

// in carries messages from the peer to the daemon.
func (p *pair) in() {
	w := newClearWriter(p.clear)
	lost := func(err error) { p.fail(peerReason(err), err) }
	conn := p.links.newest()
	// Requests and answers take turns, so that what is small comes alone. A batch is for those that
	// come together, or are large.
	small, few, together := make([]byte, 1024), make([]sctpdtls.Message, 2), false
	for {
		buf := small
		if together {
			buf = nil // it only waits
		}
		n, err := conn.ReadMessages(buf, few)
		if err == io.ErrShortBuffer {
			n, err = p.inBatch(w, conn, few[0].Length)
		} else if err == nil {
			err = p.deliver(w, few[:n])
		}
		together = n > 1
		switch {
		case err == nil:
		case err == io.EOF:
			if conn = p.links.follow(conn, lost); conn != nil {
				continue
			}
			if p.ending(PeerClose) {
				p.blame()
			}
			p.clear.Shutdown()
			return
		default:
			p.fail(peerReason(err), err)
			return
		}
	}
}

// inBatch carries messages that have come, the first of them with size bytes. It returns how many.
func (p *pair) inBatch(w *clearWriter, conn *sctpdtls.Conn, size int) (n int, err error) {
	b := batches.Get().(*batch)
	defer batches.Put(b)
	buf := b.buf[:]
	if size > len(buf) {
		buf = largebuf.Get(size)
		defer largebuf.Put(buf)
	}
	if n, err = conn.ReadMessages(buf, b.msgs[:]); err == nil {
		err = p.deliver(w, b.msgs[:n])
	}
	clear(b.msgs[:max(n, 1)])
	return n, err
}

// deliver sends messages to the daemon. The error was reported already.
func (p *pair) deliver(w *clearWriter, msgs []sctpdtls.Message) error {
	empty := 0
	for i := range msgs {
		m := &msgs[i]
		m.PPID = mapped(p.ppids.in, m.PPID)
		if len(m.Data) == 0 {
			empty++
		}
	}
	if empty > 0 {
		p.noEmpty(empty)
		msgs = slices.DeleteFunc(msgs, func(m sctpdtls.Message) bool { return len(m.Data) == 0 })
	}
	n, err := w.write(msgs)
	p.carried(In, msgs[:n])
	switch {
	case err == nil:
	case isOver(err):
		p.tooLate(len(msgs) - n)
	default:
		p.fail(daemonReason(err), err)
		return err
	}
	return nil
}

func (p *pair) carried(d Direction, msgs []sctpdtls.Message) {
	bytes := 0
	for i := range msgs {
		bytes += len(msgs[i].Data)
	}
	c := p.info.counts(d)
	c.messages.Add(uint64(len(msgs)))
	c.bytes.Add(uint64(bytes))
	p.watch.Carried(p.info, d, len(msgs), bytes)
}

func (p *pair) tooLate(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late += n
}

func (p *pair) noEmpty(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.empty += n
}

// ending says why one direction has ended cleanly. It reports whether that was the first.
func (p *pair) ending(why Reason) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if first = p.why == ""; first {
		p.why = why
	}
	return first
}

// fail ends both associations by ABORT, and says why, unless that is known already.
func (p *pair) fail(why Reason, err error) {
	p.mu.Lock()
	known := p.err != nil || p.over
	if !known {
		p.why, p.err = why, err
	}
	p.mu.Unlock()
	if known {
		return
	}
	if why == Missing {
		p.watch.MissingData(p.info.Service)
	}
	if why.peerIsToBlame() {
		p.blame()
	}
	p.links.abort()
	if why == DaemonRestart { // the association goes on, with another connection
		p.clear.SetWriteDeadline(time.Unix(1, 0))
		return
	}
	p.clear.Abort()
}

// hasEnded reports whether the daemon sends no more.
func (p *pair) hasEnded() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// stop ends the association from here. SCTP lets one side end, and the other one finish what it has
// sent before it knows; there is no such thing for who stands between. So this waits for a moment
// when nothing is under way.
func (p *pair) stop(done <-chan struct{}, limit time.Duration) {
	until := time.Now().Add(limit)
	p.awaitQuiet(done, time.Now().Add(limit/2))
	p.ending(Stopped)
	p.clear.Shutdown()
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		p.fail(DrainTimeout, fmt.Errorf("not everything was delivered within %v", limit))
	}
}

// quiet is how long nothing must have been carried.
const quiet = 50 * time.Millisecond

func (p *pair) awaitQuiet(done <-chan struct{}, until time.Time) {
	tick := time.NewTicker(quiet)
	defer tick.Stop()
	for before, first := uint64(0), true; time.Now().Before(until); first = false {
		now := p.info.out.messages.Load() + p.info.in.messages.Load()
		if now == before && !first {
			return
		}
		before = now
		select {
		case <-tick.C:
		case <-done:
			return
		}
	}
}

// finish releases both associations after a clean end.
func (p *pair) finish() {
	p.links.finish()
	p.mu.Lock()
	failed, why := p.err != nil, p.why
	p.mu.Unlock()
	switch {
	case !failed:
		err := p.links.newest().Close()
		p.clear.Close()
		if err != nil {
			p.fail(peerReason(err), err)
		}
	case why == DaemonRestart:
		p.clear.SetWriteDeadline(time.Time{})
	}
}
