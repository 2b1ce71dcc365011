package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

type benchOptions struct {
	commonOptions
	clientOptions
	mode        string
	time        time.Duration
	sizes       []int
	connections int
	window      int
	json        bool
}

func (p *program) benchCommand() *cli.Command {
	var o benchOptions
	return &cli.Command{
		Name:            "bench",
		Usage:           "measure how fast a server is",
		ArgsUsage:       "ADDR",
		HideHelpCommand: true,
		Description: `ADDR is a server in the same mode. With echo, each connection keeps -window
messages in flight and times each of them; with discard it sends as fast as it can. The
command prints progress every second and a table at the end; with -json, one JSON object for
each size.

Examples:
   sctp-echo bench -cert demo/client.pem -key demo/client-key.pem -ca demo/ca.pem` +
			` -time 1s localhost:5868
   sctp-echo bench -ca demo/ca.pem -name localhost -size 64K -size 1M localhost:5870
   sctp-echo bench -ca demo/ca.pem -mode discard -time 1s -size 64 -connections 4 localhost:5869

With -plain, here and at the server, the same runs without DTLS and SCTP-AUTH. The
difference is their cost.`,
		Flags: append(append(o.commonOptions.flags(
			"certificate chain of this client in PEM `FILE`",
			"CA certificates for the server's, in PEM `FILE` (default: those of the system)",
			"send on streams 0 to `N`-1 in turn",
			"payload protocol identifier `N` of the messages",
			"give up after `TIME` without a connection or an echo", 1),
			&cli.StringFlag{Name: "mode", Usage: "what the server does: `MODE` echo or discard",
				Value: "echo", Destination: &o.mode,
				Validator: func(m string) error {
					if m != "echo" && m != "discard" {
						return fmt.Errorf("no mode %q: echo or discard", m)
					}
					return nil
				}},
			&cli.DurationFlag{Name: "time", Usage: "measure for `TIME`, each size", Value: 3 * time.Second,
				Destination: &o.time, Validator: atLeast(time.Millisecond)},
			&sizesFlag{Name: "size", Value: []int{64, 1024, sctpdtls.MaxMessageSize}, Destination: &o.sizes,
				Usage: "messages of `N` bytes; may be repeated; more than 16384, such as 64K or 1M, needs " +
					"a server with -max-message"},
			&cli.IntFlag{Name: "connections", Usage: "`N` associations at the same time", Value: 1,
				Destination: &o.connections, Validator: atLeast(1)},
			&cli.IntFlag{Name: "window", Usage: "`N` messages in flight on each", Value: 1,
				Destination: &o.window, Validator: between(1, 1024)},
			&cli.BoolFlag{Name: "json", Usage: "print JSON", Destination: &o.json},
		), o.clientOptions.flags()...),
		Action: func(ctx context.Context, c *cli.Command) error {
			addr, err := command.OnlyArg(c)
			if err != nil {
				return err
			}
			return p.bench(ctx, addr, o)
		},
	}
}

// stamp is the size of the timestamp in a message in bytes.
const stamp = 8

// A measurement is one line of the table.
type measurement struct {
	Mode        string  `json:"mode"`
	Size        int     `json:"size"`
	Connections int     `json:"connections"`
	Streams     int     `json:"streams"`
	Window      int     `json:"window,omitempty"`
	Version     string  `json:"version"`
	Suite       string  `json:"suite"`
	Handshake   float64 `json:"handshake_ms"` // of all connections, one after another; their mean
	Seconds     float64 `json:"seconds"`
	Messages    int64   `json:"messages"`
	PerSecond   float64 `json:"messages_per_second"`
	Megabytes   float64 `json:"megabytes_per_second"`
	RTT         *spread `json:"rtt_ms,omitempty"`
}

