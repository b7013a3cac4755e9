package groups

import (
	"os"
	"testing"

	"klamm/compat-tests/harness"
)

// broker is shared by the tests of the package; each has topics and groups of its own.
var broker *harness.Broker

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, &broker, harness.Options{}))
}

// server is the argument that every tool takes.
func server() []string { return []string{"--bootstrap-server", broker.Addr} }
