package cluster

import (
	"sync"

	"klamm/protocol"
)

// OfflineLogs is told of partitions whose log directory failed, and tells the Broker whose Options name it, also of what
// failed before that was started: directories are in use before there is a cluster. The zero value is ready. Its methods
// may be called from any goroutine.
type OfflineLogs struct {
	mu     sync.Mutex
	early  []protocol.TopicPartition // guarded by mu; what failed before there was a broker
	broker *Broker                   // guarded by mu
}

// Add says that the logs of partitions cannot be used any more: clients are told that nobody leads them, until the
// broker starts again.
func (o *OfflineLogs) Add(partitions []protocol.TopicPartition) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.broker == nil {
		o.early = append(o.early, partitions...)
		return
	}
	o.broker.SetOffline(partitions)
}

// attach has the broker told from now on.
func (o *OfflineLogs) attach(b *Broker) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.broker = b
	if len(o.early) > 0 {
		b.SetOffline(o.early)
		o.early = nil
	}
}
