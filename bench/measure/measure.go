// Package measure compares programs that do the same work. They take turns, so that other activity
// on the machine affects all of them alike.
package measure

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"time"
)

// A Contest is a kind of work, with a name that stays the same, such as "record/1024".
type Contest struct {
	Name        string
	Contestants []Contestant
}

// A Contestant does the work for about d, and reports how fast it was.
type Contestant struct {
	Name    string
	Foreign bool // not ours: its failure is reported but is not an error
	Run     func(d time.Duration) (Sample, error)
}

// A Sample is the figures of one turn. The name of a figure contains its unit: for names that end
// in "/s" more is better, for all others less.
type Sample map[string]float64

// A Result has the figures of one contestant in one contest, turn by turn.
type Result struct {
	Contest    string    `json:"contest"`
	Contestant string    `json:"contestant"`
	Figure     string    `json:"figure"`
	Values     []float64 `json:"values"`
}

// A Report has the results of a run, and describes the machine.
type Report struct {
	About   map[string]string `json:"about"` // the machine and the programs
	Results []Result          `json:"results"`
}

// Run runs the contests, each for a number of rounds. In each round every contestant has one turn
// of length d. Run writes its progress to w. A contestant that fails is excluded from that contest.
// Run returns the errors of all contestants that are not foreign.
func (r *Report) Run(w io.Writer, contests []Contest, rounds int, d time.Duration) error {
	var failed []error
	for _, c := range contests {
		fmt.Fprintln(w, c.Name)
		out := make(map[string]bool)
		for range rounds {
			for _, who := range c.Contestants {
				if out[who.Name] {
					continue
				}
				sample, err := who.Run(d)
				if err != nil {
					err = fmt.Errorf("%s, %s: %w", c.Name, who.Name, err)
					if who.Foreign {
						fmt.Fprintln(w, err)
					} else {
						failed = append(failed, err)
					}
					out[who.Name] = true
					continue
				}
				for figure, value := range sample {
					r.AddValue(c.Name, who.Name, figure, value)
				}
			}
		}
	}
	return errors.Join(failed...)
}

// AddValue adds a figure of one turn.
func (r *Report) AddValue(contest, contestant, figure string, value float64) {
	if old := r.find(contest, contestant, figure); old != nil {
		old.Values = append(old.Values, value)
		return
	}
	r.Results = append(r.Results, Result{contest, contestant, figure, []float64{value}})
}

func (r *Report) find(contest, contestant, figure string) *Result {
	for i := range r.Results {
		if f := &r.Results[i]; f.Contest == contest && f.Contestant == contestant && f.Figure == figure {
			return f
		}
	}
	return nil
}

// Value returns the median of a figure; ok is false if it was not measured.
func (r *Report) Value(contest, contestant, figure string) (median float64, ok bool) {
	f := r.find(contest, contestant, figure)
	if f == nil {
		return 0, false
	}
	return Median(f.Values), true
}

// Write writes the report to a file.
func (r *Report) Write(file string) error {
	slices.SortStableFunc(r.Results, func(a, b Result) int { return compareNames(a, b) })
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// Read reads a report that Write has written.
func Read(file string) (*Report, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := new(Report)
	if err := json.Unmarshal(b, r); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// Add adds the results of another report as further rounds.
func (r *Report) Add(more *Report) {
	if r.About == nil {
		r.About = make(map[string]string)
	}
	maps.Copy(r.About, more.About)
	for _, f := range more.Results {
		for _, value := range f.Values {
			r.AddValue(f.Contest, f.Contestant, f.Figure, value)
		}
	}
}
