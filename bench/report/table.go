package report

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/bench/association"
	"github.com/seed-41f70523/dtls-sctp/bench/core"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// Tables returns the tables of the results, in Markdown, by name. One that would be empty is
// missing.
func Tables(r *measure.Report) map[string]string {
	tables := map[string]string{
		"about":      about(r),
		"messages":   messages(r),
		"shapes":     shapes(r),
		"handshakes": handshakes(r),
		"memory":     inMemory(r),
		"records":    records(r),
		"scale":      scale(r),
	}
	for name, text := range tables {
		if text == "" {
			delete(tables, name)
		}
	}
	return tables
}

// Fill puts tables into a document: each between the lines <!-- begin NAME --> and <!-- end NAME
// -->.
func Fill(file string, tables map[string]string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for name, table := range tables {
		begin, end := fmt.Appendf(nil, "<!-- begin %s -->\n", name),
			fmt.Appendf(nil, "<!-- end %s -->\n", name)
		before, rest, ok := bytes.Cut(text, begin)
		_, after, ended := bytes.Cut(rest, end)
		if !ok || !ended {
			return fmt.Errorf("%s has no place for the table %q", file, name)
		}
		text = slices.Concat(before, begin, []byte(table), end, after)
	}
	return os.WriteFile(file, text, 0o644)
}

// A table is written row by row; the first is its head.
type table struct {
	strings.Builder
	rows int
}

func (t *table) row(cells ...string) {
	fmt.Fprintf(t, "| %s |\n", strings.Join(cells, " | "))
	if t.rows++; t.rows == 1 {
		fmt.Fprintf(t, "|%s\n", strings.Repeat("---|", len(cells)))
	}
}

// text returns the table, or nothing if it has only a head.
func (t *table) text() string {
	if t.rows < 2 {
		return ""
	}
	return t.String()
}

// about names what was measured, in a line.
func about(r *measure.Report) string {
	if r.About["kernel"] == "" {
		return ""
	}
	return fmt.Sprintf("%s; %s; HMACs by %s.\n", r.About["kernel"], r.About["Go"], r.About["hashes"])
}

// number has three digits that count.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// value returns the median of a figure, or a dash.
func value(r *measure.Report, contest, who, figure string) string {
	v, ok := r.Value(contest, who, figure)
	if !ok {
		return "–"
	}
	return number(v)
}

// kinds are what is done with messages, in words.
var kinds = []struct{ contest, words string }{
	{"discard", "one way"}, {"echo1", "echo, one under way"}, {"echo32", "echo, 32 under way"},
}

// beside are programs, each with those that a ratio compares it with; the last is of the ratio in
// brackets.
var beside = []struct {
	who  []string // the best of them counts
	base string
}{
	{[]string{"plain in Go"}, "openssl"},
	{[]string{"openssl"}, ""},
	{[]string{"auth in Go", "auth in Go batch"}, "openssl"},
	{[]string{"dtls1.2", "dtls1.2 batch"}, "openssl"},
	{[]string{"dtls1.3"}, "openssl"},
	{[]string{"openssl SHA-256"}, ""},
	{[]string{"dtls1.2 SHA-256", "dtls1.2 SHA-256 batch"}, "openssl SHA-256"},
}

// best returns the program that carries most messages, and how many a second.
func best(r *measure.Report, contest string, programs []string) (who string, rate float64) {
	for _, p := range programs {
		if v, ok := r.Value(contest, p, "messages/s"); ok && v > rate {
			who, rate = p, v
		}
	}
	return who, rate
}

// cost tells what a message takes, and beside base how many times as many messages the same work
// carries.
func cost(r *measure.Report, contest string, programs []string, base string) string {
	_, rate := best(r, contest, programs)
	if rate == 0 {
		return "–"
	}
	text := number(1e6 / rate)
	if other, ok := r.Value(contest, base, "messages/s"); ok {
		text += fmt.Sprintf(" (%.2f)", rate/other)
	}
	return text
}

func messages(r *measure.Report) string {
	head := []string{"", r.About["unit"] + " of a message"}
	for _, size := range association.Sizes {
		head = append(head, fmt.Sprintf("%d B", size))
	}
	var t table
	t.row(head...)
	for _, kind := range kinds {
		words := kind.words
		contest := func(size int) string {
			return fmt.Sprintf("%s/%d/1 associations/1 streams",
				kind.contest, size)
		}
		for _, p := range beside {
			if _, rate := best(r, contest(association.Sizes[1]), p.who); rate == 0 {
				continue
			}
			row := []string{words, p.who[0]}
			for _, size := range association.Sizes {
				row = append(row, cost(r, contest(size), p.who, p.base))
			}
			t.row(row...)
			words = ""
		}
	}
	return t.text()
}

