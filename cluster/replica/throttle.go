package replica

import (
	"slices"
)

// ThrottledReplicas are the partitions of a topic whose replica on this broker is throttled. Nil are none.
type ThrottledReplicas struct {
	All        bool
	Partitions []int32 // sorted; without meaning if All is set
}

func (t *ThrottledReplicas) has(partition int32) bool {
	if t == nil || t.All {
		return t != nil
	}
	_, found := slices.BinarySearch(t.Partitions, partition)
	return found
}

// ThrottlesLeader says whether this broker's records of the partition count against leader.replication.throttled.rate.
func (p *Partition) ThrottlesLeader() bool {
	return p.config.Load().LeaderThrottled.has(p.tp.Partition)
}

// throttlesFollower says whether what this broker copies of the partition counts against follower.replication.throttled.rate.
func (p *Partition) throttlesFollower() bool {
	return p.config.Load().FollowerThrottled.has(p.tp.Partition)
}

// HoldsBack says whether this leader leaves the partition's records out of its answer to a follower (ReplicaManager.shouldLeaderThrottle). One
// that is in sync, or about to be, always gets them: the high watermark waits for it.
func (p *Partition) HoldsBack(follower int32) bool {
	m := p.manager
	return p.ThrottlesLeader() && m.o.LeaderRate != nil && !slices.Contains(p.state.Load().MaximalISR, follower) && m.o.LeaderRate.Exceeded(m.NowMs())
}

// Sent counts bytes of throttled partitions that this broker sends to followers, in sync or not.
func (m *Manager) Sent(bytes int64) {
	if m.o.LeaderRate != nil {
		m.o.LeaderRate.Record(m.NowMs(), bytes)
	}
}
