package legible_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

func TestText(t *testing.T) {
	a, z := strings.Repeat("a", 256), strings.Repeat("z", 96)
	for _, test := range []struct{ in, want string }{
		{"", ""},
		{"x509: certificate is valid for “é”, not ü",
			"x509: certificate is valid for “é”, not ü"},
		{"a\nb\r\tc\x00\x1b[2J", `a\nb\r\tc\x00\x1b[2J`},
		{"\u202eevil\u2028\u200b\u00a0", `\u202eevil\u2028\u200b\u00a0`},
		{"\xff\xc3é\xe2\x82", `\xff\xc3é\xe2\x82`},
		{"\ufffd", "\ufffd"},
		{a + z, a + z},
		{a + " … " + z, a + " … " + z},
		{a + "12345x" + z, a + " … " + z},
		{a + strings.Repeat("\n", 1e6) + z, a + " … " + z},
		{a[1:] + "\n" + z[4:] + "\n", a[1:] + `\n` + z[4:] + `\n`},
		{strings.Repeat("\n", 1000), strings.Repeat(`\n`, 128) + " … " + strings.Repeat(`\n`, 48)},
	} {
		got := legible.Text(test.in)
		if got != test.want {
			t.Errorf("Text(%.50q) = %q, want %q", test.in, got, test.want)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("a\nb\x00é\xff\u202e")
	f.Add(strings.Repeat("€\n", 300))
	f.Fuzz(func(t *testing.T, s string) {
		fuzzcount.Input(len(s))
		got := legible.Text(s)
		if len(got) > legible.Max || !utf8.ValidString(got) ||
			strings.ContainsFunc(got, func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Errorf("Text(%q) = %q", s, got)
		}
		if legible.Text(got) != got {
			t.Errorf("Text of %q is %q", got, legible.Text(got))
		}
	})
}

func TestList(t *testing.T) {
	for _, test := range []struct {
		format string
		list   any
		want   string
	}{
		{"%q", legible.List[string]{"a", "\n"}, `["a" "\n"]`},
		{"%04x", legible.List[uint16]{1, 0xc02b}, "[0001 c02b]"},
		{"%v", legible.List[int](nil), "[]"},
		{"%d only", legible.List[int]{1, 2, 3, 4, 5, 6, 7, 8}, "[1 2 3 4 5 6 7 8] only"},
		{"%d only", legible.List[int]{1, 2, 3, 4, 5, 6, 7, 8, 9, 10},
			"[1 2 3 4 5 6 7 8] and 2 more only"},
	} {
		if got := fmt.Sprintf(test.format, test.list); got != test.want {
			t.Errorf("%s of %v: %q, want %q", test.format, test.list, got, test.want)
		}
	}
	if got := fmt.Sprint(legible.List[int](slices.Repeat([]int{1}, 1<<16))); len(got) > 40 {
		t.Errorf("%q", got)
	}
}

func TestError(t *testing.T) {
	if err := legible.Error(io.EOF); err != io.EOF {
		t.Errorf("%v has changed", err)
	}
	long := fmt.Errorf("%s: %w", strings.Repeat("x\n", 1000), io.EOF)
	if err := legible.Error(long); len(err.Error()) > legible.Max || !errors.Is(err, io.EOF) ||
		!errors.Is(err, long) {
		t.Errorf("%v", err)
	}
}
