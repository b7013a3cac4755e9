package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/compat-tests/harness"
)

// pair is a broker with two log directories, each on a file system of its own that is
// shown to it by a bind mount, and a topic in each.
type pair struct {
	*world
	second, secondDisk string // where the second directory is, and the disk behind it
	here, there        string // topics, in the first and in the second directory
}

func newPair(t *testing.T) *pair {
	t.Helper()
	disk, second := mount(t, 16<<20), t.TempDir()
	bind(t, disk, second, false)
	t.Cleanup(func() { harness.UnmountAll(second) })
	first := mount(t, 16<<20)
	w := &world{t: t, mount: first, acked: map[string][]ackedRecord{}}
	w.Broker = harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{
		"log.dirs": filepath.Join(first, "data") + "," + second, "log.segment.bytes": "65536",
	}})
	w.connect()
	p := &pair{world: w, second: second, secondDisk: disk}
	for p.here == "" || p.there == "" {
		topic := w.topic()
		if _, err := os.Stat(filepath.Join(second, topic+"-0")); err == nil {
			p.there = topic
		} else {
			p.here = topic
		}
	}
	w.mustProduce(p.here, 10, 10_000)
	w.mustProduce(p.there, 10, 10_000)
	return p
}

// awaitOffline waits until the second directory's topic is without a leader, and checks that the first's goes on.
func (p *pair) awaitOffline() {
	t := p.t
	t.Helper()
	ctx := harness.Context(t)
	for {
		m, err := p.adm.Metadata(ctx, p.there)
		if err != nil {
			t.Fatal(err)
		}
		if part := m.Topics[p.there].Partitions[0]; part.Leader < 0 && errors.Is(part.Err, kerr.LeaderNotAvailable) {
			break
		}
		time.Sleep(10 * time.Millisecond) // between two questions to another process
	}
	p.mustProduce(p.here, 10, 10_000)
	p.check(p.here)
	if topic := p.topic(); topic != "" { // made in the directory that is left
		p.mustProduce(topic, 1, 100)
		if _, err := os.Stat(filepath.Join(p.mount, "data", topic+"-0")); err != nil {
			t.Error(err)
		}
	}
	var all kadm.DescribedAllLogDirs
	all, err := p.adm.DescribeAllLogDirs(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, dirs := range all {
		for _, d := range dirs {
			if offline := errors.Is(d.Err, kerr.KafkaStorageError); offline != (d.Dir == p.second) {
				t.Errorf("DescribeLogDirs says of %s: %v", d.Dir, d.Err)
			}
		}
	}
	p.AwaitLog(p.t, "log directory is offline", "log_dir="+p.second)
}

// healed starts the broker again once both directories work, and looks for all records.
func (p *pair) healed() {
	p.t.Helper()
	if err := p.Stop(); err != nil {
		p.t.Fatal(err)
	}
	harness.UnmountAll(p.second)
	bind(p.t, p.secondDisk, p.second, false)
	p.run()
	p.check(p.here)
	p.check(p.there)
	p.mustProduce(p.there, 10, 10_000)
	p.check(p.there)
}

// TestDirectoryThatIsUnmounted takes a directory's file system away under the broker.
func TestDirectoryThatIsUnmounted(t *testing.T) {
	p := newPair(t)
	harness.UnmountTop(t, p.second)
	p.awaitOffline()
	if left, err := os.ReadDir(p.second); err != nil || len(left) > 0 {
		t.Errorf("something was made under the mount point: %v %v", left, err)
	}
	p.healed()
}

// TestDirectoryThatIsReadOnly has a directory become read-only under the broker.
func TestDirectoryThatIsReadOnly(t *testing.T) {
	p := newPair(t)
	bind(t, p.secondDisk, p.second, true)
	for range 10 { // until the segment is to roll
		if err := p.produce(p.there, 10_000); err != nil {
			if !errors.Is(err, kerr.KafkaStorageError) {
				t.Errorf("produce to a read-only directory: %v", err)
			}
			break
		}
	}
	p.awaitOffline()
	p.healed()
}

// TestStartWithAReadOnlyDirectory starts while one directory cannot be written, and while none can.
func TestStartWithAReadOnlyDirectory(t *testing.T) {
	p := newPair(t)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	bind(t, p.secondDisk, p.second, true)
	p.run()
	p.awaitOffline()
	p.healed()

	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	bind(t, p.secondDisk, p.second, true)
	bind(t, p.mount, p.mount, true)
	err := p.Run()
	if err == nil {
		t.Fatal("the broker starts with nothing to write to")
	}
	if said := p.Log(); !strings.Contains(said, "read-only file system") || strings.Contains(said, "goroutine ") {
		t.Errorf("the broker does not say why it does not start:\n%s", said)
	}
	p.Kill()
	harness.UnmountTop(t, p.mount)
	p.healed()
}
