package logstore

import (
	"errors"
	"strings"
	"testing"

	"klamm/logstore/vfs"
)

// afterPowerCut opens the store on what a power cut at this instant could leave, in several ways.
func afterPowerCut(t *testing.T, disk *vfs.Mem, o StoreOptions, check func(s *Store) error) {
	t.Helper()
	for seed := range uint64(32) {
		o.FS = disk.CrashClone(seed)
		s, err := OpenStore(o)
		if err == nil {
			err = errors.Join(check(s), s.Close(t.Context()))
		}
		if err != nil {
			t.Fatalf("after a power cut (seed %d): %v", seed, err)
		}
	}
}

func wantRecords(n int64) func(*Store) error {
	return func(s *Store) error {
		l, err := s.Get(tpOf("t", 0))
		if err != nil {
			return err
		}
		if end := l.EndOffset(); end != n {
			return errors.New("records were lost")
		}
		return nil
	}
}

// TestNewDirectoriesOfSeveralLevelsSurviveAPowerCut: of several levels that were made only the last was synced, so that a
// power cut took the others, with records that were flushed.
func TestNewDirectoriesOfSeveralLevelsSurviveAPowerCut(t *testing.T) {
	disk := vfs.NewMem()
	o := testStore(disk, "/srv/kafka/data/one", "/srv/kafka/data/two", "three/four")
	s := openStore(t, o)
	l := create(t, s, tpOf("t", 0), 1)
	ok(t, appendTo(l, 3))
	ok(t, l.Flush(3))
	afterPowerCut(t, disk, o, wantRecords(3))
	closeStore(t, s)
}

// TestDirectoriesOfAKilledStartSurviveAPowerCut has each start end as a kill would end it after the directories were made.
func TestDirectoriesOfAKilledStartSurviveAPowerCut(t *testing.T) {
	disk := vfs.NewMem()
	o := testStore(disk, "/srv/kafka/data")
	stop := disk.Fail(vfs.Rule{Only: func(op vfs.Op) bool {
		return op.Kind == vfs.OpSyncDir || strings.HasSuffix(op.Path, metaPropertiesName+".tmp")
	}, Err: errors.New("killed")})
	if s, err := OpenStore(o); err == nil {
		closeStore(t, s)
		t.Fatal("opened without a sync")
	}
	stop()
	s := openStore(t, o)
	l := create(t, s, tpOf("t", 0), 1)
	ok(t, appendTo(l, 3))
	ok(t, l.Flush(3))
	afterPowerCut(t, disk, o, wantRecords(3))
	closeStore(t, s)
}

// TestSnapshotOfTruncatedRecordsStaysGone: the snapshot of producers at an offset that was cut off was removed after
// the directory was synced. It came back after a power cut, and spoke of records that others had replaced.
func TestSnapshotOfTruncatedRecordsStaysGone(t *testing.T) {
	disk := newMemDisk(t)
	o := testOptions(disk, DefaultConfig())
	l := mustOpen(t, o)
	for seq := range int32(4) {
		ok(t, appendOne(t, l, build(t, spec{size: 10, ts: testNow, idem: true, pid: 1, seq: seq}), 0, testNow).Err)
	}
	ok(t, l.Close()) // which writes a snapshot at the end
	o.Clean = true
	l = mustOpen(t, o)
	ok(t, l.TruncateTo(2, testNow))
	for range 4 {
		ok(t, appendOne(t, l, build(t, spec{size: 10, ts: testNow}), 0, testNow).Err)
	}
	ok(t, l.Flush(l.EndOffset()))
	for seed := range uint64(32) {
		if _, err := disk.CrashClone(seed).Stat(testDir + "/" + fileName(4, snapshotSuffix)); err == nil {
			t.Fatalf("after a power cut (seed %d) the snapshot is back", seed)
		}
	}
	ok(t, l.Close())
}
