//go:build kernel

package netns

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// endings are the ways in which an attacker ends an association on behalf of the client. SCTP does
// not prevent them, so the server must report them.
var endings = []struct {
	name  string
	forge func(a *Attacker) *wire.Packet
	want  sctpdtls.AssocState
}{
	{"ABORT", func(a *Attacker) *wire.Packet {
		return a.Forge(wire.Initiator, wire.Chunk{Type: wire.ChunkAbort})
	}, sctpdtls.AssocAborted},
	{"SHUTDOWN", func(a *Attacker) *wire.Packet {
		all := a.End(wire.Responder).Next - 1 // that the server has sent
		return a.Forge(wire.Initiator, wire.Chunk{Type: wire.ChunkShutdown,
			Value: binary.BigEndian.AppendUint32(nil, all)})
	}, sctpdtls.AssocShutdown},
	{"restart", func(a *Attacker) *wire.Packet { return forgedInit(a, wire.Initiator) },
		sctpdtls.AssocRestarted},
}

// An ender inserts a forgery before a packet of the client, and completes the restart if the
// forgery is one.
type ender struct {
	*Attacker
	forge func(*Attacker) *wire.Packet
	cut   bool // afterwards the client's packets are lost, so that they do not overtake a restart

	mu        sync.Mutex // guards the following fields
	after     int        // number of packets until then; 0 if not armed, or done
	control   bool       // the packet must have a control record
	isCut     bool
	serverTag uint32 // after a restart
}

// arm makes e insert the forgery before the n-th packet of the client that has a DATA chunk, or one
// with a control record.
func (e *ender) arm(n int, control bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.after, e.control = n, control
}

func (e *ender) intercept(p *wire.Packet) []*wire.Packet {
	if p.Tag == forgedTag {
		return e.restart(p.Chunks[0])
	}
	c, ok := p.Find(wire.ChunkData)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.isCut && p.From == wire.Initiator {
		return nil
	}
	if !ok || p.From != wire.Initiator || e.control && Stream(c) != 0 || e.after == 0 {
		return pass(p)
	}
	if e.after--; e.after > 0 {
		return pass(p)
	}
	if e.cut {
		e.isCut = true
		return []*wire.Packet{e.forge(e.Attacker)}
	}
	return []*wire.Packet{e.forge(e.Attacker), p}
}

// restart answers the server, so that a new association replaces the old one, and repeats the last
// message of the client: its record would be valid again.
func (e *ender) restart(c wire.Chunk) []*wire.Packet {
	e.mu.Lock()
	defer e.mu.Unlock()
	var next wire.Chunk
	switch c.Type {
	case wire.ChunkInitAck:
		e.serverTag = binary.BigEndian.Uint32(c.Value)
		next = wire.Chunk{Type: wire.ChunkCookieEcho, Value: cookie(c)}
	case wire.ChunkCookieAck:
		old, _ := e.End(wire.Initiator).Data.Find(wire.ChunkData)
		next = DataChunk(forgedTSN, Stream(old), old.Value[12:])
	default:
		return nil
	}
	p := e.Forge(wire.Initiator, next)
	p.Tag = e.serverTag
	return []*wire.Packet{p}
}

// cookie returns the State Cookie of an INIT ACK chunk (RFC 9260, Section 3.3.3.1).
func cookie(initAck wire.Chunk) []byte {
	const stateCookie = 7
	for b := initAck.Value[16:]; len(b) >= 4; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if binary.BigEndian.Uint16(b) == stateCookie {
			return b[4:n]
		}
		b = b[min(n+-n&3, len(b)):]
	}
	return nil
}

// TestAttackC6H1H11H12EndFromOutside ends associations in each state of a connection. It checks
// that the reader gets an error that says how the association ended, never io.EOF, and receives
// nothing that the peer has not sent.
func TestAttackC6H1H11H12EndFromOutside(t *testing.T) { // RFC 6083, Sections 4.2 and 4.9
	p, a := newAttackedPair(t)
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		config := func(role string) *sctpdtls.Config { return p.attackedConfig(t, role, version) }
		for _, ending := range endings {
			start := func(t *testing.T) (*ender, *talk) {
				e := &ender{Attacker: a, forge: ending.forge, cut: ending.want == sctpdtls.AssocRestarted}
				a.Intercept(e.intercept)
				client, server := p.bothEnds(t, config)
				talk := startTalk(t, client, server)
				talk.more(2)
				return e, talk
			}
			t.Run(versionName(version)+"/"+ending.name, func(t *testing.T) {
				t.Run("handshake", func(t *testing.T) {
					e := &ender{Attacker: a, forge: ending.forge, cut: ending.want == sctpdtls.AssocRestarted}
					a.Intercept(e.intercept)
					e.arm(2, true)

					_, err := p.refusedHandshake(t, config, 100*time.Millisecond)
					wantEnd(t, err, ending.want)
				})
				for _, state := range []struct {
					name    string
					control bool
					action  func(*talk) error // the attack happens during this
				}{
					{"established", false, func(k *talk) error { return k.ask() }},
					{"new keys", true, func(k *talk) error { return newKeys(t.Context(), k.client) }},
					{"close", true, func(k *talk) error { return k.client.Close() }},
				} {
					t.Run(state.name, func(t *testing.T) {
						e, talk := start(t)
						e.arm(1, state.control)
						done := make(chan error)
						go func() { done <- state.action(talk) }()
						wantEnd(t, <-talk.served, ending.want)
						// The attacker can hide from the client what has happened to its
						// association.
						t.Logf("client: %v", talk.abandon(done))
					})
				}
			})
		}
	}
	t.Run("refused restart", func(t *testing.T) { testRefusedRestart(t, p, a) })
}

// newKeys changes the keys in the way of the DTLS version.
func newKeys(ctx context.Context, c *sctpdtls.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	if c.ConnectionState().Version == sctpdtls.VersionDTLS12 {
		return c.Renegotiate(ctx)
	}
	return c.KeyUpdate(ctx, sctpdtls.UpdateRequested)
}

func wantEnd(t *testing.T, err error, want sctpdtls.AssocState) {
	t.Helper()
	end, ok := errors.AsType[*sctpdtls.AssociationError](err)
	if !ok || end.State != want || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the server's end: %v, want an AssociationError %d", err, want)
	}
}

// abandon aborts the client's connection after a short time in which the client may detect the end
// by itself, and returns the result of its action, which it receives from done.
func (k *talk) abandon(done <-chan error) error {
	select {
	case err := <-done:
		return err
	case <-time.After(100 * time.Millisecond):
		k.client.Abort()
		return <-done
	}
}

// testRefusedRestart checks that a restart that is refused has no effect.
func testRefusedRestart(t *testing.T, p *opensslPair, a *Attacker) {
	e := &ender{Attacker: a, forge: func(a *Attacker) *wire.Packet {
		return forgedInit(a, wire.Initiator)
	}}
	a.Intercept(e.intercept)
	client, server := p.bothEnds(t, func(role string) *sctpdtls.Config {
		c := p.attackedConfig(t, role, sctpdtls.VersionDTLS13)
		c.SCTP.RefuseRestart = true
		return c
	})
	talk := startTalk(t, client, server)
	talk.more(2)
	for _, control := range []bool{false, true} {
		e.arm(1, control)
		if control {
			if err := newKeys(t.Context(), client); err != nil {
				t.Error(err)
			}
		}
		talk.more(2)
	}
	talk.end()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.serverTag != 0 {
		t.Error("the server has answered an INIT")
	}
}
