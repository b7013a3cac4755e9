package broker

import (
	"math"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLogsMayHaveTwoFifthsOfAllOpenFiles: they had 4,096 at most, however many the process might have, so that 10,000 active
// partitions opened and closed files at each append. With half, 10,000 active partitions left no descriptor for the last of 10,000 connections.
func TestLogsMayHaveTwoFifthsOfAllOpenFiles(t *testing.T) {
	for limit, want := range map[uint64]int{1024: 408, 8192: 3276, 100_000: 40_000, 1 << 30: openFilesMost, math.MaxUint64: openFilesMost} {
		if got := openFilesOf(limit); got != want {
			t.Errorf("of %d files the logs may have %d, want %d", limit, got, want)
		}
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < limit.Max && limit.Cur < openFilesMost {
		t.Errorf("the soft limit is %d, and %d are allowed", limit.Cur, limit.Max)
	}
}
