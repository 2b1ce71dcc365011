//go:build kernel

package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// An assault sends forgeries during the whole life of a connection.
type assault struct {
	*Attacker
	mu      sync.Mutex // guards the following fields
	state   string     // of the connection
	tried   map[string]int
	more    []forgery // in addition to forgeries
	earlier [2]*wire.Packet
}

// enter starts a state of the connection.
func (x *assault) enter(state string, more ...forgery) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.state, x.more = state, more
}

// each inserts all forgeries before each control record, and before some of the messages in each
// state.
func (x *assault) each(p *wire.Packet) []*wire.Packet {
	const some = 6
	if p.Tag == forgedTag {
		return nil // the answer to a forged INIT, which the client would abort
	}
	c, ok := p.Find(wire.ChunkData)
	if !ok {
		return pass(p)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	before := x.earlier[p.From]
	x.earlier[p.From] = p
	if before == nil || Stream(c) != 0 && x.tried[x.state] >= some {
		return pass(p)
	}
	x.tried[x.state]++
	var packets []*wire.Packet
	for _, list := range [][]forgery{forgeries, x.more} {
		for _, f := range list {
			packets = append(packets, f.make(x.Attacker, p, before))
		}
	}
	return append(packets, p)
}

// TestAttackH3H5H6H9H10H12Forgeries forges chunks during the handshake of a connection, its change
// of keys, its close, and between them, and checks that they have no effect. The attacker has the
// keys that were deleted. RFC 6083, Sections 4.5 and 4.8.
func TestAttackH3H5H6H9H10H12Forgeries(t *testing.T) {
	p, a := newAttackedPair(t)
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		t.Run(versionName(version), func(t *testing.T) {
			counted := map[*Host]map[string]int{p.client: p.client.sctpCounters(t),
				p.server: p.server.sctpCounters(t)}
			deleted := make(chan uint16, 10)
			x := &assault{Attacker: a, state: "handshake", tried: map[string]int{}}
			a.Intercept(x.each)
			client, server := p.bothEnds(t, func(role string) *sctpdtls.Config {
				c := p.attackedConfig(t, role, version)
				c.SCTP.AddressChanges = true
				c.Trace = &sctpdtls.Trace{AuthKey: func(_ *sctpdtls.Conn, id uint16,
					what sctpdtls.AuthKeyChange) {
					if what == sctpdtls.AuthKeyDeleted {
						deleted <- id
					}
				}}
				return c
			})
			x.enter("established")
			secrets := [][]byte{nil, authSecret(t, client)}
			talk := startTalk(t, client, server)
			talk.more(10)
			x.enter("new keys")
			ctx, cancel := context.WithTimeout(t.Context(), Patience)
			defer cancel()
			retired := 1
			if version == sctpdtls.VersionDTLS12 {
				retired = 2 // by the second handshake the first key
				if err := client.Renegotiate(ctx); err != nil {
					t.Fatal(err)
				}
			} else if err := client.KeyUpdate(ctx, sctpdtls.UpdateRequested); err != nil {
				t.Fatal(err)
			}
			talk.more(10)
			for range 2 * retired { // by both ends
				select {
				case <-deleted:
				case <-ctx.Done():
					t.Fatal("old keys are not deleted")
				}
			}
			var old []forgery
			for id, secret := range secrets[:retired] {
				old = append(old, underKey(uint16(id), secret)...)
			}
			x.enter("old keys deleted", old...)
			talk.more(10)
			for h, before := range counted {
				thrown := map[string]int{}
				for name, n := range h.sctpCounters(t) {
					thrown[name] = n - before[name]
				}
				t.Logf("%s: %d packets and %d chunks thrown away of %d packets", h.Name,
					thrown["SctpInPktDiscards"], thrown["SctpInDataChunkDiscards"], thrown["SctpInSCTPPacks"])
				if thrown["SctpInPktDiscards"] == 0 || thrown["SctpChecksumErrors"] != 0 ||
					thrown["SctpOutOfBlues"] != 0 {
					t.Errorf("%s: forgeries were not thrown away as such: %v", h.Name, thrown)
				}
			}
			x.enter("close")
			talk.end()
			for _, state := range []string{"handshake", "established", "new keys", "old keys deleted",
				"close"} {
				if x.tried[state] == 0 {
					t.Errorf("there was no chance to forge anything in the state %q", state)
				}
			}
			t.Logf("%d messages; %d forgeries before packets in each state: %v", talk.messages,
				len(forgeries), x.tried)
		})
	}
}

