package sctpdtls

import (
	"sync"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// WriteMessages sends several messages in order, each as [Conn.WriteMessage] does, but with fewer
// system calls and in as few packets as possible, with one HMAC for each packet. It is faster for
// small messages. It returns how many were sent; if that is not all of them, err is the error of
// WriteMessage for the next one, and the messages after it were not tried.
func (c *Conn) WriteMessages(msgs []Message) (n int, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	size := stream.MaxBatch
	for n < len(msgs) {
		sent := 0
		if rest := msgs[n:]; len(rest) > 1 {
			sent = c.sendBatch(rest[:min(size, len(rest))])
		}
		if n += sent; sent == size {
			size = min(2*size, stream.MaxBatch)
			continue
		}
		if n == len(msgs) {
			break
		}
		// No space, most likely. This waits for it, and knows what is wrong else. What was
		// encrypted without success would be so again, so go carefully while it is tight.
		size = max(2, sent)
		if err := c.send(&c.own, msgs[n].Data, &msgs[n].MessageInfo); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// A batch is records on their way, pooled.
type batch struct {
	buf     [4 * stream.MaxMessageSize]byte
	records [stream.MaxBatch][]byte
	infos   [stream.MaxBatch]stream.Info
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// sendBatch sends as many messages as go without waiting, at most stream.MaxBatch, and returns how
// many.
func (c *Conn) sendBatch(msgs []Message) (sent int) {
	sender, ok := c.assoc.(stream.BatchSender)
	s := c.state.Load()
	if !ok || s == nil || c.space.wanted.Load() > 0 || c.mayWrite(&c.own) != nil ||
		c.own.write.passed() || !c.gate.enter() {
		return 0
	}
	b := batches.Get().(*batch)
	defer batches.Put(b)
	if c.writeEnd.Load() == nil {
		if n := b.seal(c, msgs, s.OutStreams); n > 0 {
			b.infos[n-1].SackImmediately = c.mayBeLast()
			sent, _ = sender.TrySendAll(b.records[:n], b.infos[:n])
		}
	}
	c.gate.leave()
	for _, m := range msgs[:sent] {
		c.written(&c.own, len(m.Data))
	}
	return sent
}

// seal encrypts messages as long as there is room and nothing is wrong with them, and returns how
// many.
func (b *batch) seal(c *Conn, msgs []Message, streams uint16) (n int) {
	at := 0
	for i := range msgs {
		m := &msgs[i]
		if len(m.Data) > MaxMessageSize || len(b.buf)-at < len(m.Data)+dtlscore.MaxOverhead ||
			m.Stream >= streams || m.partial() && c.mayGiveUp(&m.MessageInfo) != nil {
			break
		}
		record, err := c.core.Seal(b.buf[at:at], m.Data)
		if err != nil {
			break
		}
		at += len(record)
		b.records[n] = record
		b.infos[n] = m.info()
		n++
	}
	return n
}
