// Package doctor checks whether a machine and its certificates are suitable for DTLS over SCTP, and
// says what to do if not. It has what the commands of this repository have in common: the command
// "doctor", and how they read certificates and name peers.
package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// A Finding is the result of one check.
type Finding struct {
	What    string // what was checked, such as "SCTP"
	Verdict Verdict
	Text    string
	Remedy  string // what to do, in one or more lines, or empty
}

// A Verdict is the severity of a [Finding]. Greater verdicts are more severe.
type Verdict int

const (
	Well  Verdict = iota
	Worth         // worth knowing, but it works
	Ill
)

func (v Verdict) String() string { return [...]string{"ok", "note", "FAIL"}[v] }

// Okay returns a Finding that reports no problem.
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

// Bad returns a Finding that reports an error.
func Bad(remedy, format string, args ...any) Finding {
	return Finding{Verdict: Ill, Text: fmt.Sprintf(format, args...), Remedy: remedy}
}

// About returns the findings with What set.
func About(what string, found ...Finding) []Finding {
	for i := range found {
		found[i].What = what
	}
	return found
}

// Lines formats f for a person, with the remedy below the rest. verdict is the text for f.Verdict,
// four columns wide.
func (f Finding) Lines(verdict string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %-12s  %s\n", verdict, f.What, Printable(f.Text))
	for line := range strings.Lines(f.Remedy) {
		fmt.Fprintf(&b, "%20s%s\n", "", Printable(strings.TrimSuffix(line, "\n")))
	}
	return b.String()
}

// AllWell reports whether no finding is an error.
func AllWell(found []Finding) bool {
	return !slices.ContainsFunc(found, func(f Finding) bool { return f.Verdict == Ill })
}
