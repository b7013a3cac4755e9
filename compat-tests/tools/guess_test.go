package tools

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"klamm/compat-tests/harness"
)

// Tools decide by the guess of a client what they ask of a broker.
func TestFranzGoGuessesTheVersion(t *testing.T) {
	resp, err := kmsg.NewPtrApiVersionsRequest().RequestWith(context.Background(), harness.Client(t, broker.Addr))
	if err != nil {
		t.Fatal(err)
	}
	want := "v3.9"
	if !harness.Reference() {
		want = "at least v3.9" // klamm serves versions of Kafka 4 as well
	}
	if got := kversion.FromApiVersionsResponse(resp).VersionGuess(); got != want {
		t.Errorf("franz-go takes the broker for %q, not for %q", got, want)
	}
}

func TestKafkaPythonGuessesTheVersion(t *testing.T) {
	// It knows no way to tell a later version.
	if got := strings.TrimSpace(harness.Python(t, nil, "guess.py", broker.Addr)); got != "2.6" {
		t.Errorf("kafka-python takes the broker for %q, not for 2.6", got)
	}
}
