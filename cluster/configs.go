package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
)

// changeExpiry is how long a notification of a changed configuration is kept for brokers that have not seen it.
const changeExpiry = 15 * time.Minute

// configs are the configurations of topics and brokers that stand in the tree.
type configs struct {
	// change is held while one is changed, so that this broker's changes come one after the other. It is taken before removal. Its
	// holder may wait for the tree: who must not wait that long takes it with a context.
	change turn
	// removal is held from when a topic's configuration is read until it is written changed, and while the nodes of deleted topics
	// are removed: what was read of a topic is not written to one of that name that was created since.
	removal turn

	// mu guards the maps; the maps in them are never changed.
	mu       sync.RWMutex
	topics   map[string]map[string]string
	own      map[string]string
	defaults map[string]string
}

func newConfigs() configs { return configs{change: newTurn(), removal: newTurn()} }

// turn is a lock that can be waited for until a context ends.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// Lock implements sync.Locker.
func (t turn) Lock() { t <- struct{}{} }

// Unlock implements sync.Locker.
func (t turn) Unlock() { <-t }

// lockWithin is Lock until ctx ends.
func (t turn) lockWithin(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// load reads all configurations. One whose znode cannot be read stays as it was.
func (c *configs) load(ctx context.Context, tree meta.Tree, brokerID int32, logger *slog.Logger) error {
	names, _, err := tree.Children(ctx, znode.ConfigTopics)
	if err != nil && !errors.Is(err, meta.ErrNoNode) {
		return err
	}
	paths := []string{
		znode.ConfigPath(znode.EntityBrokers, strconv.Itoa(int(brokerID))),
		znode.ConfigPath(znode.EntityBrokers, znode.DefaultEntity),
	}
	for _, name := range names {
		paths = append(paths, znode.ConfigPath(znode.EntityTopics, name))
	}
	nodes, err := tree.GetAll(ctx, paths)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	read := func(i int, before map[string]string) map[string]string {
		config, err := readConfig(paths[i], nodes[i])
		if err != nil {
			logger.Error("a configuration stays as it was: its znode cannot be read", "error", err)
			return before
		}
		return config
	}
	topics := make(map[string]map[string]string, len(names))
	for i, name := range names {
		topics[name] = read(i+2, c.topics[name])
	}
	c.own, c.defaults, c.topics = read(0, c.own), read(1, c.defaults), topics
	return nil
}

// has says whether the configuration of a topic was read.
func (c *configs) has(topic string) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, read := c.topics[topic]
	return read
}

func readConfig(path string, node meta.Node) (map[string]string, error) {
	if errors.Is(node.Err, meta.ErrNoNode) {
		return map[string]string{}, nil
	}
	if node.Err != nil {
		return nil, node.Err
	}
	return znode.DecodeConfig(path, node.Data)
}

// TopicConfig gives a topic's own properties: none if it has none, or does not exist. The map must not be changed.
func (b *Broker) TopicConfig(topic string) map[string]string {
	b.configs.mu.RLock()
	defer b.configs.mu.RUnlock()
	return b.configs.topics[topic]
}

// ReadTopicConfigs gives the own properties of topics as they are in the tree (ZkConfigRepository): nobody tells a broker without a
// replica of a topic what the topic was created with. Where the tree cannot be read, they are as this broker knows them.
func (b *Broker) ReadTopicConfigs(ctx context.Context, topics []string) map[string]map[string]string {
	configs := make(map[string]map[string]string, len(topics))
	paths := make([]string, len(topics))
	for i, topic := range topics {
		configs[topic] = b.TopicConfig(topic)
		paths[i] = znode.ConfigPath(znode.EntityTopics, topic)
	}
	if b.o.Dial == nil || len(topics) == 0 {
		return configs // this broker has made every change itself
	}
	ctx, cancel := b.within(ctx, configTimeout)
	defer cancel()
	nodes, err := b.tree().GetAll(ctx, paths)
	if err != nil {
		b.o.Logger.Warn("configurations of topics are described as this broker knows them: they cannot be read", "topics", len(topics), "error", err)
		return configs
	}
	for i, topic := range topics {
		if config, err := readConfig(paths[i], nodes[i]); err == nil {
			configs[topic] = config
		}
	}
	return configs
}

