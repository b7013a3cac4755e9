package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// tp names a partition.
type tp struct {
	topic     string
	partition int32
}

func (p tp) String() string { return fmt.Sprintf("%s-%d", p.topic, p.partition) }

func compareTP(a, b tp) int {
	return cmp.Or(cmp.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
}

func sortedTPs[V any](m map[tp]V) []tp { return slices.SortedFunc(maps.Keys(m), compareTP) }

// Timestamps that ListOffsets takes for other things than times.
const (
	atStart int64 = -2
	atEnd   int64 = -1
)

// ledPartitions are the partitions of topics that have a leader.
func ledPartitions(topics kadm.TopicDetails) (all []tp) {
	for _, t := range topics.Sorted() {
		for _, p := range t.Partitions.Sorted() {
			if p.Leader >= 0 {
				all = append(all, tp{t.Topic, p.Partition})
			}
		}
	}
	return all
}

// listOffsets gives the offset at the start, at the end, or of the first record at or after a time, of partitions that have a leader: one that has none would be
// asked for again and again. A time after the last record gives -1. Partitions whose leader does not answer are missing; the error is about them.
func (s *session) listOffsets(ctx context.Context, timestamp int64, of []tp) (map[tp]int64, error) {
	return s.listIsolated(ctx, timestamp, of, false)
}

// listIsolated does so; with committed, the end is where the first transaction begins that is not over.
func (s *session) listIsolated(ctx context.Context, timestamp int64, of []tp, committed bool) (map[tp]int64, error) {
	if len(of) == 0 {
		return map[tp]int64{}, nil
	}
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	if committed {
		req.IsolationLevel = 1
	}
	byTopic := map[string]int{}
	for _, at := range of {
		i, ok := byTopic[at.topic]
		if !ok {
			i = len(req.Topics)
			byTopic[at.topic] = i
			t := kmsg.NewListOffsetsRequestTopic()
			t.Topic = at.topic
			req.Topics = append(req.Topics, t)
		}
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = at.partition, timestamp
		req.Topics[i].Partitions = append(req.Topics[i].Partitions, p)
	}
	found := map[tp]int64{}
	var errs []error
	for _, shard := range s.Client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			errs = append(errs, fmt.Errorf("asking for offsets: %w", shard.Err))
			continue
		}
		for _, t := range shard.Resp.(*kmsg.ListOffsetsResponse).Topics {
			for _, p := range t.Partitions {
				at := tp{t.Topic, p.Partition}
				if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
					errs = append(errs, refused("asking for the offset of "+at.String(), err, ""))
					continue
				}
				found[at] = p.Offset
			}
		}
	}
	return found, errors.Join(errs...)
}
