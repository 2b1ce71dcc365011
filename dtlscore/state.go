package dtlscore

import (
	"math"
	"slices"
)

// A state handles the one message that the peer may send next, and returns
// the state that follows. raw is the same message as it came, for the
// transcript. Both are the state's to keep.
type state interface {
	handle(c *Conn, m message, raw handshakeMessage) (state, error)
}

// A keyChangeState is a state in which the peer has to send ChangeCipherSpec.
// What comes under the new keys is for the state that it returns.
type keyChangeState interface {
	state
	handleChangeCipherSpec(c *Conn) state
}

// unexpectedMessage is the one answer to a message that a state does not wait for.
func unexpectedMessage(m message, awaited ...handshakeType) error {
	return unexpected("%v came where %v was awaited", m.typ(), awaited)
}

// receiveHandshake takes the content of a handshake record, and the state
// machine as far as it goes with that.
func (c *Conn) receiveHandshake(epoch uint64, content []byte) error {
	if len(content) == 0 {
		return unexpected("empty handshake record")
	}
	for len(content) > 0 {
		h, fragment, rest, err := parseFragment(content)
		if err != nil {
			return err
		}
		if err := c.in.messages.add(epoch, h, fragment); err != nil {
			return err
		}
		content = rest
	}
	for {
		raw, ok := c.in.messages.take()
		if !ok {
			return nil
		}
		if err := c.handleMessage(raw); err != nil {
			return err
		}
	}
}

func (c *Conn) handleMessage(raw handshakeMessage) error {
	m, err := parseMessage(raw.typ, raw.body(), c.form)
	if err != nil {
		return err
	}
	if raw.typ == typeHelloRequest && c.isClient && c.handshaking {
		// "will be ignored by the client if [it] is currently negotiating a
		// session", RFC 5246, Section 7.4.1.1; and it is not hashed.
		return c.countWarning(raw.typ.String())
	}
	next, err := c.state.handle(c, m, raw)
	if err != nil {
		return err
	}
	c.state = next
	return nil
}

// send queues a message and returns it as DTLS 1.2 hashes it. A message is in
// one record if it fits, RFC 6083, Section 3.2.
//
// Nothing follows our close_notify. A renegotiation then goes on only with what
// arrives, for the peer's close_notify may be in its keys.
func (c *Conn) send(m message) (raw []byte, err error) { return c.sendNumbered(m, nil) }

// sendNumbered is send for a message whose record, the last if it has several, has its number
// stored in number as soon as it is handed out.
func (c *Conn) sendNumbered(m message, number *recordNumber) (raw []byte, err error) {
	if c.nextSendSeq == math.MaxUint16 {
		return nil, misuse("%v: %w", m.typ(), ErrKeysUsedUp) // it would start again with 0
	}
	raw, err = appendMessage(nil, c.nextSendSeq, m)
	if err != nil {
		return nil, err
	}
	c.nextSendSeq++
	if c.closing {
		return raw, nil
	}
	most := c.maxControl()
	if len(raw) <= most {
		c.pushNumbered(contentHandshake, raw, number)
		return raw, nil
	}
	h := handshakeHeader{typ: m.typ(), length: len(raw) - handshakeHeaderLen, seq: c.nextSendSeq - 1}
	for fragment := range slices.Chunk(raw[handshakeHeaderLen:], most-handshakeHeaderLen) {
		h.fragmentLength = len(fragment)
		record := append(h.append(nil), fragment...)
		if h.fragmentOffset += len(fragment); h.fragmentOffset == h.length {
			c.pushNumbered(contentHandshake, record, number)
		} else {
			c.pushRecord(contentHandshake, record)
		}
	}
	return raw, nil
}

// maxControl is how many bytes of content a record that is not application data may have in the
// newest epoch. A peer that has agreed to large_record_size_limit may take less than usual.
func (c *Conn) maxControl() int { return min(maxPlaintext, c.written.maxContent()) }
