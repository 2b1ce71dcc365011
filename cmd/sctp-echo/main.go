package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
)

// Exit statuses, as doc.go promises them.
const (
	exitOK           = 0
	exitEchoes       = 1
	exitUsage        = command.ExitUsage
	exitNoConnection = 3
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a graceful end; the second one must not wait for it.
	context.AfterFunc(ctx, stop)
	p := &program{stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, dial: dialSCTP,
		listen: listenSCTP, machine: doctor.ThisMachine, loopback: loopback}
	os.Exit(p.run(ctx, os.Args))
}

// A program is what the subcommands share: their access to the rest of the system.
type program struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	dial           dialFunc
	listen         listenFunc
	machine        func() doctor.Machine
	loopback       func(ctx context.Context, network string, timeout time.Duration) doctor.Finding

	mu sync.Mutex // guards writing to stdout and stderr, so that lines stay whole
}

// run executes one command line and returns the exit status.
func (p *program) run(ctx context.Context, args []string) int {
	err := p.command().Run(ctx, args)
	if err != nil {
		p.complain("", err)
	}
	return command.Status(err, exitEchoes)
}

func (p *program) command() *cli.Command {
	return command.Root(&cli.Command{
		Name:      "sctp-echo",
		Usage:     "try out DTLS over SCTP (RFC 6083)",
		Writer:    p.stdout,
		ErrWriter: p.stderr,
		Description: `Examples:
   sctp-echo doctor
   sctp-echo certs demo
   sctp-echo serve -cert demo/server.pem -key demo/server-key.pem -ca demo/ca.pem :5868
   sctp-echo connect -cert demo/client.pem -key demo/client-key.pem -ca demo/ca.pem localhost:5868

Exit status:
   0  every echo came back intact; a signal or -once ended the server
   1  an echo was lost or wrong, or the connection broke
   2  a flag, an argument or a file is wrong; nothing was sent
   3  no connection was made, because of SCTP, SCTP-AUTH, the handshake or the port;
      or doctor found a reason

SSLKEYLOGFILE names a file to which the secrets of each connection are appended.
NO_COLOR disables color, which only terminals get.

Shell completion:
   source <(sctp-echo completion bash)

Manual page:
   sctp-echo man | man -l -`,
		Commands: []*cli.Command{p.certsCommand(), p.serveCommand(), p.connectCommand(), p.benchCommand(),
			p.doctorCommand(), command.Man(p.stdout, "")},
	})
}

// printf writes to standard output, whole lines at a time.
func (p *program) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.stdout, format, args...)
}

// complain writes err with its remedy as one line to standard error, after who, a prefix that names
// the client it concerns, if any.
func (p *program) complain(who string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.stderr, "sctp-echo: %s%s\n", who, oneLine(explain(err)))
}

// oneLine joins the lines of s: an error that joins others has several.
func oneLine(s string) string {
	return doctor.Printable(strings.Join(strings.FieldsFunc(s,
		func(r rune) bool { return r == '\n' || r == '\r' }), "; "))
}
