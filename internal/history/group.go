package history

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Group is a consumer group whose members commit what they have read, and one that asks what is committed. A committed
// offset that was acknowledged is never lost: neither a member that gets a partition nor the one that asks sees an
// earlier one.
type Group struct {
	Name   string
	Faults Faults

	mu        sync.Mutex
	committed []int64 // guarded by mu; by partition, the largest offset whose commit was acknowledged
	read      [][]int // guarded by mu; by partition and offset, how often a record was read
	lenient   bool    // guarded by mu; see Stale
	twice     bool    // guarded by mu; see Twice
	again     bool    // guarded by mu; see Cooperative
}

// NewGroup makes a group without members.
func NewGroup(t Topic, name string) *Group {
	return &Group{Name: name, committed: make([]int64, t.Partitions), read: make([][]int, t.Partitions)}
}

// Stale says whether a broker may not know that it is no more what it was: it hangs or is cut off from the others. One that was the
// group's coordinator gives old offsets to the one that asks. Members do not ask it, since it does not complete their joining. One that was
// a leader calls an offset out of range that its successor has, to members too: they stay where they are.
func (g *Group) Stale(possible bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lenient = possible
}

// Twice has an answer with less than was committed count only if the next one says so too. A broker of Apache Kafka that gives up being the
// group's coordinator may drop the offsets and answer without them, just before it says that it is none.
func (g *Group) Twice() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.twice = true
}

// Cooperative lets members read again what was committed. A cooperative member goes on with what it has while it joins: when the coordinator
// has moved and forgotten it, it joins as a new member, and commits for a partition that another has read further. No broker can tell
// that from a good commit.
func (g *Group) Cooperative() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.again = true
}

// Member reads and commits until ctx ends. It gives everything back before it joins again, unless opts have another balancer: see Cooperative.
func (g *Group) Member(ctx context.Context, t Topic, i int, opts ...kgo.Opt) {
	due := map[int32]int64{} // by partition, the least offset that is to come next; changed amid polls alone
	cl := t.Client(append([]kgo.Opt{kgo.ConsumerGroup(g.Name), kgo.ConsumeTopics(t.Name), kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.Balancers(kgo.RangeBalancer()), // see Member
		// A leader that does not know that it is none any more may call an offset out of range that its successor has: see Stale.
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()), kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchMaxWait(200 * time.Millisecond), kgo.HeartbeatInterval(500 * time.Millisecond), kgo.SessionTimeout(6 * time.Second), kgo.RebalanceTimeout(10 * time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, got map[string][]int32) {
			g.mu.Lock()
			defer g.mu.Unlock()
			for _, p := range got[t.Name] {
				due[p] = g.committed[p]
			}
		})}, opts...)...)
	defer cl.CloseAllowingRebalance()
	for ctx.Err() == nil {
		fetches := cl.PollRecords(ctx, 1000)
		g.mu.Lock()
		fetches.EachError(func(_ string, p int32, err error) {
			if ctx.Err() == nil && !mayHear(err, g.lenient) {
				g.Faults.Add("partition %d: member %d is told: %v", p, i, err)
			}
		})
		fetches.EachRecord(func(r *kgo.Record) { g.takeLocked(r, due) })
		g.mu.Unlock()
		if records := fetches.Records(); len(records) > 0 && cl.CommitRecords(ctx, records...) == nil {
			g.commit(records)
		}
		cl.AllowRebalance()
		t.rest(ctx)
	}
}

// takeLocked notes a record that a member read.
func (g *Group) takeLocked(r *kgo.Record, due map[int32]int64) {
	if r.Offset < due[r.Partition] && !g.again {
		g.Faults.Add("partition %d: a member reads offset %d, where %d is due at the least", r.Partition, r.Offset, due[r.Partition])
	}
	due[r.Partition] = r.Offset + 1
	for int64(len(g.read[r.Partition])) <= r.Offset {
		g.read[r.Partition] = append(g.read[r.Partition], 0)
	}
	g.read[r.Partition][r.Offset]++
}

// commit notes a commit that was acknowledged.
func (g *Group) commit(records []*kgo.Record) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range records {
		g.committed[r.Partition] = max(g.committed[r.Partition], r.Offset+1)
	}
}

// Ask asks for the committed offsets after each pause, until ctx ends.
func (g *Group) Ask(ctx context.Context, t Topic, pause time.Duration) {
	adm := kadm.NewClient(t.Client())
	defer adm.Close()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	var d doubt
	for ctx.Err() == nil {
		g.mu.Lock()
		before, lenient, twice := slices.Clone(g.committed), g.lenient, g.twice
		g.mu.Unlock()
		got, err := adm.FetchOffsets(ctx, g.Name)
		g.mu.Lock()
		lenient = lenient || g.lenient
		g.mu.Unlock()
		if err == nil && Named(got) && !lenient {
			if less := less(before, got.Lookup, t.Name); d.counts(len(less) > 0, twice) {
				for _, fault := range less {
					g.Faults.Add("%s", fault)
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// Named says whether committed offsets are of topics whose names are known. Answers have the topics' ids, and where the client then finds no broker to tell it the
// names, it gives the offsets of all of them under no name, and no error.
func Named(got kadm.OffsetResponses) bool { return got[""] == nil }

// doubt is whether the answer before had less than was committed, and did not count: see [Group.Twice].
type doubt bool

// counts says whether an answer is a fault.
func (d *doubt) counts(less, twice bool) bool {
	*d = doubt(less && twice && !bool(*d))
	return less && !bool(*d)
}

// less compares committed offsets with those whose commits had been acknowledged before they were asked for, and says where they are less.
func less(before []int64, lookup func(string, int32) (kadm.OffsetResponse, bool), topic string) (faults []string) {
	for p, least := range before {
		o, ok := lookup(topic, int32(p))
		if ok && o.Err == nil && o.At < least || !ok && least > 0 {
			faults = append(faults, fmt.Sprintf("partition %d: committed is %d (%t), after a commit of %d was acknowledged", p, o.At, ok, least))
		}
	}
	return faults
}

// CaughtUp says whether the group has committed the offsets.
func (g *Group) CaughtUp(ends []int64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for p, end := range ends {
		if g.committed[p] < end {
			return false
		}
	}
	return true
}
