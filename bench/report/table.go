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

// Tables returns the tables of the results in Markdown, by name, without empty ones.
func Tables(r *measure.Report) map[string]string {
	tables := map[string]string{
		"about":      about(r),
		"messages":   messages(r, mainPrograms),
		"sha1":       messages(r, hashes[0]),
		"sha256":     messages(r, hashes[1]),
		"1x16":       shape(r, 1, 16),
		"64x1":       shape(r, 64, 1),
		"1000x1":     shape(r, 1000, 1),
		"handshakes": handshakes(r),
		"memory":     inMemory(r),
		"records":    records(r),
		"idle":       idle(r),
	}
	for name, text := range tables {
		if text == "" {
			delete(tables, name)
		}
	}
	return tables
}

// Fill inserts tables into documents, each between the lines <!-- begin NAME --> and <!-- end NAME
// -->.
func Fill(files []string, tables map[string]string) error {
	placed := make(map[string]bool)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for name, table := range tables {
			begin, end := fmt.Appendf(nil, "<!-- begin %s -->\n", name),
				fmt.Appendf(nil, "<!-- end %s -->\n", name)
			before, rest, ok := bytes.Cut(text, begin)
			_, after, ended := bytes.Cut(rest, end)
			if ok && ended {
				text = slices.Concat(before, begin, []byte(table), end, after)
				placed[name] = true
			}
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	for name := range tables {
		if !placed[name] {
			return fmt.Errorf("%s: no place for the table %q", strings.Join(files, ", "), name)
		}
	}
	return nil
}

// A table is a list of rows, of which the first is the head.
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

// text returns the table in Markdown, or "" if it has only a head.
func (t *table) text() string {
	if t.rows < 2 {
		return ""
	}
	return t.String()
}

// dated returns the table with the measured commit, which may differ from that of other tables.
func (t *table) dated(r *measure.Report) string {
	text := t.text()
	if text != "" {
		text += "\nCommit " + r.About["commit"] + ".\n"
	}
	return text
}

// about describes in a line what was measured.
func about(r *measure.Report) string {
	if r.About["kernel"] == "" {
		return ""
	}
	return fmt.Sprintf("Commit %s; %s; %s; HMACs by %s.\n", r.About["commit"], r.About["kernel"],
		r.About["Go"], r.About["hashes"])
}

// number formats v with three significant digits.
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

// kinds are the kinds of contests, with a description.
var kinds = []struct{ contest, words string }{
	{"discard", "one way"}, {"echo1", "echo, one under way"}, {"echo32", "echo, 32 under way"},
}

// A compared program is compared with base, as a ratio in parentheses.
type compared struct{ who, base string }

// mainPrograms are the comparisons in docs/performance.md.
var mainPrograms = []compared{
	{"openssl", ""}, {"auth in Go", "openssl"}, {"dtls1.2", "openssl"}, {"dtls1.2 batch", "openssl"},
}

// hashes are the comparisons for each hash of SCTP-AUTH.
var hashes = [][]compared{
	{
		{"plain in Go", "openssl"}, {"openssl", ""},
		{"auth in Go", "openssl"}, {"auth in Go batch", "openssl"},
		{"dtls1.2", "openssl"}, {"dtls1.2 batch", "openssl"},
		{"dtls1.3", "openssl"}, {"dtls1.3 batch", "openssl"},
	},
	{
		{"openssl SHA-256", ""},
		{"dtls1.2 SHA-256", "openssl SHA-256"}, {"dtls1.2 SHA-256 batch", "openssl SHA-256"},
		{"dtls1.3 SHA-256", "openssl SHA-256"}, {"dtls1.3 SHA-256 batch", "openssl SHA-256"},
	},
}

// cost returns the cost of a message, and how many times as many messages as with the base program
// the same work carries.
func cost(r *measure.Report, contest string, p compared) string {
	rate, ok := r.Value(contest, p.who, "messages/s")
	if !ok {
		return "–"
	}
	text := number(1e6 / rate)
	if other, ok := r.Value(contest, p.base, "messages/s"); ok {
		text += fmt.Sprintf(" (%.2f)", rate/other)
	}
	return text
}

// kindRows adds a row for each program and kind, with a cell for each size.
func kindRows(t *table, r *measure.Report, programs []compared, associations, streams int,
	sizes []int) {
	for _, kind := range kinds {
		contest := func(size int) string {
			return fmt.Sprintf("%s/%d/%d associations/%d streams", kind.contest, size, associations,
				streams)
		}
		words := kind.words
		for _, p := range programs {
			if _, ok := r.Value(contest(sizes[0]), p.who, "messages/s"); !ok {
				continue
			}
			row := []string{words, p.who}
			for _, size := range sizes {
				row = append(row, cost(r, contest(size), p))
			}
			t.row(row...)
			words = ""
		}
	}
}

// sizeHeads returns the heads of columns, those of the sizes after the others.
func sizeHeads(sizes []int, before ...string) []string {
	for _, size := range sizes {
		before = append(before, fmt.Sprintf("%d B", size))
	}
	return before
}

func messages(r *measure.Report, programs []compared) string {
	var t table
	t.row(sizeHeads(association.Sizes, "", r.About["unit"]+" of a message")...)
	kindRows(&t, r, programs, 1, 1, association.Sizes)
	return t.text()
}

// shape returns the table of a part.
func shape(r *measure.Report, associations, streams int) string {
	sizes := association.CheckedSizes
	if associations > 1 {
		sizes = sizes[:2]
	}
	var t table
	t.row(sizeHeads(sizes, "", r.About["unit"]+" of a message")...)
	kindRows(&t, r, slices.Concat(hashes...), associations, streams, sizes)
	return t.dated(r)
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

// idling are the programs whose idle associations are measured.
var idling = []string{"auth in Go", "dtls1.2", "dtls1.3", "dtls1.2 resumed"}

// idle returns a table with a row for each program and number of associations.
func idle(r *measure.Report) string {
	var t table
	t.row(append([]string{"", "associations"}, association.IdleFigures...)...)
	for _, who := range idling {
		words := who
		for count := 10; count <= 10000; count *= 10 {
			contest := fmt.Sprintf("idle/%d associations", count)
			if _, ok := r.Value(contest, who, association.IdleFigures[0]); !ok {
				continue
			}
			row := []string{words, fmt.Sprint(count)}
			for _, figure := range association.IdleFigures {
				row = append(row, value(r, contest, who, figure))
			}
			t.row(row...)
			words = ""
		}
	}
	return t.dated(r)
}
