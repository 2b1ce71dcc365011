package report

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/bench/association"
	"github.com/seed-41f70523/dtls-sctp/bench/core"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// Tables returns the tables of the results, in Markdown, by name.
func Tables(r *measure.Report) map[string]string {
	tables := map[string]string{
		"about":      about(r),
		"targets":    targets(r),
		"records":    records(r),
		"handshakes": handshakes(r),
		"cost":       cost(r),
		"scale":      scale(r),
		"streams":    streams(r),
	}
	for _, kind := range []string{"discard", "echo1", "echo32"} {
		tables[kind] = messages(r, kind, "1 associations/1 streams")
	}
	for name, shape := range map[string]string{"discard16": "1 associations/16 streams", "discard64": "64 associations/1 streams", "discard64x16": "64 associations/16 streams"} {
		tables[name] = messages(r, "discard", shape)
	}
	for name, shape := range map[string]string{"echo16": "1 associations/16 streams", "echo64": "64 associations/1 streams", "echo64x16": "64 associations/16 streams"} {
		tables[name] = messages(r, "echo1", shape)
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
		begin, end := fmt.Appendf(nil, "<!-- begin %s -->\n", name), fmt.Appendf(nil, "<!-- end %s -->\n", name)
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

func about(r *measure.Report) string {
	var t table
	t.row("what", "which")
	for _, k := range slices.Sorted(maps.Keys(r.About)) {
		t.row(k, r.About[k])
	}
	return t.String()
}

// targets has a line for each claim that has a target, and, first, the verdict in one.
func targets(r *measure.Report) string {
	var t table
	t.row("what", "of", "target", "measured (median, middle half)", "")
	ratios := Ratios(r)
	met, all := 0, 0
	group := ""
	for _, c := range byGroup(Claims()) {
		ratio, ok := ratios[c.Name()]
		if !ok || c.Target == 0 {
			continue
		}
		all++
		verdict := "missed"
		if ratio.Median >= c.Target {
			met++
			verdict = "met"
		}
		words := ""
		if c.Group != group {
			words, group = c.Group, c.Group
		}
		t.row(words, fmt.Sprintf("%s: %s / %s", c.Contest, c.A, c.B), fmt.Sprintf("%.2f", c.Target), ratioText(ratio), verdict)
	}
	return fmt.Sprintf("%d of %d targets are met.\n\n%s", met, all, t.String())
}

func byGroup(claims []Claim) []Claim {
	first := make(map[string]int)
	for i, c := range claims {
		if _, ok := first[c.Group]; !ok {
			first[c.Group] = i
		}
	}
	slices.SortStableFunc(claims, func(a, b Claim) int { return first[a.Group] - first[b.Group] })
	return claims
}

func ratioText(r measure.Ratio) string {
	return fmt.Sprintf("%.2f (%.2f–%.2f)", r.Median, r.Low, r.High)
}

// value returns the median of a figure, multiplied, or a dash.
func value(r *measure.Report, contest, who, figure string, times float64) string {
	v, ok := r.Value(contest, who, figure)
	if !ok {
		return "–"
	}
	return number(v * times)
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

// contestants returns who took part in a contest, in alphabetical order.
func contestants(r *measure.Report, contest string) (names []string) {
	for _, result := range r.Results {
		if result.Contest == contest && !slices.Contains(names, result.Contestant) {
			names = append(names, result.Contestant)
		}
	}
	slices.Sort(names)
	return names
}

// perSize has a row for each contestant and a column for each size.
func perSize(r *measure.Report, sizes []int, contest func(size int) string, figure string, times float64) string {
	var t table
	head := []string{""}
	for _, size := range sizes {
		head = append(head, fmt.Sprintf("%d B", size))
	}
	t.row(head...)
	for _, who := range contestants(r, contest(sizes[0])) {
		row := []string{who}
		for _, size := range sizes {
			row = append(row, value(r, contest(size), who, figure, times))
		}
		t.row(row...)
	}
	return t.String()
}

func records(r *measure.Report) string {
	contest := func(size int) string { return fmt.Sprintf("record/%d", size) }
	var b strings.Builder
	for _, figure := range []string{"both ns", "seal ns", "open ns", "allocations"} {
		fmt.Fprintf(&b, "%s:\n\n%s\n", strings.ToUpper(figure[:1])+figure[1:], perSize(r, core.Sizes, contest, figure, 1))
	}
	return b.String()
}

func handshakes(r *measure.Report) string {
	var t table
	t.row("µs for both ends", "dtlscore", "crypto/tls", "pion/dtls")
	for _, version := range []string{"1.2", "1.3"} {
		for _, kind := range []string{"full/server", "full/mutual", "resumed/server", "resumed/mutual"} {
			contest := "handshake/" + version + "/" + kind
			row := []string{version + " " + strings.ReplaceAll(kind, "/", ", ")}
			for _, who := range []string{"dtls", "crypto/tls", "pion/dtls"} {
				row = append(row, value(r, contest, who, "µs", 1))
			}
			t.row(row...)
		}
	}
	var over table
	over.row(append([]string{"over SCTP, one after another"}, association.HandshakeFigures...)...)
	for _, who := range contestants(r, "handshakes") {
		row := []string{who}
		for _, figure := range association.HandshakeFigures {
			row = append(row, value(r, "handshakes", who, figure, 1))
		}
		over.row(row...)
	}
	return t.String() + "\n" + over.String()
}

func messages(r *measure.Report, kind, shape string) string {
	contest := func(size int) string { return fmt.Sprintf("%s/%d/%s", kind, size, shape) }
	return perSize(r, association.Sizes, contest, "messages/s", 1)
}

// cost says where the time of a message goes, by differences between programs.
func cost(r *measure.Report) string {
	var t table
	t.row("µs of a message, one way", "SCTP and system calls", "AUTH", "AEAD", "the rest of DTLS", "all")
	for _, size := range association.Sizes {
		time := func(who string) float64 {
			rate, _ := r.Value(fmt.Sprintf("discard/%d/1 associations/1 streams", size), who, "messages/s")
			return 1e6 / rate
		}
		aead, _ := r.Value(fmt.Sprintf("record/%d", size), "aead", "both ns")
		plain, auth, all := time("plain in Go"), time("auth in Go"), time("dtls1.2")
		t.row(fmt.Sprintf("%d B", size), number(plain), number(auth-plain), number(aead/1000), number(all-auth-aead/1000), number(all))
	}
	return t.String()
}

// scaleFigures are the columns of the table of associations.
var scaleFigures = []string{"associations/s", "KiB of the process each", "KiB of the kernel for both ends each", "idle µs of processor a second each"}

func scale(r *measure.Report) string {
	var t table
	t.row(append([]string{"associations", ""}, scaleFigures...)...)
	for count := 10; count <= 10000; count *= 10 {
		contest := fmt.Sprintf("scale/%d associations", count)
		for _, who := range contestants(r, contest) {
			row := []string{fmt.Sprint(count), who}
			for _, figure := range scaleFigures {
				row = append(row, value(r, contest, who, figure, 1))
			}
			t.row(row...)
		}
	}
	return t.String()
}

func streams(r *measure.Report) string {
	var t table
	t.row("streams", "dtls1.2, messages/s of 1,024 bytes", "auth in Go")
	for n := 1; n <= 1024; n *= 4 {
		contest := fmt.Sprintf("scale/%d streams", n)
		t.row(fmt.Sprint(n), value(r, contest, "dtls1.2", "messages/s", 1), value(r, contest, "auth in Go", "messages/s", 1))
	}
	return t.String()
}
