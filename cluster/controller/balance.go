package controller

// balance has the preferred replicas lead again where a broker leads too little of what it is preferred for
// (auto.leader.rebalance.enable). Partitions whose preferred replica cannot lead are left alone: trying would change nothing, again and
// again.
func (s *State) balance() {
	preferred := map[int32][]*partition{}
	for p := range s.all {
		if p.topic.deletion == nil {
			preferred[p.Replicas.Replicas[0]] = append(preferred[p.Replicas.Replicas[0]], p)
		}
	}
	for id, partitions := range preferred {
		var elsewhere []*partition
		for _, p := range partitions {
			if p.led() && p.State.Leader != id {
				elsewhere = append(elsewhere, p)
			}
		}
		if len(elsewhere)*100 <= s.rules.ImbalancePercent*len(partitions) {
			continue
		}
		for _, p := range elsewhere {
			if _, ok := electPreferred(p.Replicas.Replicas, p.State.ISR, s.online(p)); ok && p.election == nil {
				p.election = &election{}
				s.queue(p)
			}
		}
	}
}
