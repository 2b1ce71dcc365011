package command

import (
	"context"
	_ "embed"
	"io"
	"strings"
	"text/template"

	"github.com/urfave/cli/v3"
)

//go:embed man.tmpl
var manPage string

// Man returns the command that writes the manual page of its root command. If reference, an example
// of the configuration file, is not empty, the page contains it.
func Man(w io.Writer, reference string) *cli.Command {
	return &cli.Command{
		Name:            "man",
		Usage:           "write the manual page",
		Hidden:          true,
		HideHelpCommand: true,
		Action: func(_ context.Context, c *cli.Command) error {
			return writePage(w, manPage, struct {
				*cli.Command
				Reference string
			}{c.Root(), reference})
		},
	}
}

// writePage executes a template with these functions: roff escapes text for roff, upper converts to
// upper case, split splits the String of a flag into its syntax and its usage, and sentence
// converts a usage into a sentence.
func writePage(w io.Writer, text string, data any) error {
	t, err := template.New("man").Funcs(template.FuncMap{"roff": roff, "upper": strings.ToUpper,
		"split": splitFlag, "sentence": sentence}).Parse(text)
	if err != nil {
		return err
	}
	var page strings.Builder // so that either all of it is written or nothing
	if err := t.Execute(&page, data); err != nil {
		return err
	}
	_, err = io.WriteString(w, page.String())
	return err
}

func splitFlag(s string) []string {
	flag, usage, _ := strings.Cut(s, "\t")
	return []string{flag, usage}
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

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
