package groupcoord

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"klamm/protocol"
)

// counting is a Log that counts batches.
type counting struct {
	discards
	batches atomic.Int64
}

func (c *counting) Append([]byte, func(error)) (int64, bool, error) {
	c.batches.Add(1)
	return 0, true, nil
}

// newFilled makes a coordinator of groups that each have committed an offset of their own topic, and every hundredth of topic "shared" too.
func newFilled(tb testing.TB, groups int) (*Coordinator, *counting) {
	log := &counting{}
	c := New(testOptions(testConfig(), nil))
	c.Elected(0, 1, log)
	c.Serve()
	for c.place(); c.loads(); {
		time.Sleep(time.Millisecond)
	}
	for i := range groups {
		offsets := []CommittedOffset{{Topic: fmt.Sprint("topic-", i), TimestampMs: -1}}
		if i%100 == 0 {
			offsets = append(offsets, CommittedOffset{Topic: "shared", TimestampMs: -1})
		}
		c.Commit(&CommitRequest{Group: fmt.Sprint("group-", i), Generation: -1, RetentionMs: -1, Offsets: offsets, Done: func(err error) {
			if err != nil {
				tb.Fatal(err)
			}
		}})
	}
	return c, log
}

// loads says whether a partition is still being read.
func (c *Coordinator) loads() bool {
	_, err := c.ListGroups(nil)
	return err != nil
}

// TestDeletedTopicConcernsItsGroups: deleting a topic touches the groups that have offsets of it, and no others. The caller does not wait
// for the tombstones.
func TestDeletedTopicConcernsItsGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, log := newFilled(t, 1000)
		defer c.Close()
		for topic, groups := range map[string]int{"topic-7": 1, "shared": 10, "nobody's": 0} {
			if n := len(c.topics.having([]Partitions{{topic, []int32{0}}})); n != groups {
				t.Errorf("%d groups have offsets of %s, want %d", n, topic, groups)
			}
			before := log.batches.Load()
			c.DeletedPartitions([]Partitions{{topic, []int32{0}}})
			synctest.Wait()
			if n := int(log.batches.Load() - before); n != groups {
				t.Errorf("%d batches of tombstones of %s, want %d", n, topic, groups)
			}
			if n := len(c.topics.groups[topic]); n != 0 {
				t.Errorf("%d groups are known to have offsets of %s, which is gone", n, topic)
			}
		}
		if list, err := c.ListGroups(nil); err != nil || len(list) != 999 { // group-7 had no other offset
			t.Errorf("%d groups are left, %v", len(list), err)
		}
	})
}

// BenchmarkDeletedTopic deletes a topic that few of many groups have offsets of.
func BenchmarkDeletedTopic(b *testing.B) {
	const groups = 100_000
	c, _ := newFilled(b, groups)
	defer c.Close()
	i := 0
	for b.Loop() {
		c.DeletedPartitions([]Partitions{{fmt.Sprint("topic-", i), []int32{0}}})
		i++
	}
}

// BenchmarkPendingCommitOfManyTopics has a commit of many topics wait until it is in the log everywhere.
func BenchmarkPendingCommitOfManyTopics(b *testing.B) {
	const topics = 20_000
	c := New(testOptions(testConfig(), nil))
	tps := make([]protocol.TopicPartition, topics)
	for i := range tps {
		tps[i] = tpOf(fmt.Sprint("topic-", i), 0)
	}
	for b.Loop() {
		e := &entry{group: newGroup(nil, "g", 0)}
		e.underway = map[protocol.TopicPartition][]*commit{}
		for _, tp := range tps {
			e.underway[tp] = []*commit{{}}
			e.changes(tp.Topic)
		}
		c.topics.update(e)
		c.topics.remove(e)
	}
}

// indexed holds the index of topics against the groups that are there.
func (w *world) indexed() {
	w.t.Helper()
	known := 0
	for _, s := range w.c.active() {
		for _, e := range s.all() {
			for topic := range e.topics {
				if known++; len(w.c.topics.having([]Partitions{{Topic: topic}})) == 0 {
					w.t.Errorf("no group is known to have offsets of %s, which %s has", topic, e.id)
				}
			}
		}
	}
	n := 0
	for _, of := range w.c.topics.groups {
		n += len(of)
	}
	if n != known {
		w.t.Errorf("%d pairs of a group and a topic are indexed, %d are there", n, known)
	}
}
