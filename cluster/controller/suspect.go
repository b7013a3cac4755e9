package controller

// Suspected says that a broker's process seems to be dead although it is registered still: its ports refuse connections. With Dead
// false it says that the process accepts connections again, in the same registration. A suspect that registers other addresses is none any
// more: it was the old ones that refused.
//
// What follows is what a preferred election and the shrinking of an ISR would do: another replica in sync leads, in the next leader
// epoch, and the suspect leaves the ISR, where that leaves somebody in it. It is safe also if the broker lives and only this one
// cannot reach it. What it has acknowledged with acks=all is on every replica of the ISR, so also on the new leader. It cannot
// acknowledge more: that needs every member of its ISR, these fetch from the new leader, and its own request for a smaller ISR is refused
// for its leader epoch. Being wrong costs a change of leaders. So nothing is done where the suspect alone is in sync: its
// partitions wait for it, or for the end of its session, and no replica is elected that is not in sync.
//
// A suspect gets all orders, as soon as it can be reached: if it lives it learns who leads now, whatever becomes of the suspicion. The others
// do not see it among the live brokers.
type Suspected struct {
	Broker int32
	// Epoch is that of the registration; another one has nothing to do with it.
	Epoch int64
	Dead  bool
}

func (*Suspected) event() {}

// suspected takes in that a broker seems dead, or is not after all.
func (s *State) suspected(d *Decision, e *Suspected) {
	if b := s.brokers[e.Broker]; b != nil && b.epoch == e.Epoch {
		s.suspect(d, b, e.Dead)
	}
}

// suspect has a broker suspected to be dead, or not any more.
func (s *State) suspect(d *Decision, b *broker, dead bool) {
	if b.suspect == dead {
		return
	}
	b.suspect = dead
	d.orders.toAll = true
	if !dead {
		d.orders.greeted = append(d.orders.greeted, b.id) // so that all know of it before they are told to follow it
	}
	for p := range s.all {
		r := p.replica(b.id)
		if r == nil {
			continue
		}
		if !dead && r.isUsable() {
			r.untold = true // it is the same process and has lost nothing, so that its replicas stay as they are
		}
		d.show(p)
		s.queue(p)
	}
}

// awaitsSuspect says whether a partition is led by a suspect, and nobody else is in sync.
func (s *State) awaitsSuspect(p *partition) bool {
	return s.isSuspect(p, p.State.Leader) && len(kept(p.State.ISR, s.online(p))) == 0
}

// isSuspect says whether a replica would be online if its broker were not suspected.
func (s *State) isSuspect(p *partition, id int32) bool {
	b, r := s.brokers[id], p.replica(id)
	return b != nil && b.suspect && r != nil && r.isUsable()
}
