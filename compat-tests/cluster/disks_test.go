package cluster

import (
	"path/filepath"
	"slices"
	"time"

	"klamm/compat-tests/harness"
)

// badDisks are faults of the disks of brokers with two log directories. Apache's brokers end on a full disk, with indexes that are mapped to no room.
func badDisks(m mix, anyone one) []fault {
	all := []fault{{what: "a log directory fails", do: func(l *load) { l.failDir(anyone(l)) }}}
	if !slices.Contains(m.kinds, "apache") {
		all = append(all, fault{what: "the disks of a broker are full", do: func(l *load) { l.full(anyone(l)) }})
	}
	return all
}

// failDir makes a log directory of a broker read-only until the broker has lost it, and the producers go on with its replicas elsewhere. Then the
// broker is restarted.
func (l *load) failDir(id int32) {
	l.Helper()
	dir := ""
	for _, d := range l.c.Dirs(id) {
		if found, _ := filepath.Glob(filepath.Join(d, l.topic+"-*")); len(found) > 0 {
			dir = d
		}
	}
	if dir == "" {
		l.Fatalf("broker %d has no partition of %s", id, l.topic)
	}
	harness.MountReadOnly(l, dir)
	await(l, "an offline replica on broker "+l.c.Broker(id).Addr, func() bool {
		m := l.metadata()
		if m == nil {
			return false
		}
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				if slices.Contains(p.OfflineReplicas, id) {
					return true
				}
			}
		}
		return false
	})
	l.awaitAcks()
	b := l.c.Broker(id)
	if err := b.Stop(); err != nil {
		l.Fatal(err)
	}
	harness.UnmountTop(l, dir)
	if err := b.Run(); err != nil {
		l.Fatal(err)
	}
	l.returned()
}

// full takes all room of a broker's disks for longer than a follower may lag, and gives it back.
func (l *load) full(id int32) {
	l.Helper()
	for _, dir := range l.c.Dirs(id) {
		harness.FillDisk(l, dir)
	}
	time.Sleep(5 * time.Second)
	for _, dir := range l.c.Dirs(id) {
		harness.FreeDisk(l, dir)
	}
	l.returned()
}
