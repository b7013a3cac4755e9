package server_test

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaderCases ask a broker without peers about leaders, replicas and features, and for groups of the kind
// that a cluster on ZooKeeper does not have.
func leaderCases() []goldenCase {
	return slices.Concat(electionCases(), reassignmentCases(), featureCases(), newGroupCases())
}

func electionCases() []goldenCase {
	type part = kmsg.ElectLeadersRequestTopic
	of := func(topic string, partitions ...int32) part { return part{Topic: topic, Partitions: partitions} }
	elect := func(kind int8, parts ...part) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := &kmsg.ElectLeadersRequest{ElectionType: kind, TimeoutMillis: 20000, Topics: []part{}}
			for _, p := range parts {
				req.Topics = append(req.Topics, part{Topic: t.n(p.Topic), Partitions: p.Partitions})
			}
			return req
		})
	}
	setup := topics(topic("a", 2), topic("b", 1))
	const preferred, unclean = 0, 1
	return []goldenCase{
		{name: "elect_leaders/named", key: kmsg.ElectLeaders, setup: setup, steps: []goldenStep{
			elect(preferred, of("a", 0, 1), of("b", 0)),
			elect(unclean, of("a", 0, 1)),
			elect(preferred, of("a", 0, 2, -1), of("none", 0)),
			elect(unclean, of("none", 0, 1), of("bad name", 0)),
			elect(preferred, of("a", 1, 1), of("a", 1)),
			elect(preferred, of("a")), elect(preferred),
		}},
		{name: "elect_leaders/all", key: kmsg.ElectLeaders, setup: setup, steps: []goldenStep{
			step(func(*talk) kmsg.Request {
				return &kmsg.ElectLeadersRequest{ElectionType: preferred, TimeoutMillis: 20000}
			}),
			step(func(*talk) kmsg.Request { return &kmsg.ElectLeadersRequest{ElectionType: unclean, TimeoutMillis: 0} }),
		}},
		{name: "elect_leaders/unknown_kind", klamm: "the reference stumbles over an unknown kind of election (UNKNOWN_SERVER_ERROR)", key: kmsg.ElectLeaders, from: 1, setup: setup, steps: []goldenStep{
			elect(2, of("a", 0)), elect(-1, of("a", 0)),
			step(func(*talk) kmsg.Request { return &kmsg.ElectLeadersRequest{ElectionType: 9, TimeoutMillis: 20000} }),
		}},
	}
}

func reassignmentCases() []goldenCase {
	type part = kmsg.AlterPartitionAssignmentsRequestTopicPartition
	to := func(partition int32, replicas ...int32) part {
		return part{Partition: partition, Replicas: slices.Concat([]int32{}, replicas)}
	}
	alter := func(change bool, name string, parts ...part) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := &kmsg.AlterPartitionAssignmentsRequest{TimeoutMillis: 20000, AllowReplicationFactorChange: change}
			if name != "" {
				req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: t.n(name), Partitions: parts}}
			}
			return req
		})
	}
	list := func(names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := &kmsg.ListPartitionReassignmentsRequest{TimeoutMillis: 20000, Topics: []kmsg.ListPartitionReassignmentsRequestTopic{}}
			for _, n := range names {
				req.Topics = append(req.Topics, kmsg.ListPartitionReassignmentsRequestTopic{Topic: t.n(n), Partitions: []int32{0, 1, 0, 9, -1}})
			}
			return req
		})
	}
	listed := list("a")
	listed.drop = []string{"ErrorMessage"} // of which 4.4.0 has none
	setup := topics(topic("a", 2))
	none := part{Partition: 1}
	empty := part{Partition: 1, Replicas: []int32{}}
	const alterKey = kmsg.AlterPartitionAssignments
	refused := []goldenStep{
		alter(true, "a", none), alter(true, "a", empty), alter(true, "a", to(0, 0, 0)), alter(true, "a", to(0, -1)), alter(true, "a", to(0, 0, -1)), alter(true, "a", to(0, 7, 7, -1)),
		alter(true, "none", to(0, 0)), alter(true, "none", to(0, 7)), alter(true, "a", to(2, 0)), alter(true, "a", to(-1, 0)),
		alter(true, "none", none), alter(true, "none", part{Replicas: []int32{}}), alter(true, "a", to(0, 0), to(0, 7)), alter(true, "a", to(0, 7), to(0, 0)),
		alter(true, "bad name", to(0, 0)), alter(true, "a", to(0, 0), to(0, 0)),
	}
	return []goldenCase{
		{name: "reassignments/to_what_is", key: alterKey, setup: setup, steps: []goldenStep{
			alter(true, "a", to(0, 0), to(1, 0)), alter(false, "a", to(0, 0)), listed,
		}},
		{name: "reassignments/nothing", key: alterKey, lowest: true, setup: setup, steps: []goldenStep{alter(true, "a"), alter(true, "")}},
		{name: "reassignments/elsewhere", key: alterKey, setup: setup, steps: []goldenStep{
			alter(true, "a", to(0, 7)), alter(true, "a", to(0, 0, 7)), alter(true, "a", to(0, 7, 0), to(1, 0)), listed,
		}},
		{name: "reassignments/other_count", explains: true, key: alterKey, from: 1, setup: setup, steps: []goldenStep{
			alter(false, "a", to(0, 0, 7)), alter(false, "a", to(0, 7)), alter(false, "a", none), alter(false, "a", empty),
		}},
		{name: "reassignments/refused", key: alterKey, lowest: true, setup: setup, steps: refused},
		{name: "reassignments/refused_newest", key: alterKey, from: 1, klamm: "klamm answers version 1 as 3.9.2 answers version 0: 4.4.0 looks for the partition before it looks at the replicas, and answers a partition twice that is named twice", setup: setup, steps: refused},
		{name: "reassignments/list", key: kmsg.ListPartitionReassignments, setup: setup, steps: []goldenStep{
			list(), list("a"), list("a", "none", "a"),
			step(func(*talk) kmsg.Request { return &kmsg.ListPartitionReassignmentsRequest{TimeoutMillis: -1} }),
		}},
	}
}

