package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// Root is the directory of the module.
func Root() string { return root() }

var root = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			panic("harness: no go.mod above the working directory; run the tests inside the module")
		}
		dir = up
	}
})

// Small says whether tests do less work, as they do under the race detector: broker and
// test are several times slower then, and a race shows in little work as well.
func Small() bool { return raceEnabled }

// KlammBinary builds klamm, once per test process, and gives the binary's path.
// Under the race detector klamm is built with it too, so that a race in the
// broker fails the test that met it.
func KlammBinary() (string, error) { return klammBinary() }

var klammBinary = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(Root(), "build", "bin")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	to := filepath.Join(dir, fmt.Sprintf("klamm-%d", os.Getpid()))
	args := []string{"build", "-o", to}
	if raceEnabled {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/klamm")...)
	cmd.Dir = Root()
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("harness: go build ./cmd/klamm: %w\n%s", err, out)
	}
	// The binary cannot be unlinked, since exec needs its name. A later test process
	// sweeps it.
	sweepBinaries(dir)
	return to, nil
})

// sweepBinaries removes the binaries of test processes that have ended.
func sweepBinaries(dir string) {
	names, _ := filepath.Glob(filepath.Join(dir, "klamm-*"))
	for _, name := range names {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(name), "klamm-%d", &pid); err != nil {
			continue
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); os.IsNotExist(err) {
			os.Remove(name)
		}
	}
}
