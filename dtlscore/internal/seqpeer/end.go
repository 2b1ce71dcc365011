package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

const (
	// maxPacket is RFC 6083, Section 4.1.
	maxPacket = 1<<14 + 2048 + 13

	endpointSecretLen = 64 // RFC 6083, Section 4.8
)

// An end is one end of the connection.
type end struct {
	o         *options
	conn      *dtlscore.Conn
	transport net.Conn
	out       io.Writer

	packet     []byte
	inbox      [][]byte // application data that nobody has asked for yet
	handshakes int
	updates    int // of our keys
	peerClosed bool
}

func newEnd(o *options, transport net.Conn, out io.Writer) (*end, error) {
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	newConn := dtlscore.Client
	if o.server {
		newConn = dtlscore.Server
	}
	conn, err := newConn(config)
	if err != nil {
		return nil, err
	}
	return &end{o: o, conn: conn, transport: transport, out: out, packet: make([]byte, maxPacket+1)},
		nil
}

// handshake does the first handshake.
func (e *end) handshake() error {
	err := errors.Join(e.conn.Start(), e.obey())
	for err == nil && e.handshakes == 0 {
		err = e.receive()
	}
	return err
}

// obey does what dtlscore says. What is sent here arrives, in order, and
// nothing else can: there is nothing to wait for, and SCTP-AUTH has no key.
func (e *end) obey() error {
	for {
		event := e.conn.NextEvent()
		switch event.Kind {
		case dtlscore.EventNone:
			return e.conn.Err()
		case dtlscore.EventSend:
			if err := e.send(event.Data); err != nil {
				return err
			}
		case dtlscore.EventReadPending:
			// An error is the connection's, and comes after its alert.
			_ = e.conn.PendingRead()
		case dtlscore.EventHandshakeComplete:
			if err := e.completed(); err != nil {
				return err
			}
		case dtlscore.EventData:
			e.inbox = append(e.inbox, event.Data)
		case dtlscore.EventPeerClosed:
			e.peerClosed = true
			e.conn.Close() // the answer, as of RFC 5246, Section 7.2.1
		case dtlscore.EventResume: // after a KeyUpdate, or [dtlscore.Conn.Upkeep]
			e.updates++
		case dtlscore.EventRenegotiationRefused:
			return errors.New("the peer refuses to renegotiate")
		case dtlscore.EventAwaitDry, dtlscore.EventInstallKey, dtlscore.EventActivateKey,
			dtlscore.EventPeerFinished:
		default:
			return fmt.Errorf("dtlscore has event %d, which seqpeer does not know", event.Kind)
		}
	}
}

// completed prints what a handshake has agreed on.
func (e *end) completed() error {
	e.handshakes++
	s := e.conn.ConnectionState()
	if e.handshakes == 1 {
		fmt.Fprintf(e.out, "HANDSHAKE version=%s cipher=%s group=%s peer=%s\n", versionName(s.Version),
			suiteName(s.CipherSuite), groupNames[s.CurveID], commonName(s))
		if e.o.group != 0 && s.CurveID != 0 && s.CurveID != e.o.group {
			return fmt.Errorf("agreed on %s, not on %s", groupNames[s.CurveID], groupNames[e.o.group])
		}
	} else {
		fmt.Fprintf(e.out, "RENEGOTIATED version=%s\n", versionName(s.Version))
	}
	secret, err := e.conn.ExportKeyingMaterial(dtlscore.EndpointSecretLabel, e.o.exportContext,
		endpointSecretLen)
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "EXPORTER %x\n", secret)
	return nil
}

func versionName(v uint16) string {
	if v == dtlscore.VersionDTLS13 {
		return "DTLSv1.3"
	}
	return "DTLSv1.2"
}

func commonName(s dtlscore.ConnectionState) string {
	if len(s.PeerCertificates) == 0 || s.PeerCertificates[0].Subject.CommonName == "" {
		return "-"
	}
	return s.PeerCertificates[0].Subject.CommonName
}

// send sends one packet. A peer that has sent an alert may be gone: that is for
// [end.receive] to find out.
func (e *end) send(record []byte) error {
	_, err := e.transport.Write(record)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		return nil
	}
	return err
}

