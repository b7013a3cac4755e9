package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sys/unix"

	"klamm/compat-tests/harness"
)

// onTerminal runs a command whose output is a terminal, and gives what the terminal got.
func onTerminal(t *testing.T, args ...string) string {
	t.Helper()
	ptm, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer ptm.Close()
	if err := unix.IoctlSetPointerInt(int(ptm.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(ptm.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	pts, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	cmd := command(t, ctx, []string{"KLAMM_BOOTSTRAP_SERVER=" + broker.Addr}, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = pts, pts, pts
	if err := harness.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	pts.Close()
	var got bytes.Buffer
	_, _ = io.Copy(&got, ptm) // it ends in EIO when the last one has closed the terminal
	if err := cmd.Wait(); err != nil {
		t.Fatalf("klamm %q: %v\n%s", args, err, got.String())
	}
	return strings.ReplaceAll(got.String(), "\r\n", "\n")
}

// TestNothingHostileReachesATerminal prints records and names that would move the cursor, ring the bell, and write backwards.
func TestNothingHostileReachesATerminal(t *testing.T) {
	bad := "\x1b]0;title\x07\x1b[2J\u009b31m\u202egnp.exe\rdone\x00"
	name := harness.Topic(t, broker.Addr, 1)
	write(t, &kgo.Record{Topic: name, Key: []byte(bad + "\xff"), Value: []byte(bad), Headers: []kgo.RecordHeader{{Key: bad, Value: []byte(bad)}}})
	for _, args := range [][]string{
		{"consume", name}, {"consume", name, "-f", "json"}, {"consume", name, "-f", `%k %v %h{%k=%v}\n`},
	} {
		got := onTerminal(t, args...)
		if strings.ContainsAny(got, "\x1b\x07\u009b\u202e\r\x00") || !strings.Contains(got, "title") {
			t.Errorf("klamm %q writes %q", args, got)
		}
	}
	if got := onTerminal(t, "consume", name, "--raw"); !strings.Contains(got, "\x1b[2J") {
		t.Errorf("--raw writes %q", got)
	}
	if got := klamm(t, "consume", name).ok().stdout; got != bad+"\n" {
		t.Errorf("a pipe gets %q", got)
	}
}

// TestProgressOnATerminal shows how far a command is, and nothing of that in a pipe.
func TestProgressOnATerminal(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 1)
	file := filepath.Join(t.TempDir(), "lines")
	if err := os.WriteFile(file, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := onTerminal(t, "produce", name, "--file", file); !strings.Contains(got, "2 records written, 2 B\n") {
		t.Errorf("the terminal shows %q", got)
	}
	if e := klamm(t, "produce", name, "--file", file).ok(); e.stdout != "" {
		t.Errorf("a pipe gets %q", e.stdout)
	}
}
