//go:build kernel

package netns

import (
	"fmt"
	"slices"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// TestAttackH5H6H10Control shows that the forgeries are effective where SCTP-AUTH is not in use or
// the attacker has the key. (Those of I-DATA and RE-CONFIG cannot be, because neither is ever
// negotiated.) The client sends three messages without DTLS, and the attacker inserts the forgery
// before the second.
func TestAttackH5H6H10Control(t *testing.T) {
	client, server, a := NewAttacked(t)
	for _, h := range []*Host{client, server} {
		// Otherwise ASCONF would have no effect without SCTP-AUTH.
		h.Sysctl(t, "net.sctp.addip_noauth_enable", "1")
	}
	forged := map[string]forgery{}
	for _, f := range slices.Concat(forgeries, underKey(0, nil)) {
		forged[f.name] = f
	}
	const first, second, third, pathAdded = "first on stream 1", "second on stream 1",
		"third on stream 1", "10.0.0.99 added"
	for _, tt := range []struct {
		forgery string
		auth    bool // with SCTP-AUTH, and key 0, which everyone knows
		// with partial reliability, without which FORWARD TSN has no effect (RFC 3758, Section
		// 3.3.1)
		partial bool
		want    []string
	}{
		{"DATA without AUTH", false, false, []string{first, first, third}},
		{"another message", false, false, []string{first, "secone on stream 1", third}},
		{"another stream", false, false, []string{first, "second on stream 0", third}},
		{"sent again with the next TSN", false, false, []string{first, first, third}},
		{"reflected with the next TSN", false, false, []string{second}}, // sent to the client
		{"FORWARD-TSN", false, true, []string{first, third}},
		{"FORWARD-TSN", false, false, []string{first, second, third}},
		{"ASCONF", false, false, []string{first, pathAdded, second, third}},
		{"DATA under key 0", true, false, []string{first, first, third}},
		{"FORWARD-TSN under key 0", true, true, []string{first, third}},
		{"FORWARD-TSN under key 0", true, false, []string{first, second, third}},
	} {
		t.Run(fmt.Sprintf("%s, partial reliability %v", tt.forgery, tt.partial), func(t *testing.T) {
			o := &sctpsock.Options{Options: stream.Options{AddressChanges: true},
				Events: []sctpsock.EventType{sctpsock.EventPeerAddrChange}}
			if tt.auth {
				o = &sctpsock.Options{AuthChunks: []byte{wire.ChunkData, wire.ChunkForwardTSN}}
			}
			o.PartialReliability = tt.partial
			var sent []*wire.Packet
			a.Intercept(func(p *wire.Packet) []*wire.Packet {
				if _, ok := p.Find(wire.ChunkData); !ok {
					return pass(p)
				}
				if sent = append(sent, p); len(sent) != 2 {
					return pass(p)
				}
				return []*wire.Packet{forged[tt.forgery].make(a, p, sent[0]), p}
			})
			c, s := connectSockets(t, client, server, o, o)
			for _, msg := range []string{"first", "second", "third"} {
				if err := c.Send([]byte(msg), stream.Info{Stream: 1, Unordered: true}); err != nil {
					t.Fatal(err)
				}
			}
			if len(tt.want) == 1 {
				s = c
			}
			var got []string
			for b := make([]byte, 1000); len(got) < len(tt.want); {
				p, err := s.Recv(bytesBuffer(b), true)
				if err != nil {
					t.Errorf("after %q: %v", got, err)
					break
				}
				if ev, ok := p.Event.(stream.PeerAddrChange); ok && ev.Change == stream.AddrAdded {
					got = append(got, ev.Addr.String()+" added")
				} else if p.Event == nil {
					got = append(got, fmt.Sprintf("%s on stream %d", b[:p.N], p.Info.Stream))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("received %q, want %q", got, tt.want)
			}
		})
	}
}
