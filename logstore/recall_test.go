package logstore

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"klamm/logstore/vfs"
)

// TestBatchesBeforeTheLastAreKnownAfterAStop: a producer that got no answer to several batches sent them again after a clean stop, and all but the
// last one were out of order, since a snapshot has no more than that one.
func TestBatchesBeforeTheLastAreKnownAfterAStop(t *testing.T) {
	for _, records := range []int{1, 300, 20_000} { // batches of some bytes, more than an index interval, and more than is looked at in any case
		t.Run(fmt.Sprint(records, " records a batch"), func(t *testing.T) {
			o := testStore(vfs.NewMem(), "/data")
			o.Clock = func() time.Time { return time.UnixMilli(testNow) }
			s := openStore(t, o)
			l := create(t, s, tpOf("t", 0), 1)
			batch := func(pid int64, i int) []byte {
				return build(t, spec{idem: true, pid: pid, seq: int32(i * records), count: records})
			}
			for i := range 8 {
				for pid := int64(7); pid <= 8; pid++ {
					if r := appendOne(t, l, batch(pid, i), 0, testNow); r.Err != nil {
						t.Fatal(r.Err)
					}
				}
			}
			closeStore(t, s)
			again := openStore(t, o)
			defer closeStore(t, again)
			l, err := again.Get(tpOf("t", 0))
			ok(t, err)
			for i := range 8 {
				for pid := int64(7); pid <= 8; pid++ {
					r := appendOne(t, l, batch(pid, i), 0, testNow)
					if at := int64(2*i+int(pid)-7) * int64(records); i >= 3 && (!r.Duplicate || r.BaseOffset != at) {
						t.Errorf("batch %d of producer %d, at offset %d: %+v", i, pid, at, r)
					}
					if i < 3 && !errors.Is(r.Err, ErrOutOfOrderSequence) {
						t.Errorf("batch %d of producer %d, before the last five: %+v", i, pid, r)
					}
				}
			}
			for pid := int64(7); pid <= 8; pid++ {
				if r := appendOne(t, l, batch(pid, 8), 0, testNow); r.Err != nil || r.Duplicate {
					t.Errorf("the next batch of producer %d: %+v", pid, r)
				}
			}
		})
	}
}
