package logstore

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"klamm/protocol/batch"
)

// TestLargestTimestampOfDeletedRecordsIsNotFound: after DeleteRecords the record with the largest timestamp of all
// that were ever there was found, below the log start offset. Each start is compared with a list of the records.
func TestLargestTimestampOfDeletedRecordsIsNotFound(t *testing.T) {
	for seed := range uint64(20) {
		for _, codec := range []batch.Codec{batch.None, batch.Gzip} {
			t.Run(fmt.Sprint(seed, codec), func(t *testing.T) { largestAfterDeletions(t, rand.New(rand.NewPCG(seed, 1)), codec) })
		}
	}
}

func largestAfterDeletions(t *testing.T, random *rand.Rand, codec batch.Codec) {
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes = 700, 100
	l := mustOpen(t, testOptions(newMemDisk(t), c))
	var stamps []int64
	for range 30 {
		s := spec{count: 1 + random.IntN(4), ts: testNow + random.Int64N(20), codec: codec}
		if r := appendOne(t, l, build(t, s), 0, testNow); r.Err != nil {
			t.Fatal(r.Err)
		}
		for i := range s.count {
			stamps = append(stamps, s.ts+int64(i))
		}
	}
	l.SetHighWatermark(l.EndOffset())
	for start := int64(0); ; start += 1 + random.Int64N(3) {
		start = min(start, l.EndOffset())
		if _, err := l.DeleteRecordsBefore(start); err != nil {
			t.Fatal(err)
		}
		want := TimestampOffset{TimestampMs: -1}
		for i, ts := range stamps[start:] {
			if ts > want.TimestampMs {
				want = TimestampOffset{start + int64(i), ts, 0}
			}
		}
		got, found, err := l.MaxTimestampOffset()
		if err != nil || found != (start < l.EndOffset()) || found && got != want {
			t.Fatalf("from %d on: %+v, %t, %v, want %+v", start, got, found, err, want)
		}
		if start == l.EndOffset() {
			return
		}
	}
}
