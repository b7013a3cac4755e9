package groupcoord

import (
	"fmt"
	"testing"
	"testing/synctest"

	"klamm/protocol/batch"
)

// TestIntactBatchesBehindALargeRottenOne: the steps that led out of a batch with very many records passed over the ones behind it.
func TestIntactBatchesBehindALargeRottenOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, size := range []int32{1, 4095, 4096, 4097, 4100, 5000, 20_000} {
			p := newPartitioned(t, 1, 1)
			b := batch.NewBuilder(batch.None)
			for i := range size {
				b.Add(0, commitKey("lost", "t", i), nil)
			}
			p.append(0, b)
			want := map[string]int64{}
			for i := range int64(3) {
				group := fmt.Sprint("group-", i)
				p.commit(group, i)
				want[group] = i
			}
			p.logs[0].rotten = map[int64]bool{0: true}
			p.restart(1)
			p.has(want)
			p.c.Close()
		}
	})
}
