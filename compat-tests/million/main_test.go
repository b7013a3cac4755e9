package million

import (
	"flag"
	"os"
	"testing"

	"klamm/compat-tests/harness"
)

var lineCount = flag.Int("lines", 20_000, "lines of the text file; make million sends 1000000")

// broker is shared by the tests of the package; each has topics of its own.
var broker *harness.Broker

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(harness.Main(m, &broker, harness.Options{}))
}