// BrokerConfig gives this broker's dynamic properties and the cluster's defaults. The maps must not be changed.
func (b *Broker) BrokerConfig() (own, defaults map[string]string) {
	b.configs.mu.RLock()
	defer b.configs.mu.RUnlock()
	return b.configs.own, b.configs.defaults
}

// Edit gives the properties that an entity shall have, from a copy of those that it has. It may change and return the copy. Its
// error goes to the caller as it is.
type Edit func(current map[string]string) (map[string]string, error)

// alterTimeout is how long a configuration may take to be changed. ZooKeeper elects another leader in less, and clients wait for 30 s.
const alterTimeout = 20 * time.Second

// AlterTopicConfig changes a topic's own properties and applies them. The refusals, in the order of 3.9: ErrUnknownTopic, what edit
// refuses, ErrInvalidConfig with the message of ValidateTopicConfig. With validateOnly nothing is changed. ErrTimedOut where the tree
// does not answer in time: then the change was made or not.
func (b *Broker) AlterTopicConfig(ctx context.Context, topic string, edit Edit, validateOnly bool) error {
	ctx, cancel := b.within(ctx, alterTimeout)
	defer cancel()
	if err := b.changeTopicConfig(ctx, topic, edit, validateOnly); err != nil || validateOnly {
		return alterError(ctx, err)
	}
	b.topicConfigChanged(topic)
	return nil
}

// changeTopicConfig is AlterTopicConfig up to what the partitions are told.
func (b *Broker) changeTopicConfig(ctx context.Context, topic string, edit Edit, validateOnly bool) error {
	if err := b.configs.change.lockWithin(ctx); err != nil {
		return err
	}
	defer b.configs.change.Unlock()
	if err := b.configs.removal.lockWithin(ctx); err != nil {
		return err
	}
	defer b.configs.removal.Unlock()
	unknown := &Error{Kind: ErrUnknownTopic, Message: fmt.Sprintf("The topic '%s' does not exist.", topic)}
	if b.Metadata().Topic(topic) == nil {
		return unknown
	}
	config, err := b.alter(ctx, znode.EntityTopics, topic, edit, b.o.ValidateTopicConfig, validateOnly,
		meta.CheckOp(znode.TopicPath(topic), meta.AnyVersion))
	if errors.Is(err, meta.ErrNoNode) {
		return unknown // deleted meanwhile
	}
	if err != nil || validateOnly {
		return err
	}
	changed := changedNames(b.TopicConfig(topic), config)
	b.setTopicConfig(topic, config)
	if b.Metadata().Topic(topic) == nil { // it is being deleted: see Remove
		b.setTopicConfig(topic, nil)
	}
	b.o.Logger.Info("topic configuration changed", "topic", topic, "properties", changed,
		"znode", znode.ConfigPath(znode.EntityTopics, topic))
	return nil
}

// maxChangedNames bounds the properties that a line of the log names.
const maxChangedNames = 10

