package groupcoord

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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

// TestManySmallPartitionsTakeLittleMemoryToRead: each of the fifty had a buffer of offsets.load.buffer.size, all at once.
func TestManySmallPartitionsTakeLittleMemoryToRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const partitions = 50
		p := newPartitioned(t, partitions, partitions)
		want := map[string]int64{}
		for i := range int64(4 * partitions) {
			group := fmt.Sprint("group-", i)
			p.commit(group, i)
			want[group] = i
		}
		p.c.Close()
		synctest.Wait()
		p.create(partitions)
		var reads reads
		for i, log := range p.logs {
			p.c.Elected(int32(i), 1, &slowLog{log, &reads})
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		p.has(want)
		if reads.most != maxReads || reads.buffer > 1<<16 {
			t.Errorf("%d partitions were read at the same time, with buffers of up to %d bytes", reads.most, reads.buffer)
		}
		p.c.Close()
	})
}

// reads counts what is read at the same time.
type reads struct {
	mu                sync.Mutex
	now, most, buffer int // guarded by mu
}

// slowLog takes a second to read something.
type slowLog struct {
	*memLog
	reads *reads
}

func (l *slowLog) Read(offset int64, most int, buf []byte) ([]byte, error) {
	r := l.reads
	r.mu.Lock()
	r.now++
	r.most = max(r.most, r.now)
	r.mu.Unlock()
	time.Sleep(time.Second)
	data, err := l.memLog.Read(offset, most, buf)
	r.mu.Lock()
	r.now--
	r.buffer = max(r.buffer, cap(buf), cap(data))
	r.mu.Unlock()
	return data, err
}
