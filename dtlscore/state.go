package dtlscore

import (
	"math"
	"slices"
)

// A state handles the message that the peer may send next, and returns the state that follows. raw
// is the encoded message, for the transcript. The state owns both.
type state interface {
	handle(c *Conn, m message, raw handshakeMessage) (state, error)
}

// A keyChangeState is a state that waits for ChangeCipherSpec. The state that it returns handles
// what arrives with the new keys.
type keyChangeState interface {
	state
	handleChangeCipherSpec(c *Conn) state
}

// unexpectedMessage returns the error for a message that the state does not accept.
func unexpectedMessage(m message, awaited ...handshakeType) error {
	return unexpected("received %v, expected %v", m.typ(), awaited)
}

// receiveHandshake processes the content of a handshake record, and advances the state machine as
// far as possible.
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
		// RFC 5246, Section 7.4.1.1: a HelloRequest "will be ignored by the client if [it] is
		// currently negotiating a session". It is not part of the transcript.
		return c.countWarning(raw.typ.String())
	}
	next, err := c.state.handle(c, m, raw)
	if err != nil {
		return err
	}
	c.state = next
	return nil
}

// send queues a message, and returns it in the encoding that DTLS 1.2 hashes. The message is sent
// in one record if it fits: RFC 6083, Section 3.2.
//
// Nothing is sent after close_notify. A renegotiation then only processes what arrives, because the
// peer's close_notify may be protected with its new keys.
func (c *Conn) send(m message) (raw []byte, err error) { return c.sendNumbered(m, nil) }

// sendNumbered is like send, and also stores the number of the message's last record in number when
// that is handed out.
func (c *Conn) sendNumbered(m message, number *recordNumber) (raw []byte, err error) {
	if c.nextSendSeq == math.MaxUint16 {
		return nil, misuse("%v: %w", m.typ(), ErrKeysUsedUp) // message_seq would wrap around
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

// maxControl returns the largest content of a record of the newest epoch that is not application
// data. A peer that negotiated large_record_size_limit may accept less than 2^14 bytes.
func (c *Conn) maxControl() int { return min(maxPlaintext, c.written.maxContent()) }
