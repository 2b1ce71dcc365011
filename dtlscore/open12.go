package dtlscore

// open12 is a connection of version 1.2 after its handshake.
type open12 struct{}

func (s *open12) handle(c *Conn, m message, _ handshakeMessage) (state, error) {
	starts := typeClientHello
	if c.isClient {
		starts = typeHelloRequest
	}
	if m.typ() != starts || c.handshaking {
		return nil, unexpected("%v came on an open connection", m.typ())
	}
	// The peer asks for a renegotiation, which is refused. A refusal ends its
	// handshake, so that the next message is a first one again.
	if err := c.countWarning("asking for renegotiation"); err != nil {
		return nil, err
	}
	c.in.messages.restart()
	c.pushRecord(contentAlert, appendAlert(nil, levelWarning, AlertNoRenegotiation))
	return s, nil
}
