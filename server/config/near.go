package config

import "strings"

// nearest finds the property that a mistyped name was probably meant to be: at most two letters
// off, capitals aside, or "" if there is none or the name is too short to tell.
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

// distance counts insertions, deletions and replacements between two names, giving up at limit.
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
