package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// leaveWithin bounds how long a client program takes to end after SIGTERM.
const leaveWithin = 60 * time.Second

// Running is a client program that goes on until it is stopped, as a member of a consumer group does. Its methods
// may be called from one goroutine at a time.
type Running struct {
	t    testing.TB
	name string
	proc *process

	mu   sync.Mutex
	said []string // guarded by mu; its last lines
}

// RunJava starts one of Kafka's tools. RunJava calls line with each line that the tool prints on stdout and stderr, one
// at a time. The program is killed when the test ends, if it still runs then.
func RunJava(t testing.TB, line func(string), version, tool string, args ...string) *Running {
	t.Helper()
	name, all, err := javaTool(version, tool, args)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, line, fmt.Sprintf("kafka-%s.sh of %s", tool, version), name, all)
}

// RunKcat starts kcat as RunJava does a tool.
func RunKcat(t testing.TB, line func(string), addr string, args ...string) *Running {
	t.Helper()
	return run(t, line, "kcat", "kcat", kcatArgs(addr, args))
}

// RunPython starts a script with the interpreter that Python runs, as RunJava does a tool.
func RunPython(t testing.TB, line func(string), args ...string) *Running {
	t.Helper()
	name, err := pythonPath()
	if err != nil {
		t.Fatal(err)
	}
	return run(t, line, filepath.Base(args[0]), name, args)
}

// RunNode starts a script with Node.js, which finds the packages of compat-tests/reference/package.json, as RunJava does
// a tool.
func RunNode(t testing.TB, line func(string), args ...string) *Running {
	t.Helper()
	dir := filepath.Join(Root(), "build", "node")
	if _, err := os.Stat(filepath.Join(dir, ".complete")); err != nil {
		t.Fatalf("harness: no packages for Node.js in %s: run `make tools`", dir)
	}
	return run(t, line, filepath.Base(args[0]), "node", args, "NODE_PATH="+filepath.Join(dir, "node_modules"))
}

// RunProgram starts a program of the test's own as RunJava does a tool.
func RunProgram(t testing.TB, line func(string), name string, args ...string) *Running {
	t.Helper()
	return run(t, line, filepath.Base(name), name, args)
}

// RunCommand starts a command that the test has made ready, in the directory and environment that the test gave it, as RunJava does a tool.
func RunCommand(t testing.TB, line func(string), cmd *exec.Cmd) *Running {
	t.Helper()
	return runCommand(t, line, filepath.Base(cmd.Path), cmd)
}

func run(t testing.TB, line func(string), what, name string, args []string, env ...string) *Running {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = t.TempDir(), append(environment(), env...)
	return runCommand(t, line, what, cmd)
}

func runCommand(t testing.TB, line func(string), what string, cmd *exec.Cmd) *Running {
	t.Helper()
	r := &Running{t: t, name: what}
	each := func(s string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.said = append(r.said, s); len(r.said) > 50 {
			r.said = r.said[1:]
		}
		line(s)
	}
	out := &lineWriter{each: each}
	cmd.Stdout, cmd.Stderr = out, out // one pipe keeps their order
	if err := startChild(cmd, nil); err != nil {
		t.Fatalf("harness: starting %s: %v: run `make tools`", what, err)
	}
	r.proc = &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // the exit code is read from ProcessState
		close(r.proc.done)
	}()
	t.Cleanup(func() {
		r.proc.kill()
		if t.Failed() {
			t.Logf("%s said last:\n%s", r.name, r.lastLines())
		}
	})
	return r
}

// Stop sends SIGTERM and waits for the end. The exit code has to be 0 or that of a death by SIGTERM. By then line has got
// everything that the program printed.
func (r *Running) Stop() {
	r.t.Helper()
	r.proc.signal(syscall.SIGTERM)
	code, err := r.proc.wait(leaveWithin)
	if err != nil || code != 0 && code != 128+int(syscall.SIGTERM) {
		r.t.Fatalf("%s ends with exit code %d, %v; it said last:\n%s", r.name, code, err, r.lastLines())
	}
}

// Kill sends SIGKILL and waits until the program is gone.
func (r *Running) Kill() { r.proc.kill() }

func (r *Running) lastLines() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.said, "\n")
}

// lineWriter calls a function with each line that is written to it.
type lineWriter struct {
	each func(string)
	rest []byte
}

func (w *lineWriter) Write(b []byte) (int, error) {
	w.rest = append(w.rest, b...)
	for {
		line, rest, ok := bytes.Cut(w.rest, []byte("\n"))
		if !ok {
			return len(b), nil
		}
		w.each(string(line))
		w.rest = rest
	}
}
