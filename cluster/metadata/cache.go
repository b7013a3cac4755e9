package metadata

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"klamm/cluster/order"
)

// maxPartition bounds the number of a partition. A topic's znode has at most 1 MB, so that no topic has as many. The bound keeps a
// request with one huge number from taking memory for all numbers below it.
const maxPartition = 1 << 20

// Cache is a broker's knowledge of the cluster. Its methods may be called from any goroutine.
type Cache struct {
	snapshot atomic.Pointer[Snapshot]

	mu    sync.Mutex // held while the snapshot is replaced
	epoch int32      // guarded by mu; the epoch of the last controller that told something
}

// NewCache makes a cache that knows nothing but the cluster's id, "" if that is not known yet.
func NewCache(clusterID string) *Cache {
	c := &Cache{}
	c.snapshot.Store(&Snapshot{ClusterID: clusterID, ControllerID: -1, topics: new(topicTable)})
	return c
}

// SetClusterID sets the cluster's id, which UpdateMetadata does not carry.
func (c *Cache) SetClusterID(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := *c.snapshot.Load()
	next.ClusterID = id
	c.snapshot.Store(&next)
}

// Snapshot gives the cluster as it is known now. The call is cheap.
func (c *Cache) Snapshot() *Snapshot { return c.snapshot.Load() }

// Deleted has the partitions of one topic that a request deleted.
type Deleted struct {
	Topic      string
	Partitions []int32
}

// Apply takes a request in. It gives the partitions that are no more. The error is order.ErrStaleControllerEpoch for a request of an older
// controller, or an [*InvalidPartitionError]; then nothing has changed.
func (c *Cache) Apply(req *order.UpdateMetadataRequest) ([]Deleted, error) {
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			if n := t.Partitions[j].Partition; n < 0 || n >= maxPartition {
				return nil, &InvalidPartitionError{Topic: t.Name, Partition: n}
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if req.ControllerEpoch < c.epoch {
		return nil, order.ErrStaleControllerEpoch
	}
	c.epoch = req.ControllerEpoch
	old := c.snapshot.Load()
	next := &Snapshot{ClusterID: old.ClusterID, ControllerID: max(req.ControllerID, -1), Brokers: brokers(old, req.Brokers), topics: old.topics}
	var put []*Topic
	var remove []string
	var deleted []Deleted
	for i := range req.Topics {
		t, gone := old.topic(&req.Topics[i])
		if t.Partitions.known > 0 {
			put = append(put, t)
		} else {
			remove = append(remove, t.Name)
		}
		if len(gone) > 0 {
			deleted = append(deleted, Deleted{t.Name, gone})
		}
	}
	if len(put)+len(remove) > 0 {
		next.topics = old.topics.with(put, remove)
	}
	c.snapshot.Store(next)
	return deleted, nil
}

// topic gives a topic after a request, and the partitions of it that the request deleted.
func (s *Snapshot) topic(changed *order.TopicMetadata) (t *Topic, deleted []int32) {
	t = &Topic{Name: changed.Name, ID: changed.ID}
	var before Partitions
	if old := s.Topic(changed.Name); old != nil {
		before = old.Partitions
		if t.ID.IsZero() {
			t.ID = old.ID // a request without ids, of a controller before 2.8
		} else if !old.ID.IsZero() && old.ID != t.ID {
			// The topic was deleted and made again, and this broker missed the deletion.
			for p := range before.All() {
				deleted = append(deleted, p.Index)
			}
			before = Partitions{}
		}
	}
	var gone []int32
	t.Partitions, gone = before.with(changed.Partitions)
	return t, append(deleted, gone...)
}

// brokers gives the live brokers of a request, in the order of their ids. A broker that the wire tells without an epoch keeps the
// epoch that was known.
func brokers(old *Snapshot, live []order.LiveBroker) []BrokerInfo {
	next := make([]BrokerInfo, len(live))
	for i, b := range live {
		next[i] = BrokerInfo(b)
		if was := old.Broker(b.ID); b.Epoch < 0 && was != nil {
			next[i].Epoch = was.Epoch
		}
	}
	slices.SortFunc(next, func(a, b BrokerInfo) int { return cmp.Compare(a.ID, b.ID) })
	return next
}

// InvalidPartitionError is a partition's number that cannot be.
type InvalidPartitionError struct {
	Topic     string
	Partition int32
}

// Error names the partition.
func (e *InvalidPartitionError) Error() string {
	return fmt.Sprintf("UpdateMetadata has partition %d of topic %s: the number has to be from 0 to %d", e.Partition, e.Topic, maxPartition-1)
}
