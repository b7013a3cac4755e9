package scripts

import (
	"context"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cmd/scripts/javalib"
)

// tpMap is a map with partitions as keys.
type tpMap[V any] = javalib.HashMap[javalib.TopicPartition, V]

func newTPMap[V any]() *tpMap[V] {
	return javalib.NewHashMap[javalib.TopicPartition, V](javalib.TopicPartition.Hash)
}

// The timestamps that stand for an offset.
const (
	atEnd   = -1
	atStart = -2
)

// offsetAnswer is what the leader of a partition says when it is asked for an offset.
type offsetAnswer struct {
	offset int64
	err    *javalib.Exception
}

// listOffsets asks the leaders of partitions for the offset at a time, or at an end.
func (a *admin) listOffsets(ctx context.Context, parts []javalib.TopicPartition, at int64) (*tpMap[offsetAnswer], error) {
	all := newTPMap[offsetAnswer]()
	if len(parts) == 0 {
		return all, nil
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	req.TimeoutMillis = int32(requestTimeout.Milliseconds())
	for name, numbers := range byTopic(parts) {
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = name
		for _, number := range numbers {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.CurrentLeaderEpoch = number, at, -1
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	told := map[javalib.TopicPartition]offsetAnswer{}
	for _, shard := range a.client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			for _, t := range shard.Req.(*kmsg.ListOffsetsRequest).Topics {
				for _, p := range t.Partitions {
					told[javalib.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = offsetAnswer{-1, javalib.OfError(shard.Err)}
				}
			}
			continue
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				told[javalib.TopicPartition{Topic: t.Topic, Partition: p.Partition}] = offsetAnswer{p.Offset, javalib.FromCode(p.ErrorCode, nil)}
			}
		}
	}
	for _, p := range parts {
		all.Put(p, told[p])
	}
	return all, nil
}
