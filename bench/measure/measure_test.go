package measure

import (
	"path/filepath"
	"testing"
)

// Two runs are taken together round by round.
func TestAddAddsRounds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "run")
	var both Report
	for _, rounds := range [][2][]float64{{{1, 2}, {2, 2}}, {{8, 4}, {2, 4}}} {
		var r Report
		for j := range 2 {
			r.AddValue("contest", "a", "messages/s", rounds[0][j])
			r.AddValue("contest", "b", "messages/s", rounds[1][j])
		}
		if err := r.Write(file); err != nil {
			t.Fatal(err)
		}
		again, err := Read(file)
		if err != nil {
			t.Fatal(err)
		}
		both.Add(again)
	}
	const want = 1 // of 0.5, 1, 4, 1
	if got, ok := both.Ratio("contest", "a", "b", "messages/s"); !ok || got != want {
		t.Errorf("the ratio is %v, %v, want %v", got, ok, want)
	}
}
