package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

func groupCommand(p Process) *cobra.Command {
	return Parent("group", "List and describe consumer groups, move their offsets, and delete them",
		groupListCommand(p), groupDescribeCommand(p), groupResetCommand(p), groupDeleteCommand(p), groupDeleteOffsetsCommand(p))
}

// groupNames are the groups of the cluster.
func groupNames(ctx context.Context, s *session) ([]string, error) {
	all, err := s.Admin.ListGroups(ctx)
	return all.Groups(), err
}

// groupEntry is a group in the list.
type groupEntry struct {
	Group       string `json:"group"`
	State       string `json:"state"`
	Type        string `json:"type,omitempty"` // classic or consumer (KIP-848), where the broker says it
	Protocol    string `json:"protocolType"`
	Coordinator int32  `json:"coordinator"`
}

func groupListCommand(p Process) *cobra.Command {
	var a ask
	var states []string
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the consumer groups of a cluster",
		Example: "  klamm group list\n  klamm group list --state Empty",
		Args:    arguments("", 0, 0),
	}
	cmd.Flags().StringSliceVar(&states, "state", nil, "list groups in these `states` alone, separated by commas: Stable, Empty, PreparingRebalance, CompletingRebalance, Dead")
	a.add(cmd, p, func(ctx context.Context, s *session, _ []string) error {
		all, err := s.Admin.ListGroups(ctx, states...)
		if err != nil {
			return fmt.Errorf("asking for the groups: %w", err)
		}
		entries := []groupEntry{}
		t := table{head: []string{"GROUP", "STATE", "PROTOCOL", "COORDINATOR"}}
		for _, g := range all.Sorted() {
			e := groupEntry{g.Group, g.State, g.GroupType, g.ProtocolType, g.Coordinator}
			entries = append(entries, e)
			t.row(e.Group, dash(e.State), dash(e.Protocol), e.Coordinator)
		}
		return s.show(entries, t.write)
	})
	return cmd
}

// groupState is a group with its members.
type groupState struct {
	Group       string        `json:"group"`
	State       string        `json:"state"`
	Protocol    string        `json:"protocol"`
	Coordinator int32         `json:"coordinator"`
	Members     []groupMember `json:"members"`
}

// groupMember is a member of a group.
type groupMember struct {
	ID         string              `json:"id"`
	Instance   string              `json:"instanceId,omitempty"`
	Client     string              `json:"clientId"`
	Host       string              `json:"host"`
	Subscribed []string            `json:"topics"`
	Assigned   []assignedPartition `json:"assigned"`
}

type assignedPartition struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
}

// dead is the state of a group that does not exist.
const dead = "Dead"

// group asks for a group. One that does not exist is in the state dead.
func (s *session) group(ctx context.Context, name string) (groupState, error) {
	g := groupState{Group: name, State: dead, Members: []groupMember{}}
	described, err := s.Admin.DescribeGroups(ctx, name)
	if err != nil {
		return g, fmt.Errorf("asking for group %s: %w", name, err)
	}
	d := described[name]
	if d.Err != nil && !errors.Is(d.Err, kerr.GroupIDNotFound) {
		return g, refused("asking for group "+name, d.Err, d.ErrMessage)
	}
	if d.Err != nil || d.State == dead || d.State == "" {
		return s.newGroup(ctx, g)
	}
	g.State, g.Protocol, g.Coordinator = d.State, d.Protocol, d.Coordinator.NodeID
	for _, m := range d.Members {
		member := groupMember{ID: m.MemberID, Instance: text(m.InstanceID), Client: m.ClientID, Host: m.ClientHost, Subscribed: []string{}, Assigned: []assignedPartition{}}
		if join, ok := m.Join.AsConsumer(); ok {
			member.Subscribed = append(member.Subscribed, join.Topics...)
		}
		if has, ok := m.Assigned.AsConsumer(); ok {
			for _, t := range has.Topics {
				for _, p := range t.Partitions {
					member.Assigned = append(member.Assigned, assignedPartition{t.Topic, p})
				}
			}
		}
		g.Members = append(g.Members, member)
	}
	return g, nil
}

