package dtlscore

import "time"

// open13 is a connection of version 1.3 after the handshake.
type open13 struct {
	keySchedule
	suite      *cipherSuite
	read       []byte // the traffic secret of the newest epoch of the peer
	write      []byte // likewise ours
	resumption []byte // for the keys of tickets
	resumed    *session

	unconfirmed bool         // as a client: the server may still refuse our last flight
	finishedIn  recordNumber // then, of our Finished

	updates keyUpdates
	news    rateLimit // of messages while no application data comes
	begun   rateLimit // of KeyUpdates while we send none
}

// open is the state after the handshake.
func (hs *handshake13) open(c *Conn) open13 {
	s := open13{
		keySchedule: hs.keySchedule,
		suite:       hs.suite,
		read:        hs.application.of(!c.isClient),
		write:       hs.application.of(c.isClient),
		resumption:  hs.master.resumption(hs.transcript.sum()),
	}
	if hs.psk != nil {
		s.resumed = hs.psk.session
	}
	return s
}

// forget implements [forgetter].
func (s *open13) forget() {
	clear(s.read)
	clear(s.write)
	clear(s.resumption)
}

func (s *open13) handle(c *Conn, m message, _ handshakeMessage) (state, error) {
	switch m := m.(type) {
	case *keyUpdate:
		return s, s.peerUpdates(c, m)
	case *newSessionTicket13:
		if !c.isClient {
			break
		}
		if err := s.countNews(c, m); err != nil {
			return nil, err
		}
		s.keepTicket(c, m)
		return s, c.sendACK()
	}
	return nil, unexpectedMessage(m)
}

// What a peer may send without application data between: so many messages at
// once, and one more each time that the interval has passed. Attack E5.
const (
	newsBurst    = 64
	newsInterval = 10 * time.Second

	// We send fewer, for they may reach the peer faster than we sent them, and other
	// implementations take no more (BoringSSL).
	ownNews = newsBurst / 2
)

// countNews is called for each message that is not an answer.
func (s *open13) countNews(c *Conn, m message) error {
	progress := c.in.v13.progress
	c.in.v13.progress = false
	if !progress && !s.news.allow(c.config.time(), newsBurst, newsInterval) {
		return unexpected("too many messages like %v", m.typ())
	}
	return nil
}

// confirm is called for what a server sends in an epoch of application data only when
// it has verified our Finished.
func (s *open13) confirm(c *Conn) {
	if s.unconfirmed {
		s.unconfirmed = false
		c.pushComplete()
	}
}
