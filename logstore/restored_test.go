package logstore

import (
	"slices"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// TestCompactedLogWasSetAsideWithoutItsCheckpoints: a compacted log was restored without the checkpoint files of its directory, and all that
// followed the first gap between two segments was set aside. Apache's broker serves it.
func TestCompactedLogWasSetAsideWithoutItsCheckpoints(t *testing.T) {
	for _, broken := range []bool{false, true} {
		disk, want := compactedDisk(t)
		if broken {
			ok(t, writeFile(disk, "/data/"+recoveryPointCheckpoint, []byte("0\nno number\n"), true))
		}
		s := openStore(t, testStore(disk, "/data"))
		l, err := s.Get(tpOf("t", 0))
		ok(t, err)
		if got := offsetsOf(t, l); !slices.Equal(got, want) || l.EndOffset() != 32 || l.CleanedTo() < 0 {
			t.Errorf("read %v up to %d, want %v; compacted to %d", got, l.EndOffset(), want, l.CleanedTo())
		}
		// A crash finds it as it is, before the checkpoints are written and afterwards.
		for _, checkpoint := range []bool{false, true} {
			if checkpoint {
				s.Checkpoint()
			}
			again := openStore(t, testStore(disk.CrashClone(1), "/data"))
			l, err := again.Get(tpOf("t", 0))
			ok(t, err)
			if got := offsetsOf(t, l); !slices.Equal(got, want) {
				t.Errorf("after a crash, checkpoints written: %t: read %v", checkpoint, got)
			}
			closeStore(t, again)
		}
		closeStore(t, s)
	}
}

// TestRestoredLogIsFlushedAtOnce: before a checkpoint says again how far the log is durable, it has to be.
func TestRestoredLogIsFlushedAtOnce(t *testing.T) {
	disk, _ := compactedDisk(t)
	o := testOptions(disk, DefaultConfig())
	o.NoCheckpoints, o.Background = true, func(func()) {}
	if l := mustOpen(t, o); l.RecoveryPoint() != 32 {
		t.Errorf("the recovery point is %d", l.RecoveryPoint())
	}
}

// TestLogThatNobodyCompactedIsSetAsideWithoutCheckpoints: without a sign of compaction a gap is a loss, also where the checkpoints are gone.
func TestLogThatNobodyCompactedIsSetAsideWithoutCheckpoints(t *testing.T) {
	w := newAsideWorld(t)
	w.o.NoCheckpoints = true
	lost, next := w.view.segments[1], w.view.segments[2]
	ok(t, w.disk.Remove(lost.path(logSuffix)))
	ok(t, w.want(t, lost.base, next.base).Close())
}

// TestSegmentLostOfALogWithGaps has a replica copy a compacted log, whose offsets have gaps, into a new directory. The machine crashes before
// the first checkpoint is written, and a segment is lost: that is no compaction's gap.
func TestSegmentLostOfALogWithGaps(t *testing.T) {
	disk := vfs.NewMem()
	o := testStore(disk, "/data")
	o.Defaults = smallSegments()
	s := openStore(t, o)
	l := create(t, s, tpOf("t", 0), 1)
	for offset := int64(0); l.Segments() < 4; offset += 3 {
		data := build(t, spec{size: 50, ts: testNow})
		batch.SetOffsets(data, offset, 0)
		_, err := l.AppendAsFollower(data, 0, testNow)
		ok(t, err)
	}
	ok(t, l.Flush(l.EndOffset()))
	lost := l.snapshot().segments[1]
	crashed := disk.CrashClone(1)
	ok(t, crashed.Remove(lost.path(logSuffix)))
	o.FS = crashed
	again := openStore(t, o)
	l, err := again.Get(tpOf("t", 0))
	ok(t, err)
	if _, names := aside(t, crashed, l.Dir()); l.EndOffset() > lost.base || len(names) != 2 {
		t.Errorf("the log ends at %d, want %d at most; aside is %v", l.EndOffset(), lost.base, names)
	}
	closeStore(t, again)
	closeStore(t, s)
}
