package replica

import (
	"cmp"
	"slices"
)

// PreferredReplica gives the replica from which a consumer should read at an offset, and not from this leader: the one of those that
// near picks that has caught up most. It gives -1 if the consumer should read here, and if this broker does not lead. near is asked about this broker
// too, and must not block.
func (p *Partition) PreferredReplica(offset int64, near func(broker int32) bool) int32 {
	if near(p.manager.o.BrokerID) {
		return -1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state.Load()
	if s.Role != Leader {
		return -1
	}
	return preferred(p.remotes, s.ISR, offset, near)
}

// preferred is the rule of PreferredReplica (ReplicaManager.findPreferredReadReplica, RackAwareReplicaSelector, KIP-392). A replica that is not in sync
// does not count: it may fall ever further behind, and its consumers with it. Neither does one that lacks the offset, which would send the
// consumer back here.
func preferred(remotes []remote, isr []int32, offset int64, near func(broker int32) bool) int32 {
	best := remote{id: -1}
	for i := range remotes {
		r := &remotes[i]
		if r.end < offset || r.start > offset || !slices.Contains(isr, r.id) || !near(r.id) {
			continue
		}
		if best.id < 0 || cmp.Or(cmp.Compare(r.end, best.end), cmp.Compare(r.lastCaughtUpMs(), best.lastCaughtUpMs()), cmp.Compare(r.id, best.id)) > 0 {
			best = *r
		}
	}
	return best.id
}
