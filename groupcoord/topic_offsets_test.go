package groupcoord

import (
	"maps"
	"testing"
)

func TestMetadataOfAnOffsetIsThatOfItsLastCommit(t *testing.T) {
	o := &topicOffsets{commits: map[int32]bareCommit{}}
	with := commit{offset: 1, leaderEpoch: 2, metadata: "m", timeMs: 3, expiresMs: 4, at: 5}
	without := commit{offset: 6, leaderEpoch: 7, timeMs: 8, expiresMs: -1, at: 9}
	check := func(want map[int32]commit, metadata int) {
		t.Helper()
		if got := maps.Collect(o.all()); !maps.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		for partition := range int32(3) {
			c, ok := o.get(partition)
			if w, there := want[partition]; ok != there || c != w {
				t.Errorf("partition %d: %+v, %t", partition, c, ok)
			}
		}
		if len(o.metadata) != metadata {
			t.Errorf("metadata of %d is kept", len(o.metadata))
		}
	}
	o.put(0, with)
	o.put(1, without)
	o.put(2, with)
	check(map[int32]commit{0: with, 1: without, 2: with}, 2)
	o.put(0, without)
	o.put(1, with)
	check(map[int32]commit{0: without, 1: with, 2: with}, 2)
	o.delete(1)
	o.delete(0)
	check(map[int32]commit{2: with}, 1)
}
