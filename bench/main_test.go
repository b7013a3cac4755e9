package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"klamm/bench/figures"
	"klamm/bench/replay"
)

// TestMain lets the tests' binary be the limit, too: it is what os.Executable names.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == limitArgument {
		if err := serveLimit(os.Args[2], os.Args[3]); err != nil {
			os.Exit(1)
		}
		return
	}
	if len(os.Args) > 1 && os.Args[1] == benchArgument {
		os.Args = append(os.Args[:1], os.Args[2:]...)
		main()
		return
	}
	os.Exit(m.Run())
}

// benchArgument makes the tests' binary the command.
const benchArgument = "be-the-bench"

// miniature is every load in as little work as makes sense.
func miniature(dir string, more ...string) []string {
	return append([]string{"-rounds", "1", "-volume", "4", "-warm", "0", "-requests", "200", "-during", "200ms", "-clients", "10", "-groups", "30", "-members", "30", "-partitions", "50", "-settle", "50ms", "-session", "6s", "-disk", dir}, more...)
}

// TestEveryLoadInMiniature runs each load of one broker once, against klamm and against the limit: on
// the tmpfs what goes there, on the disk the rest.
func TestEveryLoadInMiniature(t *testing.T) {
	inMiniature(t, "klamm,limit", func(l load) bool { return !l.cluster })
}

// TestEveryClusterLoadInMiniature runs each load of three brokers once, against klamm and against Apache Kafka.
func TestEveryClusterLoadInMiniature(t *testing.T) {
	inMiniature(t, "klamm,3.9.2", func(l load) bool { return l.cluster })
}

func inMiniature(t *testing.T, brokers string, wanted func(load) bool) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", os.TempDir()) // a run changes it
	rest := map[string][]string{tmpfs: nil, disk: nil}
	for _, l := range loads {
		if wanted(l) {
			rest[l.media[0]] = append(rest[l.media[0]], l.name)
		}
	}
	for medium, names := range rest {
		file := filepath.Join(dir, medium+".json")
		o, err := parse(miniature(dir, "-brokers", brokers, "-media", medium, "-loads", strings.Join(names, ","), "-json", file))
		if err != nil {
			t.Fatal(err)
		}
		var out, progress strings.Builder
		r, err := newRun(o, &out, &progress)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(r.all(t.Context()), r.close()); err != nil {
			t.Fatalf("%v\n%s%s", err, progress.String(), out.String())
		}
		checkResults(t, r.results, names, out.String())
		if left := leftovers(t, dir); len(left) > 0 {
			t.Errorf("the run left %v", left)
		}
		if info, err := os.Stat(file); err != nil || info.Size() < 1000 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
}

// checkResults: every load has every figure of its columns, and is printed.
func checkResults(t *testing.T, results []figures.Result, names []string, printed string) {
	t.Helper()
	var seen []string
	for _, result := range results {
		seen = append(seen, result.Load)
		if !strings.Contains(printed, result.Load+" ("+result.Medium+")") {
			t.Errorf("%s is not printed", result.Load)
		}
		for _, row := range result.Rows {
			for _, f := range result.Order {
				// CPU comes in steps of 10 ms, so little work may seem to take none.
				// And what clients get done in so short a time may be nothing.
				s, ok := row.Figures[f]
				if !ok || s.Median <= 0 && !strings.HasPrefix(string(f), "CPU") && result.Load != "clients" {
					t.Errorf("%s (%s), %s: %s is %v", result.Load, result.Medium, row.Broker, f, s.Values)
				}
			}
		}
	}
	slices.Sort(seen)
	slices.Sort(names)
	if !slices.Equal(seen, names) {
		t.Errorf("ran %v, want %v", seen, names)
	}
}

// leftovers are directories of runs.
func leftovers(t *testing.T, dir string) (left []string) {
	t.Helper()
	for _, parent := range []string{shared, dir} {
		found, err := filepath.Glob(filepath.Join(parent, "klamm-bench-*"))
		if err != nil {
			t.Fatal(err)
		}
		left = append(left, found...)
	}
	// Other runs on the machine have theirs.
	return slices.DeleteFunc(left, func(name string) bool {
		return !strings.HasPrefix(name, dir) && !strings.HasSuffix(name, suffixOf(os.Getpid()))
	})
}

