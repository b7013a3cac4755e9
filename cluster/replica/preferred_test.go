package replica

import (
	"slices"
	"testing"
)

func TestPreferredReplicaOfARack(t *testing.T) {
	at := func(id int32, start, end, caughtUpMs int64) remote {
		return remote{id: id, start: start, end: end, caughtUpMs: caughtUpMs}
	}
	for name, c := range map[string]struct {
		remotes []remote
		isr     []int32
		near    []int32
		want    int32
	}{
		"in the rack":                     {[]remote{at(2, 0, 10, 5), at(3, 0, 10, 5)}, []int32{1, 2, 3}, []int32{3}, 3},
		"none in the rack":                {[]remote{at(2, 0, 10, 5), at(3, 0, 10, 5)}, []int32{1, 2, 3}, nil, -1},
		"not in sync":                     {[]remote{at(2, 0, 10, 5)}, []int32{1, 3}, []int32{2}, -1},
		"ends before the offset":          {[]remote{at(2, 0, 6, 5)}, []int32{1, 2}, []int32{2}, -1},
		"ends at the offset":              {[]remote{at(2, 0, 7, 5)}, []int32{1, 2}, []int32{2}, 2},
		"starts after the offset":         {[]remote{at(2, 8, 10, 5)}, []int32{1, 2}, []int32{2}, -1},
		"has not fetched yet":             {[]remote{at(2, unknown, unknown, never)}, []int32{1, 2}, []int32{2}, -1},
		"has not told its start":          {[]remote{at(2, unknown, 7, 5)}, []int32{1, 2}, []int32{2}, 2},
		"the one with more records":       {[]remote{at(2, 0, 9, 5), at(3, 0, 8, 6)}, []int32{1, 2, 3}, []int32{2, 3}, 2},
		"the one that caught up later":    {[]remote{at(2, 0, 9, 6), at(3, 0, 9, 5)}, []int32{1, 2, 3}, []int32{2, 3}, 2},
		"the one with the higher id":      {[]remote{at(3, 0, 9, 5), at(2, 0, 9, 5)}, []int32{1, 2, 3}, []int32{2, 3}, 3},
		"the other one is not in the ISR": {[]remote{at(2, 0, 9, 5), at(3, 0, 12, 5)}, []int32{1, 2}, []int32{2, 3}, 2},
	} {
		if got := preferred(c.remotes, c.isr, 7, func(id int32) bool { return slices.Contains(c.near, id) }); got != c.want {
			t.Errorf("%s: replica %d, want %d", name, got, c.want)
		}
	}
}
