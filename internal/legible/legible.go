// Package legible makes what a peer has chosen fit to be shown in an error, a log or a terminal: of
// bounded length, and without characters that forge lines, steer terminals or turn the direction of
// writing.
package legible

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What Text leaves of a long text, in bytes.
const (
	first = 256
	last  = 96
	gap   = " … "

	// Max is the size of the longest text, in bytes.
	Max = first + len(gap) + last
)

// Text returns s with what does not print escaped as in a Go string, and at most [Max] bytes of it:
// of a longer one the beginning and the end, where errors say what was wanted.
func Text(s string) string {
	var b strings.Builder
	var end int        // of the beginning, in b
	var between string // what follows it, in s
	for rest := s; rest != ""; {
		c, n := escapeFirst(rest)
		if b.Len()+len(c) > Max {
			return b.String()[:end] + gap + ending(between)
		}
		b.WriteString(c)
		if rest = rest[n:]; b.Len() <= first {
			end, between = b.Len(), rest
		}
	}
	return b.String()
}

// ending returns what of the end of s, escaped, has at most last bytes.
func ending(s string) string {
	var end string
	for s != "" {
		c, n := escapeLast(s)
		if len(end)+len(c) > last {
			break
		}
		end, s = c+end, s[:len(s)-n]
	}
	return end
}

// escapeFirst returns how the first character of s is shown, and its size in s.
func escapeFirst(s string) (string, int) {
	r, n := utf8.DecodeRuneInString(s)
	return escape(r, s[:n]), n
}

// escapeLast is the same for the last one.
func escapeLast(s string) (string, int) {
	r, n := utf8.DecodeLastRuneInString(s)
	return escape(r, s[len(s)-n:]), n
}

func escape(r rune, s string) string {
	switch {
	case r == utf8.RuneError && len(s) == 1:
		return fmt.Sprintf(`\x%02x`, s[0])
	case strconv.IsPrint(r):
		return s
	}
	quoted := strconv.QuoteRune(r)
	return quoted[1 : len(quoted)-1]
}

// A List is formatted as a slice, of which the first elements are enough.
type List[T any] []T

// listed is how many elements of a [List] are formatted.
const listed = 8

// Format implements [fmt.Formatter].
func (l List[T]) Format(f fmt.State, verb rune) {
	shown := l[:min(len(l), listed)]
	fmt.Fprintf(f, fmt.FormatString(f, verb), []T(shown))
	if more := len(l) - len(shown); more > 0 {
		fmt.Fprintf(f, " and %d more", more)
	}
}

// Error returns err if its text can be shown as it is; otherwise an error with the [Text] of it,
// which unwraps to err.
func Error(err error) error {
	long := err.Error()
	if text := Text(long); text != long {
		return &legibleError{text, err}
	}
	return err
}

type legibleError struct {
	text string
	err  error
}

func (e *legibleError) Error() string { return e.text }
func (e *legibleError) Unwrap() error { return e.err }
