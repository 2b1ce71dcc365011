//go:build kernel

package netns

import (
	"encoding/binary"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// TestAttackC6H4WithheldMessageIsNotNoticed shows what SECURITY.md warns of: whoever is on the path can take single messages away, and
// neither end is told. It keeps the first of two messages of a stream from the server, and acknowledges it in the server's name: the client
// does not send it again then, and the rest of the stream waits for ever.
//
// RFC 6083 leaves that to SCTP, and no SACK can be authenticated while keys change. Where this test fails, that page is to be changed.
func TestAttackC6H4WithheldMessageIsNotNoticed(t *testing.T) {
	p, a := newAttackedPair(t)
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		for _, tt := range []struct {
			name      string
			intercept func(*wire.Packet) []*wire.Packet
			want      []string
		}{
			{"SACK", acknowledgeAll(a), []string{"one", "four"}},
		} {
			t.Run(versionName(version)+"/"+tt.name, func(t *testing.T) {
				a.Intercept(nil)
				client, server := p.bothEnds(t, func(role string) *sctpdtls.Config { return p.attackedConfig(t, role, version) })
				deadline := time.Now().Add(Patience)
				client.SetDeadline(deadline)
				server.SetDeadline(deadline)
				a.Intercept(tt.intercept)
				for _, m := range []struct {
					stream uint16
					text   string
				}{{1, "one"}, {withheldStream, "two"}, {withheldStream, "three"}, {3, "four"}} {
					if err := client.WriteMessage([]byte(m.text), sctpdtls.MessageInfo{Stream: m.stream}); err != nil {
						t.Fatal(err)
					}
				}
				if err := client.CloseWrite(); err != nil {
					t.Errorf("CloseWrite: %v", err)
				}
				var got []string
				buf := make([]byte, 100)
				n, _, err := server.ReadMessage(buf)
				for ; err == nil; n, _, err = server.ReadMessage(buf) {
					got = append(got, string(buf[:n]))
				}
				if err != io.EOF || !slices.Equal(got, tt.want) {
					t.Errorf("the server has read %q, then %v; want %q, then %v", got, err, tt.want, io.EOF)
				}
				client.Abort()
				server.Abort()
			})
		}
	}
}

const withheldStream = 2

// acknowledgeAll withholds the first message of the stream, and acknowledges it and all that follows in the server's name.
func acknowledgeAll(a *Attacker) func(*wire.Packet) []*wire.Packet {
	done := map[uint32]bool{}
	return func(p *wire.Packet) []*wire.Packet {
		c, ok := p.Find(wire.ChunkData)
		if p.From == wire.Responder {
			if _, sack := p.Find(wire.ChunkSack); sack && !ok && done[a.End(wire.Responder).Tag] {
				return nil // the true one would tell of a gap
			}
			return pass(p)
		}
		withhold := ok && Stream(c) == withheldStream && !done[p.Tag]
		if withhold {
			done[p.Tag] = true
		}
		if !ok || !done[p.Tag] {
			return pass(p)
		}
		const window = 100_000
		v := binary.BigEndian.AppendUint32(nil, TSN(c))
		v = binary.BigEndian.AppendUint32(v, window)
		sack := a.Forge(wire.Responder, wire.Chunk{Type: wire.ChunkSack, Value: append(v, 0, 0, 0, 0)})
		if withhold {
			return []*wire.Packet{sack}
		}
		return []*wire.Packet{p, sack}
	}
}

// TestAttackC6H8ForwardTSN has each end give up messages that come later: the FORWARD TSN chunk is right in all, its key included. But
// no end has asked for messages that can be given up.
func TestAttackC6H8ForwardTSN(t *testing.T) { // 1.31
	p, a := newAttackedPair(t)
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		t.Run(versionName(version), func(t *testing.T) {
			a.Intercept(nil)
			client, server := p.bothEnds(t, func(role string) *sctpdtls.Config { return p.attackedConfig(t, role, version) })
			secret := authSecret(t, client)
			a.Intercept(func(p *wire.Packet) []*wire.Packet {
				c, ok := p.Find(wire.ChunkData)
				if !ok {
					return pass(p)
				}
				return []*wire.Packet{a.Sign(p.From, 1, secret, skipMessage(c)), p}
			})
			talk := startTalk(t, client, server)
			talk.more(10)
			talk.end()
		})
	}
}

// skipMessage gives up the message in a DATA chunk: RFC 3758, Section 3.2.
func skipMessage(c wire.Chunk) wire.Chunk {
	skip := forwardTSN(TSN(c))
	skip.Value = append(skip.Value, c.Value[4:8]...) // the stream, and the number in it
	return skip
}