// TestASignalEndsTheRun: a run that is told to end leaves neither files nor processes.
func TestASignalEndsTheRun(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], append([]string{benchArgument}, miniature(dir, "-brokers", "klamm", "-media", "disk", "-loads", "tail/consumers=1", "-during", "10m")...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	buf := make([]byte, 1024)
	for signalled := false; ; {
		n, err := stderr.Read(buf)
		said.Write(buf[:n])
		if !signalled && strings.Contains(said.String(), "tail/consumers=1 (disk): klamm") {
			signalled = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
		if err != nil {
			break
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), "interrupted") {
		t.Errorf("ended with %v and said:\n%s", err, said.String())
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left on the disk: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(shared, "klamm-bench"+suffixOf(cmd.Process.Pid))); len(left) > 0 {
		t.Errorf("left on the tmpfs: %v", left)
	}
	for _, line := range commandLines(t) {
		if strings.Contains(line, dir) {
			t.Errorf("still runs: %q", line)
		}
	}
}

// commandLines are those of all processes of the machine.
func commandLines(t *testing.T) (lines []string) {
	t.Helper()
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err == nil { // it may have ended
			lines = append(lines, strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return lines
}

// TestWhatAKilledRunLeftIsSwept: the directories of a run whose process is gone go, those
// of one that runs stay.
func TestWhatAKilledRunLeftIsSwept(t *testing.T) {
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	parent := t.TempDir()
	for _, pid := range []int{cmd.Process.Pid, os.Getpid()} {
		if err := os.MkdirAll(filepath.Join(parent, "klamm-bench"+suffixOf(pid), "data"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	sweep(parent)
	left, _ := filepath.Glob(filepath.Join(parent, "*"))
	if len(left) != 1 || !strings.HasSuffix(left[0], suffixOf(os.Getpid())) {
		t.Errorf("left: %v", left)
	}
}

// suffixOf is how the directories of a process' run end.
func suffixOf(pid int) string { return fmt.Sprintf("-%d", pid) }

func TestTheCommandLine(t *testing.T) {
	o, err := parse([]string{"-loads", "big, small", "-brokers", "klamm,4.4.0,limit", "-media", "disk", "-volume", "3"})
	if err != nil {
		t.Fatal(err)
	}
	if o.volume != 3e6 || o.brokers[1] != kafkaNewest || len(o.media) != 1 || o.rounds != 3 {
		t.Errorf("%+v", o)
	}
	var run []string
	for _, l := range loads {
		if l.wanted(o.loads) {
			run = append(run, l.name)
		}
	}
	if strings.Join(run, " ") != "big/acks=1 big/acks=all small" {
		t.Errorf("%v", run)
	}
	for _, bad := range []string{"-loads=bi", "-brokers=kafka", "-brokers=", "-media=ram", "-rounds=0", "-volume=0", "big"} {
		if _, err := parse([]string{bad}); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func TestTheTableOfLoadsIsComplete(t *testing.T) {
	names := map[string]bool{}
	for _, l := range loads {
		if names[l.name] || l.about == "" || len(l.media) == 0 || len(l.columns) == 0 || l.open == nil || l.own && l.limited {
			t.Errorf("%+v", l)
		}
		names[l.name] = true
	}
}

func TestASampleIsPerGigabyteAndPerMillion(t *testing.T) {
	done := replay.Done{Requests: 4000, Bytes: 100e6, Took: 2 * time.Second, Latencies: []int64{3e6, 1e6, 2e6}}
	s := sample(done, usage{cpu: 500 * time.Millisecond, peak: 30e6, took: 2 * time.Second})
	want := figures.Sample{figures.Throughput: 50, figures.Requests: 2000, figures.CPUPerGB: 5, figures.CPUPerMillion: 125, figures.CPUShare: 25,
		figures.Peak: 30, figures.P50: 2, figures.P99: 3, figures.P999: 3}
	for f := range want {
		if s[f] != want[f] {
			t.Errorf("%s is %v, want %v", f, s[f], want[f])
		}
	}
}

func TestReadersCoverWhatTheyAreToRead(t *testing.T) {
	next := inOrder(64, 192, 2)
	var asked []int64
	for offset, more := next(0, 0); more; offset, more = next(offset, 64) {
		asked = append(asked, offset)
	}
	if !slices.Equal(asked, []int64{64, 128, 64, 128}) {
		t.Errorf("%v", asked)
	}
	if _, more := inOrder(64, 64, 2)(0, 0); more {
		t.Error("nothing is read")
	}
	f := &filled{batchRecords: 64, end: 64 * 10}
	var from []int64
	for _, r := range (catchUp{partitions: 1, times: 1}).fetching(&subject{target: &limitProcess{}}, f).Readings {
		first, _ := r.Next(0, 0)
		from = append(from, first)
	}
	if !slices.Equal(from, []int64{0, 128, 320, 448}) {
		t.Errorf("the quarters of 10 batches begin at %v", from)
	}
}
