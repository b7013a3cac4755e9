package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/compat-tests/harness"
)

// TestFirstDirectoryFails takes the first directory away, which holds the metadata tree: the partitions of the
// second directory go on. The broker refuses to start without the first directory, and creates no file.
func TestFirstDirectoryFails(t *testing.T) {
	for _, how := range []string{"unmounted", "read-only"} {
		t.Run(how, func(t *testing.T) {
			disk, first := mount(t, 16<<20), t.TempDir()
			bind(t, disk, first, false)
			t.Cleanup(func() { harness.UnmountAll(first) })
			second := filepath.Join(mount(t, 16<<20), "data")
			w := &world{t: t, mount: first, acked: map[string][]ackedRecord{}}
			w.Broker = harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{
				"log.dirs": first + "," + second, "log.segment.bytes": "65536",
			}})
			w.connect()
			var gone, there string
			for gone == "" || there == "" {
				topic := w.topic("retention.ms", "77777777")
				if _, err := os.Stat(filepath.Join(first, topic+"-0")); err == nil {
					gone = topic
				} else {
					there = topic
				}
			}
			w.mustProduce(gone, 10, 10_000)
			w.mustProduce(there, 10, 10_000)

			if how == "unmounted" {
				harness.UnmountTop(t, first)
			} else {
				bind(t, disk, first, true)
				for range 10 { // until the segment is to roll
					if err := w.produce(gone, 10_000); err != nil {
						break
					}
				}
			}
			w.awaitNoLeader(gone)
			w.mustProduce(there, 20, 10_000) // and rolls
			w.check(there)
			if err := w.Stop(); err != nil {
				t.Fatal(err)
			}

			if how == "unmounted" {
				w.refusedWithout(first)
			}
			harness.UnmountAll(first)
			bind(t, disk, first, false)
			w.run()
			for _, topic := range []string{gone, there} {
				w.check(topic)
				w.mustProduce(topic, 1, 100)
				if got := w.config(topic, "retention.ms"); got != "77777777" {
					t.Errorf("%s: retention.ms is %s", topic, got)
				}
			}
		})
	}
}

func (w *world) awaitNoLeader(topic string) {
	t := w.t
	t.Helper()
	for ctx := harness.Context(t); ; time.Sleep(10 * time.Millisecond) { // between two questions to another process
		m, err := w.adm.Metadata(ctx, topic)
		if err != nil {
			t.Fatal(err)
		}
		if part := m.Topics[topic].Partitions[0]; part.Leader < 0 && errors.Is(part.Err, kerr.LeaderNotAvailable) {
			return
		}
	}
}

// refusedWithout starts the broker on an empty mount point where its first directory was.
func (w *world) refusedWithout(first string) {
	t := w.t
	t.Helper()
	if err := w.Run(); err == nil {
		t.Error("the broker starts without its first directory")
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
	}
	w.Kill()
	if said := w.Log(); !strings.Contains(said, first+": the first log directory is new") || strings.Contains(said, "goroutine ") {
		t.Errorf("the broker does not say why it does not start:\n%s", said)
	}
	if made, err := os.ReadDir(first); err != nil || len(made) > 0 {
		t.Errorf("something was made under the mount point: %v %v", made, err)
	}
}
