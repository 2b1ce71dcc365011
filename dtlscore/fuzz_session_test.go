package dtlscore

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"sync"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
)

// fuzzSessions are sessions of real clients and servers, one of each kind.
var fuzzSessions = sync.OnceValue(func() (sessions [][]byte) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		for _, prepare := range []func(client, server *Config){
			goldenTickets, goldenMutualTickets, goldenRawTickets} {
			client, server := goldenConfigs(version)
			prepare(client, server)
			quickHandshake(client, server)
			inCache, _ := client.SessionCache.Get(client.ServerName)
			n, _ := server.TicketKeys.open(parseSession(inCache).ticket, testTime)
			sessions = append(sessions, inCache, must(n.marshal()))
		}
	}
	return sessions
})

func goldenRawTickets(client, server *Config) {
	goldenTickets(client, server)
	goldenRawKeys(client, server)
}

// What is parsed marshals to the same bytes, and is examined as before a resumption.
func FuzzSession(f *testing.F) {
	for _, s := range fuzzSessions() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzzcount.Input(len(data))
		n := parseSession(data)
		if n == nil {
			return
		}
		if again, err := n.marshal(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%x written as %x, %v", data, again, err)
		}
		var state ConnectionState
		if n.restore(&state) != nil {
			return
		}
		client, server := goldenConfigs(n.version)
		goldenMutual(client, server)
		client.trustsServerOf(n, false)
		client.trustsServerOf(n, true)
		server.trustsClientOf(n, &state)
		if !n.expired(testTime) && n.created > testTime.Unix() {
			t.Error("a session from the future is not refused")
		}
	})
}

// A15: no ticket opens that was not made with the key. The input is tried as a ticket, and XORed
// with a real ticket.
func FuzzTicket(f *testing.F) {
	keys := new(TicketKeys) // keys of this process only
	var made [][]byte
	for _, s := range fuzzSessions() {
		made = append(made, must(keys.seal(parseSession(s), testTime)))
	}
	f.Add(uint8(0), []byte{})
	f.Add(uint8(1), []byte{0, 0, 0, 1})
	f.Add(uint8(2), bytes.Repeat([]byte{0}, 2000))
	f.Fuzz(func(t *testing.T, which uint8, input []byte) {
		fuzzcount.Input(1 + len(input))
		ticket := made[int(which)%len(made)]
		changed := make([]byte, max(len(ticket), len(input)))
		copy(changed, ticket)
		subtle.XORBytes(changed, changed, input)
		same := bytes.Equal(changed, ticket)
		for _, ticket := range [][]byte{input, changed} {
			if n, _ := keys.open(ticket, testTime); n != nil && !same {
				t.Errorf("%x opens", ticket)
			}
		}
		if n, renew := keys.open(changed, testTime); same && (n == nil || renew) {
			t.Errorf("our own ticket does not open, or has to be renewed: %v", renew)
		}
	})
}

// Whatever is in its cache, a client connects to the right server or not at all. The input is tried
// as it is, which its MAC reveals, and with a correct MAC.
func FuzzCachedSession(f *testing.F) {
	for _, s := range fuzzSessions() {
		f.Add(true, s)
		f.Add(false, s)
		if n := parseSession(s); len(n.peer) > 0 { // whose certificate was altered
			n.peer[0][len(n.peer[0])-1] ^= 1
			altered := must(n.marshal())
			f.Add(true, altered)
			f.Add(false, altered)
		}
	}
	f.Fuzz(func(t *testing.T, is12 bool, data []byte) {
		fuzzcount.Input(1 + len(data))
		version := uint16(VersionDTLS13)
		if is12 {
			version = VersionDTLS12
		}
		for _, kind := range kindsOf(version) {
			if kind.name != "tickets" {
				continue
			}
			for _, data := range [][]byte{data, withMAC(data)} {
				cached := *kind
				cached.prepare = func(client, server *Config) {
					kind.prepare(client, server)
					client.SessionCache.Put(client.ServerName, data)
				}
				c := newConversation(t, &cached, true, false, nil)
				c.tampered = true
				c.finish()
			}
		}
	})
}

// withMAC returns a session with a correct MAC, whatever MAC it has.
func withMAC(data []byte) []byte {
	for _, body := range [][]byte{data, data[:max(0, len(data)-sha256.Size)]} {
		if n := parseSessionBody(body); n != nil {
			return must(n.marshal())
		}
	}
	return data
}