// A spread is a distribution of times in milliseconds.
type spread struct {
	Min float64 `json:"min"`
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func (p *program) bench(ctx context.Context, addr string, o benchOptions) error {
	for _, size := range o.sizes {
		if err := between(0, sctpdtls.MaxLargeMessageSize)(size); err != nil {
			return command.Usagef("-size: %w", err)
		}
		o.ask(size)
		if size < stamp {
			return command.Usagef("-size: a message of %d bytes has no room for a time, give %d or more",
				size, stamp)
		}
		if room := maxInFlight / size; o.mode == "echo" && o.window > max(1, room) {
			return command.Usagef(
				"-window: %d messages of %d bytes are more than both ends can hold, give %d or less", o.window,
				size, max(1, room))
		}
	}
	keyLog, err := p.openKeyLog()
	if err != nil {
		return err
	}
	defer keyLog.Close()
	config, err := p.clientConfig(&o.commonOptions, &o.clientOptions, keyLog)
	if err != nil {
		return err
	}
	var all []measurement
	for _, size := range o.sizes {
		m, err := p.measure(ctx, addr, config, size, &o)
		if err != nil {
			return err
		}
		if o.json {
			b, _ := json.Marshal(m) // it contains only numbers and names
			p.printf("%s\n", b)
		}
		all = append(all, m)
		if ctx.Err() != nil {
			break // show what there is
		}
	}
	if !o.json {
		p.printf("\n%s", table(all))
	}
	return nil
}

// measure makes the connections, uses them for the given time, and closes them.
func (p *program) measure(ctx context.Context, addr string, config *sctpdtls.Config, size int,
	o *benchOptions) (measurement, error) {
	m := measurement{Mode: o.mode, Size: size, Connections: o.connections, Streams: o.streams}
	runs := make([]*benchRun, o.connections)
	start := time.Now()
	for i := range runs {
		s, err := p.dialServer(ctx, addr, config, &o.commonOptions, &o.clientOptions)
		if err != nil {
			return m, err
		}
		defer s.Close()
		state := s.ConnectionState()
		if streams := min(state.OutStreams, state.InStreams); o.streams > int(streams) {
			return m, command.Exit(exitUsage, &sctpdtls.StreamError{Stream: uint16(o.streams - 1),
				Streams: streams})
		}
		if err := fits(size, state); err != nil {
			return m, err
		}
		if m.Version, m.Suite = plain, "no suite"; state.Version != 0 {
			m.Version = sctpdtls.VersionName(state.Version)
			m.Suite = sctpdtls.CipherSuiteName(state.CipherSuite)
		}
		runs[i] = &benchRun{session: s, size: size, benchOptions: o}
	}
	m.Handshake = float64(time.Since(start)) / float64(time.Millisecond) / float64(o.connections)

	runCtx, stop := context.WithTimeout(ctx, o.time)
	defer stop()
	start = time.Now()
	errs := make([]error, len(runs))
	var group sync.WaitGroup
	for i, r := range runs {
		group.Go(func() {
			if errs[i] = r.run(runCtx); errs[i] != nil {
				stop() // one error is enough
			}
		})
	}
	stopTelling := p.tellProgress(runCtx, runs, o)
	group.Wait()
	stopTelling()
	m.Seconds = time.Since(start).Seconds()
	var times []time.Duration
	for _, r := range runs {
		m.Messages += r.done.Load()
		times = append(times, r.times...)
	}
	m.PerSecond = float64(m.Messages) / m.Seconds
	m.Megabytes = m.PerSecond * float64(size) / 1e6
	if o.mode == "echo" {
		m.Window = o.window
		m.RTT = spreadOf(times)
	}
	return m, errors.Join(errs...)
}

// tellProgress prints a line each second, until the returned function is called.
func (p *program) tellProgress(ctx context.Context, runs []*benchRun,
	o *benchOptions) (stop func()) {
	if o.json {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		var before int64
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			var sum int64
			for _, r := range runs {
				sum += r.done.Load()
			}
			p.printf("%d bytes: %2d s %9d messages/s %9.1f MB/s\n", runs[0].size, n, sum-before,
				float64(sum-before)*float64(runs[0].size)/1e6)
			before = sum
		}
	}()
	return func() { cancel(); <-ended }
}

// A benchRun uses one connection.
type benchRun struct {
	*benchOptions
	session session
	size    int
	// Messages that came back; with discard, messages that the other end has acknowledged.
	done  atomic.Int64
	times []time.Duration
}

func (r *benchRun) run(ctx context.Context) error {
	if r.mode == "discard" {
		return r.flood(ctx)
	}
	return r.echo(ctx)
}

func (r *benchRun) send(b []byte, n int) error {
	r.session.SetWriteDeadline(time.Now().Add(r.timeout))
	return r.session.WriteMessage(b, sctpdtls.MessageInfo{Stream: uint16(n % r.streams), PPID: r.ppid})
}

// flood sends until ctx is done. Close then waits until everything is acknowledged, so that filling
// buffers does not look fast.
func (r *benchRun) flood(ctx context.Context) error {
	b := make([]byte, r.size)
	for n := 0; ctx.Err() == nil; n++ {
		if err := r.send(b, n); err != nil {
			return err
		}
		r.done.Add(1)
	}
	return r.session.Close()
}

// echo keeps a window of messages in flight. Each message contains the time at which it was sent.
func (r *benchRun) echo(ctx context.Context) error {
	begin := time.Now()
	b, in := make([]byte, r.size), make([]byte, max(r.size, sctpdtls.MaxMessageSize))
	sent, back := 0, 0
	for {
		for sent-back < r.window && ctx.Err() == nil {
			binary.BigEndian.PutUint64(b, uint64(time.Since(begin)))
			if err := r.send(b, sent); err != nil {
				return err
			}
			sent++
		}
		if sent == back {
			return nil
		}
		r.session.SetReadDeadline(time.Now().Add(r.timeout))
		n, _, err := r.session.ReadMessage(in)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("no echo in %v: is the server in mode echo?", r.timeout)
		}
		if err != nil {
			return err
		}
		if n != r.size {
			return fmt.Errorf("an echo has %d bytes, not %d: is the server in mode echo?", n, r.size)
		}
		back++
		r.times = append(r.times, time.Since(begin)-time.Duration(binary.BigEndian.Uint64(in)))
		r.done.Add(1)
	}
}

func spreadOf(times []time.Duration) *spread {
	if len(times) == 0 {
		return nil
	}
	slices.Sort(times)
	at := func(percent int) float64 {
		return float64(times[(len(times)-1)*percent/100]) / float64(time.Millisecond)
	}
	return &spread{at(0), at(50), at(90), at(99), at(100)}
}

// table formats the measurements, with a line for each size.
func table(all []measurement) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "mode\tbytes\tconnections\tstreams\twindow\thandshake ms\tmessages\t"+
		"messages/s\tMB/s\trtt ms: min\tp50\tp90\tp99\tmax\t")
	for _, m := range all {
		window := "-"
		if m.Window > 0 {
			window = strconv.Itoa(m.Window)
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%s\t%.2f\t%d\t%.0f\t%.1f\t", m.Mode, m.Size, m.Connections,
			m.Streams,
			window, m.Handshake, m.Messages, m.PerSecond, m.Megabytes)
		if m.RTT == nil {
			fmt.Fprint(w, "-\t-\t-\t-\t-\t\n")
			continue
		}
		fmt.Fprintf(w, "%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t\n", m.RTT.Min, m.RTT.P50, m.RTT.P90, m.RTT.P99,
			m.RTT.Max)
	}
	w.Flush()
	if len(all) > 0 {
		fmt.Fprintf(&b, "%s, %s\n", all[0].Version, all[0].Suite)
	}
	return b.String()
}