func featureCases() []goldenCase {
	type feature = kmsg.UpdateFeaturesRequestFeatureUpdate
	update := func(validate bool, features ...feature) goldenStep {
		return step(func(*talk) kmsg.Request {
			return &kmsg.UpdateFeaturesRequest{TimeoutMillis: 20000, ValidateOnly: validate, FeatureUpdates: features}
		})
	}
	up := func(name string, level int16, kind int8) feature {
		return feature{Feature: name, MaxVersionLevel: level, AllowDowngrade: kind > 1, UpgradeType: kind}
	}
	return []goldenCase{
		{name: "update_features/none", key: kmsg.UpdateFeatures, steps: []goldenStep{update(false), update(true)}},
		{name: "update_features/refused", key: kmsg.UpdateFeatures, steps: []goldenStep{
			update(false, up("no.such", 1, 1)), update(true, up("no.such", 1, 1)), update(false, up("no.such", 0, 1)), update(false, up("no.such", 0, 2)), update(false, up("no.such", -1, 3)),
			update(false, up("", 1, 1)), update(false, up("no.such", 1, 0)), update(false, up("no.such", 1, 9)), update(false, up("no.such", 1, 1), up("no.such", 2, 1)),
			update(false, up("no.such", 1, 1), up("other", 1, 1)),
		}},
		{name: "update_features/of_kraft", key: kmsg.UpdateFeatures, to: 1, steps: []goldenStep{
			update(true, up("metadata.version", 25, 1)), update(true, up("transaction.version", 0, 2)), update(true, up("kraft.version", 1, 1)),
		}},
	}
}

// newGroupCases ask for consumer groups of KIP-848.
func newGroupCases() []goldenCase {
	const noNewGroups = "klamm has no groups of KIP-848, and answers version 1 as it and 3.9.2 answer version 0"
	beat := func(change func(req *kmsg.ConsumerGroupHeartbeatRequest)) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			req.Group, req.MemberID, req.RebalanceTimeoutMillis = t.n("g"), "AAAAAAAAAAAAAAAAAAAAAA", 30000
			req.SubscribedTopicNames, req.Topics = []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
			change(req)
			return req
		})
	}
	describe := func(names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := kmsg.NewPtrConsumerGroupDescribeRequest()
			for _, n := range names {
				req.Groups = append(req.Groups, t.n(n))
			}
			return req
		})
	}
	return []goldenCase{
		{name: "groups/consumer_heartbeat", groups: true, klamm: noNewGroups, key: kmsg.ConsumerGroupHeartbeat, setup: withOffsetsTopic, steps: []goldenStep{
			beat(func(*kmsg.ConsumerGroupHeartbeatRequest) {}),
			beat(func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.Group = "" }),
			beat(func(req *kmsg.ConsumerGroupHeartbeatRequest) { req.MemberEpoch = -3 }),
		}},
		{name: "groups/consumer_describe", groups: true, klamm: noNewGroups, key: kmsg.ConsumerGroupDescribe, setup: withOffsetsTopic, steps: []goldenStep{describe("g"), describe("g", "h", "g"), describe()}},
	}
}
