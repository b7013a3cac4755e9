package groupcoord

import (
	"slices"
	"strings"
)

// GroupOverview is a group in a list.
type GroupOverview struct {
	Group        string
	ProtocolType string // empty for one that only keeps offsets
	State        State
}

// ListGroups lists the groups that are coordinated here and in one of these states, by name without regard to case; in
// any for none. The error says that some are missing, being read: ErrLoading.
func (c *Coordinator) ListGroups(states []string) (list []GroupOverview, err error) {
	c.mu.RLock()
	closed := c.shards == nil
	for _, s := range c.shards {
		if s.state.Load() == loading {
			err = ErrLoading
		}
	}
	c.mu.RUnlock()
	if closed {
		return nil, ErrNotAvailable
	}
	var lists [len(stateNames)]bool // found out once: many states may be named, and many groups there
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

// GroupDescription is a group and who is in it.
type GroupDescription struct {
	State        State
	ProtocolType string
	Protocol     string // of a stable group; empty for others
	Members      []MemberDescription
}

// MemberDescription is a member. What it said and what it has to do are known of a stable group's.
type MemberDescription struct {
	MemberID   string
	InstanceID *string
	ClientID   string
	ClientHost string
	Metadata   []byte
	Assignment []byte
}

// DescribeGroup describes a group; Dead where there is none. The error says that it is not known here.
func (c *Coordinator) DescribeGroup(group string) (d GroupDescription, err error) {
	s, err := c.shardOf(group)
	if err != nil {
		return d, err
	}
	e := s.find(group, false)
	if e == nil {
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
