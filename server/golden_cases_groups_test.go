package server_test

import (
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// groupCases are held with group.initial.rebalance.delay.ms=0.
func groupCases() []goldenCase {
	cases := append(coordinatorCases(), memberCases()...)
	cases = append(cases, refusedMemberCases()...)
	cases = append(cases, offsetCases()...)
	for i := range cases {
		cases[i].groups = true
	}
	return cases
}

func coordinatorCases() []goldenCase {
	find := func(kind int8, keys ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := kmsg.NewPtrFindCoordinatorRequest()
			req.CoordinatorType, req.CoordinatorKey, req.CoordinatorKeys = kind, keys[0], keys
			return req
		})
	}
	return []goldenCase{
		{name: "groups/find_coordinator", key: kmsg.FindCoordinator, setup: withOffsetsTopic, steps: []goldenStep{find(0, "g"), find(0, ""), find(0, "g", "h", "g")}},
		{name: "groups/find_coordinator_kind", key: kmsg.FindCoordinator, from: 1, setup: withOffsetsTopic, steps: []goldenStep{find(3, "g"), find(-1, "g", "h")}},
		{name: "groups/find_coordinator_share", key: kmsg.FindCoordinator, from: 1, to: 5, setup: withOffsetsTopic, steps: []goldenStep{find(2, "g")}},
		{name: "groups/find_coordinator_unserved", key: kmsg.FindCoordinator, from: 1, setup: withOffsetsTopic, klamm: "klamm coordinates no transactions and no share groups, and says so at once",
			steps: []goldenStep{find(1, "t"), find(2, "g:id:0")}},
	}
}

// withOffsetsTopic waits until __consumer_offsets is there and read.
func withOffsetsTopic(t *talk) {
	for {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.CoordinatorKey = "golden"
		list := t.do(kmsg.NewPtrListGroupsRequest()).(*kmsg.ListGroupsResponse)
		if t.doAt(find, 3).(*kmsg.FindCoordinatorResponse).ErrorCode == 0 && list.ErrorCode == 0 {
			break
		}
	}
	// The reference reads a partition that it comes to lead in its own time.
	for {
		if t.doAt(offsetFetch(t.n("g")), 7).(*kmsg.OffsetFetchResponse).ErrorCode == 0 {
			return
		}
	}
}

// joins gives a JoinGroup of the conversation's group, by the member that the last one gave an id to.
func joins(change func(t *talk, req *kmsg.JoinGroupRequest)) goldenStep {
	return step(func(t *talk) kmsg.Request {
		req := kmsg.NewPtrJoinGroupRequest()
		req.Group, req.SessionTimeoutMillis, req.RebalanceTimeoutMillis, req.ProtocolType = t.n("g"), 30_000, 30_000, "consumer"
		req.MemberID = t.lastMember()
		req.Protocols = []kmsg.JoinGroupRequestProtocol{
			{Name: "range", Metadata: []byte("\x00\x01\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff\x00\x00\x00\x00")},
			{Name: "sticky", Metadata: []byte("\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff")},
		}
		if change != nil {
			change(t, req)
		}
		return req
	})
}

// syncs gives a SyncGroup of a generation.
func syncs(generation int32, change func(t *talk, req *kmsg.SyncGroupRequest)) goldenStep {
	return step(func(t *talk) kmsg.Request {
		req := kmsg.NewPtrSyncGroupRequest()
		req.Group, req.MemberID, req.Generation = t.n("g"), t.lastMember(), generation
		req.ProtocolType, req.Protocol = ptr("consumer"), ptr("range")
		req.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: req.MemberID, MemberAssignment: []byte("work")}}
		if change != nil {
			change(t, req)
		}
		return req
	})
}

func beats(generation int32, change func(t *talk, req *kmsg.HeartbeatRequest)) goldenStep {
	return step(func(t *talk) kmsg.Request {
		req := kmsg.NewPtrHeartbeatRequest()
		req.Group, req.MemberID, req.Generation = t.n("g"), t.lastMember(), generation
		if change != nil {
			change(t, req)
		}
		return req
	})
}

