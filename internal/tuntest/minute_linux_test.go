package tuntest_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/tuntest"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"golang.org/x/sys/unix"
)

var minute = flag.Duration("minute", 6*time.Second, "how long TestMinute has traffic")

// With these environment variables, the test binary runs as one endpoint of the traffic.
const (
	roleVariable     = "TUNTEST_ROLE"     // client or server
	networkVariable  = "TUNTEST_NETWORK"  // as for sctpdtls.Dial
	versionVariable  = "TUNTEST_VERSION"  // DTLS version
	durationVariable = "TUNTEST_DURATION" // how long to write
)

// A report says what an endpoint of the traffic has seen. The process prints it as JSON.
type report struct {
	Sent, Received, Rekeys int
	Errors                 []string
	Paths                  []sctpdtls.Path
	Stats                  sctpdtls.Stats
}

// TestMinute runs traffic between two processes, in both directions on 16 streams and over two
// paths, with 2 % loss and reordering, and changes keys every second (for a minute with -minute
// 1m). Halfway through, the primary path fails for a while. The test checks that no message is
// lost, duplicated or out of order.
func TestMinute(t *testing.T) {
	for _, network := range []string{"sctp4+udp", "sctp4+ip"} {
		for _, version := range []string{"1.2", "1.3"} {
			t.Run(network+"/"+version, func(t *testing.T) {
				t.Parallel()
				n := newNetwork(t, 2)
				for i := range 2 {
					n.SetLink(i, tuntest.Link{})
				}
				traffic(t, n, network, version)
			})
		}
	}
}

func traffic(t *testing.T, n *tuntest.Network, network, version string) {
	const bad = 10 * time.Millisecond
	link := tuntest.Link{Delay: bad, Jitter: bad * 8 / 10, Loss: 0.02}
	start := func(role string, host *tuntest.Host) (cmd *exec.Cmd, out io.Reader) {
		cmd = exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), roleVariable+"="+role, networkVariable+"="+network,
			versionVariable+"="+version, durationVariable+"="+minute.String())
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = host.Do(cmd.Start)
		}
		if err != nil {
			t.Fatal(err)
		}
		return cmd, out
	}
	server, fromServer := start("server", n.Hosts[1])
	fmt.Fscanln(fromServer) // the server listens
	for i := range 2 {
		n.SetLink(i, link)
	}
	client, fromClient := start("client", n.Hosts[0])
	fmt.Fscanln(fromClient) // the client is connected
	var other atomic.Int64  // packets with messages on the second path
	n.Tap(func(packet []byte) {
		if packet[18] == 1 && hasData(packet) {
			other.Add(1)
		}
	})
	fails := time.AfterFunc(*minute/3, func() {
		dead := link
		dead.Down = true
		n.SetLink(0, dead)
	})
	defer fails.Stop()
	heals := time.AfterFunc(*minute*7/12, func() { n.SetLink(0, link) })
	defer heals.Stop()
	var reports [2]report
	for i, out := range []io.Reader{fromClient, fromServer} {
		if err := json.NewDecoder(out).Decode(&reports[i]); err != nil {
			t.Errorf("no report of end %d: %v", i, err)
		}
	}
	if err := errors.Join(client.Wait(), server.Wait()); err != nil {
		t.Error(err)
	}
	for i, r := range reports {
		for _, e := range r.Errors {
			t.Errorf("end %d: %s", i, e)
		}
		if other := reports[1-i]; r.Sent != other.Received || r.Sent == 0 {
			t.Errorf("end %d has sent %d messages, and %d came", i, r.Sent, other.Received)
		}
		if r.Rekeys < int(*minute/time.Second)/3 {
			t.Errorf("end %d has changed keys %d times", i, r.Rekeys)
		}
		t.Logf("end %d: %+v", i, r)
	}
	t.Logf("links: %+v, %+v; %d packets with messages on the second", n.Count(0), n.Count(1),
		other.Load())
	if other.Load() == 0 {
		t.Error("the second path was not used")
	}
}

// hasData reports whether an IPv4 packet starts with an AUTH chunk, and therefore contains a DATA
// chunk.
func hasData(packet []byte) bool {
	const auth = 15
	at := 20 + 12
	if packet[9] == unix.IPPROTO_UDP {
		at += 8
	}
	return len(packet) > at && packet[at] == auth
}

