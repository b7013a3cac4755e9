package cli

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"

	"klamm/compat-tests/harness"
)

// takeInterrupts lets children have SIGINT where this process was started with it ignored, as a shell's background jobs are.
var takeInterrupts = sync.OnceFunc(func() {
	if signal.Ignored(syscall.SIGINT) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGINT)
	}
})

// running is a command that goes on.
type running struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	close  func() error // closes the reader of its stdout
	stderr *lockedBuffer
}

// lockedBuffer is written by a process while a test reads it.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// said gives what the command has said on stderr.
func (r *running) said() string {
	r.stderr.mu.Lock()
	defer r.stderr.mu.Unlock()
	return r.stderr.text.String()
}

// start starts a command.
func start(t *testing.T, addr string, args ...string) *running {
	t.Helper()
	takeInterrupts()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	t.Cleanup(cancel)
	r := &running{t: t, stderr: new(lockedBuffer), cmd: command(t, ctx, []string{"KLAMM_BOOTSTRAP_SERVER=" + addr}, args...)}
	var err error
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r.stdout, r.close, r.cmd.Stderr = bufio.NewReader(out), out.Close, r.stderr
	if err := harness.StartChild(r.cmd); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *running) line() string {
	r.t.Helper()
	line, err := r.stdout.ReadString('\n')
	if err != nil {
		r.t.Fatalf("%v after %q", err, line)
	}
	return line
}

// end waits for the end.
func (r *running) end() ended {
	r.t.Helper()
	_ = r.cmd.Wait() // the exit code tells
	return ended{r.t, r.cmd.Args[1:], r.cmd.ProcessState.ExitCode(), "", r.said()}
}

// TestFollow reads what is written meanwhile, until it is interrupted.
func TestFollow(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 1)
	produce(t, name, 0, 2)
	for _, args := range []string{"", "-g " + name} {
		r := start(t, broker.Addr, append([]string{"consume", name, "--follow"}, strings.Fields(args)...)...)
		for i := range 2 {
			if line := r.line(); line != fmt.Sprintln(i) {
				t.Errorf("%q: record %d is %q", args, i, line)
			}
		}
		klammFed(t, "late\n", "produce", name).ok()
		for line := ""; line != "late\n"; {
			line = r.line()
		}
		if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		r.end().ok()
	}
}

// TestInterrupted ends a produce that waits for its input.
func TestInterrupted(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 1)
	r := start(t, broker.Addr, "produce", name)
	if _, err := io.WriteString(r.stdin, "one\ntwo"); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the first record", func() bool { return harness.EndOffset(t, broker.Addr, name, 0) == 1 })
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	r.end().fails(130, "interrupted: 1 record written")
}

// TestReaderLeaves prints more than a pipe holds to a reader that goes after a line, as head does.
func TestReaderLeaves(t *testing.T) {
	name := harness.Topic(t, broker.Addr, 1)
	klammFed(t, strings.Repeat(strings.Repeat("x", 999)+"\n", 5000), "produce", name).ok()
	for _, args := range []string{"", "-f json", "-g " + name} {
		r := start(t, broker.Addr, append([]string{"consume", name}, strings.Fields(args)...)...)
		r.line()
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
		r.end().ok()
	}
}

// TestBrokerDiesAmidFollow says that the broker is gone, and goes on when it is back.
func TestBrokerDiesAmidFollow(t *testing.T) {
	if harness.Reference() {
		return // which broker is gone makes no difference to the command
	}
	b := harness.Start(t, harness.Options{})
	env := []string{"KLAMM_BOOTSTRAP_SERVER=" + b.Addr}
	name := harness.Topic(t, b.Addr, 1)
	klammIn(t, env, "one\n", "produce", name).ok()
	r := start(t, b.Addr, "consume", name, "--follow")
	if line := r.line(); line != "one\n" {
		t.Errorf("%q", line)
	}
	b.Kill()
	harness.Await(t, "the words that the broker is gone", func() bool { return strings.Contains(r.said(), "cannot reach "+b.Addr+": connection refused") })
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	klammIn(t, env, "two\n", "produce", name).ok()
	if line := r.line(); line != "two\n" {
		t.Errorf("%q", line)
	}
	if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if e := r.end(); e.code != 0 || !strings.Contains(e.stderr, "klamm: connected again\n") {
		t.Errorf("exit code %d\n%s", e.code, e.stderr)
	}
}

// TestBrokerDiesAmidProduce says which record was not written.
func TestBrokerDiesAmidProduce(t *testing.T) {
	if harness.Reference() {
		return // which broker is gone makes no difference to the command
	}
	b := harness.Start(t, harness.Options{})
	name := harness.Topic(t, b.Addr, 1)
	r := start(t, b.Addr, "produce", name, "--timeout", "1s")
	if _, err := io.WriteString(r.stdin, "one\n"); err != nil {
		t.Fatal(err)
	}
	harness.Await(t, "the first record", func() bool { return harness.EndOffset(t, b.Addr, name, 0) == 1 })
	b.Kill()
	if _, err := io.WriteString(r.stdin, "two\nthree\n"); err != nil {
		t.Fatal(err)
	}
	r.end().fails(1, "record 2 was not written", "cannot reach "+b.Addr, "1 record written")
}
