package broker_test

import (
	"context"
	"maps"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/broker/brokertest"
	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/internal/await"
	"klamm/protocol"
)

// outOfSync runs two brokers with a topic whose partition only a broker that does not run was in sync for. The one that runs, and
// is returned, has fewer records. Each setting is name=value.
func outOfSync(t *testing.T, settings ...string) (c *brokertest.Cluster, runs *brokertest.Broker) {
	t.Helper()
	c = brokertest.RunCluster(t, 2, append(settings, "auto.leader.rebalance.enable=false")...)
	c.Topic("orders", 1, 2)
	inSync(t, c, "orders", 2)
	leader := int(c.Controller().Cluster().Metadata().Topic("orders").Partitions.At(0).Leader) - 1
	follower := 1 - leader
	c.Stop(follower)
	inSync(t, c, "orders", 1)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(context.Background(), &kgo.Record{Topic: "orders", Value: []byte("lost")}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	c.Stop(leader)
	c.Start(follower)
	c.Settled()
	return c, c.Brokers[follower]
}

// leads waits until a broker leads the partition that outOfSync made.
func leads(t *testing.T, b *brokertest.Broker) {
	t.Helper()
	await.Until(t, "the partition has a leader that is not in sync", func() bool {
		p := b.Cluster().Metadata().Partition(protocol.TopicPartition{Topic: "orders"})
		return p != nil && p.Leader == b.Cluster().ID()
	})
}

// TestUncleanElectionIsASetting: the controller did not know unclean.leader.election.enable of its broker.
func TestUncleanElectionIsASetting(t *testing.T) {
	_, runs := outOfSync(t, "unclean.leader.election.enable=true")
	leads(t, runs)
}

// TestUncleanElectionComesWithTheSetting: a partition without a leader stayed so when unclean elections became allowed.
func TestUncleanElectionComesWithTheSetting(t *testing.T) {
	set := func(value string) func(map[string]string) (map[string]string, error) {
		return func(current map[string]string) (map[string]string, error) {
			current = maps.Clone(current)
			if current == nil {
				current = map[string]string{}
			}
			current["unclean.leader.election.enable"] = value
			return current, nil
		}
	}
	byTool := func(kind, name string) func(*testing.T, *brokertest.Cluster, *brokertest.Broker) {
		return func(t *testing.T, c *brokertest.Cluster, _ *brokertest.Broker) {
			tool, err := c.Store.Open(t.Context(), meta.Watcher{})
			if err != nil {
				t.Fatal(err)
			}
			defer tool.Close()
			path := znode.ConfigPath(kind, name)
			there, _, err := tool.Exists(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			body := znode.EncodeConfig(map[string]string{"unclean.leader.election.enable": " TRUE"})
			write := meta.CreateOp(path, body, meta.Persistent)
			if there {
				write = meta.SetOp(path, body, meta.AnyVersion)
			}
			notification := meta.CreateOp(znode.ConfigChangePrefix, znode.EncodeConfigChange(kind, name), meta.PersistentSequential)
			if _, err := tool.Multi(t.Context(), write, notification); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, change := range map[string]func(*testing.T, *brokertest.Cluster, *brokertest.Broker){
		"topic": func(t *testing.T, _ *brokertest.Cluster, b *brokertest.Broker) {
			if err := b.Cluster().AlterTopicConfig(t.Context(), "orders", set("true"), false); err != nil {
				t.Fatal(err)
			}
		},
		"broker": func(t *testing.T, _ *brokertest.Cluster, b *brokertest.Broker) {
			if err := b.Cluster().AlterBrokerConfig(t.Context(), true, set("true"), false); err != nil {
				t.Fatal(err)
			}
		},
		"default": func(t *testing.T, _ *brokertest.Cluster, b *brokertest.Broker) {
			if err := b.Cluster().AlterBrokerConfig(t.Context(), false, set("true"), false); err != nil {
				t.Fatal(err)
			}
		},
		"topic by a tool":   byTool(znode.EntityTopics, "orders"),
		"default by a tool": byTool(znode.EntityBrokers, znode.DefaultEntity),
		"topic by a tool while the connection is lost": func(t *testing.T, c *brokertest.Cluster, b *brokertest.Broker) {
			tree := b.Session()
			c.Store.Disconnect(tree)
			byTool(znode.EntityTopics, "orders")(t, c, b)
			tool, err := c.Store.Open(t.Context(), meta.Watcher{})
			if err != nil {
				t.Fatal(err)
			}
			defer tool.Close()
			names, _, err := tool.Children(t.Context(), znode.ConfigChanges)
			if err != nil || len(names) != 1 {
				t.Fatalf("%d notifications (%v)", len(names), err)
			}
			if err := tool.Delete(t.Context(), znode.ConfigChanges+"/"+names[0], meta.AnyVersion); err != nil { // as after 15 minutes
				t.Fatal(err)
			}
			c.Store.Reconnect(tree)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, runs := outOfSync(t)
			if p := runs.Cluster().Metadata().Partition(protocol.TopicPartition{Topic: "orders"}); p == nil || p.Leader >= 0 {
				t.Fatalf("the partition should have no leader yet: %+v", p)
			}
			change(t, c, runs)
			leads(t, runs)
		})
	}
}

// TestTopicsThatMayNotBeDeletedStay: with delete.topic.enable=false the controller deleted topics whose deletion a tool had asked for in
// the tree.
func TestTopicsThatMayNotBeDeletedStay(t *testing.T) {
	c := brokertest.RunCluster(t, 1, "delete.topic.enable=false")
	c.Topic("orders", 1, 1)
	tool, err := c.Store.Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	defer tool.Close()
	mark := znode.DeleteTopics + "/orders"
	if _, err := tool.Create(t.Context(), mark, nil, meta.Persistent); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "the mark is gone", func() bool {
		there, _, err := tool.Exists(t.Context(), mark)
		return err == nil && !there
	})
	if there, _, err := tool.Exists(t.Context(), znode.TopicPath("orders")); err != nil || !there {
		t.Errorf("the topic is there: %t (%v)", there, err)
	}
}
