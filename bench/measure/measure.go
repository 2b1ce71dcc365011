// Package measure compares programs that do the same, in turns, so that what else the
// machine does meets them alike, and keeps what came out.
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

// A Contest is one thing to do, under a name that stays the same, such as “record/1024”.
type Contest struct {
	Name        string
	Contestants []Contestant
}

// A Contestant does it for about the time d, and reports how fast it was.
type Contestant struct {
	Name    string
	Foreign bool // not ours: that it fails is told, and no error
	Run     func(d time.Duration) (Sample, error)
}

// A Sample is what was measured in one turn. The name of each figure says its unit:
// what ends in “/s” is better if it is more, all else if it is less.
type Sample map[string]float64

// A Result is what was measured of one contestant in one contest, turn by turn.
type Result struct {
	Contest    string    `json:"contest"`
	Contestant string    `json:"contestant"`
	Figure     string    `json:"figure"`
	Values     []float64 `json:"values"`
}

// A Report is the results of one run, and of what.
type Report struct {
	About   map[string]string `json:"about"` // the machine and the programs
	Results []Result          `json:"results"`
}

// Run holds the contests, each in so many rounds; in each round all contestants have one turn
// of time d, one after another. It tells w how far it is. Who fails is out of that contest, and
// the errors of all are returned at the end, but for those of foreign ones.
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

// AddValue adds the value of one turn.
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

// Write writes the report into file.
func (r *Report) Write(file string) error {
	slices.SortStableFunc(r.Results, func(a, b Result) int { return compareNames(a, b) })
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

// Read returns what Write has written.
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

// Add adds another report, as further rounds of what r has already.
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
