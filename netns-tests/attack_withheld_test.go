//go:build kernel

package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// TestAttackC6H4Withheld removes a message and acknowledges it on behalf of the receiver: the
// sender does not retransmit it, and the rest of its stream waits forever. The receiver's kernel
// has not received it. It is asked at the next record before which the sender must have received
// acknowledgements of all data; then both endpoints detect the attack.
func TestAttackC6H4Withheld(t *testing.T) { // RFC 6083, Section 4.9
	p, a := newAttackedPair(t)
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		for _, sender := range []wire.Side{wire.Initiator, wire.Responder} {
			for name, checkpoint := range map[string]func(t *testing.T, c *sctpdtls.Conn) error{
				"CloseWrite": func(t *testing.T, c *sctpdtls.Conn) error {
					if err := c.CloseWrite(); err != nil {
						t.Errorf("CloseWrite: %v", err)
					}
					return c.Close()
				},
				"new keys": func(t *testing.T, c *sctpdtls.Conn) error {
					if version == sctpdtls.VersionDTLS13 {
						if err := c.KeyUpdate(t.Context(), sctpdtls.UpdateNotRequested); err != nil {
							return err
						}
					} else if err := c.Renegotiate(t.Context()); err != nil {
						return err
					}
					_, _, err := c.ReadMessage(make([]byte, 100))
					return err
				},
			} {
				t.Run(fmt.Sprintf("%s/%s by end %d", versionName(version), name, sender), func(t *testing.T) {
					a.Intercept(nil)
					from, to := p.bothEnds(t, func(role string) *sctpdtls.Config {
						return p.attackedConfig(t, role, version)
					})
					if sender == wire.Responder {
						from, to = to, from
					}
					deadline := time.Now().Add(Patience)
					from.SetDeadline(deadline)
					to.SetDeadline(deadline)
					a.Intercept(acknowledgeWithheld(sender))
					sent := make(chan error, 1)
					go func() {
						for _, m := range []struct {
							stream uint16
							text   string
						}{{1, "one"}, {withheldStream, "two"}, {withheldStream, "three"}, {3, "four"}} {
							if err := from.WriteMessage([]byte(m.text),
								sctpdtls.MessageInfo{Stream: m.stream}); err != nil {
								t.Error(err)
							}
						}
						sent <- checkpoint(t, from)
					}()
					var got []string
					buf := make([]byte, 100)
					n, _, err := to.ReadMessage(buf)
					for ; err == nil; n, _, err = to.ReadMessage(buf) {
						got = append(got, string(buf[:n]))
					}
					var truncated *sctpdtls.TruncationError
					if !errors.As(err, &truncated) || truncated.Missing != 1 ||
						!errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf("the reader's end: %v, want a TruncationError for 1", err)
					}
					if !slices.Equal(got, []string{"one", "four"}) {
						t.Errorf("received %q", got)
					}
					err = <-sent
					var alert *sctpdtls.AlertError
					if !errors.As(err, &alert) || alert.Local {
						t.Errorf("the sender's end: %v, want the other's alert", err)
					}
				})
			}
		}
	}
}

const withheldStream = 2

// acknowledgeWithheld withholds the first message that the sender sends on the stream, and makes
// the receiver's acknowledgements include it. What the receiver's kernel drops, as it does with
// packets under a key that it does not have yet, is not acknowledged: the sender has to retransmit
// that.
func acknowledgeWithheld(sender wire.Side) func(*wire.Packet) []*wire.Packet {
	var association, tsn uint32 // of the message: the verification tag, and its TSN
	found := false
	return func(p *wire.Packet) []*wire.Packet {
		for i, c := range p.Chunks {
			switch {
			case p.From == sender && c.Type == wire.ChunkData:
				if !found && Stream(c) == withheldStream {
					association, tsn, found = p.Tag, TSN(c), true
				}
				if found && p.Tag == association && TSN(c) == tsn {
					return nil
				}
			case p.From != sender && c.Type == wire.ChunkSack && found:
				p.Chunks[i].Value = fillGap(c.Value, tsn)
			}
		}
		return pass(p)
	}
}

// fillGap returns the value of a SACK chunk that reports a gap for the chunk with the TSN as if all
// up to the end of the first Gap Ack Block had arrived. RFC 9260, Section 3.3.4.
func fillGap(sack []byte, tsn uint32) []byte {
	cumulative, window := binary.BigEndian.Uint32(sack), sack[4:8]
	blocks := binary.BigEndian.Uint16(sack[8:])
	if cumulative != tsn-1 || blocks == 0 {
		return sack
	}
	end := binary.BigEndian.Uint16(sack[14:])
	v := binary.BigEndian.AppendUint32(nil, cumulative+uint32(end))
	return append(append(v, window...), 0, 0, 0, 0) // neither blocks nor duplicates
}

// TestAttackC6H8ForwardTSN makes each endpoint skip messages that arrive later. The FORWARD TSN
// chunk is valid in every respect, including its key, but neither endpoint has sent messages that
// may be abandoned.
func TestAttackC6H8ForwardTSN(t *testing.T) { // RFC 6083, Section 4.5
	p, a := newAttackedPair(t)
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		t.Run(versionName(version), func(t *testing.T) {
			a.Intercept(nil)
			client, server := p.bothEnds(t, func(role string) *sctpdtls.Config {
				return p.attackedConfig(t, role, version)
			})
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

// skipMessage returns a FORWARD TSN chunk that skips the message in a DATA chunk (RFC 3758, Section
// 3.2).
func skipMessage(c wire.Chunk) wire.Chunk {
	skip := forwardTSN(TSN(c))
	skip.Value = append(skip.Value, c.Value[4:8]...) // stream identifier and sequence number
	return skip
}
