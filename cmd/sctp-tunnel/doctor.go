package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/config"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/credential"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/sandbox"
)

const loopbackTimeout = 5 * time.Second

func (p *program) checkCommand() *cli.Command {
	return &cli.Command{
		Name:            "check",
		Usage:           "check a configuration file and the certificates it names",
		ArgsUsage:       "FILE",
		HideHelpCommand: true,
		Description: `Reads the file and the files that it names, as “sctp-tunnel run” would, and
checks certificates as a peer would: their chain, dates, usage, names, keys and signatures. For each
error it prints the line and what to do. It does not open sockets or change anything.

Exit status: 0 if all is well, warnings included; 2 otherwise.

Example:
   sctp-tunnel check /etc/sctp-tunnel.toml`,
		Action: func(_ context.Context, c *cli.Command) error {
			name, conf, err := argConfig(c)
			if err != nil {
				return err
			}
			if ills := p.show(checkServices(conf)); ills > 0 {
				return command.Usagef("%s: %d of the checks failed: see above", name, ills)
			}
			return nil
		},
	}
}

func (p *program) doctorCommand() *cli.Command {
	return &cli.Command{
		Name:            "doctor",
		Usage:           "check whether this machine supports DTLS over SCTP, and say what to do if not",
		ArgsUsage:       "[FILE]",
		HideHelpCommand: true,
		Description: `Checks the kernel, its SCTP module and what prevents loading it, SCTP-AUTH, IPv6 and
limits, and makes a connection to itself. With a configuration FILE it also does what “check”
does. It changes nothing, and does not need root.

Exit status: 0 if all is well, warnings included; 1 otherwise.

Examples:
   sctp-tunnel doctor
   sctp-tunnel doctor /etc/sctp-tunnel.toml`,
		Action: func(ctx context.Context, c *cli.Command) error {
			found := p.machine().Findings()
			if doctor.AllWell(found) {
				found = append(found, doctor.About("loopback", p.loopback(ctx))...)
			}
			if c.Args().Present() {
				_, conf, err := argConfig(c)
				if err != nil {
					return err
				}
				found = append(found, checkServices(conf)...)
			}
			if ills := p.show(found); ills > 0 {
				return fmt.Errorf("%d of the checks failed: see above", ills)
			}
			return nil
		},
	}
}

// show prints findings, and returns the number of errors.
func (p *program) show(found []doctor.Finding) (ills int) {
	for _, f := range found {
		fmt.Fprint(p.stdout, f.Lines(fmt.Sprintf("%-4s", f.Verdict)))
		if f.Verdict == doctor.Ill {
			ills++
		}
	}
	return ills
}

// checkServices checks the user, and the files that services name. A finding about one service
// includes its name.
func checkServices(conf *config.Config) (found []doctor.Finding) {
	if err := checkUser(conf); err != nil {
		found = doctor.About("user", doctor.Bad("", "%v", err))
	}
	for _, c := range conf.Services {
		for _, f := range credential.Check(files(c), time.Now()) {
			f.Text = c.Name + ": " + f.Text
			found = append(found, f)
		}
	}
	return found
}

// checkUser returns an error if the user to switch to does not exist.
func checkUser(conf *config.Config) (err error) {
	if conf.User != "" {
		_, err = sandbox.LookupUser(conf.User)
	}
	return err
}

// loopback makes a mutually authenticated connection to itself.
func loopback(ctx context.Context) doctor.Finding {
	state, took, err := doctor.Loopback(ctx, "sctp", loopbackTimeout)
	if err != nil {
		return doctor.Bad("", "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return doctor.Okay("a mutually authenticated connection in %.1f ms, with %d streams",
		float64(took.Microseconds())/1000, state.OutStreams)
}
