package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// pair is a report of one claim.
func pair(c Claim, factors ...float64) *measure.Report {
	r := &measure.Report{}
	for _, factor := range factors {
		if !measure.MoreIsBetter(c.Figure) {
			factor = 1 / factor
		}
		r.Add(c.Contest, c.A, c.Figure, factor)
		r.Add(c.Contest, c.B, c.Figure, 1)
	}
	return r
}

func TestCheck(t *testing.T) {
	for _, c := range []Claim{
		{Contest: "record/64", A: "dtls1.2", B: "aead", Figure: "both ns"},
		{Contest: "handshakes", A: "dtls1.2", B: "openssl", Figure: "connections/s"},
	} {
		for _, test := range []struct {
			name        string
			before, now []float64
			worse       int
		}{
			{"the same", []float64{2, 2, 2}, []float64{2, 2, 2}, 0},
			{"better", []float64{2, 2, 2}, []float64{3, 3, 3}, 0},
			{"a little worse", []float64{2, 2, 2}, []float64{1.82, 1.82, 1.82}, 0},
			{"worse", []float64{2, 2, 2}, []float64{1.78, 1.78, 1.78}, 1},
			{"worse than what varied", []float64{1.6, 2, 2.4}, []float64{1.5, 1.5, 1.5}, 1},
			{"as it may vary", []float64{1.6, 2, 2.4}, []float64{1.62, 1.62, 1.62}, 0},
			{"varies itself", []float64{2, 2, 2}, []float64{1.5, 1.7, 1.9}, 0},
		} {
			t.Run(c.Contest+" "+test.name, func(t *testing.T) {
				var out strings.Builder
				if worse := NewBaseline(pair(c, test.before...)).Check(&out, pair(c, test.now...)); worse != test.worse {
					t.Errorf("%d are worse, want %d:\n%s", worse, test.worse, out.String())
				}
			})
		}
	}
}

func TestBaselineFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "baseline.json")
	b := NewBaseline(pair(Claim{Contest: "record/64", A: "dtls1.2", B: "aead", Figure: "both ns"}, 1, 2, 3))
	if err := b.Write(file); err != nil {
		t.Fatal(err)
	}
	again, err := ReadBaseline(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.Ratios) != 1 {
		t.Fatalf("%d ratios, want 1", len(again.Ratios))
	}
	for name, ratio := range b.Ratios {
		if again.Ratios[name] != ratio {
			t.Errorf("%s: %v, want %v", name, again.Ratios[name], ratio)
		}
	}
}

// TestDocument fills the page as it is in the repository, whatever was measured.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "performance.md")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	r := pair(Claim{Contest: "record/64", A: "dtls1.2", B: "aead", Figure: "both ns"}, 0.5)
	for range 2 { // the second time over the first
		if err := Fill(file, Tables(r)); err != nil {
			t.Fatal(err)
		}
	}
	text, err = os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "0 of 1 targets are met."; strings.Count(string(text), want) != 1 {
		t.Errorf("the page does not say once %q", want)
	}
}

func TestCharts(t *testing.T) {
	folder := t.TempDir()
	if err := Charts(folder, pair(Claim{Contest: "record/64", A: "dtls1.2", B: "aead", Figure: "both ns"}, 0.5)); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) != 1 || filepath.Base(files[0]) != "records.svg" {
		t.Errorf("drawn: %v, %v; want records.svg alone", files, err)
	}
}
