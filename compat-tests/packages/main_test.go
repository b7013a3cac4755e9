package packages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"klamm/compat-tests/harness"
)

// The packages are made before the tests get namespaces of their own, in which there is no network to take Go's modules from. The files of a test's
// installation stand in that namespace alone, so that the machine is not changed, and ports such as 9092 are free there.
func TestMain(m *testing.M) {
	if os.Getenv(madeEnv) == "" {
		if err := makePackages(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(harness.MainInNamespaces(m))
}

// madeEnv is set once the packages are made.
const madeEnv = "PACKAGES_MADE"

func makePackages() error {
	dir := filepath.Join(harness.Root(), "build", "deb")
	old, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	for _, what := range []string{"deb", "image"} {
		if out, err := exec.Command("make", "-C", harness.Root(), what).CombinedOutput(); err != nil {
			return fmt.Errorf("make %s: %w\n%s", what, err, out)
		}
	}
	return os.Setenv(madeEnv, "1")
}

// deb gives the package that `make deb` made.
func deb(t *testing.T) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(harness.Root(), "build", "deb", "klamm_*.deb"))
	if err != nil || len(all) != 1 {
		t.Fatalf("make deb made %q, %v", all, err)
	}
	return all[0]
}
