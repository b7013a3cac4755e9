package loggers

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestThePageNamesTheLoggers: docs/operations.md has a row for each logger, and no other.
func TestThePageNamesTheLoggers(t *testing.T) {
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| logger | its lines |\n| --- | --- |\n")
	var rows []string
	for line := range strings.Lines(table) {
		name, ok := strings.CutPrefix(line, "| `")
		if !ok {
			break
		}
		name, _, _ = strings.Cut(name, "`")
		rows = append(rows, name)
	}
	slices.Sort(rows)
	if !slices.Equal(rows, Names()) {
		t.Errorf("the page has the loggers %v, the broker has %v", rows, Names())
	}
}
