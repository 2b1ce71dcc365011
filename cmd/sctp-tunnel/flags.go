package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/config"
)

// serviceOptions describe a service on the command line.
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

// number returns a flag whose default, written as in help, applies if the value is 0.
func number(name, usage, byDefault string, value *int) cli.Flag {
	return &cli.IntFlag{Name: name, Usage: usage, DefaultText: byDefault, Destination: value}
}

func option(name, usage string, value *bool) cli.Flag {
	return &cli.BoolFlag{Name: name, Usage: usage, Destination: value}
}

// flags returns the flags that set o. The usage of some depends on the role.
func (o *serviceOptions) flags(listen, target, ca string) []cli.Flag {
	s, p := &o.Settings, &o.Process
	return []cli.Flag{
		&cli.StringFlag{Name: "name", Usage: "`NAME` in logs and metrics", Value: s.Role,
			Destination: &s.Name},
		text("listen", listen, &s.Listen),
		text("target", target, &s.Target),
		text("source", "connect from `ADDR`; port 0 means any", &s.Source),
		option("unsafe", "allow plain SCTP to leave this host, for a network that is private to the two",
			&s.Unsafe),
		file("cert", "certificate chain in PEM `FILE`", &s.Cert),
		file("key", "private key in PEM `FILE` (default: the file of -cert)", &s.Key),
		file("ca", ca, &s.CA),
		texts("crl", "revocation list of a CA in `FILE`", &s.CRL),
		file("psk", "pre-shared keys in `FILE`: lines of IDENTITY and HEX digits", &s.PSK),
		texts("allow", "allow only peers with this `NAME`: dns:HOST, uri:URI, cn:NAME, ou:NAME, "+
			"spki:SHA256 or psk:IDENTITY",
			&o.allow),
		option("allow-all", "allow every peer that -ca or -psk authenticates", &s.AllowAll),
		texts("ppid", "payload protocol identifiers `CLEAR:DTLS` without and with DTLS", &s.PPID),
		text("min-version", "lowest DTLS `VERSION`: 1.2 or 1.3", &s.MinVersion),
		text("max-version", "highest DTLS `VERSION`: 1.2 or 1.3", &s.MaxVersion),
		text("label", "exporter `LABEL` of SCTP-AUTH keys: rfc6083, legacy (old OpenSSL) or draft",
			&s.Label),
		number("streams", "use at most `N` streams in each direction", "1024", &s.Streams),
		number("buffer", "size of each socket buffer in `BYTES`", "262144", &s.Buffer),
		number("max-message-size", "forward messages of up to `BYTES`; more than 16384 requires "+
			"DTLS 1.3 and a peer that supports it", "16384", &s.MaxMessageSize),
		number("max-associations", "accept at most `N` associations", "4096", &s.MaxAssociations),
		number("max-handshakes", "allow at most `N` handshakes at a time", "1024", &s.MaxHandshakes),
		number("max-handshakes-per-host", "allow at most `N` of them with one host",
			"a quarter of -max-handshakes", &s.MaxHandshakesPerHost),
		text("handshake-timeout", "limit connecting and the handshake to `TIME` (default: 10s)",
			&s.HandshakeTimeout),
		text("drain-timeout", "deliver messages in transit for up to `TIME` when an association "+
			"ends (default: 5s)",
			&s.DrainTimeout),
		text("status", "serve /metrics, /healthz, /readyz and /status on `ADDR`: HOST:PORT or "+
			"unix:/PATH", &p.Status),
		text("log-format", "`FORMAT` of logs: text or json", &p.LogFormat),
		text("log-level", "lowest `LEVEL` to log: debug, info, warn or error", &p.LogLevel),
		text("user", "switch to `USER` once all files and sockets are open", &p.User),
		option("no-sandbox", "keep access to files and capabilities that are not needed", &o.noSandbox),
	}
}

func (p *program) serverCommand() *cli.Command {
	o := &serviceOptions{Settings: config.Settings{Role: "server"}}
	s := &o.Settings
	return &cli.Command{
		Name:            "server",
		Usage:           "accept DTLS/SCTP from the network, and connect to the daemon with plain SCTP",
		HideHelpCommand: true,
		Description: `Addresses are HOST:PORT, or HOST/HOST:PORT for several. The daemon's address must
belong to this host, unless -unsafe is given. Either -allow or -allow-all is required.

Example:
   sctp-tunnel server -listen 192.0.2.1/198.51.100.1:5868 -target 127.0.0.1:3868 \
      -cert server.pem -key server-key.pem -ca ca.pem -allow uri:spiffe://example.org/mme/*`,
		Flags: append(o.flags("accept DTLS/SCTP on `ADDR`", "the daemon's `ADDR`",
			"CA certificates for verifying clients, in PEM `FILE`"),
			option("peer-source", "connect to the daemon from the peer's IPv6 addresses", &s.PeerSource)),
		Action: func(ctx context.Context, c *cli.Command) error { return p.one(ctx, c, o) },
	}
}

func (p *program) clientCommand() *cli.Command {
	o := &serviceOptions{Settings: config.Settings{Role: "client"}}
	s := &o.Settings
	return &cli.Command{
		Name:            "client",
		Usage:           "accept plain SCTP from the daemon, and connect to the network with DTLS/SCTP",
		HideHelpCommand: true,
		Description: `Addresses are HOST:PORT, or HOST/HOST:PORT for several. The address of -listen must
belong to this host, unless -unsafe is given. While the far end cannot be reached, the client does
not listen, so that the daemon notices.

Example:
   sctp-tunnel client -listen 127.0.0.1:3868 -target 192.0.2.1/198.51.100.1:5868 \
      -cert client.pem -key client-key.pem -ca ca.pem -server-name hss.example.org`,
		Flags: append(o.flags("accept the daemon's associations on `ADDR`", "the far end's `ADDR`",
			"CA certificates for verifying the server, in PEM `FILE` (default: those of the system)"),
			text("server-name", "`HOST` that the server's certificate must be valid for "+
				"(default: that of -target)",
				&s.ServerName),
			text("probe-interval", "try to reach an unreachable far end at least every `TIME` "+
				"(default: 10s)",
				&s.ProbeInterval),
			option("redirect", "connect to the address from which nftables redirected the daemon",
				&s.Redirect),
			option("always-listen", "always listen, without checking whether the far end can be reached",
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
		return a, command.Usagef("-allow: invalid rule %.80q: use dns:, uri:, cn:, ou:, spki: or psk:, "+
			"followed by a name", rule)
	}
	*names = []string{name}
	return a, nil
}
