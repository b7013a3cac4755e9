package delivery

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// journal is a file that a consumer writes down what it does in. A line is one system call: what was written is there
// when the process is killed a moment later.
//
//	starts                                          a process has started
//	takes PARTITION FROM TO                         it commits TO, and will then process from FROM on up to TO
//	drops PARTITION FROM TO WHY                     what became of that commit is not known: it processes none of these
//	did NUMBER PARTITION OFFSET MEMBER GENERATION   a record was processed
//	committed PARTITION TO                          the client has committed TO on its own
//	refused PARTITION WHY                           a commit was refused
type journal struct{ f *os.File }

func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	return &journal{f}, err
}

func (j *journal) note(format string, args ...any) {
	if _, err := j.f.WriteString(fmt.Sprintf(format, args...) + "\n"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// entry is a line of a journal.
type entry struct {
	what        string
	number      int
	partition   int32
	from, to    int64 // of did the offset and the one behind it
	member, why string
	generation  int32
}

// readJournal reads the lines of a journal. It leaves out a last line that was cut off.
func readJournal(t *testing.T, path string) (entries []entry) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasSuffix(line, "\n") {
			break
		}
		var e entry
		var err error
		switch e.what, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " "); e.what {
		case "starts":
		case "did":
			_, err = fmt.Sscanf(line, "did %d %d %d %s %d", &e.number, &e.partition, &e.from, &e.member, &e.generation)
			e.to = e.from + 1
		case "takes":
			_, err = fmt.Sscanf(line, "takes %d %d %d", &e.partition, &e.from, &e.to)
		case "committed":
			_, err = fmt.Sscanf(line, "committed %d %d", &e.partition, &e.to)
		case "drops":
			_, err = fmt.Sscanf(line, "drops %d %d %d %s", &e.partition, &e.from, &e.to, &e.why)
		case "refused":
			_, err = fmt.Sscanf(line, "refused %d %s", &e.partition, &e.why)
		default:
			err = fmt.Errorf("what is %q", e.what)
		}
		if err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
		entries = append(entries, e)
	}
	return entries
}
