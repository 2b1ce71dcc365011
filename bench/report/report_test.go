package report

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/bench/association"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// pair is a report of one claim, which was measured in so many rounds.
func pair(c claim, factors ...float64) *measure.Report {
	r := &measure.Report{About: map[string]string{"kernel": "a kernel", "hashes": "sha1-avx2"}}
	for _, factor := range factors {
		if !measure.MoreIsBetter(c.figure) {
			factor = 1 / factor
		}
		r.AddValue(c.contest, c.a, c.figure, factor)
		r.AddValue(c.contest, c.b, c.figure, 1)
	}
	return r
}

// aClaim returns one of the claims about a figure.
func aClaim(t *testing.T, figure string) claim {
	for _, c := range claims() {
		if c.figure == figure {
			return c
		}
	}
	t.Fatal("no claim about", figure)
	return claim{}
}

func TestCheck(t *testing.T) {
	for _, figure := range []string{"messages/s", "both instructions", association.MedianTime} {
		c := aClaim(t, figure)
		little, worse := 2*(1-allowed+0.005), 2*(1-allowed-0.005)
		for _, test := range []struct {
			name      string
			runs      [][]float64 // rounds of each
			elsewhere bool        // HMACs are computed in another way
			fails     bool
		}{
			{"the same", [][]float64{{2}}, false, false},
			{"better", [][]float64{{3}}, false, false},
			{"a little worse", [][]float64{{little}}, false, false},
			{"worse", [][]float64{{worse}}, false, true},
			{"the median counts", [][]float64{{1.5, 2, 2}}, false, false},
			{"worse once", [][]float64{{worse}, {2}}, false, false},
			{"worse twice", [][]float64{{1.7}, {worse}}, false, true},
			{"another guest", [][]float64{{1.7}}, true, false},
			{"much worse in another guest", [][]float64{{1.5}}, true, true},
			{"not measured", [][]float64{{}}, false, true},
		} {
			t.Run(figure+" "+test.name, func(t *testing.T) {
				var out strings.Builder
				var runs []*measure.Report
				for _, rounds := range test.runs {
					r := pair(c, rounds...)
					if test.elsewhere {
						r.About["hashes"] = "sha1-ni"
					}
					runs = append(runs, r)
				}
				b, err := NewBaseline([]*measure.Report{pair(c, 2), pair(c, 1.98), pair(c, 2.02)})
				if err != nil {
					t.Fatal(err)
				}
				if err := b.Check(&out, runs); (err != nil) != test.fails {
					t.Errorf("%v\n%s", err, out.String())
				}
			})
		}
	}
}

func TestBaselineFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "baseline.json")
	b, err := NewBaseline([]*measure.Report{pair(aClaim(t, "messages/s"), 1, 2, 3)})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Write(file); err != nil {
		t.Fatal(err)
	}
	again, err := ReadBaseline(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Ratios) != 1 || !maps.Equal(again.Ratios, b.Ratios) || again.Hashes != b.Hashes {
		t.Errorf("written %+v, read %+v", b, again)
	}
}

// What varies so much that a check could fail by chance is no baseline.
func TestBaselineIsSteady(t *testing.T) {
	c := aClaim(t, association.MedianTime)
	for _, test := range []struct {
		runs []float64
		ok   bool
	}{
		{[]float64{2}, true},
		{[]float64{2, 2.02, 1.98}, true},
		{[]float64{2, 2.04, 2}, false},
		{[]float64{2, 1.96, 2}, false},
	} {
		var runs []*measure.Report
		for _, ratio := range test.runs {
			runs = append(runs, pair(c, ratio))
		}
		b, err := NewBaseline(runs)
		if (err == nil) != test.ok {
			t.Errorf("%v: %v", test.runs, err)
		}
		if b.Ratios[c.name()] != 2 {
			t.Errorf("%v: the ratio that is kept is %v, want 2", test.runs, b.Ratios[c.name()])
		}
	}
}

// The baseline that is kept is of the claims, each once, and no other: what is not compared would
// go unnoticed.
func TestKeptBaseline(t *testing.T) {
	b, err := ReadBaseline("../../docs/bench/baseline.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range claims() {
		if b.Ratios[c.name()] == 0 {
			t.Errorf("the baseline lacks %s", c.name())
		}
	}
	if len(b.Ratios) != len(claims()) {
		t.Errorf("the baseline has %d ratios, want %d", len(b.Ratios), len(claims()))
	}
}

