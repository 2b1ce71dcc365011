//go:build kernel

package netns

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// TestAttackH4KeyZero forges chunks under key 0, which everyone knows, while it is still there: during a handshake, and in the grace
// time after it. Records that do not open end the handshake, or the connection, with an alert; no forged
// message is delivered. What happens when it is gone, TestAttackH3H5H6H9H10H12Forgeries tells.
func TestAttackH4KeyZero(t *testing.T) { // 1.57
	p, a := newAttackedPair(t)
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		config := func(role string) *sctpdtls.Config { return p.attackedConfig(t, role, version) }
		t.Run(versionName(version)+"/handshake", func(t *testing.T) {
			var forged atomic.Bool
			a.Intercept(func(p *wire.Packet) []*wire.Packet {
				c, ok := p.Find(wire.ChunkData)
				if !ok || p.From != wire.Responder || forged.Swap(true) {
					return pass(p)
				}
				c.Value = slices.Clone(c.Value) // the ServerHello
				c.Value[len(c.Value)-1] ^= 1
				return []*wire.Packet{a.Sign(p.From, 0, nil, c), p}
			})
			cerr, serr := p.refusedHandshake(t, config, Patience)
			for end, err := range map[string]error{"client": cerr, "server": serr} {
				if _, ok := errors.AsType[*sctpdtls.AlertError](err); !ok {
					t.Errorf("the handshake of the %s ended with %v", end, err)
				}
			}
		})
		t.Run(versionName(version)+"/grace time", func(t *testing.T) {
			a.Intercept(nil)
			client, server := p.bothEnds(t, config)
			talk := startTalk(t, client, server)
			talk.more(3)
			a.Intercept(func(p *wire.Packet) []*wire.Packet {
				c, ok := p.Find(wire.ChunkData)
				if !ok || p.From != wire.Initiator {
					return pass(p)
				}
				return []*wire.Packet{a.Sign(p.From, 0, nil, DataChunk(TSN(c), 1, []byte("forged"))), p}
			})
			err := talk.ask()
			serr := <-talk.served
			if _, ok := errors.AsType[*sctpdtls.AlertError](serr); !ok {
				t.Errorf("the server's talk ended with %v", serr)
			}
			if _, ok := errors.AsType[*sctpdtls.AlertError](err); !ok {
				t.Errorf("the client's talk ended with %v", err)
			}
		})
	}
}

// refusedHandshake has both ends try a handshake, and returns what their errors are. After the server's has ended, the client's
// has a moment to do so by itself.
func (p *opensslPair) refusedHandshake(t *testing.T, config func(role string) *sctpdtls.Config, moment time.Duration) (client, server error) {
	t.Helper()
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	served := config("server")
	served.Trace = &sctpdtls.Trace{HandshakeDone: func(_ net.Addr, _ sctpdtls.ConnectionState, err error) {
		done <- err
		time.AfterFunc(moment, cancel)
	}}
	ln := p.listen(t, served)
	defer ln.Close()
	var c net.Conn
	p.client.Do(t, func() {
		c, client = (&sctpdtls.Dialer{Config: config("client")}).DialContext(ctx, "sctp4", p.address())
	})
	if client == nil {
		// In DTLS 1.3 the client may be through before it is refused.
		defer c.(*sctpdtls.Conn).Abort()
		defer context.AfterFunc(ctx, func() { c.(*sctpdtls.Conn).Abort() })()
		_, client = c.Read(make([]byte, 1))
	}
	select {
	case server = <-done:
	case <-time.After(Patience):
		t.Fatal("the server's handshake does not end")
	}
	return client, server
}
