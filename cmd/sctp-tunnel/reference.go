package main

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/urfave/cli/v3"
)

// reference is a configuration file with all keys.
//
//go:embed reference.toml
var reference string

func (p *program) configCommand() *cli.Command {
	return &cli.Command{
		Name:            "config",
		Usage:           "print an example of a configuration file with all keys",
		HideHelpCommand: true,
		Description: `Prints a configuration file with all keys and their descriptions. Lines that begin
with “#” have defaults and other choices.

Example:
   sctp-tunnel config >/etc/sctp-tunnel.toml`,
		Action: func(context.Context, *cli.Command) error {
			_, err := fmt.Fprint(p.stdout, reference)
			return err
		},
	}
}