// receive takes one packet.
func (e *end) receive() error {
	if err := e.transport.SetReadDeadline(time.Now().Add(e.o.timeout)); err != nil {
		return err
	}
	n, err := e.transport.Read(e.packet)
	if errors.Is(err, syscall.ECONNRESET) {
		// The peer went without reading all; what it has sent is still there.
		n, err = e.transport.Read(e.packet)
	}
	if err != nil {
		return fmt.Errorf("no close_notify: %w", err)
	}
	data, err := e.conn.Receive(e.packet[:n], true, dtlscore.Tag{})
	if data != nil {
		e.inbox = append(e.inbox, bytes.Clone(data))
	}
	// An alert that tells the peer about err is among the events.
	if failed := e.obey(); err == nil {
		err = failed
	}
	return err
}

// read returns the next message, or io.EOF after close_notify.
func (e *end) read() ([]byte, error) {
	for len(e.inbox) == 0 {
		if e.peerClosed {
			return nil, io.EOF
		}
		if err := e.receive(); err != nil {
			return nil, err
		}
	}
	m := e.inbox[0]
	e.inbox = e.inbox[1:]
	return m, nil
}

func (e *end) write(m []byte) error {
	if e.conn.UpkeepDue() {
		if err := errors.Join(e.conn.Upkeep(), e.obey()); err != nil {
			return err
		}
	}
	record, err := e.conn.Seal(nil, m)
	if err != nil {
		return err
	}
	return e.send(record)
}

// rekey is called before each message but the first.
func (e *end) rekey() error {
	if e.o.renegotiate > 0 {
		e.o.renegotiate--
		return e.renegotiate()
	}
	if e.o.keyUpdate > 0 {
		e.o.keyUpdate--
		if err := e.keyUpdate(); err != nil {
			return err
		}
		fmt.Fprintln(e.out, "KEYUPDATE sent")
	}
	return nil
}

// keyUpdate sends a KeyUpdate. One that the peer has asked for may be under
// way; this one comes after it.
func (e *end) keyUpdate() error {
	for before := e.updates; ; {
		err := e.conn.KeyUpdate(e.o.keyUpdateRequest)
		if failed := e.obey(); err == nil {
			err = failed
		}
		if err != nil || e.updates > before {
			return err
		}
		if err := e.receive(); err != nil {
			return err
		}
	}
}

// renegotiate starts another handshake and sees it through.
func (e *end) renegotiate() error {
	before := e.handshakes
	err := e.conn.Renegotiate()
	if failed := e.obey(); err == nil {
		err = failed
	}
	for err == nil && e.handshakes == before {
		err = e.receive()
	}
	return err
}

// ask is what a client does after the handshake.
func (e *end) ask() error {
	message := make([]byte, e.o.size)
	for i := range e.o.count {
		if i > 0 {
			if err := e.rekey(); err != nil {
				return err
			}
		}
		for j := range message {
			message[j] = byte(7*i + 13*j + j/256)
		}
		if err := e.write(message); err != nil {
			return err
		}
		echo, err := e.read()
		if err == io.EOF {
			return fmt.Errorf("the server closed after %d of %d messages", i, e.o.count)
		} else if err != nil {
			return err
		}
		if !bytes.Equal(message, echo) {
			return fmt.Errorf("message %d came back changed", i)
		}
	}
	e.printData(e.o.count, e.o.count*e.o.size)
	e.conn.Close()
	if err := e.obey(); err != nil {
		return err
	}
	if _, err := e.read(); err != io.EOF {
		return errors.Join(errors.New("not close_notify, as was due"), err)
	}
	return nil
}

// echo is what a server does after the handshake. Its close_notify answers the
// client's, in [end.obey].
func (e *end) echo() error {
	total := 0
	for i := 0; ; i++ {
		m, err := e.read()
		if err == io.EOF {
			e.printData(i, total)
			return nil
		} else if err != nil {
			return err
		}
		if i > 0 {
			if err := e.rekey(); err != nil {
				return err
			}
		}
		if err := e.write(m); err != nil {
			return err
		}
		total += len(m)
	}
}

func (e *end) printData(messages, total int) {
	fmt.Fprintf(e.out, "DATA messages=%d bytes=%d renegotiations=%d\n", messages, total,
		e.handshakes-1)
}
