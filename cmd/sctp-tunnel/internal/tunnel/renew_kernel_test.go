//go:build kernel && linux

package tunnel

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Keys are renewed underneath: each message comes, in its order, and the end stays a clean one.
func TestKernelRenews(t *testing.T) {
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		t.Run(sctpdtls.VersionName(version), func(t *testing.T) {
			c := newChain(t, func(client, server *Service) {
				client.TLS().MaxVersion, server.TLS().MaxVersion = version, version
				client.renewal = renewal{due: 100, interval: 50 * time.Millisecond}
			})
			near, far := c.dial()
			for i := 0; c.near.changed() < 3 || c.far.changed() < 3; i++ {
				if i == 100_000 {
					t.Fatalf("%d and %d new keys", c.near.changed(), c.far.changed())
				}
				text, info := fmt.Sprint("message ", i), stream.Info{Stream: uint16(i % 30)}
				must(t, near.Send([]byte(text), info))
				if i%100 == 0 {
					must(t, far.Send([]byte(text), info))
					if got, _ := receive(t, near); got != text {
						t.Fatalf("%q came, want %q", got, text)
					}
				}
				if got, _ := receive(t, far); got != text {
					t.Fatalf("%q came, want %q", got, text)
				}
			}
			must(t, near.Shutdown())
			wantEnd(t, far, io.EOF)
			far.Close()
			wantEnd(t, near, io.EOF)
			for _, e := range []*events{c.near, c.far} {
				if ev := e.next(t, "ended"); !ev.why.Clean() || ev.err != nil {
					t.Errorf("ended: %s, %v", ev.why, ev.err)
				}
			}
		})
	}
}

// A far end that is no tunnel is dialed for the association, and to see whether it is there, and
// not again when keys are to be renewed.
func TestKernelNoTunnel(t *testing.T) {
	for _, tt := range []struct {
		name      string
		protocols []string // of the far end
		always    bool     // it is not looked whether it is there
		want      int      // connections
	}{
		{"without protocols", nil, false, 2},
		{"with another protocol", []string{"other"}, false, 1},
		{"with another protocol, at once", []string{"other"}, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			authority, hour := newAuthority(), time.Now().Add(time.Hour)
			config := authority.config("server", hour)
			config.NextProtos = tt.protocols
			l, err := sctpdtls.Listen("sctp", outer.String(), config)
			must(t, err)
			defer l.Close()
			var accepted atomic.Int32
			go func() {
				for {
					conn, err := l.AcceptConn(context.Background())
					if err != nil {
						return
					}
					accepted.Add(1)
					go func() {
						defer conn.Abort()
						b := make([]byte, 100)
						for {
							n, info, err := conn.ReadMessage(b)
							if err != nil || conn.WriteMessage(b[:n], info) != nil {
								return
							}
						}
					}()
				}
			}()
			said := make(saidThat, 100)
			c := &chain{t: t}
			c.start(&Service{
				Name: "near", Role: Client, Listen: nearTunnel.String(), Target: outer.String(),
				TLS:          func() *sctpdtls.Config { return authority.config("client", hour) },
				AlwaysListen: tt.always, Limits: Limits{Handshake: patience}, Log: slog.New(said),
				renewal: renewal{due: 10, interval: 50 * time.Millisecond},
			})
			said.wait(t, "listening")
			near, err := c.tryDial()
			must(t, err)
			for range 20 {
				must(t, near.Send([]byte("x"), stream.Info{}))
				receive(t, near)
			}
			said.wait(t, "association cannot change its keys")
			must(t, near.Send([]byte("still there"), stream.Info{}))
			if got, _ := receive(t, near); got != "still there" {
				t.Errorf("%q came back", got)
			}
			if n := int(accepted.Load()); n != tt.want {
				t.Errorf("the far end has had %d connections, want %d", n, tt.want)
			}
			near.Abort()
			said.wait(t, "association ends")
		})
	}
}

// saidThat is a [slog.Handler] that keeps the messages.
type saidThat chan string

func (s saidThat) Enabled(context.Context, slog.Level) bool { return true }
func (s saidThat) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s saidThat) WithGroup(string) slog.Handler            { return s }
func (s saidThat) Handle(_ context.Context, r slog.Record) error {
	s <- r.Message
	return nil
}

// wait waits for a message.
func (s saidThat) wait(t *testing.T, want string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case m := <-s:
			if m == want {
				return
			}
			t.Logf("log: %s", m)
		case <-timeout:
			t.Fatalf("the log never says %q", want)
		}
	}
}
