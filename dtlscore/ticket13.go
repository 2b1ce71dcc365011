package dtlscore

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"time"
)

// ticketNonce is the ticket_nonce of the only ticket of a connection.
var ticketNonce = []byte{0}

// sendTicket issues a ticket for the session if the client can use one. See RFC 8446, Section
// 4.6.1.
func (s *serverHandshake13) sendTicket(c *Conn, open *open13) error {
	if c.config.TicketKeys == nil || !slices.Contains(s.offer.pskModes, pskModeDHEKE) ||
		s.state.PSKIdentity != nil {
		return nil
	}
	now := c.config.time()
	n, err := newSession(&s.state, s.resumptionPSK(open.resumption, ticketNonce), now)
	if err != nil {
		return misuse("session: %w", err)
	}
	if s.psk != nil {
		n.created = s.psk.session.created
	}
	left := sessionLifetime - now.Sub(time.Unix(n.created, 0))
	m := &newSessionTicket13{lifetime: uint32(left / time.Second), nonce: ticketNonce}
	defer n.forget()
	if m.ticket, err = c.config.TicketKeys.seal(n, now); err != nil {
		return err
	}
	if len(m.ticket) > maxTicketLen {
		return nil
	}
	var ageAdd [4]byte
	rand.Read(ageAdd[:])
	m.ageAdd = binary.BigEndian.Uint32(ageAdd[:])
	_, err = c.send(m)
	return err
}

// keepTicket caches the session if the Config has a cache.
func (s *open13) keepTicket(c *Conn, m *newSessionTicket13) {
	key := c.sessionKey()
	if key == "" || m.lifetime == 0 || c.agreed.PSKIdentity != nil || len(m.ticket) > maxTicketLen {
		return
	}
	now := c.config.time()
	n, err := newSession(&c.agreed, s.resumptionPSK(s.resumption, m.nonce), now)
	if err != nil {
		return
	}
	defer n.forget()
	if s.resumed != nil {
		n.created = s.resumed.created
	}
	n.ticket, n.ageAdd, n.received = m.ticket, m.ageAdd, now.UnixMilli()
	// Our own limit is counted from the full handshake.
	age := now.Sub(time.Unix(n.created, 0))
	n.lifetime = uint32(min(time.Duration(m.lifetime)*time.Second+age, sessionLifetime) / time.Second)
	c.config.cacheSession(key, n)
}
