package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// allowed is by how much a ratio may be lower. Counted work is repeatable to some thousandths, and
// occasionally only to a hundredth. If the kernel computes HMACs differently than for the baseline,
// ratios differ too, and only a loss of more than allowedElsewhere is found. A baseline is stored
// only if none of its runs is further than steady from the median.
const (
	allowed          = 0.03
	allowedElsewhere = 0.20
	steady           = allowed / 2
)

// A Baseline has the ratios with which later ones are compared.
type Baseline struct {
	Kernel string             `json:"kernel"`
	Hashes string             `json:"hashes"` // how that computes HMACs
	Ratios map[string]float64 `json:"ratios"`
}

// NewBaseline returns the medians of runs. It fails if the runs differ so much that a check could
// fail by chance.
func NewBaseline(runs []*measure.Report) (*Baseline, error) {
	b := &Baseline{Kernel: runs[0].About["kernel"], Hashes: runs[0].About["hashes"],
		Ratios: make(map[string]float64)}
	found := make(map[string][]float64)
	for _, r := range runs {
		for name, ratio := range ratios(r) {
			found[name] = append(found[name], ratio)
		}
	}
	var failed []error
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all := found[name]
		median := measure.Median(all)
		b.Ratios[name] = math.Round(median*1000) / 1000
		if off := max(slices.Max(all)/median-1, 1-slices.Min(all)/median); off > steady {
			failed = append(failed, fmt.Errorf("%s: runs differ from %.3f by up to %.1f %%: %.3f",
				name, median, 100*off, all))
		}
	}
	return b, errors.Join(failed...)
}

// Write writes the baseline to a file.
func (b *Baseline) Write(file string) error {
	text, err := json.MarshalIndent(b, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// ReadBaseline reads a baseline that Write has written.
func ReadBaseline(file string) (*Baseline, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	b := new(Baseline)
	return b, json.Unmarshal(text, b)
}

// Check reports to w which ratios are worse than the baseline in each of the runs. It fails if
// there are any, or if a run lacks a ratio.
func (b *Baseline) Check(w io.Writer, runs []*measure.Report) error {
	limit := allowed
	if hashes := runs[0].About["hashes"]; hashes != b.Hashes {
		limit = allowedElsewhere
		fmt.Fprintf(w,
			"note: HMACs are computed by %s, those of the baseline by %s: each ratio may lose %.0f %%\n",
			hashes, b.Hashes, 100*limit)
	}
	worse := 0
	var failed []error
	for _, name := range slices.Sorted(maps.Keys(b.Ratios)) {
		before, least := b.Ratios[name], 1.0
		line := fmt.Sprintf("%s: was %.3f, is", name, before)
		for _, r := range runs {
			now, ok := ratios(r)[name]
			if !ok {
				failed = append(failed, fmt.Errorf("%s was not measured", name))
				continue
			}
			least = min(least, 1-now/before)
			line += fmt.Sprintf(" %.3f", now)
		}
		if least > limit {
			fmt.Fprintf(w, "worse: %s: lost %.1f %%\n", line, 100*least)
			worse++
		}
	}
	fmt.Fprintf(w, "%d ratios compared, %d worse\n", len(b.Ratios), worse)
	if worse > 0 {
		failed = append(failed, fmt.Errorf("%d ratios are worse than the baseline's", worse))
	}
	return errors.Join(failed...)
}
