package sctpdtls

import (
	"fmt"
	"io"
	"sync"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A Socket is an SCTP association that other code has set up: a *sctp.SCTPConn of
// github.com/ishidawataru/sctp, which has none for 386, or an *os.File.
type Socket interface {
	syscall.Conn
	io.Closer
}

// RequestAuth asks for SCTP-AUTH (RFC 4895) on a socket that is not bound yet, so that [FromSocket]
// can take its associations over, and for no partial reliability (RFC 3758); whoever needs that
// sets SCTP_PR_SUPPORTED to 1 after it. It has the form of the Control functions of other packages:
//
//	socket := sctp.SocketConfig{Control: sctpdtls.RequestAuth}
//	conn, err := socket.Dial("sctp", nil, addr) // or Listen, for all that it accepts
//
// An error is an [AuthUnsupportedError].
func RequestAuth(network, address string, c syscall.RawConn) error {
	return sctpsock.RequestAuth(c, &sctpsock.Options{AuthChunks: authchunk.DefaultChunks()})
}

// FromSocket takes over an association that other code has set up, for [Client] or [Server]. It
// must be of a one-to-one socket, dialed or accepted.
//
// The association must use SCTP-AUTH at both ends, as [RequestAuth] requests it, and must not use
// message interleaving (RFC 8260). Otherwise the error is an [AuthUnsupportedError]. After any
// error, the socket still belongs to the caller. A nil o stands for the zero value. Only those
// fields of o are used that can be changed on an association: the timers, retransmissions, buffers,
// Nagle, Scheduler and RefuseRestart. The buffers limit the messages of [Config].MaxMessageSize:
// they do not grow automatically here.
//
// The result uses its own descriptor, and closes socket when it is closed. Nothing else may use or
// close socket, and no call on it may be in progress. Data that it received before and nobody read
// is processed as DTLS. It no longer delivers its events, see [Trace], and loses its packet filter
// (SO_ATTACH_FILTER).
func FromSocket(socket Socket, o *SCTPOptions) (stream.Association, error) {
	if o == nil {
		o = new(SCTPOptions)
	}
	if err := checkBuffers(o, 0); err != nil {
		return nil, err
	}
	s, err := sctpsock.Adopt(socket, &sctpsock.Options{Options: *o, Events: allEvents,
		AuthChunks: authchunk.DefaultChunks()})
	if err != nil {
		return nil, err
	}
	agreement, err := s.AuthAgreement()
	if err == nil {
		err = agreement.Check()
	}
	if err != nil {
		s.GiveBack()
		return nil, withRemedy(err)
	}
	return &adopted{kernelAssociation: kernelAssociation{s}, owner: socket}, nil
}

// withRemedy adds to the error of an association without SCTP-AUTH how to have it.
func withRemedy(err error) error {
	if e, ok := errtype.As[*AuthUnsupportedError](err); ok {
		where := "the socket"
		if e.Peer {
			where = "the peer's socket"
		}
		return fmt.Errorf(
			"%w; request it before %s is bound, for example with "+
				"sctp.SocketConfig{Control: sctpdtls.RequestAuth}", err, where)
	}
	return err
}

// adopted is an association whose socket has a second descriptor, which keeps it alive.
type adopted struct {
	kernelAssociation
	owner io.Closer
	once  sync.Once
}

func (a *adopted) Close() error {
	err := a.kernelAssociation.Close()
	// an error does not matter: it has shut down what is closed already
	a.once.Do(func() { a.owner.Close() })
	return err
}

// Abort ends the association when the last descriptor is closed.
func (a *adopted) Abort() error {
	err := a.kernelAssociation.Abort()
	a.once.Do(func() { a.owner.Close() })
	return err
}
