package tools

import (
	"os"
	"testing"

	"klamm/compat-tests/harness"
)

// broker is shared by the tests of the package; each has topics of its own.
var broker *harness.Broker

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, &broker, harness.Options{}))
}
