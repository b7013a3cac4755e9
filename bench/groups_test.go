package main

import (
	"testing"

	"klamm/bench/replay"
)

// TestAGroupIsAssignedWhenAllAre: a group counts as assigned when all members are in one
// generation and every partition is assigned once.
func TestAGroupIsAssignedWhenAllAre(t *testing.T) {
	member := func(generation int32, partitions ...int32) *replay.Member {
		return &replay.Member{Generation: generation, Assigned: partitions}
	}
	for name, c := range map[string]struct {
		members  []*replay.Member
		assigned bool
		fails    bool // at the last of them
	}{
		"both":                            {[]*replay.Member{member(1, 0), member(1, 1, 2)}, true, false},
		"one alone":                       {[]*replay.Member{member(1, 0, 1, 2)}, false, false},
		"each in its own generation":      {[]*replay.Member{member(1, 0, 1, 2), member(2, 0)}, false, false},
		"the second generation":           {[]*replay.Member{member(1, 0, 1, 2), member(2, 0), member(2, 1, 2)}, true, false},
		"a late member":                   {[]*replay.Member{member(2, 0), member(1, 0, 1, 2)}, false, false},
		"a partition given twice":         {[]*replay.Member{member(1, 0, 1), member(1, 1, 2)}, false, true},
		"a partition given to nobody":     {[]*replay.Member{member(1, 0), member(1, 2)}, false, true},
		"a partition that does not exist": {[]*replay.Member{member(1, 3)}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := &assembly{partitions: 3}
			assigned := a.await(2)
			for i, m := range c.members {
				if err := a.isAssigned(m); (err != nil) != (c.fails && i == len(c.members)-1) {
					t.Errorf("member %d: %v", i, err)
				}
			}
			if (len(assigned) == 1) != c.assigned {
				t.Errorf("%d times assigned, want it: %t", len(assigned), c.assigned)
			}
		})
	}
}
