package replica

import (
	"cmp"
	"slices"
	"strings"
)

// All gives this broker's partitions, by topic and number in order. It is for metrics, which look at all of them.
func (m *Manager) All() []*Partition {
	list := m.all()
	slices.SortFunc(list, func(a, b *Partition) int {
		return cmp.Or(strings.Compare(a.tp.Topic, b.tp.Topic), cmp.Compare(a.tp.Partition, b.tp.Partition))
	})
	return list
}

// MinISR is how many replicas have to be in sync for a produce with acks=all: min.insync.replicas, but no more than there are replicas.
func (p *Partition) MinISR() int { return p.state.Load().minISR(p.config.Load()) }

// Lag gives how many committed records this follower's log lacks, by what its leader told last (AbstractFetcherThread's FetcherLagMetrics). It is 0
// for a partition that this broker does not follow.
func (p *Partition) Lag() int64 {
	if p.state.Load().Role != Follower {
		return 0
	}
	return max(0, p.leaderHW.Load()-p.log.EndOffset())
}

// AppendedMs gives the time at which the log end was first past an offset, in ms since 1970, by the times at which this leader appended records. It
// gives false for an offset that was appended before this broker led, or started.
func (p *Partition) AppendedMs(offset int64) (ms int64, known bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.appends.At(offset)
}
