package report

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// allowed is the part of a ratio that may be lost.
const allowed = 0.10

// A Baseline is the ratios that are kept to compare later ones with.
type Baseline struct {
	Kernel string                   `json:"kernel"` // that of the ratios over associations
	Ratios map[string]measure.Ratio `json:"ratios"`
}

// NewBaseline returns what r says, to be kept.
func NewBaseline(r *measure.Report) *Baseline {
	return &Baseline{r.About["kernel"], Ratios(r)}
}

// Write writes b into file.
func (b *Baseline) Write(file string) error {
	text, err := json.MarshalIndent(b, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// ReadBaseline reads what Write has written.
func ReadBaseline(file string) (*Baseline, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	b := new(Baseline)
	return b, json.Unmarshal(text, b)
}

// Check tells w which ratios of r are worse than the baseline's, and returns how many. A ratio is
// worse if it has lost more than a tenth, and the noise cannot explain it: to the tenth come the
// spread of the baseline, as it was measured, and that of r. See [measure.Ratio].
func (b *Baseline) Check(w io.Writer, r *measure.Report) (worse int) {
	now := Ratios(r)
	compared := 0
	for _, name := range slices.Sorted(maps.Keys(b.Ratios)) {
		before := b.Ratios[name]
		ratio, ok := now[name]
		if !ok {
			continue // this machine cannot measure it
		}
		compared++
		noise := before.Spread() + ratio.Spread()
		if lost := 1 - ratio.Median/before.Median; lost > allowed+noise {
			fmt.Fprintf(w, "worse: %s: was %.2f, is %.2f: lost %.0f %%, noise explains %.0f %%\n", name, before.Median, ratio.Median, 100*lost, 100*noise)
			worse++
		}
	}
	if kernel := r.About["kernel"]; kernel != b.Kernel {
		fmt.Fprintf(w, "note: the baseline's kernel is %q, this one is %q\n", b.Kernel, kernel)
	}
	fmt.Fprintf(w, "%d of %d ratios compared, %d worse\n", compared, len(b.Ratios), worse)
	return worse
}