func shapes(r *measure.Report) string {
	var t table
	head := []string{"associations", "streams of each", "", "program"}
	for _, size := range association.CheckedSizes {
		head = append(head, fmt.Sprintf("%d B", size))
	}
	t.row(head...)
	for _, shape := range []struct{ associations, streams int }{{1, 16}, {64, 1}, {1000, 1}} {
		for _, kind := range kinds {
			contest := func(size int) string {
				return fmt.Sprintf("%s/%d/%d associations/%d streams", kind.contest, size, shape.associations,
					shape.streams)
			}
			for _, p := range beside {
				if _, rate := best(r, contest(64), p.who); rate == 0 || p.base == "" {
					continue
				}
				row := []string{fmt.Sprint(shape.associations), fmt.Sprint(shape.streams), kind.words, p.who[0]}
				for _, size := range association.CheckedSizes {
					row = append(row, cost(r, contest(size), p.who, p.base))
				}
				t.row(row...)
			}
		}
	}
	return t.text()
}

// overSCTP are the programs of handshakes, in the order of the table.
var overSCTP = []string{"openssl no delay", "openssl", "dtls1.2", "dtls1.3", "dtls1.2 resumed",
	"dtls1.3 resumed", "auth in Go"}

func handshakes(r *measure.Report) string {
	var t table
	t.row("over SCTP, one after another", "connections/s", "beside OpenSSL without delay",
		"ms, median", "ms, 99 %")
	for _, who := range overSCTP {
		v, ok := r.Value("handshakes", who, "connections/s")
		if !ok {
			continue
		}
		base, _ := r.Value("handshakes", "openssl no delay", "connections/s")
		t.row(who, number(v), number(v/base), value(r, "handshakes", who, "ms, median"),
			value(r, "handshakes", who, "ms, 99 %"))
	}
	return t.text()
}

func inMemory(r *measure.Report) string {
	var t table
	t.row("in memory, µs for both ends", "dtlscore", "crypto/tls", "pion/dtls")
	for _, version := range []string{"1.2", "1.3"} {
		for _, kind := range []string{"full/server", "full/mutual", "resumed/server", "resumed/mutual"} {
			contest := "handshake/" + version + "/" + kind
			if _, ok := r.Value(contest, "dtls", "µs"); !ok {
				continue
			}
			row := []string{version + " " + strings.ReplaceAll(kind, "/", ", ")}
			for _, who := range []string{"dtls", "crypto/tls", "pion/dtls"} {
				row = append(row, value(r, contest, who, "µs"))
			}
			t.row(row...)
		}
	}
	return t.text()
}

func records(r *measure.Report) string {
	var t table
	head := []string{"sealed and opened", "unit"}
	for _, size := range core.Sizes {
		head = append(head, fmt.Sprintf("%d B", size))
	}
	t.row(head...)
	for _, unit := range []string{"ns", "instructions"} {
		for _, who := range []string{"aead", "dtls1.2", "dtls1.3", "crypto/tls 1.2", "crypto/tls 1.3",
			"pion/dtls"} {
			if _, ok := r.Value("record/64", who, "both "+unit); !ok {
				continue
			}
			row := []string{who, unit}
			for _, size := range core.Sizes {
				row = append(row, value(r, fmt.Sprintf("record/%d", size), who, "both "+unit))
			}
			t.row(row...)
		}
	}
	return t.text()
}

// scaleFigures are the columns of the table of associations.
var scaleFigures = []string{"associations/s", "KiB of the process each",
	"KiB of the kernel for both ends each", "idle µs of processor a second each"}

func scale(r *measure.Report) string {
	var t table
	t.row(append([]string{"associations", ""}, scaleFigures...)...)
	for count := 10; count <= 10000; count *= 10 {
		contest := fmt.Sprintf("scale/%d associations", count)
		for _, who := range []string{"auth in Go", "dtls1.2"} {
			if _, ok := r.Value(contest, who, scaleFigures[0]); !ok {
				continue
			}
			row := []string{fmt.Sprint(count), who}
			for _, figure := range scaleFigures {
				row = append(row, value(r, contest, who, figure))
			}
			t.row(row...)
		}
	}
	return t.text()
}
