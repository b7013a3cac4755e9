package command

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"klamm/compat-tests/harness"
)

// ended is the exit code and the output of a klamm that ended by itself.
type ended struct {
	code   int
	stdout string
	stderr string
}

// klamm runs klamm in dir and waits until it ends by itself.
func klamm(t *testing.T, dir string, env []string, args ...string) ended {
	t.Helper()
	binary, err := harness.KlammBinary()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("klamm %v still runs after a minute:\n%s%s", args, stdout.String(), stderr.String())
	}
	if _, ok := err.(*exec.ExitError); err != nil && !ok {
		t.Fatal(err)
	}
	return ended{code: cmd.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String()}
}

// refused checks that klamm ended with an error and printed one line, which names each of
// the words. The line that says who the broker is may stand before it.
func (e ended) refused(t *testing.T, words ...string) {
	t.Helper()
	if e.code == 0 {
		t.Errorf("exit code 0:\n%s%s", e.stdout, e.stderr)
	}
	said := strings.TrimRight(e.stderr, "\n")
	if first, rest, more := strings.Cut(said, "\n"); more && strings.Contains(first, "starting klamm") {
		said = rest
	}
	if said == "" || strings.Contains(said, "\n") || e.stdout != "" {
		t.Errorf("klamm says %q on stderr and %q on stdout, want one line on stderr", said, e.stdout)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q does not name %q", said, w)
		}
	}
}

// snapshot is every file under dir with its content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			files[path] = "a directory"
			return err
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// unchanged compares dir with a snapshot of it.
func unchanged(t *testing.T, dir string, before map[string]string) {
	t.Helper()
	after := snapshot(t, dir)
	for path, text := range after {
		if was, ok := before[path]; !ok {
			t.Errorf("%s is new", path)
		} else if was != text {
			t.Errorf("%s changed", path)
		}
	}
	for path := range before {
		if _, ok := after[path]; !ok {
			t.Errorf("%s is gone", path)
		}
	}
}

// write makes a file with a text and gives its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
