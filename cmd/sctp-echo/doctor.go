package main

import (
	"context"
	"fmt"
	"time"

	"github.com/fatih/color"
	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

type doctorOptions struct {
	doctor.Files
	transport string
	timeout   time.Duration
}

func (p *program) doctorCommand() *cli.Command {
	var o doctorOptions
	return &cli.Command{
		Name:            "doctor",
		Usage:           "check whether this machine supports DTLS over SCTP, and name remedies",
		ArgsUsage:       "[ADDR]",
		HideHelpCommand: true,
		Description: `Checks the kernel, its SCTP and what keeps it from being loaded, SCTP-AUTH, IPv6,
limits and the given certificates, and makes a connection to itself. It verifies certificates as a
peer would: chain, dates, usage, names, keys and signatures, in files of any form. With ADDR
it also tries to connect to that server. It changes nothing and does not need root.

Exit status: 0 if all is well, warnings included; 3 otherwise.

Examples:
   sctp-echo doctor
   sctp-echo doctor -cert demo/client.pem -key demo/client-key.pem -ca demo/ca.pem localhost:5868`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "cert", Usage: "certificate chain to check, in PEM `FILE`",
				TakesFile: true, Destination: &o.Cert},
			&cli.StringFlag{Name: "key", Usage: "its private key in PEM `FILE` (default: the file of -cert)",
				TakesFile: true, Destination: &o.Key},
			&cli.StringFlag{Name: "ca",
				Usage:     "CA certificates in PEM `FILE`, for -cert and the server at ADDR",
				TakesFile: true, Destination: &o.CA},
			transportFlag(&o.transport),
			&cli.BoolFlag{Name: "server", Usage: "check -cert as a server's", Destination: &o.Server},
			&cli.DurationFlag{Name: "timeout", Usage: "give up after `TIME` without a connection",
				Value: 5 * time.Second, Destination: &o.timeout, Validator: atLeast(time.Millisecond)},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() > 1 {
				return command.Usagef("doctor takes one ADDR, not %d: see %s -help", c.Args().Len(),
					c.FullName())
			}
			return p.doctor(ctx, c.Args().First(), o)
		},
	}
}

// doctor runs the checks, in the order in which a connection would fail. It skips those that need
// something that is missing.
func (p *program) doctor(ctx context.Context, addr string, o doctorOptions) error {
	ills := 0
	tell := func(found []doctor.Finding) {
		for _, f := range found {
			p.printf("%s", f.Lines(paint(f.Verdict)))
			if f.Verdict == doctor.Ill {
				ills++
			}
		}
	}
	common := commonOptions{
		cert: o.Cert, key: o.Key, ca: o.CA, transport: o.transport, timeout: o.timeout,
	}
	if o.transport == kernel {
		tell(p.machine().Findings())
	}
	sctp := ills == 0
	if sctp {
		tell(doctor.About("loopback", p.loopback(ctx, common.network(), o.timeout)))
	} else {
		f := p.loopback(ctx, "sctp+udp", o.timeout)
		if f.Verdict == doctor.Well {
			f = doctor.Note("give both ends -transport udp, and open UDP port 9899 (a Linux "+
				"kernel at the other end: sysctl -w net.sctp.udp_port=9899)",
				"needs no SCTP in the kernel: %s", f.Text)
		}
		tell(doctor.About("SCTP in UDP", f))
	}
	if o.Cert != "" || o.Key != "" || o.CA != "" {
		tell(doctor.CheckCertificates(o.Files, time.Now()))
	}
	if addr != "" && sctp {
		tell(doctor.About("server", p.reach(ctx, addr, o.Server, common)))
	}
	if ills > 0 {
		return command.Exit(exitNoConnection, fmt.Errorf("%d of the checks failed: see above", ills))
	}
	return nil
}

// paint colors a verdict if standard output is a terminal that shows color.
func paint(v doctor.Verdict) string {
	return [...]*color.Color{color.New(color.FgGreen), color.New(color.FgYellow),
		color.New(color.FgRed, color.Bold)}[v].Sprintf("%-4s", v)
}

// loopback makes a mutually authenticated connection to itself.
func loopback(ctx context.Context, network string, timeout time.Duration) doctor.Finding {
	state, took, err := doctor.Loopback(ctx, network, timeout)
	if err != nil {
		return doctor.Bad("", "%s", oneLine(explain(err)))
	}
	return doctor.Okay("a mutually authenticated connection in %s ms: %s", millis(took),
		inLine(facts(state)))
}

// reach tries to connect to the server at addr, without a certificate if that is a server's.
func (p *program) reach(
	ctx context.Context, addr string, server bool, common commonOptions,
) doctor.Finding {
	if server {
		common.cert, common.key = "", ""
	}
	config, err := p.clientConfig(&common, &clientOptions{}, nil)
	if err != nil {
		return doctor.Bad("", "%v", err)
	}
	start := time.Now()
	s, err := p.dialServer(ctx, addr, config, &common, &clientOptions{})
	if err != nil {
		return doctor.Bad(remedy(err), "%s: %s", addr, oneLine(err.Error()))
	}
	defer s.Close()
	return doctor.Okay("%v: connected in %s ms: %s", legible.Text(s.RemoteAddr().String()),
		millis(time.Since(start)), inLine(facts(s.ConnectionState())))
}
