package main

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/internal/manpage"
)

//go:embed man.tmpl
var manPage string

// reference is a configuration file with all keys.
//
//go:embed reference.toml
var reference string

// manCommand writes the manual page, for those who make packages of this.
func (p *program) manCommand() *cli.Command {
	return &cli.Command{
		Name:            "man",
		Usage:           "write the manual page",
		Hidden:          true,
		HideHelpCommand: true,
		Action: func(_ context.Context, c *cli.Command) error {
			return manpage.Write(p.stdout, manPage, struct {
				*cli.Command
				Reference string
			}{c.Root(), reference})
		},
	}
}

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
