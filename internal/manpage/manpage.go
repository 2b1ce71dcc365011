// Package manpage writes the manual pages of the commands, from a template of roff and their help.
package manpage

import (
	"io"
	"strings"
	"text/template"
)

// Write executes a template, which has these functions: roff keeps text from being commands of
// roff, split returns how a flag is given and what it does, which its String has with a tab
// between, and sentence makes one of a usage.
func Write(w io.Writer, text string, data any) error {
	t, err := template.New("man").Funcs(template.FuncMap{"roff": roff, "split": splitFlag,
		"sentence": sentence}).Parse(text)
	if err != nil {
		return err
	}
	var page strings.Builder // so that there is all of it, or nothing
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
