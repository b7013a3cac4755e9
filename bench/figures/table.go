package figures

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// Print writes a result as a table. Each broker has a line with the median of each figure and how far the rounds
// lie from it. Then each broker but the first has a line with the first broker's medians as multiples of its own.
func Print(w io.Writer, r Result) error {
	if len(r.Rows) == 0 {
		return nil
	}
	lines := [][]string{append([]string{""}, names(r.Order)...)}
	for _, row := range r.Rows {
		line := []string{row.Broker}
		for _, f := range r.Order {
			line = append(line, cell(row, f))
		}
		lines = append(lines, line)
	}
	for _, peer := range r.Rows[1:] {
		line := []string{r.Rows[0].Broker + " : " + peer.Broker}
		for _, f := range r.Order {
			line = append(line, ratio(r.Rows[0], peer, f))
		}
		lines = append(lines, line)
	}
	_, err := fmt.Fprintf(w, "%s (%s): %s\n%s\n", r.Load, r.Medium, r.About, layout(lines))
	return err
}

func names(order []Figure) (list []string) {
	for _, f := range order {
		list = append(list, string(f))
	}
	return list
}

// cell gives a median with half of its spread, or a dash if the broker has no such figure.
func cell(row Row, f Figure) string {
	s, ok := row.Figures[f]
	if !ok {
		return "-"
	}
	if len(s.Values) == 1 {
		return number(s.Median)
	}
	return fmt.Sprintf("%s ±%.0f%%", number(s.Median), 50*s.Spread())
}

// ratio gives one broker's median divided by another's, or a dash if one of them has none.
func ratio(of, to Row, f Figure) string {
	a, okA := of.Figures[f]
	b, okB := to.Figures[f]
	if !okA || !okB || b.Median == 0 {
		return "-"
	}
	return number(a.Median/b.Median) + "x"
}

// number writes three significant digits, and no fraction from 100 on.
func number(v float64) string {
	switch abs := math.Abs(v); {
	case abs >= 99.95 || v == 0:
		return fmt.Sprintf("%.0f", v)
	case abs >= 9.995:
		return fmt.Sprintf("%.1f", v)
	case abs >= 0.9995:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// layout aligns the columns: the first one to the left, the others to the right.
func layout(lines [][]string) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, c := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	var s strings.Builder
	for _, line := range lines {
		for i, c := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if i == 0 {
				s.WriteString("  " + c + pad)
			} else {
				s.WriteString("  " + pad + c)
			}
		}
		s.WriteByte('\n')
	}
	return s.String()
}
