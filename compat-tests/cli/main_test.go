package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"klamm/compat-tests/harness"
)

// broker is shared by the tests of the package; each has topics of its own.
var broker *harness.Broker

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, &broker, harness.Options{}))
}

// within bounds one command.
const within = 2 * time.Minute

// ended is a command that has ended.
type ended struct {
	t              *testing.T
	args           []string
	code           int
	stdout, stderr string
}

// klamm runs a command that asks the broker, and waits for its end.
func klamm(t *testing.T, args ...string) ended { t.Helper(); return klammFed(t, "", args...) }

// klammFed does so with a standard input.
func klammFed(t *testing.T, stdin string, args ...string) ended {
	t.Helper()
	return klammIn(t, []string{"KLAMM_BOOTSTRAP_SERVER=" + broker.Addr}, stdin, args...)
}

// klammIn does so in an environment, which has no other variables.
func klammIn(t *testing.T, env []string, stdin string, args ...string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	cmd := command(t, ctx, env, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("klamm %q still runs after %v:\n%s%s", args, within, stdout.String(), stderr.String())
	}
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return ended{t, args, cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// command makes a command in a directory and an environment of its own.
func command(t *testing.T, ctx context.Context, env []string, args ...string) *exec.Cmd {
	t.Helper()
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	return cmd
}

// ok checks that the command did what was asked for, and that it prints each of the words.
func (e ended) ok(words ...string) ended {
	e.t.Helper()
	if e.code != 0 || e.stderr != "" {
		e.t.Fatalf("klamm %q ends with exit code %d\n%s%s", e.args, e.code, e.stdout, e.stderr)
	}
	for _, word := range words {
		if !strings.Contains(e.stdout, word) {
			e.t.Errorf("klamm %q does not print %q:\n%s", e.args, word, e.stdout)
		}
	}
	return e
}

// fails checks the exit code, and that what it says on stderr has each of the words.
func (e ended) fails(code int, words ...string) {
	e.t.Helper()
	if e.code != code {
		e.t.Errorf("klamm %q ends with exit code %d, want %d\n%s%s", e.args, e.code, code, e.stdout, e.stderr)
	}
	for _, word := range words {
		if !strings.Contains(e.stderr, word) {
			e.t.Errorf("klamm %q does not say %q:\n%s", e.args, word, e.stderr)
		}
	}
	if strings.ContainsAny(e.stderr, "\x1b\x07") {
		e.t.Errorf("klamm %q sends control characters to the terminal: %q", e.args, e.stderr)
	}
}

// json reads the output.
func (e ended) json(into any) {
	e.t.Helper()
	e.ok()
	if err := json.Unmarshal([]byte(e.stdout), into); err != nil {
		e.t.Fatalf("klamm %q: %v\n%s", e.args, err, e.stdout)
	}
}

// nobody is an address where nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
