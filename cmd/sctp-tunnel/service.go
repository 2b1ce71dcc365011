package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/tunnel"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// serviceOptions describe one service on the command line.
type serviceOptions struct {
	service       tunnel.Service
	cert, key, ca string
	name          string
	ppids         []string
	streams       uint32
}

// flags returns those that fill o in. What addresses mean differs with the role.
func (o *serviceOptions) flags(listen, target string) []cli.Flag {
	s := &o.service
	flags := []cli.Flag{
		text("listen", listen, &s.Listen),
		text("target", target, &s.Target),
		text("source", "dial from `ADDR`, whose port may be 0 for any", &s.Source),
		text("cert", "certificate chain in PEM `FILE`", &o.cert),
		text("key", "private key in PEM `FILE` (default: the file of -cert)", &o.key),
		text("ca", "CA certificates for the peer's in PEM `FILE`", &o.ca),
	}
	return append(flags,
		&cli.StringSliceFlag{
			Name:        "ppid",
			Usage:       "`CLEAR:DTLS` protocol identifiers in clear and over DTLS; may be repeated",
			Destination: &o.ppids,
		},
		&cli.Uint32Flag{
			Name:        "streams",
			Usage:       "at most `N` streams in each direction",
			Value:       1024,
			Destination: &o.streams,
		},
	)
}

func text(name, usage string, value *string) cli.Flag {
	return &cli.StringFlag{Name: name, Usage: usage, Destination: value}
}

func option(name, usage string, value *bool) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, Destination: value}
}

func (p *program) serverCommand() *cli.Command {
	o := &serviceOptions{service: tunnel.Service{Name: "server", Role: tunnel.Server}}
	return &cli.Command{
		Name:  "server",
		Usage: "accept DTLS/SCTP from the network, and dial the daemon in clear",
		Flags: append(o.flags("accept DTLS/SCTP on `ADDR`", "the daemon's `ADDR`"),
			option("peer-source", "dial the daemon from the peer's addresses", &o.service.PeerSource)),
		Action: func(ctx context.Context, _ *cli.Command) error { return p.serve(ctx, o) },
	}
}

func (p *program) clientCommand() *cli.Command {
	o := &serviceOptions{service: tunnel.Service{Name: "client", Role: tunnel.Client}}
	return &cli.Command{
		Name:  "client",
		Usage: "accept plain SCTP from the daemon, and dial the network with DTLS/SCTP",
		Flags: append(o.flags("accept the daemon's associations on `ADDR`", "the far end's `ADDR`"),
			text("name", "`HOST` in the server's certificate (default: that of -target)", &o.name),
			option("redirect", "dial where the daemon did before nftables redirected it",
				&o.service.Redirect)),
		Action: func(ctx context.Context, _ *cli.Command) error { return p.serve(ctx, o) },
	}
}

// serve carries associations until ctx is done.
func (p *program) serve(ctx context.Context, o *serviceOptions) error {
	config, err := o.config()
	if err != nil {
		return err
	}
	s := &o.service
	s.TLS = func() *sctpdtls.Config { return config }
	s.Log = slog.New(slog.NewTextHandler(p.stderr, nil))
	if s.PPIDs, err = parsePPIDs(o.ppids); err != nil {
		return err
	}
	s.Limits.Streams = uint16(min(o.streams, 65535))
	return s.Run(ctx)
}

func (o *serviceOptions) config() (*sctpdtls.Config, error) {
	config := &sctpdtls.Config{ServerName: o.name}
	if o.cert != "" {
		pair, err := tls.LoadX509KeyPair(o.cert, cmp.Or(o.key, o.cert))
		if err != nil {
			return nil, fmt.Errorf("-cert and -key: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if o.ca != "" {
		pem, err := os.ReadFile(o.ca)
		if err != nil {
			return nil, fmt.Errorf("-ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("-ca: no certificate in %s", o.ca)
		}
		config.RootCAs, config.ClientCAs = pool, pool
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}

// parsePPIDs parses pairs of a payload protocol identifier in clear and one over DTLS, such as
// 0:47.
func parsePPIDs(pairs []string) (map[uint32]uint32, error) {
	m := make(map[uint32]uint32)
	for _, pair := range pairs {
		a, b, ok := strings.Cut(pair, ":")
		in, err := strconv.ParseUint(a, 10, 32)
		out, err2 := strconv.ParseUint(b, 10, 32)
		if !ok || err != nil || err2 != nil {
			return nil, fmt.Errorf("-ppid %q: want two numbers, such as 0:47", pair)
		}
		m[uint32(in)] = uint32(out)
	}
	return m, nil
}