// underKey returns forgeries that would be valid if their key, which the attacker has, were still
// in use.
func underKey(id uint16, secret []byte) []forgery {
	return []forgery{
		{fmt.Sprintf("DATA under key %d", id), func(a *Attacker, p, before *wire.Packet) *wire.Packet {
			return a.Sign(p.From, id, secret, again(p, before))
		}},
		{fmt.Sprintf("FORWARD-TSN under key %d", id), func(a *Attacker, p, _ *wire.Packet) *wire.Packet {
			c, _ := p.Find(wire.ChunkData)
			return a.Sign(p.From, id, secret, forwardTSN(TSN(c)))
		}},
	}
}

// authSecret returns the endpoint pair shared key of the last handshake (RFC 6083, Section 4.8).
func authSecret(t *testing.T, c *sctpdtls.Conn) []byte {
	t.Helper()
	s := c.ConnectionState()
	secret, err := s.ExportKeyingMaterial(wire.DefaultLabel, nil, 64)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// newAttackedPair returns two hosts with certificates, and the attacker between them.
func newAttackedPair(t *testing.T) (*opensslPair, *Attacker) {
	t.Helper()
	client, server, a := NewAttacked(t)
	p := &opensslPair{client: client, server: server, certs: t.TempDir()}
	server.Run(t, "sctp-echo", "certs", "-host", server.Addrs[0].String(), p.certs)
	return p, a
}

func (p *opensslPair) attackedConfig(t *testing.T, role string, version uint16) *sctpdtls.Config {
	c := p.config(t, role, nil)
	c.MinVersion, c.MaxVersion = version, version
	c.Renegotiation = sctpdtls.RenegotiateFreely
	return c
}

// A talk is a sequence of messages of a client that a server echoes. The messages differ, and each
// must arrive once and in order.
type talk struct {
	t              *testing.T
	client, server *sctpdtls.Conn
	messages       int
	served         chan error
}

func startTalk(t *testing.T, client, server *sctpdtls.Conn) *talk {
	k := &talk{t: t, client: client, server: server, served: make(chan error, 1)}
	deadline := time.Now().Add(2 * Patience)
	client.SetDeadline(deadline)
	server.SetDeadline(deadline)
	go func() { k.served <- k.serve() }()
	return k
}

func (k *talk) message(n int) (string, sctpdtls.MessageInfo) {
	s := fmt.Sprintf("message %d of the talk", n)
	return s, sctpdtls.MessageInfo{Stream: uint16(1 + n%3), PPID: uint32(n), Unordered: n%2 == 1,
		Length: len(s)}
}

// serve echoes messages until it cannot read, and returns the error.
func (k *talk) serve() error {
	for n := 0; ; n++ {
		if err := k.receive(k.server, n); err != nil {
			return err
		}
		msg, info := k.message(n)
		if err := k.server.WriteMessage([]byte(msg), info); err != nil {
			return err
		}
	}
}

// errForged reports a message that the peer has not sent, or that it has sent on another stream.
var errForged = errors.New("not the message that was sent")

func (k *talk) receive(c *sctpdtls.Conn, n int) error {
	buf := make([]byte, sctpdtls.MaxMessageSize)
	size, info, err := c.ReadMessage(buf)
	if err != nil {
		return err
	}
	if msg, want := k.message(n); string(buf[:size]) != msg || info != want {
		return fmt.Errorf("%w: %q with %+v, want %q with %+v", errForged, buf[:size], info, msg, want)
	}
	return nil
}

// ask sends one more message and checks its echo.
func (k *talk) ask() error {
	msg, info := k.message(k.messages)
	if err := k.client.WriteMessage([]byte(msg), info); err != nil {
		return err
	}
	k.messages++
	return k.receive(k.client, k.messages-1)
}

// more sends n more messages and checks their echoes.
func (k *talk) more(n int) {
	k.t.Helper()
	for range n {
		if err := k.ask(); err != nil {
			k.t.Fatalf("message %d: %v", k.messages, err)
		}
	}
}

// end closes the connection from the client in the normal way.
func (k *talk) end() {
	k.t.Helper()
	if err := k.client.CloseWrite(); err != nil {
		k.t.Errorf("CloseWrite: %v", err)
	}
	if err := <-k.served; err != io.EOF {
		k.t.Errorf("the server's talk ended with %v, want %v", err, io.EOF)
	}
	closeBoth(k.t, k.client, k.server)
}
