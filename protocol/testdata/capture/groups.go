package main

import (
	"fmt"
	"log"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fillGroup gives r something to ask about groups in version v.
func (c *capture) fillGroup(r kmsg.Request, v int16) {
	switch r := r.(type) {
	case *kmsg.FindCoordinatorRequest:
		r.CoordinatorKey, r.CoordinatorKeys = group, []string{group, ""}
	case *kmsg.JoinGroupRequest:
		// The member of version 4 on is static, but in version 4 itself: that one is
		// told to come again with an id.
		*r = *c.join(fmt.Sprint("joined-", v), v)
	case *kmsg.SyncGroupRequest:
		m := c.member(fmt.Sprint("synced-", v))
		r.Group, r.MemberID, r.Generation, r.InstanceID = m.group, m.id, m.generation, m.instanceIn(v, 3)
		r.ProtocolType, r.Protocol = kmsg.StringPtr("consumer"), kmsg.StringPtr("range")
		a := kmsg.NewSyncGroupRequestGroupAssignment()
		a.MemberID, a.MemberAssignment = m.id, []byte("assigned")
		r.GroupAssignment = append(r.GroupAssignment, a)
	case *kmsg.HeartbeatRequest:
		m := c.member(fmt.Sprint("beating-", v))
		r.Group, r.MemberID, r.Generation, r.InstanceID = m.group, m.id, m.generation, m.instanceIn(v, 3)
	case *kmsg.LeaveGroupRequest:
		m := c.member(fmt.Sprint("left-", v))
		r.Group, r.MemberID = m.group, m.id
		for _, id := range []string{m.id, "nobody"} {
			l := kmsg.NewLeaveGroupRequestMember()
			l.MemberID, l.Reason = id, kmsg.StringPtr("done")
			r.Members = append(r.Members, l)
		}
	case *kmsg.DescribeGroupsRequest:
		m := c.member(fmt.Sprint("described-", v))
		r.Groups, r.IncludeAuthorizedOperations = []string{m.group, "none"}, true
	case *kmsg.ListGroupsRequest:
		c.member("described-0")
		r.StatesFilter = []string{"CompletingRebalance"}
		r.TypesFilter = []string{"classic"}
	case *kmsg.DeleteGroupsRequest:
		m := c.member("described-0")
		c.commit(fmt.Sprint("deleted-", v))
		r.Groups = []string{fmt.Sprint("deleted-", v), m.group, "none"}
	default:
		c.fillOffsets(r, v)
	}
}

func (c *capture) fillOffsets(r kmsg.Request, v int16) {
	switch r := r.(type) {
	case *kmsg.OffsetCommitRequest:
		*r = *c.committing(fmt.Sprint("committed-", v), v)
	case *kmsg.OffsetFetchRequest:
		name := fmt.Sprint("committed-", v) // OffsetCommit comes first, in the same versions
		r.Group = name
		t := kmsg.NewOffsetFetchRequestTopic()
		t.Topic, t.Partitions = topic, []int32{0, 1, 9}
		r.Topics = append(r.Topics, t)
		of := kmsg.NewOffsetFetchRequestGroup()
		of.Group, of.MemberEpoch = name, -1
		ofTopic := kmsg.NewOffsetFetchRequestGroupTopic()
		ofTopic.Topic, ofTopic.TopicID, ofTopic.Partitions = topic, c.id, t.Partitions
		of.Topics = append(of.Topics, ofTopic)
		all := kmsg.NewOffsetFetchRequestGroup()
		all.Group, all.MemberEpoch = name, -1
		r.Groups = append(r.Groups, of, all)
	case *kmsg.OffsetDeleteRequest:
		c.commit("forgetting")
		r.Group = "forgetting"
		t := kmsg.NewOffsetDeleteRequestTopic()
		t.Topic = topic
		for _, i := range []int32{0, 9} {
			p := kmsg.NewOffsetDeleteRequestTopicPartition()
			p.Partition = i
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	default:
		c.fillRefused(r)
	}
}

func (c *capture) join(name string, v int16) *kmsg.JoinGroupRequest {
	r := kmsg.NewPtrJoinGroupRequest()
	r.Version = v
	r.Group, r.SessionTimeoutMillis, r.RebalanceTimeoutMillis, r.ProtocolType = name, 30_000, 30_000, "consumer"
	if v >= 5 {
		r.InstanceID = kmsg.StringPtr("static")
	}
	r.Reason = kmsg.StringPtr("golden")
	// The reference takes the length of other metadata from its bytes, and memory for it.
	subscription := kmsg.NewConsumerMemberMetadata()
	subscription.Topics = []string{topic}
	for _, protocol := range []string{"range", "sticky"} {
		p := kmsg.NewJoinGroupRequestProtocol()
		p.Name, p.Metadata = protocol, subscription.AppendTo(nil)
		r.Protocols = append(r.Protocols, p)
	}
	return r
}

type member struct {
	group, id  string
	generation int32
}

// instanceIn is the member's instance, for a version that has the field.
func (m member) instanceIn(v, from int16) *string {
	if v < from {
		return nil
	}
	return kmsg.StringPtr("static")
}

// member is the first one of a group, which waits for its assignment.
func (c *capture) member(name string) member {
	joined := c.ask(c.join(name, 5)).(*kmsg.JoinGroupResponse)
	if joined.ErrorCode != 0 {
		log.Fatalf("joining %s: error %d", name, joined.ErrorCode)
	}
	return member{group: name, id: joined.MemberID, generation: joined.Generation}
}

// committing commits an offset with metadata, one with neither and one of a
// partition that does not exist, as a consumer outside of any group.
func (c *capture) committing(name string, v int16) *kmsg.OffsetCommitRequest {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version = v
	r.Group, r.Generation, r.RetentionTimeMillis = name, -1, -1
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID = topic, c.id
	for i, partition := range []int32{0, 1, 9} {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset, p.Timestamp, p.LeaderEpoch = partition, int64(100+i), -1, int32(i-1)
		if i == 0 {
			p.Metadata = kmsg.StringPtr("golden metadata")
		}
		t.Partitions = append(t.Partitions, p)
	}
	r.Topics = append(r.Topics, t)
	return r
}

func (c *capture) commit(name string) {
	for _, p := range c.ask(c.committing(name, 7)).(*kmsg.OffsetCommitResponse).Topics[0].Partitions {
		if p.Partition == 0 && p.ErrorCode != 0 {
			log.Fatalf("committing of %s: error %d", name, p.ErrorCode)
		}
	}
}
