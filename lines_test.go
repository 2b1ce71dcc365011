package dtlssctp

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestLines keeps Go code readable: a line has at most 100 characters, where a tab is one, and a
// file at most 600 lines.
func TestLines(t *testing.T) {
	for name, code := range goFiles(t) {
		number := 0
		for line := range strings.Lines(code) {
			number++
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 100 {
				t.Errorf("%s:%d has %d characters", name, number, n)
			}
		}
		if number > 600 {
			t.Errorf("%s has %d lines", name, number)
		}
	}
}
