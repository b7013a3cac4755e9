package replica

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"klamm/cluster/order"
	"klamm/internal/await"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// stored is a batch that a producer was told to be committed.
type stored struct {
	id     int64
	offset int64
	epoch  int32
}

// roleRace is a partition whose role changes while producers append, a follower fetches and a fetcher appends.
type roleRace struct {
	*fixture
	ids       atomic.Int64
	stop      atomic.Bool // producers come to an end
	left      atomic.Bool // the follower and the fetcher do so
	mu        sync.Mutex
	committed []stored // guarded by mu
}

// build makes a batch whose record has a number of its own.
func (r *roleRace) build() (id int64, a logstore.Append) {
	id = r.ids.Add(1)
	b := batch.NewBuilder(batch.None)
	b.Add(id, nil, binary.BigEndian.AppendUint64(nil, uint64(id)))
	data, err := b.Build()
	if err != nil {
		r.t.Error(err)
	}
	h, err := batch.ParseHeader(data)
	if err != nil {
		r.t.Error(err)
	}
	return id, logstore.Append{Data: data, Header: h}
}

// produce appends until the test stops, and notes what was committed.
func (r *roleRace) produce() {
	told := make(chan error, 1)
	for !r.stop.Load() {
		id, a := r.build()
		batches := []logstore.Append{a}
		epoch, err := r.Append(batches, -1, 1)
		res := &batches[0].Result
		if err == nil && !r.AwaitCommit(Wait{res.LastOffset + 1, epoch, -1, NoTimeout}, func(err error) { told <- err }) {
			err = <-told
		}
		switch {
		case err == nil:
			r.mu.Lock()
			r.committed = append(r.committed, stored{id, res.BaseOffset, epoch})
			r.mu.Unlock()
		case !errors.As(err, new(*NotLeaderError)):
			r.t.Errorf("batch %d: %v", id, err)
		}
	}
}

// follow fetches as the follower does: from where the log ended when it fetched last.
func (r *roleRace) follow() {
	for !r.left.Load() {
		s, end := r.State(), r.log.EndOffset()
		f := FollowerFetch{Replica: 2, LeaderEpoch: s.LeaderEpoch, Offset: end, LeaderEnd: end}
		if err := r.UpdateFollower(f, r.manager.NowMs()); err != nil && !errors.As(err, new(*NotLeaderError)) {
			r.t.Error(err)
		}
	}
}

// replicate appends as a fetcher does that does not know when its time is over.
func (r *roleRace) replicate() {
	for !r.left.Load() {
		_, a := r.build()
		epoch, end := r.LeaderEpoch(), r.log.EndOffset()
		batch.SetOffsets(a.Data, end, epoch)
		_, err := r.AppendAsFollower(a.Data, end, end, 0, epoch)
		if err != nil && !errors.As(err, new(*StaleRoleError)) && !errors.As(err, new(*FollowerOffsetError)) && !errors.As(err, new(*logstore.UnexpectedOffsetError)) {
			r.t.Error(err)
		}
	}
}

// TestRoleChangesWhileProducersAppend: whatever comes at the same time, a batch stands in the log with the epoch that its producer was told, epochs do
// not go back, and what was committed stays where it was.
func TestRoleChangesWhileProducersAppend(t *testing.T) {
	for _, flush := range []string{"", "1"} {
		r := &roleRace{fixture: newFixture(t, map[string]string{"flush.messages": flush})}
		r.order(4, flush)
		var producers, others sync.WaitGroup
		for range 3 {
			producers.Go(r.produce)
		}
		others.Go(r.follow)
		others.Go(r.replicate)
		for epoch := int32(5); epoch < 30; epoch++ {
			r.order(epoch, flush)
			if epoch%6 == 0 {
				if err := r.TruncateAsFollower(r.HighWatermark(), epoch); err != nil {
					t.Fatal(err)
				}
			}
			n := r.ids.Load()
			await.Until(t, "the workers get on", func() bool { return t.Failed() || r.ids.Load() >= n+10 })
		}
		r.order(30, flush) // leads, so that all who wait are done
		r.stop.Store(true)
		producers.Wait()
		r.left.Store(true)
		others.Wait()
		r.check()
	}
}

// order has the partition follow in each third epoch, and lead in the others.
func (r *roleRace) order(epoch int32, flush string) {
	o := order.LeaderAndISR{
		TopicPartition: tp, TopicID: protocol.UUID{1}, Leader: 1, LeaderEpoch: epoch, PartitionEpoch: epoch,
		ISR: []int32{1, 2}, Replicas: []int32{1, 2},
	}
	if epoch%3 == 0 {
		o.Leader = 2
	}
	if err := give(r.manager, map[string]string{"flush.messages": flush}, o); err != nil {
		r.t.Fatal(err)
	}
}

// check reads the whole log.
func (r *roleRace) check() {
	epochs, ids := map[int64]int32{}, map[int64]int64{}
	last := int32(-1)
	for offset := r.log.StartOffset(); offset < r.log.EndOffset(); {
		region, err := r.log.Read(offset, 1<<20, r.log.EndOffset(), true)
		if err != nil {
			r.t.Fatal(err)
		}
		data := make([]byte, region.Size())
		if _, err := region.ReadAt(data, 0); err != nil {
			r.t.Fatal(err)
		}
		region.Release()
		for len(data) > 0 {
			h, err := batch.ParseHeader(data)
			if err != nil {
				r.t.Fatal(err)
			}
			if h.BaseOffset != offset || h.PartitionLeaderEpoch < last {
				r.t.Fatalf("at offset %d, epoch %d stands a batch with offset %d and epoch %d", offset, last, h.BaseOffset, h.PartitionLeaderEpoch)
			}
			last = h.PartitionLeaderEpoch
			epochs[offset], ids[offset] = last, h.BaseTimestamp
			if at := r.log.EpochAt(offset); at != last {
				r.t.Fatalf("offset %d has epoch %d, and the log says %d", offset, last, at)
			}
			data, offset = data[h.Size():], h.NextOffset()
		}
	}
	for _, s := range r.committed {
		if ids[s.offset] != s.id || epochs[s.offset] != s.epoch {
			r.t.Fatalf("%+v was committed; at the offset stands batch %d with epoch %d", s, ids[s.offset], epochs[s.offset])
		}
	}
	if len(r.committed) == 0 {
		r.t.Error("nothing was committed")
	}
}
