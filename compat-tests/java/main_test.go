package java

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

// eachRelease runs a test with the tools of both releases.
func eachRelease(t *testing.T, f func(t *testing.T, release string)) {
	for _, release := range []string{harness.Kafka39, harness.KafkaNewest} {
		t.Run(release, func(t *testing.T) { f(t, release) })
	}
}

// server is the argument that every tool takes.
func server() []string { return []string{"--bootstrap-server", broker.Addr} }
