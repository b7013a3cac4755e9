package logstore

import (
	"math"
	"reflect"
	"testing"
)

// Segments begin at 0, 1 and 2; the last is empty or not.
func TestOffsetsBefore(t *testing.T) {
	disk := newMemDisk(t)
	c := DefaultConfig()
	c.SegmentBytes = 100
	l := mustOpen(t, testOptions(disk, c))
	ask := func(timestampMs int64, most int, nowMs int64) []int64 {
		t.Helper()
		got, err := l.OffsetsBefore(timestampMs, most, nowMs)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if got := ask(-1, 5, testNow); !reflect.DeepEqual(got, []int64{0}) {
		t.Errorf("an empty log has %v", got)
	}
	for range 3 {
		appendOne(t, l, build(t, spec{ts: 1}), 0, testNow)
	}
	if n := l.Segments(); n != 3 {
		t.Fatalf("%d segments", n)
	}
	info, err := disk.Stat(testDir + "/" + fileName(0, logSuffix)) // the oldest of them
	if err != nil {
		t.Fatal(err)
	}
	written := info.ModTime().UnixMilli()
	for _, q := range []struct {
		timestampMs int64
		most        int
		nowMs       int64
		want        []int64
	}{
		{-1, 9, testNow, []int64{3, 2, 1, 0}}, {-1, 2, testNow, []int64{3, 2}}, {-1, 0, testNow, []int64{}}, {-1, -7, testNow, []int64{}},
		{-2, 9, testNow, []int64{0}}, {0, 9, testNow, []int64{}}, {written - 1, 9, math.MaxInt64, []int64{}},
		{math.MaxInt64 - 1, 9, math.MaxInt64, []int64{2, 1, 0}}, {math.MaxInt64, 2, math.MaxInt64, []int64{3, 2}},
	} {
		if got := ask(q.timestampMs, q.most, q.nowMs); len(got) != len(q.want) || len(got) > 0 && !reflect.DeepEqual(got, q.want) {
			t.Errorf("before %d, at most %d, at %d: %v, want %v", q.timestampMs, q.most, q.nowMs, got, q.want)
		}
	}
	l.SetHighWatermark(3)
	if _, err := l.DeleteRecordsBefore(2); err != nil {
		t.Fatal(err)
	}
	if got := ask(-2, 1, testNow); !reflect.DeepEqual(got, []int64{2}) {
		t.Errorf("the log starts at %v", got)
	}
}
