package measure

import (
	"path/filepath"
	"testing"
)

// Two runs are taken together round by round.
func TestReadAddsRounds(t *testing.T) {
	folder := t.TempDir()
	var both Report
	for i, rounds := range [][2][]float64{{{1, 2}, {2, 2}}, {{8, 4}, {2, 4}}} {
		var r Report
		for j := range 2 {
			r.Add("contest", "a", "messages/s", rounds[0][j])
			r.Add("contest", "b", "messages/s", rounds[1][j])
		}
		file := filepath.Join(folder, string(rune('0'+i)))
		if err := r.Write(file); err != nil {
			t.Fatal(err)
		}
		if err := both.Read(file); err != nil {
			t.Fatal(err)
		}
	}
	want := Ratio{Median: 1, Low: 0.875, High: 1.75} // of 0.5, 1, 4, 1
	if got, ok := both.Ratio("contest", "a", "b", "messages/s"); !ok || got != want {
		t.Errorf("the ratio is %+v, %v, want %+v", got, ok, want)
	}
}
