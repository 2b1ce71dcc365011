// Package command has what the commands of this module have in common: the root command, its
// version, exit statuses and the manual page.
package command

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// ExitUsage is the exit status for an invalid flag, argument or file.
const ExitUsage = 2

// A StatusError is an error with an exit status.
type StatusError struct {
	Status int
	Err    error
}

func (e *StatusError) Error() string { return e.Err.Error() }
func (e *StatusError) Unwrap() error { return e.Err }

// Exit returns an error that ends the command with a status.
func Exit(status int, err error) error { return &StatusError{status, err} }

// Usagef returns the error for an invalid flag, argument or file.
func Usagef(format string, args ...any) error {
	return Exit(ExitUsage, fmt.Errorf(format, args...))
}

// Status returns the exit status for err: 0 for nil, that of a StatusError, and other for other
// errors.
func Status(err error, other int) int {
	if err == nil {
		return 0
	}
	if s, ok := errtype.As[*StatusError](err); ok {
		return s.Status
	}
	return other
}

// OnlyArg returns the argument of a command that requires exactly one.
func OnlyArg(c *cli.Command) (string, error) {
	if c.Args().Len() != 1 {
		return "", Usagef("%s takes one %s, not %d: see %s -help", c.Name, c.ArgsUsage, c.Args().Len(),
			c.FullName())
	}
	return c.Args().First(), nil
}

// Root completes a root command. The caller prints the error that Run returns.
func Root(root *cli.Command) *cli.Command {
	root.Version = Version()
	root.EnableShellCompletion = true
	root.Suggest = true
	root.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	root.Action = func(_ context.Context, c *cli.Command) error {
		if c.Args().Present() {
			return Usagef("no command %q: see %s help", c.Args().First(), c.Name)
		}
		return cli.ShowAppHelp(c)
	}
	for _, c := range append(root.Commands, root) {
		c.OnUsageError = func(_ context.Context, c *cli.Command, err error, _ bool) error {
			return Usagef("%v: see %s -help", err, c.FullName())
		}
	}
	return root
}

// Version returns the version of the module, which go install and go build record.
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}
