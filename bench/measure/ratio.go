package measure

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// Ratio says how many times as fast a is as b in a contest: the median of what the rounds say. ok
// is false if it was not measured.
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
	return quantile(ratios, 0.5), true
}

// MoreIsBetter says so of a figure, by its name.
func MoreIsBetter(figure string) bool { return strings.HasSuffix(figure, "/s") }

// quantile returns the value below which the part q of the values is, between two neighbours if
// need be.
func quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low, part := int(at), at-math.Floor(at)
	if part == 0 {
		return sorted[low]
	}
	return sorted[low]*(1-part) + sorted[low+1]*part
}

func compareNames(a, b Result) int {
	return cmp.Or(cmp.Compare(a.Contest, b.Contest), cmp.Compare(a.Figure, b.Figure),
		cmp.Compare(a.Contestant, b.Contestant))
}
