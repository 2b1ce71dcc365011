package authchunk

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// This file looks at two ends at once: whatever the order in which they and the
// network get on, is there one in which both wait forever? RFC 4895,
// Section 6.3, makes that possible: a packet under a key that its receiver lacks is
// dropped without an error.

// An end is one side of an association, going through its script:
//
//	s  send a message          i  install the next key
//	r  read a message          a  activate it
//	f  flush: wait until all   d  delete the old ones (Retire)
//	   own messages are        t  delete those before the last two (RetireStale)
//	   acknowledged
type end struct {
	script string
	socket *fakeSocket
	keys   *Keys
	sent   []message
	read   int // messages of the other end that were read
}

type message struct {
	key              uint16 // stays the same when the message is transmitted again
	delivered, acked bool
}

func newEnd(script string) *end {
	s := newFakeSocket()
	return &end{script: strings.ReplaceAll(script, " ", ""), socket: s, keys: NewKeys(s)}
}

func (e *end) clone() *end {
	c := *e
	c.socket = &fakeSocket{keys: maps.Clone(e.socket.keys), active: e.socket.active}
	c.keys = &Keys{socket: c.socket, held: slices.Clone(e.keys.held), active: e.keys.active}
	c.sent = slices.Clone(e.sent)
	return &c
}

func (e *end) dry() bool {
	return !slices.ContainsFunc(e.sent, func(m message) bool { return !m.acked })
}

// step does the next thing of the script, if it can be done.
func (e *end) step(peer *end) bool {
	if e.script == "" {
		return false
	}
	switch e.script[0] {
	case 's':
		e.sent = append(e.sent, message{key: e.socket.active})
	case 'r':
		if e.read == len(peer.sent) || !peer.sent[e.read].delivered {
			return false
		}
		e.read++
	case 'f':
		if !e.dry() {
			return false
		}
	default:
		if err := e.keys.do(strings.NewReplacer("i", "I", "a", "A", "d", "R", "t",
			"S").Replace(e.script[:1])); err != nil {
			panic(fmt.Sprintf("before %q: %v", e.script, err))
		}
	}
	e.script = e.script[1:]
	return true
}

// deliver brings the first message that peer does not have to it, if peer has the key.
func (e *end) deliver(peer *end) bool {
	i := slices.IndexFunc(e.sent, func(m message) bool { return !m.delivered })
	if i < 0 || !peer.holds(e.sent[i].key) {
		return false
	}
	e.sent[i].delivered = true
	return true
}

// acknowledge brings back an acknowledgement of all that was delivered. At
// worst the first one was lost, and the message must be transmitted again, under
// its key, to get another one.
func (e *end) acknowledge(peer *end) bool {
	for i, m := range slices.Backward(e.sent) {
		if m.delivered && !m.acked && peer.holds(m.key) {
			for j := range i + 1 {
				e.sent[j].acked = true
			}
			return true
		}
	}
	return false
}

func (e *end) holds(key uint16) bool { _, ok := e.socket.keys[key]; return ok }

func (e *end) String() string {
	return fmt.Sprintf("to do %q, keys %s, sent %v, read %d", e.script, e.socket.held(), e.sent,
		e.read)
}

// stall searches all orders for one that ends before both scripts do and all
// messages are acknowledged, and describes it. It is "" if there is none.
func stall(client, server *end, seen map[string]bool) string {
	state := fmt.Sprintf("client: %v\nserver: %v", client, server)
	if seen[state] {
		return ""
	}
	seen[state] = true
	moved := false
	for _, move := range []func(e, peer *end) bool{(*end).step, (*end).deliver, (*end).acknowledge} {
		if c, s := client.clone(), server.clone(); move(c, s) {
			moved = true
			if found := stall(c, s, seen); found != "" {
				return found
			}
		}
		if c, s := client.clone(), server.clone(); move(s, c) {
			moved = true
			if found := stall(c, s, seen); found != "" {
				return found
			}
		}
	}
	if !moved && (client.script != "" || server.script != "" || !client.dry() || !server.dry()) {
		return state
	}
	return ""
}

// Handshakes as this project does them. A Finished stands for the
// ChangeCipherSpec before it, too.
const (
	//            hello, flight, key exchange         Finished  data    retire
	fullClient = "s      r       s i                  f a s r   s  f    d "
	fullServer = "r      s       r i                  r f a s   f  d    r "

	//             hello, flight   Finished      data         retire
	shortClient = "s      r i      r f a s       s r   f      d "
	shortServer = "r      i s      f a s r       r s   f      d "
)

func TestNoStall(t *testing.T) { // RFC 6083, Section 4.8
	tests := []struct {
		name           string
		client, server string
		stalls         bool
	}{
		{"full handshake", fullClient, fullServer, false},
		{"abbreviated handshake", shortClient, shortServer, false},
		{"renegotiation", fullClient + fullClient, fullServer + fullServer, false},
		{"abbreviated renegotiation", fullClient + shortClient, fullServer + shortServer, false},

		// The old key goes only in the next handshake.
		{"late Retire", strings.Replace(fullClient, "d", " ", 1) + fullClient,
			strings.Replace(fullServer, "d", " ", 1) + fullServer, false},

		// One after another, before any old key may go but those before the last two.
		{"many renegotiations", strings.Repeat("s r s i f a s r t ", 4),
			strings.Repeat("r s r i r t f a s ", 4), false},
		{"many renegotiations of an OpenSSL client", strings.Repeat("s r s i f s a r t ", 4) + "s r",
			strings.Repeat("r s r i r t f a s ", 4) + "r s", false},
		{"many renegotiations with an OpenSSL server", strings.Repeat("s r s i f a s r t ", 4),
			strings.Repeat("r s f r i r a s t ", 4), false},

		// The client's Finished waits, transmitted again and again, for a slow server.
		{"Install at the last moment", "s r s s i f a s r s f d", "r s r r i r f a s f d r", false},

		// OpenSSL waits for no acknowledgements, and a client's Finished goes
		// under the old key. If the acknowledgement of that is lost, and
		// the key deleted, then the next message brings another one. A client
		// that has nothing more to say waits for it at its close: time should
		// pass before Retire.
		{"OpenSSL client", "s r s i s a r s s", fullServer + "r", false},
		{"OpenSSL client, silent", "s r s i s a r", "r s r i r f a s f d", true},
		{"OpenSSL client, silent, no Retire", "s r s i s a r", "r s r i r f a s f", false},
		{"OpenSSL server", fullClient, "r s r i r a s r d", false},

		// Mistakes.
		{"server retires before the client's Finished", "s r s i s a r", "r s r i a d r s", true},
		{"client retires before the server's Finished", "s r s i f a d s r", "r s r i s r f a s", true},
		{"server never installs", fullClient, "r s r r", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seen := make(map[string]bool)
			found := stall(newEnd(tt.client), newEnd(tt.server), seen)
			t.Logf("%d states", len(seen))
			if (found != "") != tt.stalls {
				t.Errorf("stalls in %q, want that it stalls: %v", found, tt.stalls)
			}
		})
	}
}
