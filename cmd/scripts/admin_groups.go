package scripts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
)

// listedGroup is a consumer group in a list. State and kind are "" where the broker does not tell.
type listedGroup struct{ id, state, kind string }

// listGroups lists the consumer groups, all or those in the states and of the kinds.
func (a *admin) listGroups(ctx context.Context, states, kinds []string) ([]listedGroup, error) {
	if err := a.canFilter(ctx, len(states) > 0, len(kinds) > 0); err != nil {
		return nil, err
	}
	req := kmsg.NewPtrListGroupsRequest()
	req.StatesFilter, req.TypesFilter = states, kinds
	all := javalib.NewHashMap[string, listedGroup](javalib.StringHash)
	shards := a.client.RequestSharded(ctx, req)
	slices.SortFunc(shards, func(x, y shard) int { return cmp.Compare(x.Meta.NodeID, y.Meta.NodeID) })
	for _, s := range shards {
		if s.Err != nil {
			return nil, javalib.OfError(s.Err)
		}
		resp := s.Resp.(*kmsg.ListGroupsResponse)
		if e := javalib.FromCode(resp.ErrorCode, nil); e != nil {
			e.Message = fmt.Sprintf("Error listing groups on %s:%d (id: %d rack: %s): %s", s.Meta.Host, s.Meta.Port, s.Meta.NodeID, orNull(s.Meta.Rack), e.Message)
			return nil, e
		}
		for _, g := range resp.Groups {
			if g.ProtocolType == "consumer" || g.ProtocolType == "" {
				all.Put(g.Group, listedGroup{g.Group, g.GroupState, g.GroupType})
			}
		}
	}
	var listed []listedGroup
	for _, g := range all.All() {
		listed = append(listed, g)
	}
	return listed, nil
}

// canFilter says whether the brokers can leave out groups by their states and kinds. The client would ask an older
// broker for all of them.
func (a *admin) canFilter(ctx context.Context, states, kinds bool) error {
	if !states && !kinds {
		return nil
	}
	version, err := a.highest(ctx, kmsg.ListGroups)
	switch {
	case err != nil:
		return err
	case states && version < 4:
		return javalib.Kafka("UnsupportedVersionException", fmt.Sprintf("The broker only supports ListGroups v%d, but we need v4 or newer to request groups by states.", version))
	case kinds && version < 5:
		return javalib.Kafka("UnsupportedVersionException", fmt.Sprintf("The broker only supports ListGroups v%d, but we need v5 or newer to request groups by type.", version))
	}
	return nil
}

// group is what the Admin client tells of a consumer group.
type group struct {
	id, state, assignor string
	coordinator         node
	members             []member
	err                 *javalib.Exception
}

// member is a member of a consumer group.
type member struct {
	id, instance, client, host string
	assigned                   *tpMap[struct{}]
}

// describeGroups describes consumer groups, in the order of the Admin client.
func (a *admin) describeGroups(ctx context.Context, ids []string) (*javalib.HashMap[string, *group], error) {
	all := javalib.NewHashMapFor[string, *group](javalib.StringHash, len(ids))
	if len(ids) == 0 {
		return all, nil
	}
	for _, id := range ids {
		if !all.Has(id) {
			all.Put(id, nil)
		}
	}
	coordinators := a.kadm.FindGroupCoordinators(ctx, all.Keys()...)
	req := kmsg.NewPtrDescribeGroupsRequest()
	req.Groups = all.Keys()
	for _, s := range a.client.RequestSharded(ctx, req) {
		if s.Err != nil {
			for _, id := range s.Req.(*kmsg.DescribeGroupsRequest).Groups {
				all.Put(id, &group{id: id, err: javalib.OfError(s.Err)})
			}
			continue
		}
		for _, d := range s.Resp.(*kmsg.DescribeGroupsResponse).Groups {
			at := coordinators[d.Group]
			g := classicGroup(d)
			g.coordinator = node{at.NodeID, at.Host, at.Port, nil}
			all.Put(d.Group, g)
		}
	}
	return all, a.newGroups(ctx, all)
}

// classicGroup is a group as DescribeGroups tells of it.
func classicGroup(d kmsg.DescribeGroupsResponseGroup) *group {
	g := &group{id: d.Group, state: d.State, assignor: d.Protocol, err: javalib.FromCode(d.ErrorCode, d.ErrorMessage)}
	if d.ErrorCode == 69 { // newer brokers say so of a group that is not there
		g.state, g.err = "Dead", nil
	}
	if g.err == nil && d.ProtocolType != "consumer" && d.ProtocolType != "" {
		g.err = javalib.IllegalArgument(fmt.Sprintf("GroupId %s is not a consumer group (%s).", d.Group, d.ProtocolType))
	}
	for _, m := range d.Members {
		one := member{id: m.MemberID, client: m.ClientID, host: m.ClientHost, assigned: newTPMap[struct{}]()}
		if m.InstanceID != nil {
			one.instance = *m.InstanceID
		}
		var assignment kmsg.ConsumerMemberAssignment
		if g.err == nil && len(m.MemberAssignment) > 0 && assignment.ReadFrom(m.MemberAssignment) == nil {
			var parts []javalib.TopicPartition
			for _, t := range assignment.Topics {
				for _, p := range t.Partitions {
					parts = append(parts, javalib.TopicPartition{Topic: t.Topic, Partition: p})
				}
			}
			one.assigned = javalib.SetOf(javalib.TopicPartition.Hash, parts)
		}
		g.members = append(g.members, one)
	}
	return g
}

