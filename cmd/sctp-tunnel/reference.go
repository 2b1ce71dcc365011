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
		Usage:           "show all that can be in a configuration file",
		HideHelpCommand: true,
		Description: `Writes a file that has all keys, with what they are. Lines with “#” show
defaults, and what can be chosen.

Example:
   sctp-tunnel config >/etc/sctp-tunnel.toml`,
		Action: func(context.Context, *cli.Command) error {
			_, err := fmt.Fprint(p.stdout, reference)
			return err
		},
	}
}
