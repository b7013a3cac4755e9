package config

import "strings"

// nearest finds the property that a mistyped name probably means: it differs in at most two letters, and case
// does not count. It gives "" if there is none, or if the name has fewer than five letters.
func nearest(name string) string {
	name = strings.ToLower(name)
	best, bestAt := "", 3
	if len(name) < 5 {
		return ""
	}
	for _, p := range brokerSorted {
		if d := distance(name, p.Name, bestAt); d < bestAt {
			best, bestAt = p.Name, d
		}
	}
	return best
}

// distance counts the insertions, deletions and replacements between two names. It gives limit if the lengths
// alone differ by that much.
func distance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
