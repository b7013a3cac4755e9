package figures

import "slices"

// Summary is what several rounds measured of one figure: its median, the smallest and the
// largest value, and all values.
type Summary struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Values []float64 `json:"values"` // in the order of the rounds
}

// Summarize gives the summary of values, of which there must be at least one. The median of an even number of
// values is the mean of the two in the middle.
func Summarize(values []float64) Summary {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return Summary{Median: (sorted[(n-1)/2] + sorted[n/2]) / 2, Min: sorted[0], Max: sorted[n-1], Values: slices.Clone(values)}
}

// Spread is how far the rounds lie apart, as a part of the median: 0.1 for values
// from 95 to 105.
func (s Summary) Spread() float64 {
	if s.Median == 0 {
		return 0
	}
	return (s.Max - s.Min) / s.Median
}

// Percentile gives the smallest value that at least this part of the values, from 0 to 1, does not exceed
// (nearest rank). The caller has sorted the values. Without any value, the percentile is 0.
func Percentile(sorted []int64, part float64) int64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(part * float64(len(sorted)))
	if float64(rank) < part*float64(len(sorted)) {
		rank++
	}
	return sorted[min(max(rank, 1), len(sorted))-1]
}