func leaves(members ...kmsg.LeaveGroupRequestMember) goldenStep {
	return step(func(t *talk) kmsg.Request {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group, req.MemberID, req.Members = t.n("g"), t.lastMember(), members
		if members == nil {
			req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: req.MemberID, Reason: ptr("golden")}}
		} else {
			req.MemberID = members[0].MemberID
		}
		return req
	})
}

func describes(groups ...string) goldenStep {
	return step(func(t *talk) kmsg.Request {
		req := kmsg.NewPtrDescribeGroupsRequest()
		for _, g := range groups {
			req.Groups = append(req.Groups, t.n(g))
		}
		req.IncludeAuthorizedOperations = len(groups) == 1
		return req
	})
}

func lists(states, types []string) goldenStep {
	return goldenStep{mine: true, req: func(*talk) kmsg.Request {
		req := kmsg.NewPtrListGroupsRequest()
		req.StatesFilter, req.TypesFilter = states, types
		return req
	}}
}

// joined are the steps of a member that comes and has its work, in any version; it is in generation 1 then.
func joined(more ...goldenStep) []goldenStep {
	return append([]goldenStep{joins(nil), joins(nil), syncs(1, nil)}, more...)
}

func memberCases() []goldenCase {
	static := func(id string) func(t *talk, req *kmsg.JoinGroupRequest) {
		return func(_ *talk, req *kmsg.JoinGroupRequest) { req.MemberID, req.InstanceID = id, ptr("i") }
	}
	deleted := describes("g")
	deleted.drop = []string{"AuthorizedOperations"} // groups of 4.4.0 have a configuration, see groups/describe
	return []goldenCase{
		{name: "groups/join", key: kmsg.JoinGroup, setup: withOffsetsTopic, steps: joined(
			describes("g"), joins(nil), beats(2, nil), leaves(), describes("g"), joins(nil))},
		{name: "groups/join_again", key: kmsg.JoinGroup, setup: withOffsetsTopic, steps: joined(
			joins(func(_ *talk, req *kmsg.JoinGroupRequest) { req.Protocols = req.Protocols[1:] }), syncs(2, func(_ *talk, req *kmsg.SyncGroupRequest) { req.Protocol = ptr("sticky") }), leaves())},
		{name: "groups/join_connect", key: kmsg.JoinGroup, setup: withOffsetsTopic, steps: []goldenStep{
			joins(func(_ *talk, req *kmsg.JoinGroupRequest) { req.ProtocolType = "connect" }),
			joins(func(_ *talk, req *kmsg.JoinGroupRequest) { req.ProtocolType = "connect" }),
			syncs(1, func(_ *talk, req *kmsg.SyncGroupRequest) { req.ProtocolType = ptr("connect") }), lists(nil, nil), leaves()}},
		{name: "groups/join_static", key: kmsg.JoinGroup, from: 5, setup: withOffsetsTopic, steps: []goldenStep{
			joins(static("")), syncs(1, nil), joins(static("")), describes("g"),
			joins(func(t *talk, req *kmsg.JoinGroupRequest) { static(t.members[0])(t, req) }), joins(static("nobody")), joins(func(t *talk, req *kmsg.JoinGroupRequest) {
				req.MemberID, req.InstanceID = t.lastMember(), ptr("other")
			}),
			beats(1, func(t *talk, req *kmsg.HeartbeatRequest) { req.MemberID, req.InstanceID = t.members[0], ptr("i") }),
			leaves(kmsg.LeaveGroupRequestMember{InstanceID: ptr("i")}), describes("g")}},
		{name: "groups/sync", key: kmsg.SyncGroup, setup: withOffsetsTopic, steps: joined(syncs(1, nil), syncs(0, nil), leaves(), syncs(2, nil))},
		{name: "groups/sync_nothing", key: kmsg.SyncGroup, setup: withOffsetsTopic, steps: []goldenStep{joins(nil), joins(nil),
			syncs(1, func(_ *talk, req *kmsg.SyncGroupRequest) { req.GroupAssignment = nil }), leaves()}},
		{name: "groups/heartbeat", key: kmsg.Heartbeat, setup: withOffsetsTopic, steps: joined(beats(1, nil), beats(0, nil), leaves(), beats(1, nil))},
		{name: "groups/leave", key: kmsg.LeaveGroup, setup: withOffsetsTopic, steps: joined(
			leaves(kmsg.LeaveGroupRequestMember{MemberID: "nobody"}, kmsg.LeaveGroupRequestMember{InstanceID: ptr("nobody")}, kmsg.LeaveGroupRequestMember{MemberID: "nobody", InstanceID: ptr("nobody")}),
			leaves(), leaves())},
		{name: "groups/describe", key: kmsg.DescribeGroups, klamm: "groups have no configuration here that a client could be allowed to describe or alter, as with 3.9.2", setup: withOffsetsTopic, steps: joined(describes("g"), describes("g", "nobody"), describes(), leaves(), describes("g"))},
		{name: "groups/list", key: kmsg.ListGroups, setup: withOffsetsTopic, steps: joined(lists(nil, nil), lists([]string{"stable"}, nil), lists([]string{"Empty", "Dead"}, nil),
			lists([]string{"odd"}, nil), lists(nil, []string{"CLASSIC"}), lists(nil, []string{"consumer"}), lists(nil, []string{"odd"}), leaves(), lists([]string{"Empty"}, nil))},
		{name: "groups/delete", key: kmsg.DeleteGroups, setup: withOffsetsTopic, steps: joined(deletes("g", "nobody", "nobody"), leaves(), deletes("g"), deletes("g"), deleted)},
	}
}

