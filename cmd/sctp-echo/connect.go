package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/legible"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

type connectOptions struct {
	commonOptions
	clientOptions
	count     int
	size      int
	unordered bool
	interval  time.Duration
}

// clientOptions are the options of all commands that connect.
type clientOptions struct {
	name, local string
	insecure    bool
}

func (o *clientOptions) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "name",
			Usage:       "`HOST` in the server's certificate (default: the host of ADDR)",
			Destination: &o.name},
		&cli.StringFlag{Name: "local",
			Usage:       "dial from `ADDR`, such as 192.0.2.1/198.51.100.1:0 on two addresses",
			Destination: &o.local},
		&cli.BoolFlag{Name: "insecure",
			Usage:       "do not verify the server's certificate: anyone may then pose as the server",
			Destination: &o.insecure},
	}
}

func (p *program) connectCommand() *cli.Command {
	var o connectOptions
	return &cli.Command{
		Name:            "connect",
		Usage:           "send messages to an echo server, check the echoes and measure",
		ArgsUsage:       "ADDR",
		HideHelpCommand: true,
		Description: `ADDR is HOST:PORT; a host with several addresses is written a/b:PORT.
Each echo must come back byte for byte, on its stream, with its PPID. Of many echoes
only a sample is printed, unless -v or -interval is given.

Examples:
   sctp-echo connect -cert demo/client.pem -key demo/client-key.pem -ca demo/ca.pem localhost:5868
   sctp-echo connect -ca demo/ca.pem -streams 4 -count 100 -size 1024 localhost:5870
   sctp-echo connect -ca amf/ca.pem -name amf.example.org -ppid 66 192.0.2.1/198.51.100.1:38412`,
		Flags: append(append(o.commonOptions.flags(
			"certificate chain of this client in PEM `FILE`",
			"CA certificates for the server's, in PEM `FILE` (default: those of the system)",
			"send on streams 0 to `N`-1 in turn",
			"payload protocol identifier `N` of the messages: 47 Diameter, 66 NGAP, 67 XnAP, 68 F1AP, "+
				"69 E1AP",
			"give up after `TIME` without a connection or an echo", 1),
			&cli.IntFlag{Name: "count", Usage: "send `N` messages; 0 sends until interrupted", Value: 5,
				Destination: &o.count, Validator: atLeast(0)},
			&sizeFlag{Name: "size", Value: 64, Destination: &o.size,
				Usage: "of `N` bytes each; more than 16384, such as 64K or 1M, needs a server with " +
					"-max-message",
				Validator: between(1, sctpdtls.MaxLargeMessageSize)},
			&cli.BoolFlag{Name: "unordered", Usage: "let messages of a stream overtake each other",
				Destination: &o.unordered},
			&cli.DurationFlag{Name: "interval",
				Usage: "send a message every `TIME` (default: when the last echo is back)", HideDefault: true,
				Destination: &o.interval, Validator: atLeast[time.Duration](0)},
		), o.clientOptions.flags()...),
		Action: func(ctx context.Context, c *cli.Command) error {
			addr, err := command.OnlyArg(c)
			if err != nil {
				return err
			}
			return p.connect(ctx, addr, o)
		},
	}
}

func (p *program) connect(ctx context.Context, addr string, o connectOptions) error {
	o.ask(o.size)
	keyLog, err := p.openKeyLog()
	if err != nil {
		return err
	}
	defer keyLog.Close()
	config, err := p.clientConfig(&o.commonOptions, &o.clientOptions, keyLog)
	if err != nil {
		return err
	}

	start := time.Now()
	s, err := p.dialServer(ctx, addr, config, &o.commonOptions, &o.clientOptions)
	if err != nil {
		return err
	}
	defer s.Close()
	state := s.ConnectionState()
	p.printf("connected to %v from %v in %s ms\n%s\n", legible.Text(s.RemoteAddr().String()),
		s.LocalAddr(),
		millis(time.Since(start)), inColumns(facts(state)))
	if err := fits(o.size, state); err != nil {
		return err
	}
	if o.streams > int(state.OutStreams) {
		return command.Exit(exitUsage, &sctpdtls.StreamError{Stream: uint16(o.streams - 1),
			Streams: state.OutStreams})
	}
	if o.streams > int(state.InStreams) {
		return command.Usagef("the server has only %d streams and cannot echo on stream %d: start it "+
			"with more -streams, or give fewer", state.InStreams, o.streams-1)
	}

	c := &echoClient{
		session: s,
		echoOptions: echoOptions{
			count: o.count, size: o.size, streams: o.streams, ppid: o.ppid,
			unordered: o.unordered, interval: o.interval, timeout: o.timeout,
			all: o.verbose || o.interval >= 100*time.Millisecond,
		},
		printf: p.printf,
	}
	start = time.Now()
	err = c.run(ctx)
	c.summary(addr, time.Since(start))
	if err == nil && c.wrong > 0 {
		err = fmt.Errorf("%d of %d echoes were wrong", c.wrong, c.wrong+c.received)
	}
	if closeErr := s.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("closing the connection: %w", closeErr)
	}
	return err
}

// fits returns an error if messages of size bytes cannot be sent or received.
func fits(size int, state sctpdtls.ConnectionState) error {
	if size <= max(sctpdtls.MaxMessageSize, min(state.MaxWrite, state.MaxRead)) {
		return nil
	}
	return command.Exit(exitUsage, &sctpdtls.MessageTooLargeError{
		Size: size, Limit: state.MaxWrite, Own: state.MaxRead,
	})
}

func (p *program) clientConfig(o *commonOptions, c *clientOptions,
	keyLog *os.File) (*sctpdtls.Config, error) {
	config, cas, err := o.config(keyLog)
	if err != nil {
		return nil, err
	}
	psk, err := o.preSharedKey()
	if err != nil {
		return nil, err
	}
	if psk != nil {
		config.GetPSK = func([]byte) (*sctpdtls.PSK, error) { return psk, nil }
	}
	config.RootCAs = cas
	config.InsecureSkipVerify = c.insecure
	config.ServerName = c.name // if empty, sctpdtls uses the host of the address
	config.Logger = p.logger(o)
	return config, nil
}

// dialServer makes a connection within -timeout. Its errors determine the exit status.
func (p *program) dialServer(ctx context.Context, addr string, config *sctpdtls.Config,
	o *commonOptions, c *clientOptions) (session, error) {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	s, err := p.dial(ctx, o.network(), c.local, addr, config)
	// otherwise the user caused it
	if _, ok := errtype.As[*command.StatusError](err); err != nil && !ok {
		err = command.Exit(exitNoConnection, &connectError{err, o.cert != ""})
	}
	return s, err
}

// A connectError says why no connection was made.
type connectError struct {
	err             error
	haveCertificate bool // -cert was given
}

func (e *connectError) Error() string { return e.err.Error() }
func (e *connectError) Unwrap() error { return e.err }
