package command

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// TestCheckDirectories: klamm check finds nothing in the directories of a broker that was stopped or killed, finds a rotten batch where it is, refuses a
// directory that a broker uses, and changes nothing.
func TestCheckDirectories(t *testing.T) {
	b := harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{"log.segment.bytes": "20000", "log.index.interval.bytes": "500"}})
	topic := harness.Topic(t, b.Addr, 1)
	cl := harness.Client(t, b.Addr, kgo.ProducerLinger(0))
	for i := range 60 {
		r := &kgo.Record{Topic: topic, Value: bytes.Repeat([]byte{byte(i), byte(i * 7)}, 500)}
		if err := cl.ProduceSync(harness.Context(t), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	check := func(code int, words ...string) ended {
		t.Helper()
		got := klamm(t, t.TempDir(), nil, "check", b.LogDir)
		for _, w := range append(words, "") {
			if got.code != code || !strings.Contains(got.stdout+got.stderr, w) {
				t.Fatalf("klamm check: exit code %d, want %d and %q:\n%s%s", got.code, code, w, got.stdout, got.stderr)
			}
		}
		return got
	}
	check(2, b.LogDir, "a broker uses the directory")
	b.Kill()
	check(0, " 0 problems", "no mark of a clean stop")
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	before := snapshot(t, b.LogDir)
	if got := check(0, " 0 problems, 0 notes"); !strings.Contains(got.stdout, "60 batches") {
		t.Errorf("klamm check did not read 60 batches:\n%s", got.stdout)
	}
	unchanged(t, b.LogDir, before)

	segment := filepath.Join(b.LogDir, topic+"-0", "00000000000000000000.log")
	f, err := os.OpenFile(segment, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("rot"), 100); err != nil {
		t.Fatal(err)
	}
	f.Close()
	check(1, "problem: "+segment+", offset 0, position 0", "requests for these records fail", " 1 problems")
	got := klamm(t, t.TempDir(), nil, "check", b.LogDir, "-o", "json")
	var report struct {
		Problems int
		Findings []struct {
			Severity, Path, Topic string
			Partition             *int32
			Offset, Position      *int64
		}
	}
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != 1 || report.Problems != 1 || report.Findings[0].Topic != topic || *report.Findings[0].Position != 0 {
		t.Errorf("klamm check -o json: %v: exit code %d:\n%s", err, got.code, got.stdout)
	}
	if err := b.Run(); err != nil { // the report said that it starts, and that this record alone is not served
		t.Fatal(err)
	}
	if got := klamm(t, t.TempDir(), nil, "check", filepath.Join(t.TempDir(), "gone")); got.code != 2 {
		t.Errorf("klamm check of a directory that is not there: exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
	two := t.TempDir()
	write(t, two, "meta.properties", "version=0\nbroker.id=77\ncluster.id=other\n")
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if got := klamm(t, t.TempDir(), nil, "check", b.LogDir, two); got.code != 1 || !strings.Contains(got.stdout, "no broker starts with both") {
		t.Errorf("klamm check of directories of two brokers: exit code %d:\n%s%s", got.code, got.stdout, got.stderr)
	}
}
