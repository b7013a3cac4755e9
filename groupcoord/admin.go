package groupcoord

import (
	"cmp"
	"slices"
	"strings"
)

// GroupOverview is a group as ListGroups shows it.
type GroupOverview struct {
	Group        string
	ProtocolType string // empty for one that only keeps offsets
	State        State
}

// ListGroups lists the groups that are coordinated here and are in one of the states, whose names may be written in any case. No state
// stands for all of them. The error says that some are missing: they are being read (ErrLoading), or cannot be (ErrNotAvailable).
func (c *Coordinator) ListGroups(states []string) (list []GroupOverview, err error) {
	c.mu.RLock()
	closed := c.shards == nil
	for _, s := range c.shards {
		switch s.state.Load() {
		case loading:
			err = ErrLoading
		case unavailable:
			err = cmp.Or(err, ErrNotAvailable)
		}
	}
	c.mu.RUnlock()
	if closed {
		return nil, ErrNotAvailable
	}
	var lists [len(stateNames)]bool // made once, since a request may name many states and there may be many groups
	for state := range Dead {
		named := func(name string) bool { return strings.EqualFold(name, state.String()) }
		lists[state] = len(states) == 0 || slices.ContainsFunc(states, named)
	}
	for _, s := range c.active() {
		for _, e := range s.all() {
			e.mu.Lock()
			o := GroupOverview{Group: e.id, State: e.state}
			if e.kind != nil {
				o.ProtocolType = *e.kind
			}
			e.mu.Unlock()
			if lists[o.State] {
				list = append(list, o)
			}
		}
	}
	return list, err
}

// GroupDescription is a group and its members, as DescribeGroups shows them.
type GroupDescription struct {
	State        State
	ProtocolType string
	Protocol     string // of a stable group; empty for others
	Members      []MemberDescription
}

// MemberDescription is a member. Its metadata and assignment are given while the group is stable.
type MemberDescription struct {
	MemberID   string
	InstanceID *string
	ClientID   string
	ClientHost string
	Metadata   []byte
	Assignment []byte
}

// DescribeGroup describes a group. One that does not exist is Dead. The error says that the group's records are not served here, or not yet.
func (c *Coordinator) DescribeGroup(group string) (d GroupDescription, err error) {
	s, err := c.shardOf(group)
	if err != nil {
		return d, err
	}
	unread := c.unread()
	e := s.find(group, false)
	switch {
	case e == nil && unread:
		return d, ErrLoading
	case e == nil:
		return GroupDescription{State: Dead}, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.describe(), nil
}

func (g *group) describe() GroupDescription {
	d := GroupDescription{State: g.state, Members: make([]MemberDescription, len(g.members))}
	if g.kind != nil {
		d.ProtocolType = *g.kind
	}
	stable := g.state == Stable && g.protocol != nil
	if stable {
		d.Protocol = *g.protocol
	}
	for i, m := range g.members {
		d.Members[i] = MemberDescription{MemberID: m.id, InstanceID: m.instanceID, ClientID: m.clientID, ClientHost: m.clientHost}
		if stable {
			d.Members[i].Metadata, d.Members[i].Assignment = m.metadata(*g.protocol), m.assignment
		}
	}
	return d
}
