package logstore

import (
	"fmt"
	"testing"
	"time"

	"klamm/logstore/vfs"
)

// TestDuplicateIsKnownAfterItsRecordsWereDeleted: a producer's batch that was deleted up to the end of the log was stored
// again when it was sent again after a start, since the snapshot at the log start offset was not used.
func TestDuplicateIsKnownAfterItsRecordsWereDeleted(t *testing.T) {
	for _, clean := range []bool{true, false} {
		for _, sealed := range []bool{false, true} { // whether the records' segment goes as well
			t.Run(fmt.Sprintf("clean=%t,sealed=%t", clean, sealed), func(t *testing.T) {
				disk := vfs.NewMem()
				o := testStore(disk, "/data")
				o.Clock = func() time.Time { return time.UnixMilli(testNow) }
				tp := tpOf("t", 0)
				s := openStore(t, o)
				l := create(t, s, tp, 1)
				sent := build(t, spec{idem: true, pid: 7, seq: 3})
				if r := appendOne(t, l, sent, 0, testNow); r.Err != nil {
					t.Fatal(r.Err)
				}
				l.SetHighWatermark(1)
				ok(t, l.Flush(1)) // so that a crash keeps it
				_, err := l.DeleteRecordsBefore(1)
				ok(t, err)
				ok(t, s.CheckpointStartOffsets(tp)[0])
				if sealed {
					ok(t, l.Roll(testNow))
					if _, _, err := l.Retain(testNow); err != nil {
						t.Fatal(err)
					}
				}
				if clean {
					closeStore(t, s)
				} else {
					o.FS = disk.CrashClone(1)
					defer closeStore(t, s)
				}
				again := openStore(t, o)
				defer closeStore(t, again)
				l, err = again.Get(tp)
				ok(t, err)
				if r := appendOne(t, l, build(t, spec{idem: true, pid: 7, seq: 3}), 0, testNow); !r.Duplicate || r.BaseOffset != 0 {
					t.Errorf("the batch that was sent again: %+v", r)
				}
				if r := appendOne(t, l, build(t, spec{idem: true, pid: 7, seq: 4}), 0, testNow); r.Err != nil || r.BaseOffset != 1 {
					t.Errorf("the next batch: %+v", r)
				}
			})
		}
	}
}
