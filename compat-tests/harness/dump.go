package harness

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
)

// DumpFacts is how many files, batches and records DumpLogSegments read.
type DumpFacts struct {
	Files, Batches, Records int
}

// DumpLogs runs kafka.tools.DumpLogSegments of 3.9.2 over every segment of
// log directories whose broker is stopped, with deep iteration and with both of
// its checks of indexes, and fails the test on anything that it finds wrong.
func DumpLogs(t testing.TB, logDirs ...string) DumpFacts {
	t.Helper()
	return dumpLogs(t, false, logDirs)
}

// DumpCompactedLogs is DumpLogs for compacted logs. The tool reports each gap in the
// offsets; here only an offset that does not ascend counts as wrong.
func DumpCompactedLogs(t testing.TB, logDirs ...string) DumpFacts {
	t.Helper()
	return dumpLogs(t, true, logDirs)
}

func dumpLogs(t testing.TB, gaps bool, logDirs []string) DumpFacts {
	t.Helper()
	var logs, indexes []string
	for _, dir := range logDirs {
		logs = append(logs, segmentFiles(t, dir, ".log", ".index", ".timeindex", ".snapshot")...)
		indexes = append(indexes, segmentFiles(t, dir, ".index", ".timeindex")...)
	}
	facts := DumpFacts{Files: len(logs)}
	for _, files := range chunks(logs) {
		dump(t, &facts, gaps, "--deep-iteration", "--verify-index-only", "--max-message-size", "67108864", "--files", files)
	}
	for _, files := range chunks(indexes) {
		dump(t, &facts, gaps, "--index-sanity-check", "--files", files)
	}
	return facts
}

// segmentFiles lists the files of a log directory's partitions by suffix.
// Partitions that are deleted are left out.
func segmentFiles(t testing.TB, logDir string, suffixes ...string) []string {
	t.Helper()
	var files []string
	for _, suffix := range suffixes {
		found, err := filepath.Glob(filepath.Join(logDir, "*", "*"+suffix))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if !strings.HasSuffix(filepath.Dir(f), "-delete") {
				files = append(files, f)
			}
		}
	}
	if len(files) == 0 {
		entries, _ := os.ReadDir(logDir)
		t.Fatalf("no segment in %s: %v", logDir, entries)
	}
	sort.Strings(files)
	return files
}

// chunks joins names by commas, in pieces that fit into one argument of a
// command (128 KiB on Linux).
func chunks(files []string) []string {
	var joined []string
	var s strings.Builder
	for _, f := range files {
		if s.Len()+len(f) > 100_000 {
			joined = append(joined, s.String())
			s.Reset()
		}
		if s.Len() > 0 {
			s.WriteByte(',')
		}
		s.WriteString(f)
	}
	return append(joined, s.String())
}

// dump runs the tool once and reads its output while it runs: each record is a line.
func dump(t testing.TB, facts *DumpFacts, gaps bool, args ...string) {
	t.Helper()
	r, w := io.Pipe()
	findings := make(chan []string)
	go func() { findings <- readDump(r, facts) }()
	stderr, code, err := JavaTo(w, Kafka39, "dump-log", nil, args...)
	w.Close()
	found := <-findings
	if err != nil {
		t.Fatal(err)
	}
	if gaps {
		stderr = withoutGaps(stderr)
	}
	if stderr != "" {
		found = append(found, stderr)
	}
	if code != 0 || len(found) > 0 {
		t.Errorf("DumpLogSegments, exit code %d:\n%s", code, strings.Join(found, "\n"))
	}
}

// withoutGaps removes the tool's reports of missing offsets, and keeps those of offsets
// that do not ascend.
func withoutGaps(stderr string) string {
	var left strings.Builder
	for line := range strings.Lines(stderr) {
		var before, after int64
		if n, _ := fmt.Sscanf(line, " %d is followed by %d", &before, &after); n == 2 && before < after || strings.HasPrefix(line, "Non-consecutive offsets in ") {
			continue
		}
		left.WriteString(line)
	}
	return left.String()
}

// readDump counts batches and records and gives the lines that say that
// something is wrong, the file before each.
func readDump(r io.Reader, facts *DumpFacts) (found []string) {
	lines := bufio.NewReader(r)
	file := ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return found
		}
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "Dumping "):
			file = line[len("Dumping "):]
		case strings.HasPrefix(line, "baseOffset: "):
			facts.Batches++
			if !strings.HasSuffix(line, "isvalid: true") {
				found = append(found, fmt.Sprintf("%s: %s", file, line))
			}
		case strings.HasPrefix(line, "| "):
			facts.Records++
		case strings.HasPrefix(line, "Found "):
			found = append(found, fmt.Sprintf("%s: %s", file, line))
		case strings.HasPrefix(line, "Error: "), strings.HasPrefix(line, "# "): // the JVM's own, on stdout
			found = append(found, line)
		}
	}
}
