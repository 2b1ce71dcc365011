package core

import (
	"io"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// TestContests runs all of them for so short a time that the figures mean nothing.
func TestContests(t *testing.T) {
	contests, err := Contests()
	if err != nil {
		t.Fatal(err)
	}
	var r measure.Report
	if err := r.Run(io.Discard, contests, 1, 100*time.Microsecond); err != nil {
		t.Error(err)
	}
	for _, c := range contests {
		for _, who := range c.Contestants {
			found := false
			for _, result := range r.Results {
				if result.Contest == c.Name && result.Contestant == who.Name && result.Figure != "allocations" {
					found = true
					if result.Values[0] <= 0 {
						t.Errorf("%s, %s, %s: %v", c.Name, who.Name, result.Figure, result.Values[0])
					}
				}
			}
			if !found {
				t.Errorf("%s, %s was not measured", c.Name, who.Name)
			}
		}
	}
}