// measured is a report of one way, with each program a little faster than the last.
func measured() *measure.Report {
	r := &measure.Report{About: map[string]string{"kernel": "Linux", "hashes": "sha1-avx2",
		"unit": "1,000 instructions"}}
	for _, kind := range kinds {
		for _, size := range association.Sizes {
			for i, who := range []string{"openssl", "dtls1.2", "dtls1.2 batch", "auth in Go"} {
				r.AddValue(fmt.Sprintf("%s/%d/1 associations/1 streams", kind.contest, size), who, "messages/s",
					10000*(1+float64(i)/8))
			}
		}
	}
	return r
}

// TestTables looks at what is measured in parts, each of which says of which commit it is.
func TestTables(t *testing.T) {
	r := &measure.Report{About: map[string]string{"commit": "0123abc", "unit": "1,000 instructions"}}
	for i, figure := range association.IdleFigures {
		r.AddValue("idle/100 associations", "dtls1.2", figure, float64(i))
		r.AddValue("idle/1000 associations", "dtls1.2", figure, float64(10*i))
	}
	r.AddValue("idle/10 associations", "dtls1.2", association.IdleFigures[0], 7)
	rates := map[string]float64{"openssl": 10000, "dtls1.2": 8000, "dtls1.2 batch": 16000}
	for who, rate := range rates {
		r.AddValue("discard/64/64 associations/1 streams", who, "messages/s", rate)
	}
	const idleHead = "|  | associations | associations/s | KiB of the process each | " +
		"KiB of the kernel for both ends each | instructions a second each |\n|---|---|---|---|---|---|\n"
	want := map[string]string{
		"idle": idleHead + "| dtls1.2 | 10 | 7.00 | – | – | – |\n" +
			"|  | 100 | 0.00 | 1.00 | 2.00 | 3.00 |\n" +
			"|  | 1000 | 0.00 | 10.0 | 20.0 | 30.0 |\n\nCommit 0123abc.\n",
		"64x1": "|  | 1,000 instructions of a message | 64 B | 1024 B |\n|---|---|---|---|\n" +
			"| one way | openssl | 100 | – |\n|  | dtls1.2 | 125 (0.80) | – |\n" +
			"|  | dtls1.2 batch | 62.5 (1.60) | – |\n\nCommit 0123abc.\n",
	}
	if got := Tables(r); !maps.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// TestDocument fills the pages as they are in the repository, from any results.
func TestDocument(t *testing.T) {
	folder := t.TempDir()
	var files []string
	for _, name := range []string{"performance.md", "bench/tables.md"} {
		text, err := os.ReadFile(filepath.Join("../../docs", name))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, filepath.Join(folder, filepath.Base(name)))
		if err := os.WriteFile(files[len(files)-1], text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time over the first
		if err := Fill(files, Tables(measured())); err != nil {
			t.Fatal(err)
		}
	}
	if err := Fill(files[1:], Tables(measured())); err == nil {
		t.Error("a table without a place is no error")
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	const row = "| one way | openssl | 100 | 100 | 100 | 100 | 100 |\n" +
		"|  | auth in Go | 72.7 (1.38) | 72.7 (1.38) | 72.7 (1.38) | 72.7 (1.38) | 72.7 (1.38) |\n" +
		"|  | dtls1.2 | 88.9 (1.12) | 88.9 (1.12) | 88.9 (1.12) | 88.9 (1.12) | 88.9 (1.12) |\n" +
		"|  | dtls1.2 batch | 80.0 (1.25) | 80.0 (1.25) | 80.0 (1.25) | 80.0 (1.25) | 80.0 (1.25) |\n"
	if strings.Count(string(text), row) != 1 {
		t.Errorf("the page does not have once %q", row)
	}
}

func TestCharts(t *testing.T) {
	for _, test := range []struct {
		r    *measure.Report
		want []string
	}{
		{measured(), []string{"auth.svg", "openssl.svg"}},
		{pair(aClaim(t, "messages/s"), 1), nil}, // not enough was measured
	} {
		folder := t.TempDir()
		if err := Charts(folder, test.r); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		for i := range files {
			files[i] = filepath.Base(files[i])
		}
		if err != nil || !slices.Equal(files, test.want) {
			t.Errorf("drawn: %v, %v; want %v", files, err, test.want)
		}
	}
}