// newGroups asks again for the groups that DescribeGroups does not know: they may be of the newer protocol (KIP-848).
func (a *admin) newGroups(ctx context.Context, all *javalib.HashMap[string, *group]) error {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	for id, g := range all.All() {
		if g == nil {
			return javalib.Kafka("TimeoutException", "no broker describes the group "+id)
		}
		if g.err == nil && strings.EqualFold(g.state, "Dead") {
			req.Groups = append(req.Groups, id)
		}
	}
	if len(req.Groups) == 0 {
		return nil
	}
	if version, err := a.highest(ctx, kmsg.ConsumerGroupDescribe); err != nil || version < 0 {
		return err
	}
	for _, s := range a.client.RequestSharded(ctx, req) {
		if s.Err != nil {
			continue // the broker has none
		}
		for _, d := range s.Resp.(*kmsg.ConsumerGroupDescribeResponse).Groups {
			if d.ErrorCode != 0 {
				continue
			}
			g := &group{id: d.Group, state: d.State, assignor: d.AssignorName, coordinator: all.Get(d.Group).coordinator}
			for _, m := range d.Members {
				one := member{id: m.MemberID, client: m.ClientID, host: m.ClientHost}
				if m.InstanceID != nil {
					one.instance = *m.InstanceID
				}
				var parts []javalib.TopicPartition
				for _, t := range m.Assignment.TopicPartitions {
					for _, p := range t.Partitions {
						parts = append(parts, javalib.TopicPartition{Topic: t.Topic, Partition: p})
					}
				}
				one.assigned = javalib.SetOf(javalib.TopicPartition.Hash, parts)
				g.members = append(g.members, one)
			}
			all.Put(d.Group, g)
		}
	}
	return nil
}

// committed gives the offsets that a group has committed; nil stands for none of a partition.
func (a *admin) committed(ctx context.Context, id string) (*tpMap[*int64], error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	one := kmsg.NewOffsetFetchRequestGroup()
	one.Group = id
	req.Groups = append(req.Groups, one) // without topics: of all
	resp, err := req.RequestWith(ctx, a.client)
	if err != nil {
		return nil, javalib.OfError(err)
	}
	all := newTPMap[*int64]()
	put := func(topic string, number int32, offset int64, code int16) {
		switch at := (javalib.TopicPartition{Topic: topic, Partition: number}); {
		case code != 0: // the Admin client leaves it out too
		case offset < 0:
			all.Put(at, nil)
		default:
			all.Put(at, &offset)
		}
	}
	code := resp.ErrorCode
	for _, g := range resp.Groups {
		code = cmp.Or(code, g.ErrorCode)
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				put(t.Topic, p.Partition, p.Offset, p.ErrorCode)
			}
		}
	}
	if len(resp.Groups) == 0 {
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				put(t.Topic, p.Partition, p.Offset, p.ErrorCode)
			}
		}
	}
	if e := javalib.FromCode(code, nil); e != nil {
		return nil, e
	}
	return all, nil
}

// deleteGroups deletes groups, and gives the errors by group.
func (a *admin) deleteGroups(ctx context.Context, ids []string) map[string]error {
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = ids
	failed := map[string]error{}
	if len(ids) == 0 {
		return failed
	}
	for _, s := range a.client.RequestSharded(ctx, req) {
		if s.Err != nil {
			for _, id := range s.Req.(*kmsg.DeleteGroupsRequest).Groups {
				failed[id] = javalib.OfError(s.Err)
			}
			continue
		}
		for _, g := range s.Resp.(*kmsg.DeleteGroupsResponse).Groups {
			if e := javalib.FromCode(g.ErrorCode, nil); e != nil {
				failed[g.Group] = e
			}
		}
	}
	return failed
}

// deleteOffsets deletes a group's offsets. It gives the error of the whole, which is that of the first partition where only
// partitions failed, and the errors of partitions.
func (a *admin) deleteOffsets(ctx context.Context, id string, parts []javalib.TopicPartition) (*javalib.Exception, map[javalib.TopicPartition]error) {
	each := map[javalib.TopicPartition]error{}
	req := kmsg.NewPtrOffsetDeleteRequest()
	req.Group = id
	for topic, numbers := range byTopic(parts) {
		t := kmsg.NewOffsetDeleteRequestTopic()
		t.Topic = topic
		for _, n := range numbers {
			p := kmsg.NewOffsetDeleteRequestTopicPartition()
			p.Partition = n
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	resp, err := req.RequestWith(ctx, a.client)
	top := javalib.OfError(err)
	if err == nil {
		top = javalib.FromCode(resp.ErrorCode, nil)
	}
	if top != nil {
		for _, p := range parts {
			each[p] = top
		}
		return top, each
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if e := javalib.FromCode(p.ErrorCode, nil); e != nil {
				each[javalib.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = e
				top = e
			}
		}
	}
	return top, each
}

// nameOf is the name of an error of the protocol.
func nameOf(code int16) string {
	if e := kerr.TypedErrorForCode(code); e != nil {
		return e.Message
	}
	return kerr.UnknownServerError.Message
}
