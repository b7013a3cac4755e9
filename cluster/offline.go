package cluster

import (
	"slices"
	"sync"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
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

// SetOffline says that the logs of partitions cannot be used any more, because their directory failed: clients
// are told that nobody leads them, and the controller that others have to, until the broker starts again.
func (b *Broker) SetOffline(partitions []protocol.TopicPartition) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var failed []protocol.TopicPartition
	for _, tp := range partitions {
		if !b.offline[tp] {
			b.offline[tp] = true
			failed = append(failed, tp)
		}
	}
	if len(failed) == 0 {
		return
	}
	b.showOfflineLocked(failed)
	go b.notifyOfDirFailure()
}

// notifyOfDirFailure writes the notification by which the controller learns that a log directory failed here (KafkaZkClient.propagateLogDirEvent).
// It tries until the notification is written, also in later sessions, or until Close. Written twice it does no harm.
func (b *Broker) notifyOfDirFailure() {
	for said := false; ; {
		_, err := b.tree().Create(b.quit, znode.LogDirEventPrefix, znode.EncodeLogDirEvent(b.o.BrokerID), meta.PersistentSequential)
		if err == nil || b.quit.Err() != nil {
			return
		}
		if !said {
			said = true
			b.o.Logger.Error("the controller is not told of the logs that failed; it is tried again", "error", err)
		}
		if b.wait(b.quit, openRetry) != nil {
			return
		}
	}
}

// tryAgainAfter is how long it takes until the controller is asked for orders again that failed for a reason that passes, as often as the
// controller on this broker at last gives them.
const tryAgainAfter = 10 * time.Second

// tryLogsAgain has the controller give its orders again after tryAgainAfter. A LeaderAndIsr answer has the same error for a log that could not be
// opened for want of room and for a directory that failed, so that the controller on another broker gives neither again by itself.
func (b *Broker) tryLogsAgain() {
	if b.retrying.CompareAndSwap(false, true) {
		go func() {
			err := b.wait(b.quit, tryAgainAfter)
			b.retrying.Store(false)
			if err == nil {
				b.notifyOfDirFailure()
			}
		}()
	}
}

// takeOffline shows a broker's replica as offline.
func takeOffline(p *order.PartitionMetadata, broker int32) {
	if !slices.Contains(p.Offline, broker) {
		p.Offline = append(p.Offline[:len(p.Offline):len(p.Offline)], broker)
	}
	if p.Leader == broker {
		p.Leader = NoLeader
	}
}
