package logstore

import (
	"strings"
	"sync/atomic"
	"testing"

	"klamm/logstore/vfs"
)

// appendInTurn has a Store of so many open files append to 100 partitions in turn, and gives how often it opened a file
// of theirs after the first round.
func appendInTurn(t *testing.T, maxOpenFiles int) (opened int32) {
	t.Helper()
	const partitions, rounds = 100, 4
	disk := newMemDisk(t)
	o := testStore(disk, testDir)
	o.MaxOpenFiles = maxOpenFiles
	o.Defaults.IndexIntervalBytes = 1 // an entry of both indexes for each batch
	s := openStore(t, o)
	logs := make([]*Log, partitions)
	for i := range logs {
		logs[i] = create(t, s, tpOf("active", int32(i)), 1)
		ok(t, appendTo(logs[i], 1))
	}
	var n atomic.Int32
	disk.SetHook(func(op vfs.Op) {
		if (op.Kind == vfs.OpOpen || op.Kind == vfs.OpCreate) && strings.Contains(op.Path, "/active-") {
			n.Add(1)
		}
	})
	for range rounds {
		for _, l := range logs {
			ok(t, appendTo(l, 1))
		}
	}
	disk.SetHook(nil)
	if open := s.files.Open(); open > maxOpenFiles {
		t.Errorf("%d files are open, and %d may be", open, maxOpenFiles)
	}
	closeStore(t, s)
	return n.Load()
}

// TestActivePartitionsKeepTheirFilesOpen: 10,000 active partitions had 4,096 open files among them, so that each append
// opened a file and closed another. Here are a hundredth of both.
func TestActivePartitionsKeepTheirFilesOpen(t *testing.T) {
	if n := appendInTurn(t, 41); n == 0 {
		t.Error("too few open files, and none was opened again: this test counts nothing")
	}
	if n := appendInTurn(t, 100); n != 0 { // each partition's active segment has one
		t.Errorf("enough open files, and %d were opened again", n)
	}
}