func deletes(groups ...string) goldenStep {
	return step(func(t *talk) kmsg.Request {
		req := kmsg.NewPtrDeleteGroupsRequest()
		for _, g := range groups {
			req.Groups = append(req.Groups, t.n(g))
		}
		return req
	})
}

func refusedMemberCases() []goldenCase {
	join := func(change func(req *kmsg.JoinGroupRequest)) goldenStep {
		return joins(func(_ *talk, req *kmsg.JoinGroupRequest) { change(req) })
	}
	sync := func(change func(req *kmsg.SyncGroupRequest)) goldenStep {
		return syncs(1, func(_ *talk, req *kmsg.SyncGroupRequest) { change(req) })
	}
	beat := func(change func(req *kmsg.HeartbeatRequest)) goldenStep {
		return beats(1, func(_ *talk, req *kmsg.HeartbeatRequest) { change(req) })
	}
	leaveNothing := step(func(*talk) kmsg.Request {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: "m"}}
		return req
	})
	return []goldenCase{
		{name: "groups/join_refused", key: kmsg.JoinGroup, setup: withOffsetsTopic, steps: []goldenStep{
			join(func(req *kmsg.JoinGroupRequest) { req.Group = "" }),
			join(func(req *kmsg.JoinGroupRequest) { req.SessionTimeoutMillis = 5999 }),
			join(func(req *kmsg.JoinGroupRequest) { req.SessionTimeoutMillis = 1_800_001 }),
			join(func(req *kmsg.JoinGroupRequest) { req.MemberID = "nobody" }),
			join(func(req *kmsg.JoinGroupRequest) { req.ProtocolType = "" }),
			join(func(req *kmsg.JoinGroupRequest) { req.Protocols = nil }),
			joins(nil), joins(nil),
			join(func(req *kmsg.JoinGroupRequest) { req.MemberID = "nobody" }),
			join(func(req *kmsg.JoinGroupRequest) { req.ProtocolType = "connect" }),
			join(func(req *kmsg.JoinGroupRequest) { req.MemberID, req.ProtocolType = "", "connect" }),
			join(func(req *kmsg.JoinGroupRequest) { req.Protocols = req.Protocols[:1]; req.Protocols[0].Name = "odd" }),
			leaves(),
		}},
		{name: "groups/sync_refused", key: kmsg.SyncGroup, setup: withOffsetsTopic, steps: []goldenStep{
			sync(func(req *kmsg.SyncGroupRequest) { req.Group = "" }),
			sync(func(req *kmsg.SyncGroupRequest) { req.MemberID = "nobody" }),
			joins(nil), joins(nil),
			sync(func(req *kmsg.SyncGroupRequest) { req.MemberID = "nobody" }),
			sync(func(req *kmsg.SyncGroupRequest) { req.Generation = -1 }),
			sync(func(req *kmsg.SyncGroupRequest) { req.InstanceID = ptr("i") }),
			sync(func(req *kmsg.SyncGroupRequest) { req.Protocol = ptr("sticky") }),
			sync(func(req *kmsg.SyncGroupRequest) { req.ProtocolType = ptr("connect") }),
			sync(func(req *kmsg.SyncGroupRequest) { req.ProtocolType = nil }),
			leaves(),
		}},
		{name: "groups/heartbeat_refused", key: kmsg.Heartbeat, setup: withOffsetsTopic, steps: []goldenStep{
			beat(func(req *kmsg.HeartbeatRequest) { req.Group = "" }),
			beat(func(req *kmsg.HeartbeatRequest) { req.MemberID = "nobody" }),
			joins(nil), joins(nil),
			beat(func(req *kmsg.HeartbeatRequest) { req.MemberID = "nobody" }),
			beat(func(req *kmsg.HeartbeatRequest) { req.MemberID = "" }),
			beat(func(req *kmsg.HeartbeatRequest) { req.Generation = 7 }),
			beat(func(req *kmsg.HeartbeatRequest) { req.InstanceID = ptr("i") }),
			leaves(),
		}},
		{name: "groups/leave_refused", key: kmsg.LeaveGroup, setup: withOffsetsTopic, steps: []goldenStep{
			leaveNothing,
			leaves(kmsg.LeaveGroupRequestMember{MemberID: "nobody"}, kmsg.LeaveGroupRequestMember{InstanceID: ptr("nobody")}),
		}},
		{name: "groups/describe_refused", key: kmsg.DescribeGroups, setup: withOffsetsTopic, steps: []goldenStep{
			step(func(*talk) kmsg.Request {
				req := kmsg.NewPtrDescribeGroupsRequest()
				req.Groups = []string{""}
				return req
			}),
		}},
		{name: "groups/delete_refused", key: kmsg.DeleteGroups, setup: withOffsetsTopic, steps: []goldenStep{
			step(func(*talk) kmsg.Request {
				req := kmsg.NewPtrDeleteGroupsRequest()
				req.Groups = []string{""}
				return req
			}),
		}},
	}
}

