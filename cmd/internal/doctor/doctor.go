// Package doctor finds out whether a machine and its certificates are fit for DTLS over SCTP, and
// says what to do if not. It is what the commands of this repository have in common: their
// “doctor”, and how they read certificates and name peers.
package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// A Finding is what one check has to say.
type Finding struct {
	What    string // was looked at, such as “SCTP”
	Verdict Verdict
	Text    string
	Remedy  string // what to do, in one line or several, or empty
}

// A Verdict is how grave a [Finding] is. A greater one is graver.
type Verdict int

const (
	Well  Verdict = iota
	Worth         // knowing, but it works
	Ill
)

func (v Verdict) String() string { return [...]string{"ok", "note", "FAIL"}[v] }

// Okay returns a Finding that all is well.
func Okay(
	format string,
	args ...any,
) Finding {
	return Finding{Text: fmt.Sprintf(format, args...)}
}

// Note returns a Finding that is worth knowing.
func Note(remedy, format string, args ...any) Finding {
	return Finding{Verdict: Worth, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

// Bad returns a Finding of what is not well.
func Bad(remedy, format string, args ...any) Finding {
	return Finding{Verdict: Ill, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

// About returns the findings with what was looked at.
func About(what string, found ...Finding) []Finding {
	for i := range found {
		found[i].What = what
	}
	return found
}

// Lines returns f for a person to read, the remedy below the rest. Verdict is how f.Verdict is
// shown, in four columns.
func (f Finding) Lines(verdict string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-12s  %s\n", verdict, f.What, Printable(f.Text))
	for line := range strings.Lines(f.Remedy) {
		fmt.Fprintf(&b, "%20s%s\n", "", Printable(strings.TrimSuffix(line, "\n")))
	}
	return b.String()
}

// AllWell reports whether nothing is ill.
func AllWell(found []Finding) bool {
	return !slices.ContainsFunc(found, func(f Finding) bool { return f.Verdict == Ill })
}