// changedNames are the names of the properties that differ, in order, for the log: values may be megabytes.
func changedNames(before, after map[string]string) []string {
	var names []string
	for name, value := range after {
		if was, had := before[name]; !had || was != value {
			names = append(names, name)
		}
	}
	for name := range before {
		if _, has := after[name]; !has {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if more := len(names) - maxChangedNames; more > 0 {
		names = append(names[:maxChangedNames:maxChangedNames], fmt.Sprintf("and %d more", more))
	}
	return names
}

// AlterBrokerConfig changes the dynamic properties of this broker, or with perBroker false the defaults of all brokers, and applies
// them through BrokerConfigChanged. ErrTimedOut as from AlterTopicConfig.
func (b *Broker) AlterBrokerConfig(ctx context.Context, perBroker bool, edit Edit, validateOnly bool) error {
	ctx, cancel := b.within(ctx, alterTimeout)
	defer cancel()
	return alterError(ctx, b.changeBrokerConfig(ctx, perBroker, edit, validateOnly))
}

// alterError is the error of a change, which may have failed because its time was over.
func alterError(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errTimeOver) && (errors.Is(err, context.Canceled) || errors.Is(err, errTimeOver)) {
		return &Error{Kind: ErrTimedOut, Message: "The metadata tree did not answer in time."}
	}
	return err
}

// changeBrokerConfig is AlterBrokerConfig with as much time as ctx has.
func (b *Broker) changeBrokerConfig(ctx context.Context, perBroker bool, edit Edit, validateOnly bool) error {
	if err := b.configs.change.lockWithin(ctx); err != nil {
		return err
	}
	defer b.configs.change.Unlock()
	name := znode.DefaultEntity
	if perBroker {
		name = strconv.Itoa(int(b.o.BrokerID))
	}
	config, err := b.alter(ctx, znode.EntityBrokers, name, edit, nil, validateOnly)
	if err != nil || validateOnly {
		return err
	}
	b.configs.mu.Lock()
	if perBroker {
		b.configs.own = config
	} else {
		b.configs.defaults = config
	}
	b.configs.mu.Unlock()
	b.brokerConfigChanged()
	return nil
}

// alter reads, edits, checks and writes the configuration of an entity, with a notification for other brokers, in one
// transaction with the operations given. It begins anew if somebody else wrote meanwhile.
func (b *Broker) alter(ctx context.Context, entity, name string, edit Edit, validate func(map[string]string) error, validateOnly bool, also ...meta.Op) (map[string]string, error) {
	path := znode.ConfigPath(entity, name)
	for {
		nodes, err := b.tree().GetAll(ctx, []string{path})
		if err != nil {
			return nil, err
		}
		current, err := readConfig(path, nodes[0])
		if err != nil {
			return nil, err
		}
		config, err := edit(maps.Clone(current))
		if err != nil {
			return nil, err
		}
		if validate != nil {
			if err := validate(config); err != nil {
				return nil, &Error{Kind: ErrInvalidConfig, Message: err.Error()}
			}
		}
		if validateOnly {
			return config, nil
		}
		write := meta.SetOp(path, znode.EncodeConfig(config), nodes[0].Stat.Version)
		if nodes[0].Err != nil {
			write = meta.CreateOp(path, znode.EncodeConfig(config), meta.Persistent)
		}
		ops := append(also[:len(also):len(also)], write,
			meta.CreateOp(znode.ConfigChangePrefix, znode.EncodeConfigChange(entity, name), meta.PersistentSequential))
		ops = append(ops, b.expiredChanges(ctx)...)
		_, err = b.tree().Multi(ctx, ops...)
		if errors.Is(err, meta.ErrBadVersion) || errors.Is(err, meta.ErrNodeExists) {
			continue
		}
		if errors.Is(err, meta.ErrOutcomeUnknown) {
			var done bool
			if done, err = b.wrote(ctx, &write); err == nil && !done {
				continue
			}
		}
		return config, err
	}
}

// wrote looks whether a write of a configuration was done whose answer was lost.
func (b *Broker) wrote(ctx context.Context, write *meta.Op) (bool, error) {
	data, stat, err := b.tree().Get(ctx, write.Path)
	if errors.Is(err, meta.ErrNoNode) {
		return false, nil
	}
	version := int32(0)
	if write.Kind == meta.OpSet {
		version = write.Version + 1
	}
	return err == nil && stat.Version == version && bytes.Equal(data, write.Data), err
}

// expiredChanges gives the deletions of notifications that every broker has seen by now. A notification that cannot be read
// is left for the next time.
func (b *Broker) expiredChanges(ctx context.Context) []meta.Op {
	names, _, err := b.tree().Children(ctx, znode.ConfigChanges)
	if err != nil {
		return nil
	}
	before := b.o.Clock().Add(-changeExpiry).UnixMilli()
	var ops []meta.Op
	for _, name := range names {
		path := znode.ConfigChanges + "/" + name
		there, stat, err := b.tree().Exists(ctx, path)
		if err != nil || !there || stat.Ctime > before {
			break // they are in the order of their making
		}
		ops = append(ops, meta.DeleteOp(path, meta.AnyVersion))
	}
	return ops
}

// setTopicConfig notes a topic's own properties; nil forgets them.
func (b *Broker) setTopicConfig(topic string, config map[string]string) {
	b.configs.mu.Lock()
	defer b.configs.mu.Unlock()
	if config == nil {
		delete(b.configs.topics, topic)
		return
	}
	b.configs.topics[topic] = config
}
