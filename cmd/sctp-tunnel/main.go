package main

import (
	"context"

	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/tunnel"
)

// Exit statuses, as doc.go promises them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = command.ExitUsage
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a graceful end; the second one must not wait for it.
	context.AfterFunc(ctx, stop)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	p := &program{stdout: os.Stdout, stderr: os.Stderr, hangup: hangup, machine: doctor.ThisMachine,
		loopback: loopback, serve: (*tunnel.Service).Run}
	os.Exit(p.run(ctx, os.Args))
}

// A program is what the commands share: their access to the rest of the system.
type program struct {
	stdout, stderr io.Writer
	hangup         <-chan os.Signal // requests to reload files
	machine        func() doctor.Machine
	loopback       func(context.Context) doctor.Finding
	serve          func(*tunnel.Service, context.Context) error
}

// run executes one command line and returns the exit status.
func (p *program) run(ctx context.Context, args []string) int {
	err := p.command().Run(ctx, args)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			fmt.Fprintf(p.stderr, "sctp-tunnel: %s\n", doctor.Printable(strings.TrimSuffix(line, "\n")))
		}
	}
	return command.Status(err, exitFailed)
}

func (p *program) command() *cli.Command {
	return command.Root(&cli.Command{
		Name:      "sctp-tunnel",
		Usage:     "DTLS over SCTP (RFC 6083) for daemons without it",
		Writer:    p.stdout,
		ErrWriter: p.stderr,
		Description: `A server accepts DTLS/SCTP from the network, and connects to the daemon on its host
with plain SCTP. A client accepts plain SCTP from the daemon on its host, and connects to the
network with DTLS/SCTP. The far end may be another sctp-tunnel, or any implementation of RFC 6083.

Examples:
   sctp-tunnel server -listen 192.0.2.1:5868 -target 127.0.0.1:3868 \
      -cert server.pem -key server-key.pem -ca ca.pem -allow dns:mme.example.org
   sctp-tunnel client -listen 127.0.0.1:3868 -target 192.0.2.1:5868 \
      -cert client.pem -key client-key.pem -ca ca.pem -server-name hss.example.org
   sctp-tunnel check /etc/sctp-tunnel.toml && sctp-tunnel run /etc/sctp-tunnel.toml

Exit status:
   0  a signal ended it; check and doctor found no error
   1  it could not listen, or a service failed; doctor found an error
   2  a flag, an argument or a file is wrong, and no service was started

Signals:
   SIGTERM, SIGINT  stop accepting, deliver messages in transit, and exit; the second: exit now
   SIGHUP           reload the configuration and all certificates, without affecting associations

Manual page:
   sctp-tunnel man | man -l -`,
		Commands: []*cli.Command{p.serverCommand(), p.clientCommand(), p.runCommand(), p.checkCommand(),
			p.configCommand(), p.doctorCommand(), command.Man(p.stdout, reference)},
	})
}
