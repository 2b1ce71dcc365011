package wire

import (
	"fmt"
)

// A Connection is the DTLS connection of an association.
type Connection struct {
	Client     Side   // who sent the ClientHello; not always the [Initiator]
	Version    uint16 // 0xfefd or 0xfefc
	Handshakes []Negotiated
}

// Negotiated is what one handshake agreed on.
type Negotiated struct {
	Suite        uint16
	ClientRandom [32]byte
	KeyID        uint16 // identifier of the endpoint pair shared key that it exports
}

// exportedLen is the length of an endpoint pair shared key. RFC 6083, Section 4.8.
const exportedLen = 64

// DefaultLabel is the exporter label of RFC 6083, Section 4.8. A final zero
// byte makes it the label of old OpenSSL versions.
const DefaultLabel = "EXPORTER_DTLS_OVER_SCTP"

// keyIDOf returns the key identifier of the n-th handshake, from 1: after
// 65535 comes 1. RFC 6083, Section 4.8.
func keyIDOf(n int) uint16 {
	if n == 0 {
		return 0
	}
	return uint16((n-1)%65535 + 1)
}

// readRecords takes every message for a record.
func (a *Association) readRecords() {
	for _, m := range a.Messages {
		r, err := parseRecord(m.Data)
		if err != nil {
			a.found.add(NotOneRecord, m.Packet, "%s: %v", m, err)
			continue
		}
		m.Record = r
	}
}

// openRecords follows the handshakes and opens all records. It returns the
// endpoint pair shared keys by their identifiers.
func (a *Association) openRecords(log keyLog, label string) map[uint16][]byte {
	secrets := map[uint16][]byte{0: nil} // RFC 6083, Section 4.8
	for epoch := uint64(0); ; epoch++ {
		client, server, ok := a.findHellos(epoch)
		if !ok {
			return secrets
		}
		if a.DTLS.Version == versionDTLS13 {
			a.openWith13(client, server, log[client.random], label, secrets)
			return secrets
		}
		if !a.openWith12(epoch+1, client, server, log[client.random]["CLIENT_RANDOM"], label, secrets) {
			return secrets
		}
	}
}

// findHellos looks among the records of an epoch for the hellos that begin
// the next handshake, and notes what they negotiate.
func (a *Association) findHellos(epoch uint64) (client, server hello, ok bool) {
	seen := false
	for _, m := range a.Messages {
		r := m.Record
		if r == nil || r.Epoch != epoch || r.Payload == nil || r.Type != Handshake {
			continue
		}
		switch r.Handshake {
		case ClientHello:
			h, err := parseHello(r.Payload)
			if err != nil {
				a.found.add(Malformed, m.Packet, "%v", err)
				return
			}
			client, seen = h, true
			if a.DTLS == nil {
				a.DTLS = &Connection{Client: m.From}
			} else if a.DTLS.Client != m.From {
				a.found.add(OutOfTurn, m.Packet, "ClientHello from the server")
			}
		case ServerHello:
			h, err := parseHello(r.Payload)
			if err != nil {
				a.found.add(Malformed, m.Packet, "%v", err)
				return
			}
			if h.retry {
				continue
			}
			if !seen || m.From == a.DTLS.Client {
				a.found.add(OutOfTurn, m.Packet, "ServerHello without a ClientHello")
				return
			}
			a.DTLS.Version = h.version
			a.DTLS.Handshakes = append(a.DTLS.Handshakes,
				Negotiated{h.suite, client.random, keyIDOf(len(a.DTLS.Handshakes) + 1)})
			return client, h, true
		}
	}
	return client, server, false
}

// openWith12 opens the records of the epoch that a DTLS 1.2 handshake leads to.
func (a *Association) openWith12(epoch uint64, client, server hello, master []byte, label string,
	secrets map[uint16][]byte) bool {
	s, ok := suites[server.suite]
	if !ok || server.version != versionDTLS12 {
		a.found.add(Malformed, 0, "version %#04x, cipher suite %#04x: not known here", server.version,
			server.suite)
		return false
	}
	if master == nil {
		a.found.add(Undecryptable, 0, "key log has no CLIENT_RANDOM %x", client.random)
		return false
	}
	openers, err := openers12(s, master, client.random, server.random)
	if err != nil {
		a.found.add(Undecryptable, 0, "%v", err)
		return false
	}
	for _, m := range a.Messages {
		r := m.Record
		if r == nil || r.unified || r.Epoch != epoch {
			continue
		}
		side := 0
		if m.From != a.DTLS.Client {
			side = 1
		}
		if err := openers[side].open(r); err != nil {
			a.found.add(Undecryptable, m.Packet, "%s: %v", m, err)
		}
	}
	secrets[keyIDOf(int(epoch))] = export12(s, master, label, client.random, server.random,
		exportedLen)
	return true
}

// openWith13 opens all records of a DTLS 1.3 connection: epoch 2 for the
// handshake, 3 and up for everything after. RFC 9147, Section 6.1.
func (a *Association) openWith13(client, server hello, lines map[string][]byte, label string,
	secrets map[uint16][]byte) {
	s, ok := suites[server.suite]
	if !ok {
		a.found.add(Malformed, 0, "cipher suite %#04x: not known here", server.suite)
		return
	}
	for side, name := range [2]string{"CLIENT", "SERVER"} {
		from := a.DTLS.Client
		if side == 1 {
			from = from.peer()
		}
		if err := a.openSide13(from, s, server.suite, lines[name+"_HANDSHAKE_TRAFFIC_SECRET"],
			lines[name+"_TRAFFIC_SECRET_0"]); err != nil {
			a.found.add(Undecryptable, 0, "key log for client random %x: %s: %v", client.random, name, err)
		}
	}
	if exporter := lines["EXPORTER_SECRET"]; exporter != nil {
		secrets[1] = export13(s, exporter, label, exportedLen)
	}
}

func (a *Association) openSide13(from Side, s suite, id uint16, handshake,
	application []byte) error {
	if handshake == nil || application == nil {
		return fmt.Errorf("TRAFFIC_SECRET is missing")
	}
	openers := make(map[uint64]*opener13)
	var err error
	if openers[2], err = newOpener13(s, id, handshake); err != nil {
		return err
	}
	if openers[3], err = newOpener13(s, id, application); err != nil {
		return err
	}
	secret, newest := application, uint64(3)
	current := uint64(2)
	for _, m := range a.Messages {
		r := m.Record
		if r == nil || m.From != from || !r.unified {
			continue
		}
		// Records of two epochs can overlap at a key update; the two low bits
		// tell which of four it is.
		epoch := current + 1
		for epoch&3 != r.Epoch {
			epoch--
		}
		for ; newest < epoch; newest++ { // RFC 8446, Section 7.2
			secret = expandLabel(s.hash, secret, "traffic upd", nil, s.hash().Size())
			if openers[newest+1], err = newOpener13(s, id, secret); err != nil {
				return err
			}
		}
		o := openers[epoch]
		if o == nil {
			a.found.add(OutOfTurn, m.Packet, "%s: epoch %d", m, epoch)
			continue
		}
		if err := o.open(r, epoch); err != nil {
			a.found.add(Undecryptable, m.Packet, "%s, epoch %d: %v", m, epoch, err)
			continue
		}
		current = max(current, epoch)
	}
	return nil
}
