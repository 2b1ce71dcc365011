package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/internal/legible"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

type serveOptions struct {
	commonOptions
	mode string
	once int
}

func (p *program) serveCommand() *cli.Command {
	var o serveOptions
	return &cli.Command{
		Name:            "serve",
		Usage:           "serve echo (or discard, or chargen) to any number of clients",
		ArgsUsage:       "ADDR",
		HideHelpCommand: true,
		Description: `ADDR is HOST:PORT, or :PORT for all addresses; a host with several addresses is
written a/b:PORT. With -ca, each client must have a certificate from one of these CAs. If a
client fails, the server logs the error and continues to serve the others.

Modes, as in RFC 862, 863 and 864:
   echo     sends each message back on its stream, with its PPID, ordered or unordered as it was
   discard  reads and sends nothing
   chargen  sends lines of characters endlessly, on each stream in turn

Examples:
   sctp-echo serve -cert demo/server.pem -key demo/server-key.pem -ca demo/ca.pem :5868
   sctp-echo serve -cert demo/server.pem -key demo/server-key.pem -mode discard :5869
   sctp-echo serve -cert demo/server.pem -key demo/server-key.pem -max-message 1M :5870
   sctp-echo serve -cert amf/server.pem -key amf/server-key.pem -once 1` +
			` 192.0.2.1/198.51.100.1:38412`,
		Flags: append(o.flags(
			"certificate chain of this server in PEM `FILE`",
			"CA certificates for those of the clients, in PEM `FILE`; required of each client",
			"request `N` streams in each direction",
			"send with this payload protocol identifier `N`; 0 echoes the message's own",
			"give up a handshake, or a client that does not read, after `TIME`", 64),
			&cli.StringFlag{Name: "mode", Usage: "`MODE` of the server: echo, discard or chargen",
				Value: "echo", Destination: &o.mode,
				Validator: func(m string) error {
					if modes[m] == nil {
						return fmt.Errorf("no mode %q: echo, discard or chargen", m)
					}
					return nil
				}},
			&cli.IntFlag{Name: "once", Usage: "exit after `N` connections", HideDefault: true,
				Destination: &o.once, Validator: atLeast(0)},
		),
		Action: func(ctx context.Context, c *cli.Command) error {
			addr, err := command.OnlyArg(c)
			if err != nil {
				return err
			}
			return p.serve(ctx, addr, o)
		},
	}
}

func (p *program) serve(ctx context.Context, addr string, o serveOptions) error {
	if o.cert == "" && o.psk == "" && !o.plain {
		return command.Usagef("a server needs -cert and -key: sctp-echo certs DIR makes some; or -psk")
	}
	keyLog, err := p.openKeyLog()
	if err != nil {
		return err
	}
	defer keyLog.Close()
	config, cas, err := o.config(keyLog)
	if err != nil {
		return err
	}
	psk, err := o.preSharedKey()
	if err != nil {
		return err
	}
	if psk != nil {
		config.LookupPSK = func(identity []byte) (*sctpdtls.PSK, error) {
			if !bytes.Equal(identity, psk.Identity) {
				return nil, nil
			}
			return psk, nil
		}
	}
	config.SCTP.MaxInStreams = uint16(o.streams)
	config.Logger = p.logger(&o.commonOptions)
	if cas != nil {
		config.ClientCAs = cas
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	config.Trace = &sctpdtls.Trace{
		HandshakeDone: func(a net.Addr, _ sctpdtls.ConnectionState, err error) {
			if err == nil {
				return
			}
			who := "a client" // it was gone before it was accepted
			if a != nil {
				who = legible.Text(a.String())
			}
			p.complain(who+": no connection: ", err)
		},
	}

	l, err := p.listen(o.network(), addr, config)
	if err != nil {
		return command.Exit(exitNoConnection, err)
	}
	inside := ""
	if o.transport == udp {
		inside = fmt.Sprintf(", UDP port %d", cmp.Or(o.udpEncap, udpPort))
	}
	p.printf("listening on %v%s\n", l.Addr(), inside)

	var clients sync.WaitGroup
	defer clients.Wait()
	defer l.Close() // before waiting, so that no other client connects
	for n := 0; o.once == 0 || n < o.once; n++ {
		s, err := l.accept(ctx)
		if ctx.Err() != nil {
			if err == nil {
				s.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting connections: %w", err)
		}
		clients.Go(func() { p.serveClient(ctx, s, o) })
	}
	return nil
}

// serveClient serves one client until it leaves or ctx ends, and prints the result.
func (p *program) serveClient(ctx context.Context, s session, o serveOptions) {
	who := legible.Text(s.RemoteAddr().String())
	p.printf("%s: connected: %s\n", who, inLine(facts(s.ConnectionState())))

	stop := context.AfterFunc(ctx, func() { s.Close() })
	defer stop()
	t := &traffic{session: s, ppid: o.ppid, timeout: o.timeout}
	if o.verbose {
		t.read = func(n int, info sctpdtls.MessageInfo) {
			p.printf("%s: %d bytes: stream=%d ppid=%d unordered=%t\n", who, n, info.Stream, info.PPID,
				info.Unordered)
		}
	}
	start := time.Now()
	err := modes[o.mode](t)
	took := time.Since(start)
	ending := "closed by the client"
	switch {
	case ctx.Err() != nil:
		ending = "closed by this server"
	case !errors.Is(err, io.EOF):
		ending = "broken"
		p.complain(who+": ", err)
	}
	if err := s.Close(); err != nil && ending == "closed by the client" {
		p.complain(who+": closing the connection: ", err)
	}
	p.printf("%s: %s: %s, in %s ms\n", who, ending, t, millis(took))
}
