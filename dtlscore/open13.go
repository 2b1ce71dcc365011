package dtlscore

import "time"

// open13 is the state of a DTLS 1.3 connection after the handshake.
type open13 struct {
	keySchedule
	suite      *cipherSuite
	read       []byte // the traffic secret of the peer's newest epoch
	write      []byte // the traffic secret of our newest epoch
	resumption []byte // the secret from which the keys of tickets are derived
	resumed    *session

	unconfirmed bool         // client: the server may still reject our last flight
	finishedIn  recordNumber // the record of our Finished, if unconfirmed

	updates keyUpdates
	news    rateLimit // messages of the peer without application data between them
	begun   rateLimit // our KeyUpdates without application data between them
}

// open returns the state after the handshake.
func (hs *handshake13) open(c *Conn) open13 {
	s := open13{
		keySchedule: hs.keySchedule,
		suite:       hs.suite,
		read:        hs.application.of(!c.isClient).secret,
		write:       hs.application.of(c.isClient).secret,
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

// Limits for the peer's messages without application data between them: a burst, and one more after
// each interval. Attack E5.
const (
	newsBurst    = 64
	newsInterval = 10 * time.Second

	// This side sends fewer. They may reach the peer closer together than they were sent, and other
	// implementations (BoringSSL) accept no more than this.
	ownNews = newsBurst / 2
)

// countNews counts a message from the peer that is not an answer.
func (s *open13) countNews(c *Conn, m message) error {
	progress := c.in.v13.progress
	c.in.v13.progress = false
	if !progress && !s.news.allow(c.config.time(), newsBurst, newsInterval) {
		return unexpected("too many messages like %v", m.typ())
	}
	return nil
}

// confirm is called when the server has sent something that it sends only after it has verified our
// Finished.
func (s *open13) confirm(c *Conn) {
	if s.unconfirmed {
		s.unconfirmed = false
		c.pushComplete()
	}
}
