package sctpudp

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// backlog is how many associations can wait for [Listener.Accept]; further ones are aborted.
const backlog = 128

// A Listener accepts the associations to one SCTP port of a [Socket].
type Listener struct {
	socket *Socket
	port   uint16
	ready  chan *Assoc
	closed chan struct{}
	once   sync.Once
}

// Listen listens on an SCTP port; 0 is any.
func (s *Socket) Listen(port uint16, config *sctpcore.Config) (*Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	config = s.tuned(config)
	chosen := port
	if port == 0 {
		chosen = anyPort()
	}
	err := s.endpoint.Listen(chosen, config)
	for tries := 0; port == 0 && errors.Is(err, sctpcore.ErrInUse) && tries < 1000; tries++ {
		chosen = anyPort()
		err = s.endpoint.Listen(chosen, config)
	}
	if err != nil {
		return nil, err
	}
	l := &Listener{socket: s, port: chosen, ready: make(chan *Assoc, backlog),
		closed: make(chan struct{})}
	s.ports[chosen] = l
	s.use(chosen)
	return l, nil
}

func anyPort() uint16 { return uint16(49152 + rand.IntN(65536-49152)) }

// Port returns the SCTP port.
func (l *Listener) Port() uint16 { return l.port }

// offer hands a to Accept, and reports whether there is room. It is called with Socket.mu held.
func (l *Listener) offer(a *Assoc) bool {
	select {
	case l.ready <- a:
		return true
	default:
		return false
	}
}

// Accept waits for the next association. After Close it returns net.ErrClosed.
func (l *Listener) Accept() (*Assoc, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	select {
	case a := <-l.ready:
		return a, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close stops listening, and aborts the associations that were not accepted. Others continue.
func (l *Listener) Close() error {
	err := net.ErrClosed
	l.once.Do(func() {
		close(l.closed)
		s := l.socket
		s.mu.Lock()
		s.endpoint.Unlisten(l.port)
		delete(s.ports, l.port)
		s.mu.Unlock()
		for len(l.ready) > 0 { // nobody puts more in
			select {
			case a := <-l.ready:
				a.Abort()
			default: // an Accept was faster
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		err = s.drop(l.port)
	})
	return err
}
