package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"klamm/compat-tests/harness"
	"klamm/internal/history"
)

// checkDisks stops the brokers and compares the replicas of each of the topic's partitions: up to the high watermark that
// clients saw they hold the same bytes. DumpLogSegments finds nothing wrong on any broker.
func (l *load) checkDisks(ends []int64) {
	l.Helper()
	if err := l.c.StopBrokers(); err != nil {
		l.Fatal(err)
	}
	for p := range l.partitions {
		compareReplicas(l.T, l.c, fmt.Sprintf("%s-%d", l.topic, p), ends[p])
	}
	for id := range l.c.Brokers {
		harness.DumpLogs(l, l.c.Dirs(int32(id+1))...)
	}
}

// compareReplicas compares all replicas of a partition with the first, up to an offset.
func compareReplicas(t *testing.T, c *harness.Cluster, name string, end int64) {
	t.Helper()
	var replicas []history.Replica
	for i := range c.Brokers {
		id := int32(i + 1)
		for _, dir := range c.Dirs(id) {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				replicas = append(replicas, readReplica(t, id, filepath.Join(dir, name)))
			}
		}
	}
	if len(replicas) < 2 {
		t.Errorf("%s has %d replicas on disk", name, len(replicas))
		return
	}
	for _, r := range replicas[1:] {
		if difference := history.Differ(replicas[0], r, end); difference != "" {
			t.Errorf("%s: %s", name, difference)
		}
	}
}

// readReplica reads the batches of a partition's segments.
func readReplica(t *testing.T, broker int32, dir string) history.Replica {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no segments in %s: %v", dir, err)
	}
	slices.Sort(names)
	r := history.Replica{Broker: broker}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err == nil {
			err = r.Append(name, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}
