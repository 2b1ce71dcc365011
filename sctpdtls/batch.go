package sctpdtls

import (
	"sync"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A Message is one of several of [Conn.WriteMessages] and [Conn.ReadMessages].
type Message struct {
	Data []byte
	MessageInfo
}

// WriteMessages sends several messages in their order, as [Conn.WriteMessage] does one, with fewer
// system calls, and in as few packets as they fit in, each with one HMAC: it pays where messages
// are small. It returns how many were sent; if that is not all of them, err is what WriteMessage
// says of the next one, and those behind it were not tried.
func (c *Conn) WriteMessages(msgs []Message) (n int, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	size := maxBatch
	for n < len(msgs) {
		sent := 0
		if rest := msgs[n:]; len(rest) > 1 {
			sent = c.sendBatch(rest[:min(size, len(rest))])
		}
		if n += sent; sent == size {
			size = min(2*size, maxBatch)
			continue
		}
		if n == len(msgs) {
			break
		}
		// No space, most likely. This waits for it, and knows what is wrong else. What was
		// encrypted in vain would be so again, so go carefully while it is tight.
		size = max(2, sent)
		if err := c.send(&c.own, msgs[n].Data, &msgs[n].MessageInfo); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// ReadMessages waits for the next message, as [Conn.ReadMessage] does, and takes those with it that
// have come behind it, as many as there is room for in b and in msgs. It returns how many. Their
// Data lie in b, one after the other. It pays where messages are small. When b is too short for the
// first one it returns io.ErrShortBuffer, with the Length in msgs[0]: with b nil it only waits,
// unless the message is empty.
//
// An error comes alone, after all messages before it. Those are the errors of ReadMessage.
func (c *Conn) ReadMessages(b []byte, msgs []Message) (n int, err error) {
	if !c.ok() || len(msgs) == 0 {
		return 0, syscall.EINVAL
	}
	size, info, err := c.recv(&c.own, b, aMessage)
	msgs[0] = Message{b[:size:size], info}
	if err != nil {
		return 0, err
	}
	for n, at := 1, size; ; n++ {
		if n == len(msgs) {
			return n, nil
		}
		var took bool
		if size, info, took, err = c.kept(&c.own, b[at:], aMessage); !took || err != nil {
			return n, nil // an error is that the message does not fit
		}
		msgs[n] = Message{b[at : at+size : at+size], info}
		at += size
	}
}

const maxBatch = stream.MaxBatch

// A batch is records on their way, pooled.
type batch struct {
	buf     [4 * stream.MaxMessageSize]byte
	records [maxBatch][]byte
	infos   [maxBatch]stream.Info
}

var batches = sync.Pool{New: func() any { return new(batch) }}

// sendBatch sends as many messages as go without waiting, at most maxBatch, and returns how many.
func (c *Conn) sendBatch(msgs []Message) (sent int) {
	sender, ok := c.assoc.(stream.BatchSender)
	s := c.state.Load()
	if !ok || s == nil || c.waiting.Load() > 0 || c.mayWrite(&c.own) != nil || c.own.write.passed() ||
		!c.gate.enter() {
		return 0
	}
	b := batches.Get().(*batch)
	defer batches.Put(b)
	if c.writeEnd.Load() == nil {
		if n := b.seal(c, msgs, s.OutStreams); n > 0 {
			b.infos[n-1].SackImmediately = !c.counted.oneWay() // as send does
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
		if len(m.Data) > MaxMessageSize || len(b.buf)-at < len(m.Data)+maxOverhead ||
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

// maxOverhead is at least what a record is longer than its message.
const maxOverhead = 256 + 13
