package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// slowestShown is how many of a suite's slowest tests are listed: those that are worth making faster first.
const slowestShown = 10

// took is how long a package or a test took.
type took struct {
	name    string
	seconds float64
}

// times collects how long the packages of a suite and their top-level tests took. A subtest's time is
// part of its parent's. A package whose result came from Go's cache took no time.
type times struct{ packages, tests []took }

// take notes the time of what an event ended.
func (t *times) take(e event) {
	switch {
	case e.Test == "":
		if e.Action != "skip" {
			t.packages = append(t.packages, took{e.Package, e.Elapsed})
		}
	case !strings.Contains(e.Test, "/"):
		t.tests = append(t.tests, took{e.Package + " " + e.Test, e.Elapsed})
	}
}

// print lists each package and the slowest tests, the slowest first.
func (t *times) print(out io.Writer) {
	bySeconds := func(a, b took) int { return cmp.Or(cmp.Compare(b.seconds, a.seconds), cmp.Compare(a.name, b.name)) }
	slices.SortFunc(t.packages, bySeconds)
	slices.SortFunc(t.tests, bySeconds)
	for _, p := range t.packages {
		fmt.Fprintf(out, "   %7.1f s  %s\n", p.seconds, p.name)
	}
	for _, s := range t.tests[:min(slowestShown, len(t.tests))] {
		fmt.Fprintf(out, "   slow: %7.1f s  %s\n", s.seconds, s.name)
	}
}
