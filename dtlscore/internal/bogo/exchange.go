package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// initialWrite is what the runner awaits from a shim that writes first.
const initialWrite = "hello"

// alertDecompressionFailure is an alert that dtlscore has no use for.
const alertDecompressionFailure dtlscore.Alert = 30

// endpointSecretLen is RFC 6083, Section 4.8.
const endpointSecretLen = 64

// errEnd is the end of the transport without a close_notify.
var errEnd = errors.New("end of the transport without close_notify")

// An exchange is one connection with the runner.
type exchange struct {
	o    *options
	conn *dtlscore.Conn
	net  *packetConn

	hellos     int      // ClientHello or ServerHello messages that we sent
	inbox      [][]byte // application data that was not answered yet
	complete   bool     // the first handshake is
	peerClosed bool
	upkeep     bool // while it is done
}

// connect makes one connection and does on it what the options say.
func connect(o *options, s *sessions) error {
	s.cache.puts = 0
	config, err := o.config(s)
	if err != nil {
		return err
	}
	newConn := dtlscore.Client
	if o.server {
		newConn = dtlscore.Server
	}
	conn, err := newConn(config)
	if err != nil {
		return err
	}
	net, err := dialRunner(o)
	if err != nil {
		return err
	}
	defer net.closeGently()
	e := &exchange{o: o, conn: conn, net: net}
	if err := e.handshake(); err != nil {
		return err
	}
	if err := e.check(s.connections > 0); err != nil {
		return err
	}
	if err := e.talk(); err != nil {
		return err
	}
	return o.checkSessions(s)
}

// handshake does the first handshake.
func (e *exchange) handshake() error {
	err := errors.Join(e.conn.Start(), e.obey())
	for err == nil && !e.complete {
		err = e.receive()
	}
	return err
}

// obey does what dtlscore says. The transport is in order and reliable, and has
// no SCTP-AUTH, so that sending is all there is to do.
func (e *exchange) obey() error {
	for {
		event := e.conn.NextEvent()
		switch event.Kind {
		case dtlscore.EventNone:
			return e.conn.Err()
		case dtlscore.EventSend:
			e.countHello(event.Data)
			if e.complete && e.isIdleACK(event.Data) {
				continue // see there
			}
			if err := e.net.send(event.Data); err != nil {
				return err
			}
		case dtlscore.EventInstallKey:
			if len(event.Data) != endpointSecretLen {
				return fmt.Errorf("endpoint pair shared secret of %d bytes", len(event.Data))
			}
		case dtlscore.EventReadPending:
			// An error is the connection's, and comes after its alert.
			_ = e.conn.PendingRead()
		case dtlscore.EventHandshakeComplete:
			e.complete = true
		case dtlscore.EventData:
			e.deliver(event.Data)
		case dtlscore.EventPeerClosed:
			e.peerClosed = true
			e.conn.Close() // the answer, as of RFC 5246, Section 7.2.1
		}
	}
}

// countHello finds out about a HelloRetryRequest: it makes both sides send
// their hello message twice.
func (e *exchange) countHello(record []byte) {
	const handshake, clientHello, serverHello = 22, 1, 2
	if len(record) > 13 && record[0] == handshake && record[13] <= serverHello &&
		record[13] >= clientHello && bytes.Equal(record[3:5], []byte{0, 0}) {
		e.hellos++
	}
}

// isIdleACK reports whether a record that was sent after the handshake is an
// ACK of version 1.3. It is sealed, but nothing else that may be sent there has
// its length: an alert has 24 bytes, a KeyUpdate 35, a ticket of a server more
// than an ACK for four records. The runner awaits such an ACK only after a timer
// that this transport does not have, and refuses it before; and an empty one, by
// which dtlscore keeps record numbers unambiguous, always.
func (e *exchange) isIdleACK(record []byte) bool {
	const header, length, number, typ, tag = 5, 2, 16, 1, 16
	n := len(record) - header - length - typ - tag
	switch {
	case record[0]>>5 != 1 || n < 0 || n%number != 0:
		return false
	case n == 0:
		return e.upkeep
	}
	return !e.o.server || n <= 4*number
}

// receive takes the next packet.
func (e *exchange) receive() error {
	packet, err := e.net.receive()
	if errors.Is(err, io.EOF) {
		return errEnd
	} else if err != nil {
		return err
	}
	for {
		var record []byte
		record, packet = cutRecord(packet)
		data, receiveErr := e.conn.Receive(record, true, dtlscore.Tag{})
		if receiveErr == nil {
			e.deliver(data)
		}
		if err := e.obey(); err != nil {
			return err
		}
		if receiveErr != nil {
			return receiveErr
		}
		if len(packet) == 0 {
			return nil
		}
	}
}

// deliver keeps what is to be answered. Nobody answers an empty message.
func (e *exchange) deliver(data []byte) {
	if len(data) > 0 {
		e.inbox = append(e.inbox, slices.Clone(data))
	}
}

func (e *exchange) write(data []byte) error {
	if e.conn.UpkeepDue() {
		e.upkeep = true
		if err := errors.Join(e.conn.Upkeep(), e.obey()); err != nil {
			return err
		}
		e.upkeep = false
	}
	record, err := e.conn.Seal(nil, data)
	if err != nil {
		return err
	}
	return e.net.send(record)
}

// talk does on the open connection what the options say, until the runner
// closes it.
func (e *exchange) talk() error {
	if e.o.exportLength > 0 {
		var context []byte
		if e.o.useExportContext {
			context = append([]byte{}, e.o.exportContext...)
		}
		secret, err := e.conn.ExportKeyingMaterial(e.o.exportLabel, context, e.o.exportLength)
		if err != nil {
			return err
		}
		if err := e.write(secret); err != nil {
			return err
		}
	}
	if e.o.sendAlert {
		e.conn.Fail(alertDecompressionFailure, errors.New("told to send an alert"))
		_ = e.obey() // the error is the one that was asked for
		return nil
	}
	if e.o.shimWritesFirst {
		if err := e.write([]byte(initialWrite)); err != nil {
			return err
		}
	}
	if !e.o.shimShutsDown {
		if err := e.echo(); err != nil {
			return err
		}
	}
	return e.close()
}

// echo sends every message back with all its bits flipped.
func (e *exchange) echo() error {
	pending := e.o.readWithUnfinishedWrite
	for {
		if e.o.keyUpdateEachRead {
			if err := errors.Join(e.conn.KeyUpdate(dtlscore.UpdateNotRequested), e.obey()); err != nil {
				return err
			}
		}
		message, err := e.read()
		if message == nil || err != nil {
			return err
		}
		if pending {
			if err := e.write([]byte(initialWrite)); err != nil {
				return err
			}
			pending = false
		}
		for i := range message {
			message[i] ^= 0xff
		}
		if err := e.write(message); err != nil {
			return err
		}
	}
}

// read returns the next message, nil at the end. The runner may end without a
// close_notify.
func (e *exchange) read() ([]byte, error) {
	for len(e.inbox) == 0 {
		if e.peerClosed {
			return nil, nil
		}
		if err := e.receive(); errors.Is(err, errEnd) {
			return nil, nil
		} else if err != nil {
			return nil, err
		}
	}
	message := e.inbox[0]
	e.inbox = e.inbox[1:]
	return message, nil
}

// close ends the connection, unless the runner did, and awaits its close_notify
// if the test is about that.
func (e *exchange) close() error {
	e.conn.Close()
	err := e.obey()
	for err == nil && e.o.checkCloseNotify && !e.peerClosed {
		err = e.receive()
	}
	return err
}
