package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/config"
)

// serviceOptions are a service on the command line.
type serviceOptions struct {
	config.Settings
	config.Process
	allow     []string
	noSandbox bool
}

func text(name, usage string, value *string) cli.Flag {
	return &cli.StringFlag{Name: name, Usage: usage, Destination: value}
}

func file(name, usage string, value *string) cli.Flag {
	return &cli.StringFlag{Name: name, Usage: usage, TakesFile: true, Destination: value}
}

func texts(name, usage string, value *[]string) cli.Flag {
	return &cli.StringSliceFlag{Name: name, Usage: usage + "; may be repeated", Destination: value}
}

func number(name, usage string, value *int) cli.Flag {
	return &cli.IntFlag{Name: name, Usage: usage, Destination: value}
}

func option(name, usage string, value *bool) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, Destination: value}
}

// flags returns those that fill o in. What some mean differs with the role.
func (o *serviceOptions) flags(listen, target, ca string) []cli.Flag {
	s, p := &o.Settings, &o.Process
	return []cli.Flag{
		&cli.StringFlag{Name: "name", Usage: "`NAME` in logs and metrics", Value: s.Role,
			Destination: &s.Name},
		text("listen", listen, &s.Listen),
		text("target", target, &s.Target),
		text("source", "dial from `ADDR`, whose port may be 0 for any", &s.Source),
		option("unsafe", "allow plain SCTP to leave this host: for a namespace or a wire of its own",
			&s.Unsafe),
		file("cert", "certificate chain in PEM `FILE`", &s.Cert),
		file("key", "private key in PEM `FILE` (default: the file of -cert)", &s.Key),
		file("ca", ca, &s.CA),
		texts("crl", "revocation list of a CA in `FILE`", &s.CRL),
		file("psk", "pre-shared keys in `FILE`: lines of IDENTITY and HEX digits", &s.PSK),
		texts("allow", "only peers with a `NAME`, dns:HOST, uri:URI, cn:NAME, ou:NAME, spki:SHA256 or "+
			"psk:IDENTITY",
			&o.allow),
		option("allow-all", "every peer that -ca or -psk lets in", &s.AllowAll),
		texts("ppid", "`CLEAR:DTLS` protocol identifiers in clear and over DTLS", &s.PPID),
		text("min-version", "lowest DTLS `VERSION`: 1.2 or 1.3", &s.MinVersion),
		text("max-version", "highest DTLS `VERSION`: 1.2 or 1.3", &s.MaxVersion),
		text("label", "keys of SCTP-AUTH are made as by `LABEL`: rfc6083, legacy (old OpenSSL) or draft",
			&s.Label),
		number("streams", "at most `N` streams in each direction (default: 1024)", &s.Streams),
		number("buffer", "`BYTES` of each buffer of a socket (default: 262144)", &s.Buffer),
		number("max-message-size", "carry messages of up to `BYTES`, in DTLS 1.3 with a peer that takes "+
			"more too (default: 16384)", &s.MaxMessageSize),
		number("max-associations", "at most `N` associations (default: 4096)", &s.MaxAssociations),
		number("max-handshakes", "at most `N` handshakes at a time (default: 1024)", &s.MaxHandshakes),
		number("max-handshakes-per-host", "at most `N` of them with one host (default: a quarter)",
			&s.MaxHandshakesPerHost),
		text("handshake-timeout", "give up a handshake and its dialling after `TIME` (default: 10s)",
			&s.HandshakeTimeout),
		text("drain-timeout", "deliver what is under way for `TIME` at the end (default: 5s)",
			&s.DrainTimeout),
		text("status", "answer /metrics, /healthz, /readyz and /status on `ADDR`, HOST:PORT or "+
			"unix:/PATH", &p.Status),
		text("log-format", "write logs as `FORMAT`: text or json", &p.LogFormat),
		text("log-level", "write logs of `LEVEL` and above: debug, info, warn or error", &p.LogLevel),
		text("user", "become `USER` once everything is open", &p.User),
		option("no-sandbox", "keep the files and capabilities that are not needed", &o.noSandbox),
	}
}

