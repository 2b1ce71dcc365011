package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// commonOptions are the options of both serve and connect.
type commonOptions struct {
	cert, key, ca string
	alpn          []string
	groups        []string
	suites        []string
	min, max      string
	psk, identity string
	streams       int
	ppid          uint32
	transport     string
	udpEncap      uint32
	plain         bool
	legacyLabel   bool
	maxMessage    int
	timeout       time.Duration
	verbose       bool
}

// flags returns the flags that set o. What some of them mean depends on the role.
func (o *commonOptions) flags(certUsage, caUsage, streamsUsage, ppidUsage, timeoutUsage string,
	streams int) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "cert", Usage: certUsage, TakesFile: true, Destination: &o.cert},
		&cli.StringFlag{Name: "key",
			Usage: "private key of -cert in PEM `FILE` (default: the file of -cert)", TakesFile: true,
			Destination: &o.key},
		&cli.StringFlag{Name: "ca", Usage: caUsage, TakesFile: true, Destination: &o.ca},
		&cli.StringFlag{Name: "psk",
			Usage:       "pre-shared key, `HEX` digits for 16 bytes or more, or @FILE that contains them",
			Destination: &o.psk},
		&cli.StringFlag{Name: "psk-identity", Usage: "`NAME` of the pre-shared key",
			Value: "Client_identity", Destination: &o.identity},
		&cli.IntFlag{Name: "streams", Usage: streamsUsage, Value: streams, Destination: &o.streams,
			Validator: between(1, 65535)},
		&cli.Uint32Flag{Name: "ppid", Usage: ppidUsage, Destination: &o.ppid},
		&cli.StringSliceFlag{Name: "alpn",
			Usage:       "application `PROTOCOL` to negotiate, in order of preference; may be repeated",
			Destination: &o.alpn},
		&cli.StringSliceFlag{Name: "group", Usage: "key exchange `GROUP`, in order of preference: " +
			groupNames() + "; may be repeated", Destination: &o.groups},
		&cli.StringSliceFlag{Name: "suite",
			Usage: "cipher `SUITE` by its IANA name or as 0xNNNN; may be repeated", Destination: &o.suites},
		&cli.StringFlag{Name: "min", Usage: "lowest DTLS `VERSION`: 1.2 or 1.3", Destination: &o.min},
		&cli.StringFlag{Name: "max", Usage: "highest DTLS `VERSION`: 1.2 or 1.3", Destination: &o.max},
		transportFlag(&o.transport),
		&cli.Uint32Flag{Name: "udp-encap", Destination: &o.udpEncap,
			Usage: "SCTP in UDP (RFC 6951): `PORT` of the server; the kernel's own port is that of " +
				"the sysctl net.sctp.udp_port (default with -transport udp: 9899)",
			HideDefault: true, Validator: between[uint32](0, 65535)},
		&cli.BoolFlag{Name: "plain", Destination: &o.plain,
			Usage: "no DTLS and no SCTP-AUTH, at both ends, to measure their cost: nothing is protected"},
		&cli.BoolFlag{Name: "legacy-label",
			Usage:       "derive SCTP-AUTH keys as OpenSSL before 1.1.1b did (its -sctp_label_bug)",
			Destination: &o.legacyLabel},
		&sizeFlag{Name: "max-message", Destination: &o.maxMessage,
			Usage: "accept messages of up to `N` bytes, such as 1M, if the peer also has this option; " +
				"DTLS 1.3 only",
			HideDefault: true, Validator: maxMessageSize},
		&cli.DurationFlag{Name: "timeout", Usage: timeoutUsage, Value: 10 * time.Second,
			Destination: &o.timeout, Validator: atLeast(time.Millisecond)},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"},
			Usage:       "also log each message, and changes of the connection and its keys",
			Destination: &o.verbose},
	}
}

// The implementations of SCTP.
const (
	kernel = "kernel"
	udp    = "udp"
	ip     = "ip"
)

// udpPort is the UDP port for SCTP. RFC 6951, Section 5.1.
const udpPort = 9899

func transportFlag(to *string) cli.Flag {
	return &cli.StringFlag{
		Name: "transport", Value: kernel, Destination: to,
		Usage: "SCTP of the `kernel`, or that of this program: udp for inside UDP, ip for straight " +
			"over IP (Linux, with CAP_NET_RAW and no SCTP in the kernel)",
		Validator: func(name string) error {
			if name != kernel && name != udp && name != ip {
				return fmt.Errorf("no transport %q: kernel, udp or ip", name)
			}
			return nil
		},
	}
}

// network returns the network for package sctpdtls.
func (o *commonOptions) network() string {
	switch {
	case o.plain:
		return plain
	case o.transport == udp:
		return "sctp+udp"
	case o.transport == ip:
		return "sctp+ip"
	}
	return "sctp"
}

