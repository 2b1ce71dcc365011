package main

import (
	"context"
	_ "embed"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/internal/manpage"
)

//go:embed man.tmpl
var manPage string

// manCommand writes the manual page, for those who make packages of this.
func (p *program) manCommand() *cli.Command {
	return &cli.Command{
		Name:            "man",
		Usage:           "write the manual page",
		Hidden:          true,
		HideHelpCommand: true,
		Action: func(_ context.Context, c *cli.Command) error {
			return manpage.Write(p.stdout, manPage, c.Root())
		},
	}
}
