package server_test

import (
	"net"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// The controller of a broker that has just been started is the first one of its cluster: its epoch is 1.
const firstController = 1

// peerCases ask as the controller does. They give the broker nothing that is not so, but for topics of their own, and take
// these away again.
func peerCases() []goldenCase {
	cases := slices.Concat(leaderAndISRCases(), stopReplicaCases(), updateMetadataCases(), followerCases())
	for i := range cases {
		cases[i].peer = true
	}
	return cases
}

// told is what a LeaderAndIsr tells of one partition.
type told struct {
	topic     string // of the conversation
	id        [16]byte
	partition int32
	epoch     int32
	replicas  []int32
	isNew     bool
}

// leadOrder is a LeaderAndIsr. The first replica of each partition leads.
func leadOrder(t *talk, controllerEpoch int32, brokerEpoch int64, list ...told) kmsg.Request {
	req := kmsg.NewPtrLeaderAndISRRequest()
	req.ControllerEpoch, req.BrokerEpoch = controllerEpoch, brokerEpoch
	for _, p := range list {
		s := kmsg.LeaderAndISRRequestTopicPartition{
			Topic: t.n(p.topic), Partition: p.partition, ControllerEpoch: controllerEpoch, Leader: p.replicas[0], LeaderEpoch: p.epoch,
			ISR: p.replicas, Replicas: p.replicas, IsNew: p.isNew,
		}
		req.PartitionStates = append(req.PartitionStates, s)
		if n := len(req.TopicStates); n == 0 || req.TopicStates[n-1].Topic != s.Topic {
			req.TopicStates = append(req.TopicStates, kmsg.LeaderAndISRRequestTopicState{Topic: s.Topic, TopicID: p.id})
		}
		last := &req.TopicStates[len(req.TopicStates)-1]
		last.PartitionStates = append(last.PartitionStates, s)
	}
	req.LiveLeaders = append(req.LiveLeaders, kmsg.LeaderAndISRRequestLiveLeader{Host: "localhost", Port: 9092})
	return req
}

// stopOrder is a StopReplica of one partition of each topic.
func stopOrder(t *talk, controllerEpoch int32, brokerEpoch int64, leaderEpoch int32, remove bool, names ...string) kmsg.Request {
	req := protocol.NewStopReplicaRequest()
	req.ControllerEpoch, req.BrokerEpoch, req.DeletePartitions = controllerEpoch, brokerEpoch, remove
	for _, name := range names {
		topic := kmsg.NewStopReplicaRequestTopic()
		topic.Topic, topic.Partitions = t.n(name), []int32{0}
		topic.PartitionStates = append(topic.PartitionStates, kmsg.StopReplicaRequestTopicPartitionState{LeaderEpoch: leaderEpoch, Delete: remove})
		req.Topics = append(req.Topics, topic)
	}
	return req
}

// ownID is the id of a topic that only the conversation knows.
var ownID = [16]byte{7, 15: 7}

func leaderAndISRCases() []goldenCase {
	lead := func(controllerEpoch int32, brokerEpoch int64, list func(t *talk) []told) goldenStep {
		return step(func(t *talk) kmsg.Request { return leadOrder(t, controllerEpoch, brokerEpoch, list(t)...) })
	}
	there := func(t *talk) []told {
		return []told{{topic: "a", id: t.id("a"), replicas: []int32{0}}, {topic: "a", id: t.id("a"), partition: 1, epoch: -1, replicas: []int32{0}}}
	}
	mine := func(epoch int32, isNew bool) func(t *talk) []told {
		return func(*talk) []told {
			return []told{{topic: "x", id: ownID, epoch: epoch, replicas: []int32{0}, isNew: isNew}}
		}
	}
	stop := step(func(t *talk) kmsg.Request { return stopOrder(t, firstController, -1, -2, true, "x") })
	const key = kmsg.LeaderAndISR
	return []goldenCase{
		{name: "leader_and_isr/stale", key: key, setup: topics(topic("a", 2)), steps: []goldenStep{lead(firstController-1, -1, there), lead(firstController, 0, there), lead(firstController-1, 0, there)}},
		{name: "leader_and_isr/epochs", key: key, setup: topics(topic("a", 2)), steps: []goldenStep{lead(firstController, -1, there)}},
		{name: "leader_and_isr/refused", key: key, setup: topics(topic("a", 1)), steps: []goldenStep{
			lead(firstController, -1, func(t *talk) []told {
				return []told{{topic: "a", id: ownID, epoch: 5, replicas: []int32{0}}}
			}),
			lead(firstController, -1, func(t *talk) []told {
				return []told{{topic: "x", id: ownID, epoch: 5, replicas: []int32{7, 8}}}
			}),
			stop,
		}, from: 5},
		{name: "leader_and_isr/taken", key: key, steps: []goldenStep{
			lead(firstController, -1, mine(3, true)), lead(firstController, -1, mine(3, true)), lead(firstController, -1, mine(2, false)), lead(firstController, -1, mine(4, false)), stop,
		}},
	}
}

func stopReplicaCases() []goldenCase {
	stop := func(controllerEpoch int32, brokerEpoch int64, leaderEpoch int32, remove bool, names ...string) goldenStep {
		return step(func(t *talk) kmsg.Request {
			return stopOrder(t, controllerEpoch, brokerEpoch, leaderEpoch, remove, names...)
		})
	}
	lead := step(func(t *talk) kmsg.Request {
		return leadOrder(t, firstController, -1, told{topic: "x", id: ownID, epoch: 5, replicas: []int32{0}, isNew: true})
	})
	const key = kmsg.StopReplica
	return []goldenCase{
		{name: "stop_replica/stale", key: key, steps: []goldenStep{stop(firstController-1, -1, -1, true, "x"), stop(firstController, 0, -1, true, "x"), stop(firstController-1, 0, -1, true, "x")}},
		{name: "stop_replica/none", key: key, steps: []goldenStep{stop(firstController, -1, -1, false, "x", "y"), stop(firstController, -1, -2, true, "x", "y"), stop(firstController, -1, 3, true, "x"), stop(firstController, -1, -1, true)}},
		{name: "stop_replica/epochs", key: key, steps: []goldenStep{lead, stop(firstController, -1, 4, true, "x", "y"), stop(firstController, -1, 5, false, "x"), lead, stop(firstController, -1, -2, true, "x")}},
	}
}

func updateMetadataCases() []goldenCase {
	// update tells the partitions of topic x: which leader each has.
	update := func(controllerEpoch int32, brokerEpoch int64, security int16, leaders ...int32) goldenStep {
		return step(func(t *talk) kmsg.Request {
			req := kmsg.NewPtrUpdateMetadataRequest()
			req.ControllerEpoch, req.BrokerEpoch = controllerEpoch, brokerEpoch
			for i, leader := range leaders {
				req.PartitionStates = append(req.PartitionStates, kmsg.UpdateMetadataRequestTopicPartition{
					Topic: t.n("x"), Partition: int32(i), ControllerEpoch: controllerEpoch, Leader: leader, LeaderEpoch: 3, ISR: []int32{0}, Replicas: []int32{0, 7},
					OfflineReplicas: []int32{7},
				})
			}
			req.TopicStates = append(req.TopicStates, kmsg.UpdateMetadataRequestTopicState{Topic: t.n("x"), TopicID: ownID, PartitionStates: req.PartitionStates})
			host, port, _ := net.SplitHostPort(t.wire.nc.RemoteAddr().String())
			n, _ := strconv.Atoi(port)
			b := kmsg.UpdateMetadataRequestLiveBroker{Host: host, Port: int32(n)}
			b.Endpoints = append(b.Endpoints, kmsg.UpdateMetadataRequestLiveBrokerEndpoint{Host: host, Port: int32(n), ListenerName: "PLAINTEXT", SecurityProtocol: security})
			req.LiveBrokers = append(req.LiveBrokers, b)
			return req
		})
	}
	show := step(func(t *talk) kmsg.Request { return metadata(ptr(t.n("x"))) })
	const key = kmsg.UpdateMetadata
	const gone = -2
	return []goldenCase{
		{name: "update_metadata/stale", key: key, from: 2, steps: []goldenStep{update(firstController-1, -1, 0, 0), update(firstController, 0, 0, 0), update(firstController-1, 0, 0, 0), show, update(firstController, -1, 0, gone)}},
		{name: "update_metadata/told", key: key, from: 2, steps: []goldenStep{
			update(firstController, -1, 0, 0, 0), show, update(firstController, -1, 0, 0, -1, 7), show, update(firstController, -1, 0, gone), show, update(firstController, -1, 0, gone, gone, gone), show,
		}},
		{name: "update_metadata/security_protocol", key: key, from: 1, to: 2, steps: []goldenStep{update(firstController, -1, 9, 0)}},
		{name: "update_metadata/listener", key: key, from: 3, steps: []goldenStep{update(firstController, -1, 9, 0), show, update(firstController, -1, 0, gone)}},
	}
}
