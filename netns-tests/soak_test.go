//go:build kernel

package netns

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

var soakTime = flag.Duration("soak", 3*time.Second, "how long TestSoak goes on")

// TestSoak runs all that happens during the life of a server, for a long time: one connection of
// DTLS 1.2 and one of DTLS 1.3 that carry as much as possible over 16 streams in both directions
// and change keys every second, while other connections come and go and some of them fail; the
// network loses and reorders packets, and one path or the other fails from time to time. It checks
// that no message is lost, and that the memory of this process and of the kernel does not grow.
// "make soak" runs it for half an hour, and creates docs/soak.svg.
//
//	       ┌ eth0 10.0.0.1 ──── 10.0.0.2 eth0 ┐
//	client ┤       2 % loss, reordering       ├ server
//	       └ eth1 10.0.1.1 ──── 10.0.1.2 eth1 ┘
func TestSoak(t *testing.T) {
	versions := []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13}
	p := newStormPair(t)
	var all []*traffic
	var keys []*rekeys
	messages := func() (n uint64) {
		for _, f := range all {
			n += f.delivered()
		}
		return n
	}
	for _, version := range versions {
		client, server := p.bothEnds(t, func(role string) *sctpdtls.Config {
			return p.stormConfig(t, role, version)
		})
		all = append(all, startTraffic(t, stormStreams, client, server))
		keys = append(keys, startRekeys(t, client, server))
	}
	others := p.startVisitors(t, versions)
	memory := startMemory(min(5*time.Second, *soakTime/32), messages)

	// A path is down for a sixth of the time, but not longer than a server waits for a switch that
	// restarts.
	period := min(time.Minute, *soakTime/2)
	end := time.Now().Add(*soakTime)
	for link := 0; time.Now().Before(end); link = 1 - link {
		time.Sleep(min(time.Until(end), period*5/6))
		p.server.SetLink(t, link, "down")
		time.Sleep(min(time.Until(end), period/6))
		p.server.SetLink(t, link, "up")
	}

	memory.finish()
	others.finish()
	var b strings.Builder
	b.WriteString(tableHead(soakTime.String(), "new keys"))
	for i, f := range all {
		made := keys[i].finish()
		f.finish()
		b.WriteString(f.row("16 streams both ways", versions[i], fmt.Sprint(made.times())) + "\n")
		closeBoth(t, f.ends[0], f.ends[1])
	}
	fmt.Fprintf(&b, "\n%v\n\n%s", others, memory.table())
	leave(t, "soak.md", b.String())
	leave(t, "soak.csv", memory.csv())
	memory.check(t)
}

// visitors are connections that come and go.
type visitors struct {
	t       testing.TB
	stop    context.CancelFunc
	work    sync.WaitGroup
	served  atomic.Int64 // echoed, and closed by either endpoint
	aborted atomic.Int64 // echoed, and aborted by the client
	refused atomic.Int64 // did not accept the server's certificate
}

func (v *visitors) finish() {
	v.stop()
	v.work.Wait()
}

func (v *visitors) String() string {
	return fmt.Sprintf(
		"Other connections meanwhile: %d closed after an echo, %d aborted after an echo, "+
			"%d failed in the handshake.",
		v.served.Load(), v.aborted.Load(), v.refused.Load())
}

// startVisitors makes visitors connect, one after another, until finish is called.
func (p *opensslPair) startVisitors(t *testing.T, versions []uint16) *visitors {
	const port = "4434"
	ctx, stop := context.WithCancel(t.Context())
	v := &visitors{t: t, stop: stop}
	var ln *sctpdtls.Listener
	p.server.Do(t, func() {
		var err error
		if ln, err = sctpdtls.Listen("sctp4", address(port, p.server.Addrs...),
			p.stormConfig(t, "server", 0)); err != nil {
			t.Fatal(err)
		}
	})
	v.work.Go(func() {
		<-ctx.Done()
		ln.Close()
	})
	v.work.Go(func() { serveEcho(ctx, ln) })
	var configs []*sctpdtls.Config
	for _, version := range versions {
		configs = append(configs, p.stormConfig(t, "client", version))
	}
	wrong := p.stormConfig(t, "client", 0)
	wrong.ServerName = "another.example"
	configs = append(configs, wrong)
	v.work.Go(func() {
		pace := time.NewTicker(100 * time.Millisecond) // leaves processor time for the others
		defer pace.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			<-pace.C
			config := configs[i%len(configs)]
			var conn *sctpdtls.Conn
			var err error
			p.client.Do(t, func() {
				conn, err = sctpdtls.DialContext(ctx, "sctp4",
					address(port, p.server.Addrs...), config)
			})
			switch {
			case config == wrong && err == nil:
				conn.Abort()
				t.Error("a certificate of another name was accepted")
			case errors.Is(err, context.Canceled):
			case config == wrong:
				v.refused.Add(1)
			default:
				v.visit(conn, err, i)
			}
		}
	})
	return v
}

// visit makes one echo and then ends the connection in one of several ways.
func (v *visitors) visit(conn *sctpdtls.Conn, err error, i int) {
	if err == nil {
		err = echo(conn, i, Patience)
	}
	switch {
	case err != nil:
	case i%4 == 0:
		conn.Abort()
		v.aborted.Add(1)
		return
	default:
		err = conn.Close()
		v.served.Add(1)
	}
	if err != nil {
		v.t.Errorf("visitor %d: %v", i, err)
	}
}

// leave stores a file of results, a figure for docs/testing.md, in the folder $OUT if that is set.
func leave(t testing.TB, name, text string) {
	t.Logf("%s:\n%s", name, text)
	if out := os.Getenv("OUT"); out != "" {
		if err := os.WriteFile(filepath.Join(out, name), []byte(text), 0o666); err != nil {
			t.Error(err)
		}
	}
}
