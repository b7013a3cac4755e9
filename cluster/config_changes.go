package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"

	"klamm/cluster/controller"
	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// configWatch follows /config/changes, where whoever changes a configuration says which (ZkNodeChangeNotificationListener). One
// goroutine reads; notice, which the session's queue calls, only wakes it.
type configWatch struct {
	broker *Broker
	wake   chan struct{} // has an element when there is something to look at
	quit   context.Context
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex
	again bool // guarded by mu; changes may have been missed: read everything

	last string // the last notification that was looked at; belongs to the goroutine
}

func newConfigWatch(b *Broker) *configWatch {
	w := &configWatch{broker: b, wake: make(chan struct{}, 1)}
	w.quit, w.stop = context.WithCancel(context.Background())
	return w
}

// begin sets the watch and reads every configuration. What is changed from then on is noticed.
func (w *configWatch) begin(ctx context.Context) error {
	if err := w.readAll(ctx); err != nil {
		return err
	}
	w.done.Go(w.run)
	return nil
}

// notice says that there are new notifications; with all, that some may have been missed and be gone.
func (w *configWatch) notice(all bool) {
	w.mu.Lock()
	w.again = w.again || all
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close ends the goroutine.
func (w *configWatch) close() {
	w.stop()
	w.done.Wait()
}

func (w *configWatch) run() {
	for {
		select {
		case <-w.wake:
		case <-w.quit.Done():
			return
		}
		w.mu.Lock()
		all := w.again
		w.again = false
		w.mu.Unlock()
		var err error
		if all {
			if err = w.readAll(w.quit); err == nil {
				w.broker.applyConfigs()
			}
		} else {
			err = w.readNew(w.quit)
		}
		// After the end of a session began calls notice again.
		if err != nil && w.quit.Err() == nil && !errors.Is(err, meta.ErrSessionExpired) {
			w.broker.o.Logger.Error("changes of the configuration cannot be read", "znode", znode.ConfigChanges, "error", err)
			w.broker.o.After(openRetry, func() { w.notice(true) })
		}
	}
}

// readAll sets the watch first and reads every configuration then, so that no change falls in between.
func (w *configWatch) readAll(ctx context.Context) error {
	names, err := w.list(ctx)
	if err != nil {
		return err
	}
	b := w.broker
	b.configs.change.Lock()
	defer b.configs.change.Unlock()
	if err := b.configs.load(ctx, b.tree(), b.o.BrokerID, b.o.Logger); err != nil {
		return err
	}
	if len(names) > 0 {
		w.last = names[len(names)-1]
	}
	return nil
}

// list gives the names of the notifications, in the order of their making, and watches for more.
func (w *configWatch) list(ctx context.Context) ([]string, error) {
	names, _, err := w.broker.tree().ChildrenW(ctx, znode.ConfigChanges)
	slices.Sort(names)
	return names, err
}

// readNew applies the configurations that new notifications name.
func (w *configWatch) readNew(ctx context.Context) error {
	names, err := w.list(ctx)
	if err != nil {
		return err
	}
	first, _ := slices.BinarySearch(names, w.last)
	if first < len(names) && names[first] == w.last {
		first++
	}
	names = names[first:]
	if len(names) == 0 {
		return nil
	}
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = znode.ConfigChanges + "/" + name
	}
	nodes, err := w.broker.tree().GetAll(ctx, paths)
	if err != nil {
		return err
	}
	type entity struct{ kind, name string }
	seen := map[entity]bool{}
	for i, node := range nodes {
		if errors.Is(node.Err, meta.ErrNoNode) {
			continue // older than 15 minutes, and removed
		}
		if node.Err != nil {
			return node.Err
		}
		kind, name, err := znode.DecodeConfigChange(paths[i], node.Data)
		if err != nil {
			w.broker.o.Logger.Warn("a notification of a changed configuration is left out: it cannot be read", "error", err)
			continue
		}
		if e := (entity{kind, name}); !seen[e] {
			seen[e] = true
			if err := w.broker.refreshConfig(ctx, kind, name); err != nil {
				return err
			}
		}
	}
	w.last = names[len(names)-1]
	return nil
}

// refreshConfig reads the configuration of an entity again and applies it. Entities that only quotas are about are no concern of
// this broker. A configuration that cannot be read stays as it was.
func (b *Broker) refreshConfig(ctx context.Context, kind, name string) error {
	concerned := name == znode.DefaultEntity || name == strconv.Itoa(int(b.o.BrokerID))
	if kind != znode.EntityTopics && (kind != znode.EntityBrokers || !concerned) {
		return nil
	}
	b.configs.change.Lock()
	defer b.configs.change.Unlock()
	path := znode.ConfigPath(kind, name)
	nodes, err := b.tree().GetAll(ctx, []string{path})
	if err != nil {
		return err
	}
	config, err := readConfig(path, nodes[0])
	if err != nil {
		b.o.Logger.Error("a configuration stays as it was: its znode cannot be read", "error", err)
		return nil
	}
	own, defaults := b.BrokerConfig()
	was := b.TopicConfig(name)
	if kind == znode.EntityBrokers {
		if was = own; name == znode.DefaultEntity {
			was = defaults
		}
	}
	if maps.Equal(config, was) {
		return nil // as for a change that this broker made itself
	}
	if kind == znode.EntityTopics {
		b.setTopicConfig(name, config)
		b.topicConfigChanged(name)
		return nil
	}
	b.configs.mu.Lock()
	if name == znode.DefaultEntity {
		b.configs.defaults = config
	} else {
		b.configs.own = config
	}
	b.configs.mu.Unlock()
	b.brokerConfigChanged()
	return nil
}

// applyConfigs applies every configuration, after all were read again.
func (b *Broker) applyConfigs() {
	b.configs.change.Lock()
	b.brokerConfigChanged()
	b.configs.change.Unlock()
	b.o.Replicas.ConfigureAll(b.TopicConfig)
	b.tellController(&controller.UncleanElectionEnabled{}) // which topics changed is not known
}

// topicConfigChanged applies a topic's own properties. A topic that allows unclean elections may have partitions that wait for one
// (TopicConfigHandler).
func (b *Broker) topicConfigChanged(topic string) {
	b.o.Replicas.Configure(topic, b.TopicConfig)
	if controller.UncleanAllowed(b.TopicConfig(topic), nil) {
		b.tellController(&controller.UncleanElectionEnabled{Topic: topic})
	}
}

// brokerConfigChanged applies the dynamic properties of brokers. If the default became to allow unclean elections, partitions may
// have waited for that (DynamicLogConfig). The caller holds configs.change, so that what is older does not come after what is newer.
func (b *Broker) brokerConfigChanged() {
	unclean := func() bool { return b.o.Unclean != nil && b.o.Unclean() }
	was := unclean()
	if b.o.BrokerConfigChanged != nil {
		b.o.BrokerConfigChanged(b.BrokerConfig())
	}
	if !was && unclean() {
		b.tellController(&controller.UncleanElectionEnabled{})
	}
}

// tellController hands the controller an event, if this broker is it. It does not wait.
func (b *Broker) tellController(e controller.Event) {
	if elector := b.elector.Load(); elector != nil {
		elector.Tell(e)
	}
}
