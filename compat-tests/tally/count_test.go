package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func count(t *testing.T, lines ...string) (counts, string) {
	t.Helper()
	var out strings.Builder
	c := newCounter(&out)
	if err := c.read(strings.NewReader(strings.Join(lines, "\n") + "\n")); err != nil {
		t.Fatal(err)
	}
	return c.counts(), out.String()
}

func TestOnlyTestsWithoutSubtestsCount(t *testing.T) {
	got, _ := count(t,
		`{"Action":"run","Package":"p","Test":"A"}`,
		`{"Action":"run","Package":"p","Test":"A/x"}`,
		`{"Action":"run","Package":"p","Test":"A/y"}`,
		`{"Action":"pass","Package":"p","Test":"A/x"}`,
		`{"Action":"fail","Package":"p","Test":"A/y"}`,
		`{"Action":"fail","Package":"p","Test":"A"}`,
		`{"Action":"run","Package":"p","Test":"B"}`,
		`{"Action":"skip","Package":"p","Test":"B"}`,
		`{"Action":"fail","Package":"p"}`)
	if want := (counts{passed: 1, failed: 1, skipped: 1}); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
}

func TestAParentThatFailsAloneCounts(t *testing.T) {
	got, _ := count(t,
		`{"Action":"run","Package":"p","Test":"A"}`,
		`{"Action":"run","Package":"p","Test":"A/x"}`,
		`{"Action":"pass","Package":"p","Test":"A/x"}`,
		`{"Action":"fail","Package":"p","Test":"A"}`,
		`{"Action":"fail","Package":"p"}`)
	if want := (counts{passed: 1, failed: 1}); got != want {
		t.Fatalf("%s, want %s", got, want)
	}
}

func TestAPackageThatFailsWithoutATestCounts(t *testing.T) {
	got, out := count(t,
		`{"Action":"output","Package":"p","Output":"does not build\n"}`,
		`{"Action":"fail","Package":"p"}`)
	if want := (counts{failed: 1}); got != want || out != "does not build\n" {
		t.Fatalf("%s, %q; want %s and the output", got, out, want)
	}
}

func TestATestThatWasRunningWhenTheProcessDiedFails(t *testing.T) {
	got, out := count(t,
		`{"Action":"run","Package":"p","Test":"A"}`,
		`{"Action":"output","Package":"p","Test":"A","Output":"fatal error\n"}`,
		`{"Action":"fail","Package":"p"}`)
	if got.failed == 0 || !strings.Contains(out, "fatal error") {
		t.Fatalf("%s, %q; want a failure and its output", got, out)
	}
}

func TestTotal(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tally")
	for _, c := range []counts{{passed: 3}, {passed: 1, failed: 2}, {skipped: 5}} {
		if err := appendCounts(file, "some suite", c); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := readTotal(file)
	if want := (counts{4, 2, 5}); err != nil || sum != want {
		t.Fatalf("%s, %v; want %s", sum, err, want)
	}
	if exitCode(sum) == 0 {
		t.Fatal("a total with failures exits with 0")
	}
	if err := os.WriteFile(file, []byte("nonsense\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := readTotal(file); err == nil {
		t.Fatal("readTotal adds up a file that is no tally")
	}
}

func TestARunWithoutTestsFails(t *testing.T) {
	if _, err := runTests([]string{"true"}); err == nil {
		t.Fatal("a command that printed no event passes")
	}
	c := newCounter(io.Discard)
	if got := c.counts(); got != (counts{}) {
		t.Fatalf("a run without events counts %s", got)
	}
}