func (p *program) serverCommand() *cli.Command {
	o := &serviceOptions{Settings: config.Settings{Role: "server"}}
	s := &o.Settings
	return &cli.Command{
		Name:            "server",
		Usage:           "accept DTLS/SCTP from the network, and dial the daemon in clear",
		HideHelpCommand: true,
		Description: `Addresses are HOST:PORT, or HOST/HOST:PORT for several. The daemon's has to be of
this host, unless -unsafe is given. Who may connect has to be said: -allow or -allow-all.

Example:
   sctp-tunnel server -listen 192.0.2.1/198.51.100.1:5868 -target 127.0.0.1:3868 \
      -cert server.pem -key server-key.pem -ca ca.pem -allow uri:spiffe://example.org/mme/*`,
		Flags: append(o.flags("accept DTLS/SCTP on `ADDR`", "the daemon's `ADDR`",
			"CA certificates for those of clients in PEM `FILE`"),
			option("peer-source", "dial the daemon from the peer's IPv6 addresses", &s.PeerSource)),
		Action: func(ctx context.Context, c *cli.Command) error { return p.one(ctx, c, o) },
	}
}

func (p *program) clientCommand() *cli.Command {
	o := &serviceOptions{Settings: config.Settings{Role: "client"}}
	s := &o.Settings
	return &cli.Command{
		Name:            "client",
		Usage:           "accept plain SCTP from the daemon, and dial the network with DTLS/SCTP",
		HideHelpCommand: true,
		Description: `Addresses are HOST:PORT, or HOST/HOST:PORT for several. That of -listen has to be of
this host, unless -unsafe is given. The daemon finds nobody there while the far end cannot be
reached.

Example:
   sctp-tunnel client -listen 127.0.0.1:3868 -target 192.0.2.1/198.51.100.1:5868 \
      -cert client.pem -key client-key.pem -ca ca.pem -server-name hss.example.org`,
		Flags: append(o.flags("accept the daemon's associations on `ADDR`", "the far end's `ADDR`",
			"CA certificates for the server's in PEM `FILE` (default: those of the system)"),
			text("server-name", "`HOST` in the server's certificate (default: that of -target)",
				&s.ServerName),
			text("probe-interval", "look for a far end that was not reachable every `TIME` at least "+
				"(default: 10s)",
				&s.ProbeInterval),
			option("redirect", "dial where the daemon did before nftables redirected it", &s.Redirect),
			option("always-listen", "listen also while the far end cannot be reached, without looking",
				&s.AlwaysListen)),
		Action: func(ctx context.Context, c *cli.Command) error { return p.one(ctx, c, o) },
	}
}

// one runs the service of the flags.
func (p *program) one(ctx context.Context, c *cli.Command, o *serviceOptions) error {
	if c.Args().Present() {
		return command.Usagef("%s takes no argument %q: see %s -help", c.Name, c.Args().First(),
			c.FullName())
	}
	for _, rule := range o.allow {
		a, err := parseAllow(rule)
		if err != nil {
			return err
		}
		o.Allow = append(o.Allow, a)
	}
	o.Sandbox = !o.noSandbox
	service, err := config.Check(&o.Process, &o.Settings)
	if err != nil {
		return command.Exit(command.ExitUsage, err)
	}
	return p.tunnel(ctx, "", &config.Config{Process: o.Process, Services: []config.Service{*service}})
}

// parseAllow parses a rule of -allow, which has one name.
func parseAllow(rule string) (a config.Allow, err error) {
	kind, name, _ := strings.Cut(rule, ":")
	names := map[string]*[]string{"dns": &a.DNS, "uri": &a.URI, "cn": &a.CN, "ou": &a.OU,
		"spki": &a.SPKI, "psk": &a.PSK}[kind]
	if names == nil || name == "" {
		return a, command.Usagef("-allow: %.80q names no peer: give dns:, uri:, cn:, ou:, spki: or psk: "+
			"and a name", rule)
	}
	*names = []string{name}
	return a, nil
}