// newGroup asks for a group of the protocol of KIP-848, which brokers describe apart from the others.
func (s *session) newGroup(ctx context.Context, g groupState) (groupState, error) {
	described, err := s.Admin.DescribeConsumerGroups(ctx, g.Group)
	d, ok := described[g.Group]
	if err != nil || !ok || d.Err != nil {
		return g, nil // a broker without the protocol, or no such group
	}
	g.State, g.Protocol, g.Coordinator = d.State, d.AssignorName, d.Coordinator.NodeID
	for _, m := range d.Members {
		member := groupMember{ID: m.MemberID, Instance: text(m.InstanceID), Client: m.ClientID, Host: m.ClientHost, Subscribed: append([]string{}, m.SubscribedTopics...), Assigned: []assignedPartition{}}
		for _, t := range m.Assignment.Sorted() {
			for _, p := range t.Partitions {
				member.Assigned = append(member.Assigned, assignedPartition{t.Topic, p})
			}
		}
		g.Members = append(g.Members, member)
	}
	return g, nil
}

// exists gives an error for a group that does not exist.
func (g groupState) exists() error {
	if g.State == dead {
		return fmt.Errorf("there is no group %s; klamm group list has their names", g.Group)
	}
	return nil
}

// idle refuses to work on a group while it has members that read some topics, or any where none are named.
func (g groupState) idle(what string, topics ...string) error {
	var who []string
	for _, m := range g.Members {
		reads := func(topic string) bool {
			return slices.Contains(m.Subscribed, topic) || slices.ContainsFunc(m.Assigned, func(p assignedPartition) bool { return p.Topic == topic })
		}
		if len(topics) == 0 || slices.ContainsFunc(topics, reads) {
			who = append(who, fmt.Sprintf("%s at %s", m.Client, m.Host))
		}
	}
	if len(who) == 0 {
		return nil
	}
	shown := who[:min(3, len(who))]
	more := ""
	if len(shown) < len(who) {
		more = ", ..."
	}
	of := ""
	if len(topics) > 0 {
		of = " that read " + strings.Join(topics, ", ")
	}
	return fmt.Errorf("group %s has %s%s (%s%s): stop them, then %s; the group has no members any more when they have left, or after their session timeout",
		g.Group, count(len(who), "member"), of, strings.Join(shown, ", "), more, what)
}

// committed gives the offsets of a group.
func (s *session) committed(ctx context.Context, group string) (map[tp]int64, error) {
	answers, err := s.Admin.FetchOffsets(ctx, group)
	if err != nil {
		return nil, fmt.Errorf("asking for the offsets of group %s: %w", group, err)
	}
	found := map[tp]int64{}
	var errs []error
	answers.Each(func(o kadm.OffsetResponse) {
		at := tp{o.Topic, o.Partition}
		if o.Err != nil {
			errs = append(errs, refused(fmt.Sprintf("asking for the offset of group %s in %s", group, at), o.Err, ""))
		} else if o.At >= 0 {
			found[at] = o.At
		}
	})
	return found, errors.Join(errs...)
}

// existing gives the partitions of topics that have a leader. A topic that was deleted has none.
func (s *session) existing(ctx context.Context, of map[tp]int64) ([]tp, error) {
	names := map[string]bool{}
	for at := range of {
		names[at.topic] = true
	}
	if len(names) == 0 {
		return nil, nil
	}
	meta, err := s.Admin.Metadata(ctx, slices.Sorted(maps.Keys(names))...)
	if err != nil {
		return nil, fmt.Errorf("asking for the metadata: %w", err)
	}
	return slices.DeleteFunc(ledPartitions(meta.Topics), func(at tp) bool { _, ok := of[at]; return !ok }), nil
}
