package cluster

import (
	"context"
	"errors"
	"fmt"
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
	// change is held while one is changed, so that this broker's changes come one after the other. It is taken before removal.
	change sync.Mutex
	// removal is held from when a topic's configuration is read until it is written changed, and while the nodes of deleted topics
	// are removed: what was read of a topic is not written to one of that name that was created since.
	removal sync.Mutex

	// mu guards the maps; the maps in them are never changed.
	mu       sync.RWMutex
	topics   map[string]map[string]string
	own      map[string]string
	defaults map[string]string
}

func (c *configs) load(tree meta.Tree, brokerID int32) error {
	topics, err := ReadTopicConfigs(tree)
	if err != nil {
		return err
	}
	own, defaults, err := ReadBrokerConfigs(tree, brokerID)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.topics, c.own, c.defaults = topics, own, defaults
	return nil
}

func (c *configs) brokers(int32) (own, defaults map[string]string) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.own, c.defaults
}

// ReadTopicConfigs reads the own properties of all topics that have any. It may be called before Start; the maps are the caller's.
func ReadTopicConfigs(tree meta.Tree) (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	names, _, err := tree.Children(znode.ConfigTopics)
	if errors.Is(err, meta.ErrNoNode) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = znode.ConfigPath(znode.EntityTopics, name)
	}
	nodes, err := tree.GetAll(paths)
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		config, err := readConfig(paths[i], nodes[i])
		if err != nil {
			return nil, err
		}
		if len(config) > 0 {
			all[name] = config
		}
	}
	return all, nil
}

// ReadBrokerConfigs reads the dynamic properties of a broker and the cluster's defaults for all brokers. It may be called before Start.
func ReadBrokerConfigs(tree meta.Tree, brokerID int32) (own, defaults map[string]string, err error) {
	paths := []string{
		znode.ConfigPath(znode.EntityBrokers, strconv.Itoa(int(brokerID))),
		znode.ConfigPath(znode.EntityBrokers, znode.DefaultEntity),
	}
	nodes, err := tree.GetAll(paths)
	if err != nil {
		return nil, nil, err
	}
	if own, err = readConfig(paths[0], nodes[0]); err != nil {
		return nil, nil, err
	}
	defaults, err = readConfig(paths[1], nodes[1])
	return own, defaults, err
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

// BrokerConfig gives this broker's dynamic properties and the cluster's defaults. The maps must not be changed.
func (b *Broker) BrokerConfig() (own, defaults map[string]string) {
	return b.configs.brokers(b.o.BrokerID)
}

// Edit gives the properties that an entity shall have, from a copy of those that it has. It may change and return the copy. Its
// error goes to the caller as it is.
type Edit func(current map[string]string) (map[string]string, error)

// AlterTopicConfig changes a topic's own properties and applies them. The refusals, in the order of 3.9: ErrUnknownTopic, what edit
// refuses, ErrInvalidConfig with the message of ValidateTopicConfig. With validateOnly nothing is changed.
func (b *Broker) AlterTopicConfig(_ context.Context, topic string, edit Edit, validateOnly bool) error {
	if err := b.changeTopicConfig(topic, edit, validateOnly); err != nil || validateOnly {
		return err
	}
	b.o.Replicas.Configure(topic, b.TopicConfig)
	return nil
}

// changeTopicConfig is AlterTopicConfig up to what the partitions are told.
func (b *Broker) changeTopicConfig(topic string, edit Edit, validateOnly bool) error {
	b.configs.change.Lock()
	defer b.configs.change.Unlock()
	b.configs.removal.Lock()
	defer b.configs.removal.Unlock()
	unknown := &Error{Kind: ErrUnknownTopic, Message: fmt.Sprintf("The topic '%s' does not exist.", topic)}
	if b.Metadata().Topic(topic) == nil {
		return unknown
	}
	config, err := b.alter(znode.EntityTopics, topic, edit, b.o.ValidateTopicConfig, validateOnly,
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
		"path", znode.ConfigPath(znode.EntityTopics, topic))
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
// them through BrokerConfigChanged. ErrInvalidConfig with the message of ValidateBrokerConfig.
func (b *Broker) AlterBrokerConfig(_ context.Context, perBroker bool, edit Edit, validateOnly bool) error {
	b.configs.change.Lock()
	defer b.configs.change.Unlock()
	name := znode.DefaultEntity
	if perBroker {
		name = strconv.Itoa(int(b.o.BrokerID))
	}
	validate := func(config map[string]string) error {
		if b.o.ValidateBrokerConfig == nil {
			return nil
		}
		return b.o.ValidateBrokerConfig(config, perBroker)
	}
	config, err := b.alter(znode.EntityBrokers, name, edit, validate, validateOnly)
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
	if b.o.BrokerConfigChanged != nil {
		b.o.BrokerConfigChanged(b.BrokerConfig())
	}
	return nil
}

// alter reads, edits, checks and writes the configuration of an entity, with a notification for other brokers, in one
// transaction with the operations given. It begins anew if somebody else wrote meanwhile.
func (b *Broker) alter(entity, name string, edit Edit, validate func(map[string]string) error, validateOnly bool, also ...meta.Op) (map[string]string, error) {
	path := znode.ConfigPath(entity, name)
	for {
		nodes, err := b.o.Tree.GetAll([]string{path})
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
		ops = append(ops, b.expiredChanges()...)
		_, err = b.o.Tree.Multi(ops...)
		if errors.Is(err, meta.ErrBadVersion) || errors.Is(err, meta.ErrNodeExists) {
			continue
		}
		return config, err
	}
}

// expiredChanges gives the deletions of notifications that every broker has seen by now. A notification that cannot be read
// is left for the next time.
func (b *Broker) expiredChanges() []meta.Op {
	names, _, err := b.o.Tree.Children(znode.ConfigChanges)
	if err != nil {
		return nil
	}
	before := b.o.Clock().Add(-changeExpiry).UnixMilli()
	var ops []meta.Op
	for _, name := range names {
		path := znode.ConfigChanges + "/" + name
		there, stat, err := b.o.Tree.Exists(path)
		if err != nil || !there || stat.Ctime > before {
			break // they are in the order of their making
		}
		ops = append(ops, meta.DeleteOp(path, meta.AnyVersion))
	}
	return ops
}

func (b *Broker) setTopicConfig(topic string, config map[string]string) {
	b.configs.mu.Lock()
	defer b.configs.mu.Unlock()
	if len(config) == 0 {
		delete(b.configs.topics, topic)
		return
	}
	b.configs.topics[topic] = config
}
