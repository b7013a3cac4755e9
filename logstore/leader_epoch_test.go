package logstore

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
)

// epochsAt lists the leader epoch of each offset of a log.
func epochsAt(l *Log) (epochs []int32) {
	start, end := l.Offsets()
	for o := start; o < end; o++ {
		epochs = append(epochs, l.EpochAt(o))
	}
	return epochs
}

// TestNewLeaderEpochCostsNoSync: the first batch of every leader epoch waited for two syncs of leader-epoch-checkpoint, which a
// broker that became leader of many partitions paid for each of them.
func TestNewLeaderEpochCostsNoSync(t *testing.T) {
	disk := newMemDisk(t)
	l := mustOpen(t, testOptions(disk, DefaultConfig()))
	syncs := 0
	disk.SetHook(func(op vfs.Op) {
		if op.Kind.Syncs() {
			syncs++
		}
	})
	for epoch := range int32(5) {
		l.AssignLeaderEpoch(epoch)
		ok(t, appendOne(t, l, build(t, spec{}), epoch, testNow).Err)
	}
	if syncs > 0 {
		t.Errorf("%d syncs", syncs)
	}
	flushTo(t, l, 5)
	if list, err := readLeaderEpochs(disk, testDir); err != nil || len(list) != 5 {
		t.Errorf("after a flush leader-epoch-checkpoint has %v, %v", list, err)
	}
}

// TestLeaderEpochsSurviveACrashAtEachPoint: the recovery point must not pass the beginning of an epoch that the file lacks,
// since a start reads the batches from the recovery point on alone (KAFKA-16541).
func TestLeaderEpochsSurviveACrashAtEachPoint(t *testing.T) {
	disk := newMemDisk(t)
	o := testOptions(disk, DefaultConfig())
	o.Config.SegmentBytes = 200 // two batches
	o.Settle = settleIn(disk)
	var l *Log
	points := 0
	disk.SetHook(func(op vfs.Op) {
		if !op.Kind.Changes() || l == nil {
			return
		}
		points++
		for seed := range uint64(8) {
			after := o
			after.FS = disk.CrashClone(seed + uint64(points)*100)
			after.RecoveryPoint = l.RecoveryPoint()
			again := mustOpen(t, after)
			for offset, epoch := range epochsAt(again) {
				if epoch != int32(offset/3) {
					t.Fatalf("before %s %s, seed %d, recovery point %d: epochs %v", op.Kind, op.Path, seed, after.RecoveryPoint, epochsAt(again))
				}
			}
		}
	})
	l = mustOpen(t, o)
	for i := range 24 {
		ok(t, appendOne(t, l, build(t, spec{size: 10}), int32(i/3), testNow).Err)
		if i%4 == 1 {
			flushTo(t, l, int64(i+1))
		}
	}
	if points < 50 {
		t.Errorf("only %d points", points)
	}
}

// TestCutLeaderEpochDoesNotComeBack: batches of an older epoch replace those of a newer one. A start after a crash
// would take them for the newer epoch's if the file still had that.
func TestCutLeaderEpochDoesNotComeBack(t *testing.T) {
	for _, follows := range []bool{false, true} {
		disk := newMemDisk(t)
		o := testOptions(disk, DefaultConfig())
		l := mustOpen(t, o)
		for i := range int64(6) {
			ok(t, appendOne(t, l, build(t, spec{}), 3+int32(i/4), testNow).Err)
		}
		flushTo(t, l, 6)
		ok(t, l.TruncateTo(3, testNow))
		for i := range int64(4) {
			if !follows {
				ok(t, appendOne(t, l, build(t, spec{}), 3, testNow).Err)
				continue
			}
			_, err := l.AppendAsFollower(sent(t, 3+i, 3, spec{}), 5, testNow)
			ok(t, err)
		}
		for seed := range uint64(32) {
			after := o
			after.FS, after.RecoveryPoint = disk.CrashClone(seed), l.RecoveryPoint()
			if epochs := epochsAt(mustOpen(t, after)); fmt.Sprint(epochs) != fmt.Sprint([]int32{3, 3, 3, 3, 3, 3, 3}[:len(epochs)]) {
				t.Fatalf("seed %d, follows %t: epochs %v", seed, follows, epochs)
			}
		}
	}
}

// TestFlushFailsWithoutItsLeaderEpochs: a recovery point past an epoch that is not on the disk would hide the epoch.
func TestFlushFailsWithoutItsLeaderEpochs(t *testing.T) {
	disk := newMemDisk(t)
	l := mustOpen(t, testOptions(disk, DefaultConfig()))
	ok(t, appendOne(t, l, build(t, spec{}), 1, testNow).Err)
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpWrite, Path: leaderEpochFile + ".tmp", Err: syscall.ENOSPC})
	var dir *DirError
	if err := l.Flush(1); !errors.As(err, &dir) || dir.Sticky || l.RecoveryPoint() != 0 {
		t.Errorf("flush: %v, recovery point %d", err, l.RecoveryPoint())
	}
	stop()
	flushTo(t, l, 1)
}

// TestLeaderEpochsBelowTheLogStartDoNotCount: the leader had deleted its records up to the log start offset, so that nobody knew that those here were
// of a later epoch. A start after a crash took them for the beginning of that epoch.
func TestLeaderEpochsBelowTheLogStartDoNotCount(t *testing.T) {
	disk := newMemDisk(t)
	o := testOptions(disk, DefaultConfig())
	l := mustOpen(t, o)
	for i := range int64(4) {
		_, err := l.AppendAsFollower(sent(t, i, 7, spec{}), 9, testNow)
		ok(t, err)
	}
	l.SetHighWatermark(4)
	_, err := l.DeleteRecordsBefore(3)
	ok(t, err)
	ok(t, l.TruncateTo(3, testNow))
	_, err = l.AppendAsFollower(sent(t, 3, 2, spec{}), 9, testNow)
	ok(t, err)
	o.FS, o.StartOffset = disk.Clone(), 3
	if epochs := epochsAt(mustOpen(t, o)); len(epochs) != 1 || epochs[0] != 2 {
		t.Errorf("epochs %v", epochs)
	}
}