// inTree sends a step in version 0.
func inTree(s goldenStep) goldenStep {
	s.lowest = true
	return s
}

// offsetCommit gives an OffsetCommit of offset 5 of partition 0 of some topics.
func offsetCommit(group string, generation int32, topics ...string) *kmsg.OffsetCommitRequest {
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation, req.RetentionTimeMillis = group, generation, -1
	for _, name := range topics {
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic = name
		rp := kmsg.NewOffsetCommitRequestTopicPartition()
		rp.Offset, rp.LeaderEpoch, rp.Timestamp, rp.Metadata = 5, 0, -1, ptr("note")
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
	}
	return req
}

// offsetFetch gives an OffsetFetch of partitions 0 and 1 of some topics, or of all that the group has for none.
func offsetFetch(group string, topics ...string) *kmsg.OffsetFetchRequest {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group
	rg := kmsg.NewOffsetFetchRequestGroup()
	rg.Group, rg.MemberEpoch = group, -1
	for _, name := range topics {
		req.Topics = append(req.Topics, kmsg.OffsetFetchRequestTopic{Topic: name, Partitions: []int32{0, 1}})
		rg.Topics = append(rg.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: name, Partitions: []int32{0, 1}})
	}
	req.Groups = append(req.Groups, rg)
	return req
}

