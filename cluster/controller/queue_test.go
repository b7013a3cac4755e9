package controller

import (
	"context"
	"errors"
	"testing"

	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/internal/await"
)

// TestEventThatNobodyWaitsForIsNotCarriedOut: what was asked for while the tree did not answer stayed in the queue, however long that took, and
// was carried out afterwards, also a deletion that had been answered as failed long before. What has begun goes on.
func TestEventThatNobodyWaitsForIsNotCarriedOut(t *testing.T) {
	c := newCluster(t)
	m, tree := c.startCounted(1)
	if res := m.create(t, "kept", []int32{1}); res.Err != nil {
		t.Fatal(res.Err)
	}
	events := m.Controller().events
	queued := func() int {
		events.mu.Lock()
		defer events.mu.Unlock()
		return len(events.list)
	}
	c.store.Disconnect(m.tree)
	tree.reset()
	ctx, giveUp := context.WithCancel(t.Context())
	answers := make(chan error, 11)
	ask := func(e Event) { answers <- m.Do(ctx, e) }
	go ask(&CreateTopics{TimeoutMs: PatienceMs, Topics: []NewTopic{{Name: "begun", Partitions: 1, ReplicationFactor: 1}}})
	await.Until(t, "the controller waits for the tree", func() bool { _, transactions := tree.counts(); return transactions > 0 })
	for range 10 {
		go ask(&DeleteTopics{TimeoutMs: PatienceMs, Topics: []TopicRef{{Name: "kept"}}})
	}
	await.Until(t, "ten deletions are queued", func() bool { return queued() == 10 })
	m.Tell(&BalanceDue{})
	giveUp()
	for range cap(answers) {
		if err := <-answers; !errors.Is(err, context.Canceled) {
			t.Errorf("answered with %v", err)
		}
	}
	if n := queued(); n != 1 {
		t.Errorf("%d events are queued, want the one that nobody ever waits for", n)
	}
	c.store.Reconnect(m.tree)
	if res := m.create(t, "begun", []int32{1}); !errors.Is(res.Err, order.ErrTopicExists) {
		t.Errorf("the topic whose creation had begun is made again: %v", res.Err)
	}
	if there, _, err := m.tree.Exists(t.Context(), znode.TopicPath("kept")); !there {
		t.Errorf("the topic was deleted: %v", err)
	}
}
