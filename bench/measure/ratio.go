package measure

import (
	"cmp"
	"slices"
	"strings"
)

// Ratio returns how many times faster than b contestant a is in a contest: the median over the
// rounds. ok is false if that was not measured.
func (r *Report) Ratio(contest, a, b, figure string) (median float64, ok bool) {
	x, y := r.find(contest, a, figure), r.find(contest, b, figure)
	if x == nil || y == nil || len(x.Values) != len(y.Values) {
		return 0, false
	}
	ratios := make([]float64, len(x.Values))
	for i := range ratios {
		ratios[i] = x.Values[i] / y.Values[i]
		if !MoreIsBetter(figure) {
			ratios[i] = 1 / ratios[i]
		}
	}
	return Median(ratios), true
}

// MoreIsBetter reports whether more is better for a figure, given its name.
func MoreIsBetter(figure string) bool { return strings.HasSuffix(figure, "/s") }

// Median returns the median of values, which is the mean of the middle two if their number is even.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

func compareNames(a, b Result) int {
	return cmp.Or(cmp.Compare(a.Contest, b.Contest), cmp.Compare(a.Figure, b.Figure),
		cmp.Compare(a.Contestant, b.Contestant))
}
