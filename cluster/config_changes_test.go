package cluster

import (
	"testing"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/internal/await"
)

// other is a session of somebody else on a house's tree.
func (h *house) other() meta.Tree {
	h.t.Helper()
	conn := connect(h.t, h.store)
	h.t.Cleanup(func() { _ = conn.Close() })
	return conn.Tree()
}

// changeConfig changes a configuration as another broker or a tool does.
func changeConfig(t *testing.T, tree meta.Tree, kind, name, body string) {
	t.Helper()
	path := znode.ConfigPath(kind, name)
	there, _, err := tree.Exists(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	write := meta.CreateOp(path, []byte(body), meta.Persistent)
	if there {
		write = meta.SetOp(path, []byte(body), meta.AnyVersion)
	}
	_, err = tree.Multi(t.Context(), write, meta.CreateOp(znode.ConfigChangePrefix, znode.EncodeConfigChange(kind, name), meta.PersistentSequential))
	if err != nil {
		t.Fatal(err)
	}
}

// TestConfigurationThatAnotherBrokerChangedIsApplied: only the broker that was asked applied a change.
func TestConfigurationThatAnotherBrokerChangedIsApplied(t *testing.T) {
	brokers := make(chan string, 100)
	h := newHouse(t, func(o *Options) {
		o.BrokerConfigChanged = func(own, defaults map[string]string) {
			brokers <- own["log.cleaner.threads"] + "," + defaults["log.cleaner.threads"]
		}
	})
	h.create("orders", 1)
	tree := h.other()
	changeConfig(t, tree, znode.EntityTopics, "orders", `{"version":1,"config":{"retention.ms":"5"}}`)
	await.Until(t, "the topic is configured", func() bool {
		h.replicas.mu.Lock()
		defer h.replicas.mu.Unlock()
		return h.replicas.configured["orders"]["retention.ms"] == "5"
	})
	if got := h.broker.TopicConfig("orders")["retention.ms"]; got != "5" {
		t.Errorf("the topic's own property is %q", got)
	}
	// What cannot be read leaves the last good state, and the notifications after it are read.
	changeConfig(t, tree, znode.EntityTopics, "orders", `{"version":1,"config":`)
	if _, err := tree.Create(t.Context(), znode.ConfigChangePrefix, []byte("nonsense"), meta.PersistentSequential); err != nil {
		t.Fatal(err)
	}
	changeConfig(t, tree, znode.EntityBrokers, "1", `{"version":1,"config":{"log.cleaner.threads":"2"}}`)
	changeConfig(t, tree, znode.EntityBrokers, znode.DefaultEntity, `{"version":1,"config":{"log.cleaner.threads":"3"}}`)
	for got := ""; got != "2,3"; {
		select {
		case got = <-brokers:
		case <-time.After(await.Patience):
			t.Fatal("the broker's properties are not applied")
		}
	}
	if got := h.broker.TopicConfig("orders")["retention.ms"]; got != "5" {
		t.Errorf("after a body that cannot be read the topic's own property is %q", got)
	}
}
