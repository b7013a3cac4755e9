package server_test

import (
	"net"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// otherBroker is a replica beside the broker that is asked. Nobody listens at its address.
const otherBroker = 7

// followerCases ask a broker about topic x, of which it and otherBroker are the replicas: as a consumer asks, and as a follower does.
func followerCases() []goldenCase {
	return slices.Concat(wrongLeaderCases(), epochEndCases())
}

// metadataOf is an UpdateMetadata in which topic x has a leader in a leader epoch, and the broker that is asked lives beside others.
func metadataOf(leader, epoch int32, others ...int32) goldenStep {
	return step(func(t *talk) kmsg.Request {
		req := kmsg.NewPtrUpdateMetadataRequest()
		req.ControllerEpoch, req.BrokerEpoch = firstController, -1
		req.TopicStates = []kmsg.UpdateMetadataRequestTopicState{{Topic: t.n("x"), TopicID: ownID, PartitionStates: []kmsg.UpdateMetadataRequestTopicPartition{{
			Topic: t.n("x"), ControllerEpoch: firstController, Leader: leader, LeaderEpoch: epoch, ISR: []int32{0, otherBroker}, Replicas: []int32{0, otherBroker},
		}}}}
		host, port, _ := net.SplitHostPort(t.wire.nc.RemoteAddr().String())
		n, _ := strconv.Atoi(port)
		for _, id := range append([]int32{0}, others...) {
			b := kmsg.UpdateMetadataRequestLiveBroker{ID: id, Host: host, Port: int32(n)}
			b.Endpoints = append(b.Endpoints, kmsg.UpdateMetadataRequestLiveBrokerEndpoint{Host: host, Port: int32(n), ListenerName: "PLAINTEXT"})
			req.LiveBrokers = append(req.LiveBrokers, b)
			n = 1
		}
		return req
	})
}

// toldOf orders a role for topic x: the first replica leads.
func toldOf(epoch int32, isNew bool, replicas ...int32) goldenStep {
	return step(func(t *talk) kmsg.Request {
		return leadOrder(t, firstController, -1, told{topic: "x", id: ownID, epoch: epoch, replicas: replicas, isNew: isNew})
	})
}

// takenAway ends what metadataOf and toldOf began.
func takenAway() []goldenStep {
	const gone = -2
	return []goldenStep{step(func(t *talk) kmsg.Request { return stopOrder(t, firstController, -1, -2, true, "x") }), metadataOf(gone, -2)}
}

// wrongLeaderCases ask a broker that follows in leader epoch 5.
func wrongLeaderCases() []goldenCase {
	follows := []goldenStep{metadataOf(otherBroker, 5, otherBroker), toldOf(5, true, otherBroker, 0)}
	in := func(ask func(epoch int32) goldenStep) (steps []goldenStep) {
		for _, epoch := range []int32{4, 5, 6, -1} {
			steps = append(steps, ask(epoch))
		}
		return slices.Concat(follows, steps, takenAway())
	}
	fetch := func(replica int32) func(epoch int32) goldenStep {
		return func(epoch int32) goldenStep {
			return goldenStep{ordered: true, req: func(t *talk) kmsg.Request {
				req := fetchOf(t, want{topic: "x", change: func(p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = epoch }})
				if t.version < 15 {
					req.ReplicaID = replica
				} else {
					req.ReplicaState.ID = replica
				}
				return req
			}}
		}
	}
	return []goldenCase{
		{name: "wrong_leader/fetch", key: kmsg.Fetch, to: 17, steps: in(fetch(-1))},
		{name: "wrong_leader/fetch_as_follower", key: kmsg.Fetch, to: 17, steps: in(fetch(otherBroker))},
		{name: "wrong_leader/list_offsets", key: kmsg.ListOffsets, to: 9, steps: in(func(epoch int32) goldenStep {
			return step(func(t *talk) kmsg.Request {
				req := listOffsets(t.n("x"), 0, -1)
				req.Topics[0].Partitions[0].CurrentLeaderEpoch = epoch
				return req
			})
		})},
		{name: "wrong_leader/offset_for_leader_epoch", key: kmsg.OffsetForLeaderEpoch, steps: in(func(epoch int32) goldenStep {
			return step(func(t *talk) kmsg.Request { return offsetForEpoch(t.n("x"), 0, epoch, 3) })
		})},
	}
}

// epochEndCases ask a leader, as a follower that has to find where the logs diverge: two records of epoch 3, one of epoch 5, none of epoch 8.
func epochEndCases() []goldenCase {
	write := func(timestamps ...int64) goldenStep {
		return step(func(t *talk) kmsg.Request { return produce(t.n("x"), 0, -1, -1, timestamps...) })
	}
	ends := func(current int32, epochs ...int32) (steps []goldenStep) {
		for _, epoch := range epochs {
			steps = append(steps, step(func(t *talk) kmsg.Request {
				req := offsetForEpoch(t.n("x"), 0, current, epoch)
				req.ReplicaID = otherBroker
				return req
			}))
		}
		return steps
	}
	return []goldenCase{{name: "offset_for_leader_epoch/as_follower", key: kmsg.OffsetForLeaderEpoch, steps: slices.Concat(
		[]goldenStep{metadataOf(0, 3), toldOf(3, true, 0), write(1000, 1100), toldOf(5, false, 0), write(1200), toldOf(8, false, 0)},
		ends(8, 0, 2, 3, 4, 5, 7, 8, 9), ends(7, 3), ends(9, 3), ends(-1, 3), takenAway(),
	)}}
}
