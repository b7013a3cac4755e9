package cluster

import (
	"slices"
	"time"

	"klamm/cluster/order"
	"klamm/cluster/znode"
)

// admitLocked checks from whom an order comes (ReplicaManager, KafkaApis.isBrokerEpochStale). An order of an older controller, or
// for an earlier registration of this broker, changes nothing. One for a later registration is taken: the controller may learn of
// that before this broker does (KAFKA-9839). The first order of a controller, or for a registration, has this broker look for topics of whose
// deletion nobody told it.
func (b *Broker) admitLocked(h *order.Header) error {
	if b.quit.Err() != nil {
		return order.ErrBrokerNotAvailable // its logs are about to be closed
	}
	if h.BrokerEpoch >= 0 && h.BrokerEpoch < b.epoch.Load() {
		return order.ErrStaleBrokerEpoch
	}
	if h.ControllerEpoch < b.controllerEpoch.Load() {
		return order.ErrStaleControllerEpoch
	}
	if h.ControllerEpoch != b.controllerEpoch.Load() || h.BrokerEpoch > b.toldAs {
		b.toldAs = max(b.toldAs, h.BrokerEpoch)
		b.lookForDeleted()
	}
	b.controllerEpoch.Store(h.ControllerEpoch)
	return nil
}

// LeaderAndISR carries out a LeaderAndIsr request of the controller.
func (b *Broker) LeaderAndISR(req *order.LeaderAndISRRequest) order.Answer {
	b.orders.Lock()
	defer b.orders.Unlock()
	if err := b.admitLocked(&req.Header); err != nil {
		return order.Answer{Err: err}
	}
	b.readNewConfigs(req)
	answer := b.o.Replicas.LeaderAndISR(req, b.TopicConfig)
	b.doubt.ordered(req.BrokerEpoch)
	if req.ControllerID != b.o.BrokerID && slices.ContainsFunc(answer.Partitions, order.IsTransient) {
		b.tryLogsAgain()
	}
	return answer
}

// configTimeout is how long the tree may take to answer what an order, a description or the watch of the controller reads.
const configTimeout = 5 * time.Second

// readNewConfigs reads the configurations of topics that are new here: nobody notifies of them (LogManager.fetchLogConfig). Where
// the tree cannot be read, the topics begin with the broker's defaults, and get their own properties when it can be.
func (b *Broker) readNewConfigs(req *order.LeaderAndISRRequest) {
	var topics []string
	seen := map[string]bool{}
	for i := range req.Partitions {
		p := &req.Partitions[i]
		if !seen[p.Topic] && (p.IsNew || !b.configs.has(p.Topic)) {
			topics = append(topics, p.Topic)
		}
		seen[p.Topic] = true
	}
	if len(topics) == 0 {
		return
	}
	if err := b.readTopicConfigs(topics); err != nil {
		b.o.Logger.Error("topics begin with the broker's defaults: their configurations cannot be read", "topics", len(topics), "error", err)
		b.watch.notice(true)
	}
}

// readTopicConfigs reads the configurations of topics. It waits for configTimeout at most, also for others that change some.
func (b *Broker) readTopicConfigs(topics []string) error {
	ctx, cancel := b.within(b.quit, configTimeout)
	defer cancel()
	if err := b.configs.change.lockWithin(ctx); err != nil {
		return err
	}
	defer b.configs.change.Unlock()
	paths := make([]string, len(topics))
	for i, topic := range topics {
		paths[i] = znode.ConfigPath(znode.EntityTopics, topic)
	}
	nodes, err := b.tree().GetAll(ctx, paths)
	if err != nil {
		return err
	}
	for i, topic := range topics {
		config, err := readConfig(paths[i], nodes[i])
		if err != nil {
			b.o.Logger.Error("a topic has the broker's defaults: its configuration cannot be read", "topic", topic, "error", err)
			continue
		}
		b.setTopicConfig(topic, config)
	}
	return nil
}

// StopReplica carries out a StopReplica request of the controller.
func (b *Broker) StopReplica(req *order.StopReplicaRequest) order.Answer {
	b.orders.Lock()
	defer b.orders.Unlock()
	if err := b.admitLocked(&req.Header); err != nil {
		return order.Answer{Err: err}
	}
	return b.o.Replicas.StopReplica(req)
}

// UpdateMetadata takes an UpdateMetadata request of the controller in. The error is order.ErrStaleControllerEpoch,
// order.ErrStaleBrokerEpoch or a *metadata.InvalidPartitionError; then nothing has changed.
func (b *Broker) UpdateMetadata(req *order.UpdateMetadataRequest) error {
	deleted, err := b.update(req)
	if err != nil {
		return err
	}
	if len(deleted) > 0 && b.o.PartitionsDeleted != nil {
		b.o.PartitionsDeleted(deleted)
	}
	return nil
}

// update is UpdateMetadata but for what may have to write.
func (b *Broker) update(req *order.UpdateMetadataRequest) ([]DeletedPartitions, error) {
	b.orders.Lock()
	defer b.orders.Unlock()
	before, epoch := b.Metadata(), b.controllerEpoch.Load()
	if err := b.admitLocked(&req.Header); err != nil {
		return nil, err
	}
	return b.takeInLocked(req, before, epoch)
}

// takeInLocked changes what this broker knows of the cluster, and tells whom that concerns here. It takes what was known before, and the epoch of
// the controller that ordered something last.
func (b *Broker) takeInLocked(req *order.UpdateMetadataRequest, before *Metadata, epoch int32) ([]DeletedPartitions, error) {
	b.mu.Lock()
	// Held until the snapshot is there: a directory that fails meanwhile is shown in it afterwards.
	deleted, err := b.metadata.Apply(b.withOfflineLocked(req))
	b.forgetOfflineLocked(deleted)
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	known := b.Metadata()
	b.known.heard(known)
	for _, d := range deleted {
		if known.Topic(d.Topic) == nil {
			b.setTopicConfig(d.Topic, nil)
		}
	}
	sameBrokers := slices.EqualFunc(known.Brokers, before.Brokers, BrokerInfo.Equal)
	if !sameBrokers {
		b.o.Replicas.BrokersChanged()
	}
	if !sameBrokers || known.ControllerID != before.ControllerID || req.ControllerEpoch != epoch {
		b.channel.Changed()
	}
	b.suspects.metadataChanged(known, b.controllerEpoch.Load())
	return deleted, nil
}