func offsetCases() []goldenCase {
	setup := func(t *talk) {
		withOffsetsTopic(t)
		topics(topic("a", 2), topic("b", 1))(t)
	}
	// commit and fetch name topics by id where the version does.
	commit := func(change func(t *talk, req *kmsg.OffsetCommitRequest), names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := offsetCommit(t.n("g"), -1)
			for _, name := range names {
				rt := offsetCommit("", 0, t.n(name)).Topics[0]
				if t.version >= 10 && name != "c" {
					rt.TopicID = t.id(name)
				} else if t.version >= 10 {
					rt.TopicID = [16]byte{1, 2, 3}
				}
				req.Topics = append(req.Topics, rt)
			}
			if change != nil {
				change(t, req)
			}
			return req
		})
	}
	fetch := func(change func(t *talk, req *kmsg.OffsetFetchRequest), names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			var topics []string
			for _, name := range names {
				topics = append(topics, t.n(name))
			}
			req := offsetFetch(t.n("g"), topics...)
			for i, name := range names {
				if t.version >= 10 && name != "c" {
					req.Groups[0].Topics[i].TopicID = t.id(name)
				} else if t.version >= 10 {
					req.Groups[0].Topics[i].TopicID = [16]byte{1, 2, 3}
				}
			}
			if change != nil {
				change(t, req)
			}
			return req
		})
	}
	partitions := func(numbers ...int32) func(t *talk, req *kmsg.OffsetCommitRequest) {
		return func(_ *talk, req *kmsg.OffsetCommitRequest) {
			one := req.Topics[0].Partitions[0]
			req.Topics[0].Partitions = nil
			for _, n := range numbers {
				one.Partition = n
				req.Topics[0].Partitions = append(req.Topics[0].Partitions, one)
			}
		}
	}
	long := func(_ *talk, req *kmsg.OffsetCommitRequest) {
		for _, size := range []int{4096, 4097} {
			p := req.Topics[0].Partitions[0]
			p.Partition, p.Metadata = int32(size-4096), ptr(strings.Repeat("x", size))
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, p)
		}
		req.Topics[0].Partitions = req.Topics[0].Partitions[1:]
	}
	generation := func(n int32) func(t *talk, req *kmsg.OffsetCommitRequest) {
		return func(t *talk, req *kmsg.OffsetCommitRequest) { req.MemberID, req.Generation = t.lastMember(), n }
	}
	deleteOffsets := func(group string, names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := kmsg.NewPtrOffsetDeleteRequest()
			if req.Group = group; group != "" {
				req.Group = t.n(group)
			}
			for _, name := range names {
				req.Topics = append(req.Topics, kmsg.OffsetDeleteRequestTopic{Topic: t.n(name), Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}, {Partition: 1}}})
			}
			return req
		})
	}
	committed := []goldenStep{commit(nil, "a", "b"), fetch(nil, "a")}
	return []goldenCase{
		{name: "groups/commit", key: kmsg.OffsetCommit, setup: setup, steps: append(committed,
			commit(partitions(1, 2, -1), "a"), commit(nil, "c"), commit(nil, "c", "a"), commit(nil), commit(long, "a"), commit(func(_ *talk, req *kmsg.OffsetCommitRequest) { req.Topics[0].Partitions[0].Metadata = nil }, "b"), fetch(nil, "a", "b"), deletes("g"))},
		{name: "groups/commit_twice", key: kmsg.OffsetCommit, from: 1, klamm: "of a partition that is named twice the reference keeps the last and answers once; klamm keeps the last and answers each", setup: setup, steps: []goldenStep{commit(partitions(0, 0), "a"), fetch(nil, "a"), deletes("g")}},
		{name: "groups/commit_member", key: kmsg.OffsetCommit, from: 1, setup: setup, steps: append([]goldenStep{joins(nil), joins(nil), commit(generation(1), "a"), commit(generation(0), "a"), commit(nil, "a")},
			syncs(1, nil), commit(generation(1), "a"), commit(generation(0), "a"), commit(nil, "a"),
			commit(func(t *talk, req *kmsg.OffsetCommitRequest) { req.MemberID, req.Generation = "nobody", 1 }, "a"),
			commit(func(t *talk, req *kmsg.OffsetCommitRequest) { generation(1)(t, req); req.InstanceID = ptr("i") }, "a"),
			commit(func(t *talk, req *kmsg.OffsetCommitRequest) { generation(7)(t, req); req.Group = t.n("other") }, "a"),
			commit(func(t *talk, req *kmsg.OffsetCommitRequest) { req.MemberID = "nobody" }, "a"),
			leaves(), commit(generation(1), "a"), commit(nil, "a"), fetch(nil, "a"))},
		{name: "groups/commit_no_group", key: kmsg.OffsetCommit, from: 1, setup: setup, steps: []goldenStep{
			commit(func(_ *talk, req *kmsg.OffsetCommitRequest) { req.Group = "" }, "a"), fetch(func(_ *talk, req *kmsg.OffsetFetchRequest) { req.Group, req.Groups[0].Group = "", "" }, "a")}},
		{name: "groups/fetch_offsets", key: kmsg.OffsetFetch, setup: setup, steps: append(committed,
			fetch(nil, "a", "b"), fetch(nil, "c"), fetch(nil, "c", "a"), fetch(func(_ *talk, req *kmsg.OffsetFetchRequest) { req.RequireStable = true }, "b", "a"),
			fetch(func(t *talk, req *kmsg.OffsetFetchRequest) {
				req.Group, req.Groups[0].Group = t.n("nobody"), t.n("nobody")
			}, "a"),
			fetch(func(_ *talk, req *kmsg.OffsetFetchRequest) {
				req.Topics, req.Groups[0].Topics = []kmsg.OffsetFetchRequestTopic{}, []kmsg.OffsetFetchRequestGroupTopic{}
			}))},
		{name: "groups/offsets_in_tree", key: kmsg.OffsetCommit, lowest: true, setup: setup, steps: []goldenStep{inTree(fetch(nil, "a")), inTree(commit(nil, "a")), inTree(fetch(nil, "a", "b", "c")), inTree(commit(partitions(0, 1, 2), "a")),
			inTree(commit(long, "a")), inTree(fetch(nil, "a")), fetch(nil, "a"), inTree(commit(func(t *talk, req *kmsg.OffsetCommitRequest) { req.Group = t.n("with/slash") }, "a")),
			inTree(fetch(func(t *talk, req *kmsg.OffsetFetchRequest) { req.Group = t.n("with/slash") }, "a")), inTree(commit(func(_ *talk, req *kmsg.OffsetCommitRequest) { req.Group = "" }, "a")),
			inTree(fetch(func(_ *talk, req *kmsg.OffsetFetchRequest) { req.Group = "" }, "a"))}},
		{name: "groups/fetch_all_offsets", key: kmsg.OffsetFetch, from: 2, setup: setup, steps: append(committed, fetch(nil),
			fetch(func(t *talk, req *kmsg.OffsetFetchRequest) {
				req.Group, req.Groups[0].Group = t.n("nobody"), t.n("nobody")
			}))},
		{name: "groups/fetch_offsets_of_groups", key: kmsg.OffsetFetch, from: 8, setup: setup, steps: append(committed, fetch(func(t *talk, req *kmsg.OffsetFetchRequest) {
			other := req.Groups[0]
			other.Group = t.n("nobody")
			all := kmsg.NewOffsetFetchRequestGroup()
			all.Group, all.MemberEpoch = t.n("g"), -1
			req.Groups = append(req.Groups, other, all)
		}, "a"))},
		{name: "groups/delete_offsets", key: kmsg.OffsetDelete, setup: setup, steps: append(committed,
			deleteOffsets("", "a"), deleteOffsets("nobody", "a"), deleteOffsets("nobody"), deleteOffsets("g", "a", "c"), fetch(nil, "a", "b"), deleteOffsets("g", "b"), describes("g"), deleteOffsets("g", "b"))},
		{name: "groups/delete_offsets_read", key: kmsg.OffsetDelete, setup: func(t *talk) { withOffsetsTopic(t); topics(topic("a", 2))(t) }, steps: []goldenStep{
			joins(subscribed), joins(subscribed), syncs(1, nil), commit(generation(1), "a"), deleteOffsets("g", "a"), leaves(), deleteOffsets("g", "a")}},
	}
}

// subscribed has a member say that it reads the conversation's topic a.
func subscribed(t *talk, req *kmsg.JoinGroupRequest) {
	name := t.n("a")
	b := append([]byte{0, 0, 0, 0, 0, 1, 0, byte(len(name))}, name...)
	req.Protocols = req.Protocols[:1]
	req.Protocols[0].Metadata = append(b, 0xff, 0xff, 0xff, 0xff)
}
