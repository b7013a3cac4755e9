package sim

import (
	"context"
	"slices"
	"testing"
	"time"

	"klamm/cluster"
)

// TestTopicDeletedWhileABrokerHangs deletes a topic of which a broker has no replica while that broker hangs, and its session ends. Nobody told it of
// that afterwards: it knew the topic for good.
func TestTopicDeletedWhileABrokerHangs(t *testing.T) {
	simulate(t, 3, 18*time.Second, func(t *testing.T, w *world) {
		w.begin()
		w.create("kept", 3)
		controller := w.controller()
		on := controller.life.broker.Cluster()
		if res := on.CreateTopics(context.Background(), []cluster.NewTopic{{Name: "gone", Partitions: 1, ReplicationFactor: 1}}, false); res[0].Err != nil {
			w.wrong("create gone: %v", res[0].Err)
		}
		w.await("all replicas in sync", time.Minute, func() bool { return w.forest.unwell() == "" })
		s, _ := w.forest.state("gone", 0)
		n := w.nodes[slices.IndexFunc(w.nodes, func(n *node) bool { return n != controller && n.id != s.Leader })]
		hang := func(hangs bool) {
			for _, other := range w.nodes {
				w.net.change(way{other.name, n.name}, func(p *passage) { p.block(hangs) })
			}
		}
		w.await("the broker to know the topic", time.Minute, func() bool { return n.life.broker.Cluster().Metadata().Topic("gone") != nil })
		w.forest.separate(n.name)
		hang(true)
		w.forest.expire(n.name)
		w.await("two brokers", time.Minute, func() bool { return len(on.Metadata().Brokers) == 2 })
		if res := on.DeleteTopics(context.Background(), []cluster.TopicRef{{Name: "gone"}}); res[0].Err != nil {
			w.wrong("delete gone: %v", res[0].Err)
		}
		w.forest.join(n.name)
		hang(false)
		w.await("the topic to be forgotten", time.Minute, func() bool {
			known := n.life.broker.Cluster().Metadata()
			return len(known.Brokers) == 3 && known.Topic("gone") == nil && known.Topic("kept") != nil
		})
	})
}

// TestTopicDeletedByAControllerThatNobodyHears has a controller delete a topic that it alone has, while it is cut off from the others, and lose its
// office. The next controller did not know of the topic, and so the others knew it for good.
func TestTopicDeletedByAControllerThatNobodyHears(t *testing.T) {
	simulate(t, 3, 18*time.Second, func(t *testing.T, w *world) {
		w.begin()
		w.create("kept", 3)
		controller := w.controller()
		on := controller.life.broker.Cluster()
		alone := cluster.NewTopic{Name: "gone", Partitions: -1, ReplicationFactor: -1, Assignment: []cluster.Assignment{{Partition: 0, Replicas: []int32{controller.id}}}}
		if res := on.CreateTopics(context.Background(), []cluster.NewTopic{alone}, false); res[0].Err != nil {
			w.wrong("create gone: %v", res[0].Err)
		}
		knows := func(n *node, topic string) bool { return n.life.broker.Cluster().Metadata().Topic(topic) != nil }
		all := func(holds func(*node) bool) bool {
			return !slices.ContainsFunc(w.nodes, func(n *node) bool { return !holds(n) })
		}
		w.await("all to know the topic", time.Minute, func() bool { return all(func(n *node) bool { return knows(n, "gone") }) })
		var others []string
		block := func(blocked bool) {
			for _, other := range w.nodes {
				others = append(others, other.name)
				w.net.change(way{controller.name, other.name}, func(p *passage) { p.block(blocked) })
			}
		}
		block(true)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = on.DeleteTopics(ctx, []cluster.TopicRef{{Name: "gone"}}) // the others do not answer
		cancel()
		w.await("the topic's node to go", time.Minute, func() bool { _, there := w.forest.state("gone", 0); return !there })
		w.forest.separate(controller.name)
		w.forest.expire(controller.name)
		w.net.cut(controller.name, others...)
		block(false)
		w.await("the others to forget the topic", time.Minute, func() bool {
			return all(func(n *node) bool { return n == controller || !knows(n, "gone") && knows(n, "kept") })
		})
		w.forest.join(controller.name)
		w.await("all replicas in sync", time.Minute, func() bool { return w.forest.unwell() == "" })
	})
}
