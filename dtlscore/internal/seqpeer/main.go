// Command seqpeer is one end of a DTLS connection over an inherited
// SOCK_SEQPACKET socket, on which one packet is one record, so that dtlscore
// can be joined to any other implementation. Peers around other libraries, with
// the same command line and output, are in netns-tests/peers.
//
// After the handshake the client sends --count messages of --size bytes and
// checks each echo. Renegotiations and key updates come after the first echo,
// one each time: of a client before a message, of a server before it echoes.
// close_notify goes both ways. The exit status is 0 only if all was well.
//
// --version any, the default, is what the other options leave of both: suites
// and renegotiations belong to one version, as do X25519MLKEM768 and key updates.
//
// Standard output has these lines, and nothing else:
//
//	READY lib=NAME/VERSION role=client|server
//	HANDSHAKE version=DTLSv1.2|DTLSv1.3 cipher=IANA-NAME group=NAME peer=COMMON-NAME
//	EXPORTER of EXPORTER_DTLS_OVER_SCTP, 64 bytes in hexadecimal digits
//	RENEGOTIATED version=…, and EXPORTER again
//	KEYUPDATE sent
//	DATA messages=N bytes=N renegotiations=N
//	CLOSED clean
//	ERROR text
package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout)) }

func run(args []string, out io.Writer) int {
	if err := play(args, out); err != nil {
		fmt.Fprintln(out, "ERROR", err)
		return 1
	}
	fmt.Fprintln(out, "CLOSED clean")
	return 0
}

// play makes the connection and plays the scenario.
func play(args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "READY lib=dtlscore role=%s\n", o.role())
	transport, err := inherited(o.fd)
	if err != nil {
		return err
	}
	defer transport.Close()
	e, err := newEnd(o, transport, out)
	if err != nil {
		return err
	}
	if err := e.handshake(); err != nil {
		return err
	}
	if o.server {
		err = e.echo()
	} else {
		err = e.ask()
	}
	if err == nil && (o.renegotiate > 0 || o.keyUpdate > 0) {
		err = fmt.Errorf("too few messages for all renegotiations and key updates")
	}
	return err
}

// inherited returns the socket that the parent process left open.
func inherited(fd int) (net.Conn, error) {
	f := os.NewFile(uintptr(fd), "socket")
	if f == nil {
		return nil, fmt.Errorf("--fd %d: not a descriptor", fd)
	}
	defer f.Close() // FileConn has its own
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("--fd %d: %w", fd, err)
	}
	return c, nil
}
