package groupcoord

// heartbeat restarts the session timeout of a member. The error ErrRebalanceInProgress asks it to join again
// (GroupCoordinator.handleHeartbeat).
func (g *group) heartbeat(r *HeartbeatRequest, out *effects) error {
	if g.state == Dead {
		return ErrNotAvailable
	}
	m, err := g.current(r.MemberID, r.InstanceID)
	switch {
	case err != nil:
		return err
	case r.Generation != g.generation:
		return ErrIllegalGeneration
	}
	g.alive(m, out)
	if g.state == PreparingRebalance {
		return ErrRebalanceInProgress
	}
	return nil
}

// leaveGroup removes members, one after the other, and gives an error for each (GroupCoordinator.handleLeaveGroup), or one error about
// all of them.
func (g *group) leaveGroup(leavers []Leaver, out *effects) ([]error, error) {
	if g.state == Dead {
		return nil, ErrNotAvailable
	}
	errs := make([]error, len(leavers))
	for i, l := range leavers {
		errs[i] = g.leaveOne(l, out)
	}
	return errs, nil
}

func (g *group) leaveOne(l Leaver, out *effects) error {
	if _, ok := g.pending[l.MemberID]; ok {
		g.dropPending(l.MemberID, out)
		return nil
	}
	m, err := g.current(l.MemberID, l.InstanceID)
	if l.MemberID == "" {
		m, err = nil, ErrUnknownMember
		if l.InstanceID != nil && g.static[*l.InstanceID] != nil {
			m, err = g.static[*l.InstanceID], nil
		}
	}
	if err == nil {
		g.leave(m, reasonOf(memberLeft, l.Reason), out)
	}
	return err
}
