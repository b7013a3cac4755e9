package cluster

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"klamm/compat-tests/harness"
)

var (
	reportMu sync.Mutex
	reports  []string // guarded by reportMu
)

// report prints a line now, and once more when all tests have ended, passed or not.
func report(t *testing.T, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	t.Log(line)
	reportMu.Lock()
	defer reportMu.Unlock()
	reports = append(reports, t.Name()+": "+line)
}

func TestMain(m *testing.M) {
	code := harness.MainInNamespaces(m)
	for _, line := range reports {
		fmt.Println(line)
	}
	os.Exit(code)
}
