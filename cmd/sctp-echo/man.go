package main

import (
	"context"
	_ "embed"
	"strings"
	"text/template"

	"github.com/urfave/cli/v3"
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
			t, err := template.New("man").Funcs(template.FuncMap{"roff": roff, "split": splitFlag, "sentence": sentence}).Parse(manPage)
			if err != nil {
				return err
			}
			var page strings.Builder
			if err := t.Execute(&page, c.Root()); err != nil {
				return err
			}
			p.printf("%s", page.String())
			return nil
		},
	}
}

// splitFlag returns how a flag is given and what it does, which its String has with a tab between.
func splitFlag(s string) []string {
	flag, usage, _ := strings.Cut(s, "\t")
	return []string{flag, usage}
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// roff keeps text from being commands of roff.
func roff(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	s = strings.ReplaceAll(s, "-", `\-`)
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}
