package replica

import "testing"

// TestTruncationOffset has each rule of KIP-101 and KIP-279. The log ends at 30, with the high watermark at 12; epoch 2 begins at 0, 4 at 10, 6 at 20.
func TestTruncationOffset(t *testing.T) {
	own := func(epoch int32) (int32, int64, bool) {
		switch {
		case epoch < 0 || epoch > 6:
			return -1, -1, false
		case epoch == 6:
			return 6, 30, true
		case epoch >= 4:
			return 4, 20, true
		case epoch >= 2:
			return 2, 10, true
		}
		return epoch, 0, true // before the first epoch
	}
	for _, c := range []struct {
		what      string
		epoch     int32
		leaderEnd int64
		want      int64
	}{
		{"the leader has fewer records of the same epoch", 6, 25, 25},
		{"this log has fewer records of the epoch", 4, 24, 20},
		{"the leader has more than this log", 6, 99, 30},
		{"this log does not know the epoch: all later ones go (KIP-279)", 5, 28, 20},
		{"this log does not know the epoch, and the leader ends before", 5, 14, 20},
		{"the epoch is before all of this log's", 1, 7, 0},
		{"the epoch is after all of this log's", 9, 25, 25},
		{"the leader knows offsets alone", -1, 22, 22},
		{"the leader knows offsets alone, and has more", -1, 99, 30},
		{"the leader knows nothing", 4, -1, 12},
	} {
		if got := truncationOffset(c.epoch, c.leaderEnd, 30, 12, own); got != c.want {
			t.Errorf("%s: to %d, want %d", c.what, got, c.want)
		}
	}
}

// TestOutOfRange has the leader's log end before this one's, begin after it, and neither by now.
func TestOutOfRange(t *testing.T) {
	for _, c := range []struct {
		start, end, want int64
		truncate, empty  bool
	}{
		{0, 20, 20, true, false},
		{50, 60, 50, false, true},
		{31, 31, 31, false, true},
		{0, 30, 30, false, false},
		{30, 40, 30, false, false},
		{10, 40, 30, false, false},
	} {
		if got, truncate, empty := outOfRange(30, c.start, c.end); got != c.want || truncate != c.truncate || empty != c.empty {
			t.Errorf("leader %d..%d: %d, %t, %t", c.start, c.end, got, truncate, empty)
		}
	}
}
