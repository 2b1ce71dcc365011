package dtlscore

// An offeredPSK is a pre-shared key in a ClientHello.
type offeredPSK struct {
	key []byte
}

// secret is the key, nil if there is none.
func (p *offeredPSK) secret() []byte {
	if p == nil {
		return nil
	}
	return p.key
}

func (p *offeredPSK) index() uint16 { return 0 }

func (s *clientWaitServerHello) offerPSKs(c *Conn) error { return nil }

func (s *clientHandshake13) rebind() error { return nil }

func (s *clientHandshake13) acceptPSK(c *Conn, m *serverHello) error { return nil }

func (s *serverHandshake13) choosePSK(c *Conn, raw handshakeMessage) error { return nil }

func (s *open13) keepTicket(c *Conn, m *newSessionTicket13) {}
