package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/internal/doctor"
)

// Exit statuses, as doc.go promises them.
const (
	exitOK           = 0
	exitEchoes       = 1
	exitUsage        = 2
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

// A program is what the subcommands share: everything outside of them.
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
	if err == nil {
		return exitOK
	}
	p.complain("", err)
	var s *statusError
	if errors.As(err, &s) {
		return s.status
	}
	return exitEchoes
}

func (p *program) command() *cli.Command {
	root := &cli.Command{
		Name:                  "sctp-echo",
		Usage:                 "try out DTLS over SCTP (RFC 6083)",
		Version:               version(),
		EnableShellCompletion: true,
		Suggest:               true,
		Writer:                p.stdout,
		ErrWriter:             p.stderr,
		// run prints errors and chooses the status.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Description: `Examples:
   sctp-echo doctor
   sctp-echo certs demo
   sctp-echo serve -cert demo/server.pem -key demo/server-key.pem -ca demo/ca.pem :5868
   sctp-echo connect -cert demo/client.pem -key demo/client-key.pem -ca demo/ca.pem localhost:5868

Exit status:
   0  every echo came back right; the server was ended by a signal or by -once
   1  an echo was lost or wrong, or the connection broke
   2  a flag, an argument or a file is wrong; nothing was sent
   3  no connection came about: SCTP, SCTP-AUTH, the handshake or the port; or doctor found why

SSLKEYLOGFILE names a file to which the secrets of each connection are appended.
NO_COLOR switches colours off, which only terminals get anyway.

Shell completion:
   source <(sctp-echo completion bash)

Manual page:
   sctp-echo man | man -l -`,
		Action: func(_ context.Context, c *cli.Command) error {
			if c.Args().Present() {
				return usagef("no command %q: see sctp-echo help", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		Commands: []*cli.Command{p.certsCommand(), p.serveCommand(), p.connectCommand(), p.benchCommand(),
			p.doctorCommand(), p.manCommand()},
	}
	for _, c := range append(root.Commands, root) {
		c.OnUsageError = func(_ context.Context, c *cli.Command, err error, _ bool) error {
			return usagef("%v: see %s -help", err, c.FullName())
		}
	}
	return root
}

// version returns the version of the module, which go install and go build record.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

// printf writes to standard output, whole lines at a time.
func (p *program) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.stdout, format, args...)
}

// complain writes err with its remedy as one line to standard error. Who says
// whom it concerns; it is empty if that is plain.
func (p *program) complain(who string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.stderr, "sctp-echo: %s%s\n", who, oneLine(explain(err)))
}

// oneLine takes the line ends out of s: an error that joins others has some.
func oneLine(s string) string {
	return doctor.Printable(strings.Join(strings.FieldsFunc(s,
		func(r rune) bool { return r == '\n' || r == '\r' }), "; "))
}

// A statusError decides the exit status.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

// usagef makes an error that is the user's: a wrong flag, argument or file.
func usagef(format string, args ...any) error {
	return &statusError{exitUsage, fmt.Errorf(format, args...)}
}
