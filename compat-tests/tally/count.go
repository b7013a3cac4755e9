package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// counts are the numbers of one suite.
type counts struct{ passed, failed, skipped int }

// String gives the counts as the last line of a run has them.
func (c counts) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", c.passed, c.failed, c.skipped)
}

// event is one line of go test -json.
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64 // s, of what ended
}

// counter holds what is known of the tests of a run.
type counter struct {
	out     io.Writer
	verdict map[string]string   // by package and test: pass, fail, skip
	parent  map[string]bool     // tests that have subtests
	output  map[string][]string // of tests and packages that have not ended
	failing map[string]bool     // packages with a failing test
	broken  int                 // packages that failed without one
	times   times
}

func newCounter(out io.Writer) *counter {
	return &counter{out: out, verdict: map[string]string{}, parent: map[string]bool{},
		output: map[string][]string{}, failing: map[string]bool{}}
}

// read takes events until the stream ends. read prints a line that is no event.
func (c *counter) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
				c.take(e)
			} else {
				fmt.Fprint(c.out, line)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (c *counter) take(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		fmt.Fprint(c.out, e.Output)
	case "run":
		if up := strings.LastIndexByte(e.Test, '/'); up > 0 {
			c.parent[e.Package+" "+e.Test[:up]] = true
		}
	case "output":
		c.output[key] = append(c.output[key], e.Output)
	case "pass", "fail", "skip":
		c.end(key, e)
	}
}

// end takes the verdict on a test or, without a test's name, on a package.
func (c *counter) end(key string, e event) {
	said := strings.Join(c.output[key], "")
	delete(c.output, key)
	c.times.take(e)
	if e.Test != "" {
		c.verdict[key] = e.Action
		if e.Action != "pass" {
			fmt.Fprint(c.out, said)
		}
		c.failing[e.Package] = c.failing[e.Package] || e.Action == "fail"
		return
	}
	if e.Action == "skip" {
		return // a package without tests
	}
	fmt.Fprint(c.out, said)
	if e.Action == "fail" && !c.failing[e.Package] {
		c.broken++
	}
	c.crashed(e.Package)
}

// crashed prints the output of the tests that were running when their process died, and
// counts them as failed.
func (c *counter) crashed(pkg string) {
	for key, said := range c.output {
		if strings.HasPrefix(key, pkg+" ") && c.verdict[key] == "" {
			fmt.Fprint(c.out, strings.Join(said, ""))
			c.verdict[key] = "fail"
			delete(c.output, key)
		}
	}
}

func (c *counter) counts() counts {
	sum := counts{failed: c.broken}
	for key, v := range c.verdict {
		if c.parent[key] && v != "fail" {
			continue
		}
		if c.parent[key] && c.failedBelow(key) {
			continue
		}
		switch v {
		case "pass":
			sum.passed++
		case "fail":
			sum.failed++
		case "skip":
			sum.skipped++
		}
	}
	return sum
}

// failedBelow says whether a subtest explains a parent's failure.
func (c *counter) failedBelow(key string) bool {
	for sub, v := range c.verdict {
		if v == "fail" && strings.HasPrefix(sub, key+"/") {
			return true
		}
	}
	return false
}

// appendCounts adds a suite to the file.
func appendCounts(file, suite string, c counts) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%d %d %d %s\n", c.passed, c.failed, c.skipped, suite)
	return errors.Join(err, f.Close())
}

// readTotal adds up the suites of the file.
func readTotal(file string) (counts, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return counts{}, err
	}
	var sum counts
	for line := range strings.Lines(string(text)) {
		var c counts
		if _, err := fmt.Sscanf(line, "%d %d %d", &c.passed, &c.failed, &c.skipped); err != nil {
			return counts{}, fmt.Errorf("%s: line %q: %w", file, line, err)
		}
		sum.passed += c.passed
		sum.failed += c.failed
		sum.skipped += c.skipped
	}
	return sum, nil
}
