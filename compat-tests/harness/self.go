package harness

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Self is this test program run once more, as a process that a test may kill. Its TestMain looks at the
// environment and does something else than run tests.
type Self struct {
	proc *process
	out  string
}

// StartSelf runs this test program once more, with variables added to its environment. The process ends with the
// test at the latest.
func StartSelf(t testing.TB, env ...string) *Self {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &Self{out: filepath.Join(t.TempDir(), "out")}
	if s.proc, err = spawn(spawnOptions{name: path, env: env, out: s.out}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.proc.signal(syscall.SIGCONT)
		s.proc.kill()
	})
	return s
}

// Kill sends SIGKILL and waits until the process is gone.
func (s *Self) Kill() { s.proc.kill() }

// Signal sends a signal.
func (s *Self) Signal(sig os.Signal) { s.proc.signal(sig) }

// Stop sends SIGTERM, for which the process has to listen by now, and waits for the end.
func (s *Self) Stop(t testing.TB) {
	t.Helper()
	const within = 2 * time.Minute // a client that closes may ask for one minute to leave its group
	s.proc.signal(syscall.SIGTERM)
	if code, err := s.proc.wait(within); err != nil || code != 0 {
		t.Errorf("a process of the test ended with code %d, %v:\n%s", code, err, s.Output())
	}
}

// Ended says whether the process is gone.
func (s *Self) Ended() bool { return s.proc.ended() }

// Output gives what the process wrote to stdout and stderr.
func (s *Self) Output() string {
	text, _ := os.ReadFile(s.out)
	return string(text)
}
