//go:build kernel

package netns

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// The test binary also runs as the peer: an attacker, a very large number of peers, and a daemon
// without security have processes of their own.
var (
	floodKind  = flag.String("flooder", "", "be an attacker: one of floods")
	peerCount  = flag.Int("peers", 0, "be so many peers of TestAttackE12ManyAssociations")
	peerTarget = flag.String("target", "", "of the attacker or the peers: ADDRESS:PORT")
	peerCerts  = flag.String("certificates", "", "folder of those that the peers have")
	floodRate  = flag.Float64("rate", 20, "of TestAttackE12Flood: what an attacker begins in a second")
)

func TestMain(m *testing.M) {
	flag.Parse()
	var err error
	switch {
	case *floodKind != "":
		err = runFlooder()
	case *peerCount > 0:
		err = runPeers(*peerCount, *peerTarget, *peerCerts)
	case *plainDaemon != "":
		err = runDaemon()
	case *dialDaemon != "":
		err = runDialling()
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

// floods are what an attacker does repeatedly. Each is cheap and completes no handshake.
var floods = map[string]func(*flooder) error{
	"INIT, and nothing else": func(f *flooder) error { return f.raw.init() },
	"associations that are silent": func(f *flooder) error {
		f.cookies.Do(func() { go f.raw.answer() })
		return f.raw.init()
	},
	"ClientHello, and silence": func(f *flooder) error { return f.associate(f.hello) },
	"garbage on stream 0":      func(f *flooder) error { return f.associate(f.garbage) },
}

type flooder struct {
	server         netip.AddrPort
	hello, garbage []byte
	raw            *rawFlooder
	cookies        sync.Once // starts the goroutine that answers INIT ACKs

	mu   sync.Mutex         // guards the following fields
	held []*sctpsock.Socket // oldest first
}

// runFlooder runs until the end of standard input.
func runFlooder() error {
	once := floods[*floodKind]
	server, err := netip.ParseAddrPort(*peerTarget)
	if once == nil || err != nil {
		return fmt.Errorf("no such flood: %q of %q", *floodKind, *peerTarget)
	}
	const held = 10_000
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE,
		&unix.Rlimit{Cur: held + 1000, Max: held + 1000}); err != nil {
		return err
	}
	f := &flooder{server: server, garbage: make([]byte, 300), held: make([]*sctpsock.Socket, 0, held)}
	rand.Read(f.garbage)
	core, err := dtlscore.Client(&dtlscore.Config{ServerName: server.Addr().String()})
	if err == nil {
		err = core.Start()
	}
	if err != nil {
		return err
	}
	f.hello = core.NextEvent().Data
	if f.raw, err = newRawFlooder(server); err != nil {
		return err
	}

	var planned, begun atomic.Int64
	ctx, stop := context.WithCancel(context.Background())
	var workers sync.WaitGroup
	start := time.Now()
	for range 32 {
		workers.Go(func() {
			for ctx.Err() == nil {
				n := planned.Add(1)
				time.Sleep(time.Until(start.Add(time.Duration(float64(n) / *floodRate * float64(time.Second)))))
				begun.Add(1)
				once(f) // many fail, because the server aborts those that it refuses
			}
		})
	}
	fmt.Println("flooding")
	io.Copy(io.Discard, os.Stdin)
	stop()
	fmt.Printf("begun %d in %.1f s\n", begun.Load(), time.Since(start).Seconds())
	return nil
}

// associate sets up an association, sends one message, and keeps the association.
func (f *flooder) associate(message []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	s, err := sctpsock.Dial(ctx, nil, []netip.AddrPort{f.server},
		&sctpsock.Options{AuthChunks: []byte{0, 0xc0}})
	if err != nil {
		return err
	}
	err = s.Send(message, stream.Info{})
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.held) == cap(f.held) { // the server has given up the oldest long ago
		f.held[0].Abort()
		f.held = f.held[:copy(f.held, f.held[1:])]
	}
	f.held = append(f.held, s)
	return err
}
