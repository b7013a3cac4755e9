package controller

import (
	"slices"

	"klamm/cluster/znode"
)

// election is what somebody asked for: a leader for one partition by a strategy.
type election struct {
	unclean bool // else the preferred replica
	// result is where the answer goes, nil if nobody waits for it.
	result *ElectionResult
}

// firstOf gives the first of an assignment that is one of a list and satisfies a condition.
func firstOf(assignment, list []int32, fit func(int32) bool) (int32, bool) {
	for _, id := range assignment {
		if slices.Contains(list, id) && fit(id) {
			return id, true
		}
	}
	return 0, false
}

// kept are those of an ISR that satisfy a condition, in the order of the ISR.
func kept(isr []int32, fit func(int32) bool) []int32 {
	list := make([]int32, 0, len(isr))
	for _, id := range isr {
		if fit(id) {
			list = append(list, id)
		}
	}
	return list
}

// electOffline is the election for a partition whose leader is gone (OfflinePartitionLeaderElectionStrategy): the first replica that is
// online and in sync, and the ISR without those that are offline.
func electOffline(assignment, isr []int32, online func(int32) bool) (leader int32, newISR []int32, ok bool) {
	leader, ok = firstOf(assignment, isr, online)
	return leader, kept(isr, online), ok
}

// electUnclean takes the first replica that is online, in sync or not. Records that it lacks are lost.
func electUnclean(assignment []int32, online func(int32) bool) (leader int32, newISR []int32, ok bool) {
	leader, ok = firstOf(assignment, assignment, online)
	return leader, []int32{leader}, ok
}

// electReassigned is the election at the end of a reassignment (ReassignPartitionLeaderElectionStrategy): the first of the
// target's replicas that is online and in sync.
func electReassigned(target, isr []int32, online func(int32) bool) (leader int32, ok bool) {
	return firstOf(target, isr, online)
}

// electPreferred takes the first replica of the assignment, if it is online and in sync (PreferredReplicaPartitionLeaderElectionStrategy).
func electPreferred(assignment, isr []int32, online func(int32) bool) (leader int32, ok bool) {
	if len(assignment) == 0 {
		return 0, false
	}
	return firstOf(assignment[:1], isr, online)
}

// electForShutdown is the election for a partition whose leader is about to stop (ControlledShutdownPartitionLeaderElectionStrategy): the
// first replica that is online and in sync. The brokers that are shutting down leave the ISR.
func electForShutdown(assignment, isr []int32, online func(int32) bool) (leader int32, ok bool) {
	return firstOf(assignment, isr, online)
}

// isOnline says whether a replica of a partition can lead and be in sync: its broker lives and is not shutting down, its log
// directory works, and the assignment has it.
func (s *State) isOnline(p *partition, id int32) bool {
	r := p.replica(id)
	return r != nil && r.isUsable() && s.isLive(id) && slices.Contains(p.effective(), id)
}

// online gives isOnline for one partition.
func (s *State) online(p *partition) func(int32) bool {
	return func(id int32) bool { return s.isOnline(p, id) }
}

// serves says whether a replica may go on to lead although a better one should: its broker is shutting down, or the
// replica leaves the assignment.
func (s *State) serves(p *partition, id int32) bool {
	r := p.replica(id)
	b := s.brokers[id]
	return r != nil && r.isUsable() && b != nil && !b.suspect
}

// successor is a partition's state with another leader or ISR, in the next leader epoch.
func (s *State) successor(p *partition, leader int32, isr []int32) znode.PartitionState {
	return znode.PartitionState{
		ControllerEpoch: s.Epoch, Leader: leader, LeaderEpoch: p.State.LeaderEpoch + 1, ISR: isr, Recovering: p.State.Recovering,
	}
}