// config returns what both roles share, and the CAs of -ca, or nil without it. keyLog may be nil.
func (o *commonOptions) config(keyLog *os.File) (*sctpdtls.Config, *x509.CertPool, error) {
	switch {
	case o.plain && (o.transport == udp || o.transport == ip):
		return nil, nil, command.Usagef("-plain is over SCTP of the kernel: leave -transport %s out",
			o.transport)
	case o.transport == ip && o.udpEncap != 0:
		return nil, nil, command.Usagef("-udp-encap is a port of UDP, which -transport ip does not have")
	}
	config := &sctpdtls.Config{
		NextProtos:       o.alpn,
		PPID:             o.ppid,
		LegacyLabel:      o.legacyLabel,
		MaxMessageSize:   o.maxMessage,
		HandshakeTimeout: o.timeout,
		CloseTimeout:     o.timeout,
	}
	if keyLog != nil {
		config.KeyLogWriter = keyLog
	}
	config.SCTP.OutStreams = uint16(o.streams)
	config.SCTP.UDPEncapPort = uint16(o.udpEncap)

	if o.key != "" && o.cert == "" {
		return nil, nil, command.Usagef("-key needs -cert")
	}
	if o.cert != "" {
		c, err := doctor.LoadPair(o.cert, o.key)
		if err != nil {
			return nil, nil, command.Usagef("-cert and -key: %w", err)
		}
		config.Certificates = []tls.Certificate{c}
	}
	var cas *x509.CertPool
	if o.ca != "" {
		var err error
		if cas, err = doctor.LoadCAs(o.ca); err != nil {
			return nil, nil, command.Exit(exitUsage, err)
		}
	}

	for _, v := range []struct {
		flag, name string
		version    *uint16
	}{{"-min", o.min, &config.MinVersion}, {"-max", o.max, &config.MaxVersion}} {
		if v.name == "" {
			continue
		}
		n, err := parseVersion(v.name)
		if err != nil {
			return nil, nil, command.Usagef("%s: %w", v.flag, err)
		}
		*v.version = n
	}
	for _, name := range o.groups {
		g, err := parseGroup(name)
		if err != nil {
			return nil, nil, command.Usagef("-group: %w", err)
		}
		config.CurvePreferences = append(config.CurvePreferences, g)
	}
	for _, name := range o.suites {
		s, err := parseSuite(name)
		if err != nil {
			return nil, nil, command.Usagef("-suite: %w", err)
		}
		config.CipherSuites = append(config.CipherSuites, s)
	}
	return config, cas, nil
}

// preSharedKey returns the key of -psk, or nil without it.
func (o *commonOptions) preSharedKey() (*sctpdtls.PSK, error) {
	if o.psk == "" {
		return nil, nil
	}
	digits := o.psk
	if name, ok := strings.CutPrefix(o.psk, "@"); ok { // others can see a command line
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, command.Usagef("-psk: %w", err)
		}
		digits = strings.TrimSpace(string(b))
	}
	key, err := hex.DecodeString(digits)
	if err != nil {
		return nil, command.Usagef("-psk: not hexadecimal digits") // err would show some of them
	}
	if len(key) < 16 {
		return nil, command.Usagef("-psk: %d bytes are too few, give 16 or more: openssl rand -hex 32",
			len(key))
	}
	return &sctpdtls.PSK{Identity: []byte(o.identity), Key: key}, nil
}

// logger returns the logger for -v, which writes to standard error, or nil without it.
func (p *program) logger(o *commonOptions) *slog.Logger {
	if !o.verbose {
		return nil
	}
	return slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.stderr.Write(b)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// openKeyLog opens the file that SSLKEYLOGFILE names for appending, readable only by the user. It
// returns nil, which can be closed too, if the variable is empty.
func (p *program) openKeyLog() (*os.File, error) {
	name := p.getenv("SSLKEYLOGFILE")
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, command.Usagef("SSLKEYLOGFILE: %w", err)
	}
	return f, nil
}

// maxMessageSize validates -max-message.
func maxMessageSize(n int) error {
	if n == 0 {
		return nil
	}
	return between(sctpdtls.MaxMessageSize, sctpdtls.MaxLargeMessageSize)(n)
}

// ask makes config request messages of size bytes, if they are large.
func (o *commonOptions) ask(size int) {
	if size > sctpdtls.MaxMessageSize {
		o.maxMessage = max(o.maxMessage, size)
	}
}

func atLeast[T cmp.Ordered](low T) func(T) error {
	return func(v T) error {
		if v < low {
			return fmt.Errorf("%v is less than %v", v, low)
		}
		return nil
	}
}

func between[T cmp.Ordered](low, high T) func(T) error {
	return func(v T) error {
		if v < low || v > high {
			return fmt.Errorf("%v is not between %v and %v", v, low, high)
		}
		return nil
	}
}
