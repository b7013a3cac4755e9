package scripts

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"klamm/compat-tests/harness"
)

// answer is what a script printed, and its exit code.
type answer struct {
	stdout, stderr string
	code           int
}

// try is one command line. Its words are split at blanks; @B stands for the cluster's address and is added as
// --bootstrap-server where the words do not have it.
type try struct {
	line  string
	stdin string
	words []string // instead of line
}

// tries makes tries of command lines, one a line. A line that begins with # is a comment.
func tries(lines string) (all []try) {
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, try{line: line})
		}
	}
	return all
}

// args gives the name of the script, without kafka-, and its arguments.
func (w *world) args(c try) (string, []string) {
	words := c.words
	if words == nil {
		words = strings.Fields(c.line)
	}
	var args []string
	given := false
	for _, word := range words[1:] {
		given = given || strings.Contains(word, "@B") || word == "@none"
		if word != "@none" {
			args = append(args, strings.NewReplacer("@B", w.addr, "@D", w.files).Replace(word))
		}
	}
	if !given {
		args = append([]string{"--bootstrap-server", w.addr}, args...)
	}
	return words[0], args
}

// java runs the Java tool.
func (w *world) java(t testing.TB, c try) answer {
	t.Helper()
	tool, args := w.args(c)
	r := harness.JavaResult(t, harness.Kafka39, tool, strings.NewReader(c.stdin), args...)
	return answer{r.Stdout, r.Stderr, r.Code}
}

// klamm runs klamm's script, by a link with the script's name.
func (w *world) klamm(t testing.TB, c try) answer {
	t.Helper()
	tool, args := w.args(c)
	return run(t, w.link(t, "kafka-"+tool+".sh"), c.stdin, args...)
}

// run runs a program to its end.
func run(t testing.TB, program, stdin string, args ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(harness.Context(t), 2*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("%s %s: %v, %v\n%s", program, strings.Join(args, " "), err, ctx.Err(), stderr.String())
	}
	return answer{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// link gives a link to klamm of a name.
func (w *world) link(t testing.TB, name string) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	path := filepath.Join(w.links, name)
	if err := os.Symlink(w.binary, path); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	return path
}

// atOnce is how many JVMs run beside each other.
const atOnce = 2

// same runs each command line by both, and compares.
func (w *world) same(t *testing.T, all []try) {
	t.Helper()
	var running sync.WaitGroup
	next := make(chan try)
	for range atOnce {
		running.Go(func() {
			for c := range next {
				equal(t, c.name(), w.java(t, c), w.klamm(t, c))
			}
		})
	}
	for _, c := range all {
		next <- c
	}
	close(next)
	running.Wait()
}

// changes runs a command line that changes something by both, each from the same state, which reset makes. It compares
// the answers and what state tells afterwards.
func (w *world) changes(t *testing.T, c try, reset func(), state func() string) {
	t.Helper()
	reset()
	java := w.java(t, c)
	left := state()
	reset()
	klamm := w.klamm(t, c)
	equal(t, c.name(), java, klamm)
	if now := state(); now != left {
		t.Errorf("kafka-%s: after the Java tool there is\n%s\nafter klamm\n%s", c.name(), left, now)
	}
}

func (c try) name() string {
	if c.words != nil {
		return strings.Join(c.words, " ")
	}
	return c.line
}

// equal compares two answers.
func equal(t *testing.T, what string, java, klamm answer) {
	t.Helper()
	if before, _, traced := strings.Cut(java.stdout, "\n\tat "); traced {
		java.stdout = before[:strings.LastIndexByte(before, '\n')+1] // klamm's scripts print no stack trace, which begins with the error's class
	}
	if java.stdout != klamm.stdout || java.code != klamm.code {
		t.Errorf("kafka-%s\nthe Java tool ends with %d and prints\n%s\nstderr:\n%s\nklamm ends with %d and prints\n%s\nstderr:\n%s", what,
			java.code, visible(java.stdout), firstLine(java.stderr), klamm.code, visible(klamm.stdout), firstLine(klamm.stderr))
		return
	}
	if java.code != 0 && java.stdout == "" && firstLine(java.stderr) != firstLine(klamm.stderr) {
		t.Errorf("kafka-%s\nthe Java tool says\n%s\nklamm says\n%s", what, firstLine(java.stderr), firstLine(klamm.stderr))
	}
}

// visible marks the ends of lines, since blanks there count.
func visible(s string) string { return strings.ReplaceAll(s, "\n", "$\n") }

// firstLine is the first line that a tool says to its user: not one of its log, as about a broker that is down.
func firstLine(s string) string {
	for line := range strings.Lines(s) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !logged.MatchString(line) {
			return line
		}
	}
	return ""
}

// logged is how a line of a Java tool's log begins: with the time and the level.
var logged = regexp.MustCompile(`^\[\d{4}-\d\d-\d\d [0-9:,]+\] (WARN|ERROR) `)
