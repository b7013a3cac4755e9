package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// raceTree is a tree on which something happens just before the first write.
type raceTree struct {
	meta.Tree
	happens func()
	once    sync.Once
}

func (r *raceTree) Create(ctx context.Context, path string, data []byte, mode meta.Mode) (string, error) {
	r.once.Do(r.happens)
	return r.Tree.Create(ctx, path, data, mode)
}

func (r *raceTree) Set(ctx context.Context, path string, data []byte, version int32) (meta.Stat, error) {
	r.once.Do(r.happens)
	return r.Tree.Set(ctx, path, data, version)
}

func (r *raceTree) Multi(ctx context.Context, ops ...meta.Op) ([]meta.Result, error) {
	r.once.Do(r.happens)
	return r.Tree.Multi(ctx, ops...)
}

// race has something happen just before the next write of the broker's session.
func (b *sessionBroker) race(happens func()) {
	b.conn.mu.Lock()
	defer b.conn.mu.Unlock()
	b.conn.tree = &raceTree{Tree: b.conn.tree, happens: happens}
}

// create makes a node as somebody else does.
func (b *sessionBroker) create(path, data string) {
	b.t.Helper()
	if _, err := b.other.Create(b.t.Context(), path, []byte(data), meta.Persistent); err != nil {
		b.t.Error(err)
	}
}

// data gives a node's data.
func (b *sessionBroker) data(path string) string {
	b.t.Helper()
	data, _, err := b.other.Get(b.t.Context(), path)
	if err != nil {
		b.t.Error(err)
	}
	return string(data)
}

const (
	othersConfig = `{"version":1,"config":{"retention.ms":"5"}}`
	noConfig     = `{"version":1,"config":{}}`
)

var wanted = NewTopic{Name: "new", Partitions: 1, ReplicationFactor: 1}

// TestTopicInPassingKeepsTheConfigurationOfAnother: a broker that was asked for a topic by a client overwrote the configuration of
// the topic that another had just created.
func TestTopicInPassingKeepsTheConfigurationOfAnother(t *testing.T) {
	b := newSessionBroker(t, nil)
	b.broker.elector.Load().Close() // the controller must not act on the topic
	b.race(func() {
		b.create(znode.ConfigPath(znode.EntityTopics, "new"), othersConfig)
		b.create(znode.TopicPath("new"), `{"partitions":{"0":[1]},"version":3}`)
	})
	if res := b.broker.writeTopic(t.Context(), &wanted); !errors.Is(res.Err, ErrTopicExists) {
		t.Errorf("the topic was created: %+v", res)
	}
	if got := b.data(znode.ConfigPath(znode.EntityTopics, "new")); got != othersConfig {
		t.Errorf("its configuration is %s", got)
	}
}

// TestConfigurationWithoutATopicIsReplaced: it is left over from an earlier topic, or another broker is about to create the topic.
func TestConfigurationWithoutATopicIsReplaced(t *testing.T) {
	for name, before := range map[string]bool{"before": true, "meanwhile": false} {
		t.Run(name, func(t *testing.T) {
			b := newSessionBroker(t, nil)
			b.broker.elector.Load().Close()
			path := znode.ConfigPath(znode.EntityTopics, "new")
			if before {
				b.create(path, othersConfig)
			} else {
				b.race(func() { b.create(path, othersConfig) })
			}
			if res := b.broker.writeTopic(t.Context(), &wanted); res.Err != nil {
				t.Error(res.Err)
			}
			if got := b.data(path); got != noConfig {
				t.Errorf("the configuration is %s", got)
			}
			b.data(znode.TopicPath("new"))
		})
	}
}

// TestTopicInPassingWhoseAnswerIsLost: the client was told of an error though the topic was created.
func TestTopicInPassingWhoseAnswerIsLost(t *testing.T) {
	for _, applied := range []bool{true, false} {
		t.Run(fmt.Sprintf("applied=%t", applied), func(t *testing.T) {
			b := newSessionBroker(t, nil)
			b.broker.elector.Load().Close()
			b.store.LoseAnswer(func(op meta.Op) bool { return op.Kind == meta.OpCreate && op.Path == znode.TopicPath("new") }, applied)
			res := b.broker.writeTopic(t.Context(), &wanted)
			if res.Err != nil {
				t.Fatal(res.Err)
			}
			body, err := znode.DecodeTopic("new", []byte(b.data(znode.TopicPath("new"))))
			if err != nil || body.ID != res.ID {
				t.Errorf("the topic has the id %v (%v), should have %v", body.ID, err, res.ID)
			}
			if got := b.data(znode.ConfigPath(znode.EntityTopics, "new")); got != noConfig {
				t.Errorf("the configuration is %s", got)
			}
		})
	}
}

// TestTopicThatIsBeingDeletedIsNotMadeInPassing: whoever deletes it would remove the configuration of the new one.
func TestTopicThatIsBeingDeletedIsNotMadeInPassing(t *testing.T) {
	b := newSessionBroker(t, nil)
	b.broker.elector.Load().Close()
	b.create(znode.DeleteTopicPath("new"), "")
	if res := b.broker.writeTopic(t.Context(), &wanted); !errors.Is(res.Err, ErrTopicExists) {
		t.Errorf("the topic was created: %+v", res)
	}
	if there, _, err := b.other.Exists(t.Context(), znode.TopicPath("new")); there || err != nil {
		t.Errorf("there is a node (%v)", err)
	}
}