// endOfTraffic is the main function of an endpoint's process.
func endOfTraffic(role string) (status int) {
	var r report
	fail := func(err error) {
		if err != nil {
			r.Errors = append(r.Errors, err.Error())
		}
	}
	c, err := open(role)
	if err == nil {
		r.run(c, role == "client", fail)
	}
	fail(err)
	json.NewEncoder(os.Stdout).Encode(r)
	return 0
}

func open(role string) (*sctpdtls.Conn, error) {
	config, network := config(role), os.Getenv(networkVariable)
	config.MinVersion = sctpdtls.VersionDTLS12
	if config.MaxVersion = config.MinVersion; os.Getenv(versionVariable) == "1.3" {
		config.MinVersion, config.MaxVersion = sctpdtls.VersionDTLS13, sctpdtls.VersionDTLS13
	}
	config.Renegotiation = sctpdtls.RenegotiateFreely
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if role == "server" {
		ln, err := sctpdtls.Listen(network, "10.0.0.2/10.0.1.2:5868", config)
		if err != nil {
			return nil, err
		}
		defer ln.Close()
		fmt.Println()
		return ln.AcceptConn(ctx)
	}
	local := &sctpdtls.Addr{}
	for _, a := range []string{"10.0.0.1", "10.0.1.1"} {
		local.IPAddrs = append(local.IPAddrs, net.IPAddr{IP: netip.MustParseAddr(a).AsSlice()})
	}
	d := sctpdtls.Dialer{Config: config, LocalAddr: local}
	c, err := d.DialConn(ctx, network, "10.0.0.2:5868")
	if err == nil {
		fmt.Println()
	}
	return c, err
}

// run writes and reads until both endpoints have sent their last messages.
func (r *report) run(c *sctpdtls.Conn, isClient bool, fail func(error)) {
	const streams = 16
	duration, err := time.ParseDuration(os.Getenv(durationVariable))
	fail(err)
	c.SetDeadline(time.Now().Add(duration + patience))
	var writer, all sync.WaitGroup
	var mu sync.Mutex // guards r.Errors
	report := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if len(r.Errors) < 10 {
			fail(err)
		}
	}
	begin := time.Now()
	writer.Go(func() {
		message := make([]byte, 4000)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for ; time.Since(begin) < duration; <-tick.C {
			size := 8 + r.Sent*r.Sent%3992
			binary.BigEndian.PutUint32(message, uint32(r.Sent/streams))
			binary.BigEndian.PutUint32(message[4:], uint32(size))
			info := sctpdtls.MessageInfo{Stream: uint16(r.Sent % streams)}
			if err := c.WriteMessage(message[:size], info); err != nil {
				report(fmt.Errorf("message %d: %w", r.Sent, err))
				return
			}
			r.Sent++
		}
	})
	all.Go(func() {
		var next [streams]uint32
		b := make([]byte, sctpdtls.MaxMessageSize)
		for {
			n, info, err := c.ReadMessage(b)
			if err != nil {
				if err != io.EOF {
					report(fmt.Errorf("after %d messages: %w", r.Received, err))
				}
				return
			}
			number, size := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
			if number != next[info.Stream] || int(size) != n {
				report(fmt.Errorf("stream %d: message %d of %d bytes, want message %d of %d", info.Stream,
					number, n, next[info.Stream], size))
			}
			next[info.Stream] = number + 1
			r.Received++
		}
	})
	// The endpoints take turns to change the keys, once per second.
	turn := begin
	if !isClient {
		turn = turn.Add(time.Second)
	}
	for ; turn.Sub(begin) < duration-time.Second; turn = turn.Add(2 * time.Second) {
		time.Sleep(time.Until(turn))
		rekey := c.Renegotiate
		if c.ConnectionState().Version == sctpdtls.VersionDTLS13 {
			rekey = func(ctx context.Context) error { return c.KeyUpdate(ctx, sctpdtls.UpdateRequested) }
		}
		if err := rekey(context.Background()); err != nil {
			report(fmt.Errorf("new keys after %v: %w", time.Since(begin), err))
			break
		}
		r.Rekeys++
	}
	writer.Wait()
	r.Paths, err = c.Paths()
	report(err)
	r.Stats, err = c.Stats()
	report(err)
	report(c.CloseWrite())
	all.Wait()
	report(c.Close())
}
