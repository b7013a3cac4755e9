package groups

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"klamm/compat-tests/harness"
)

// broker is shared by the tests of the package; each has topics and groups of its own.
var broker *harness.Broker

// between is how long all brokers run between two restarts. A group's coordinator moves with two of three restarts, and gives every
// member that it reads a whole session: the sessions have to end before it moves again, since a leave may be forgotten (README.md).
const between = 4 * time.Second

// session is the members' session timeout.
func session() time.Duration {
	if harness.Rolling() {
		return 6 * time.Second
	}
	return 30 * time.Second
}

// binaries is where the program of sarama/ is built.
var binaries string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "klamm-compat-groups-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaries = dir
	code := harness.Main(m, &broker, harness.Options{Between: between})
	os.RemoveAll(dir)
	os.Exit(code)
}

// saramaBinary builds the program in sarama/.
var saramaBinary = sync.OnceValues(func() (string, error) {
	to := filepath.Join(binaries, "sarama")
	cmd := exec.Command("go", "build", "-o", to, ".")
	cmd.Dir = source("sarama")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building compat-tests/groups/sarama: %w; run `make tools`\n%s", err, out)
	}
	return to, nil
})

// source is a file beside the tests.
func source(name string) string { return filepath.Join(harness.Root(), "compat-tests", "groups", name) }

// server is the argument that every tool takes.
func server() []string { return []string{"--bootstrap-server", broker.Addr} }
