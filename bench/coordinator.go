package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/bench/replay"
)

func groupNames(n int) (names []string) {
	kind := number.Add(1)
	for i := range n {
		names = append(names, fmt.Sprintf("group%d-%d", kind, i))
	}
	return names
}

// awaitCoordinator waits until every group has a coordinator. A broker creates __consumer_offsets when a client asks
// for the first coordinator.
func awaitCoordinator(ctx context.Context, addr, topic string, groups []string) error {
	c, err := replay.Dial(ctx, addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := poll(ctx, func() (bool, error) {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.Version, req.CoordinatorKey = 3, groups[0]
		resp, err := req.RequestWith(ctx, c)
		if err != nil {
			return false, err
		}
		return resp.ErrorCode == 0, notYet(resp.ErrorCode)
	}); err != nil {
		return err
	}
	return awaitOffsets(ctx, c, topic, groups, nil)
}

// notYet is the error of a code. It is nil for no error, and for the errors of a broker that is
// about to become the coordinator.
func notYet(code int16) error {
	err := kerr.ErrorForCode(code)
	if errors.Is(err, kerr.CoordinatorLoadInProgress) || errors.Is(err, kerr.NotCoordinator) || errors.Is(err, kerr.CoordinatorNotAvailable) {
		return nil
	}
	return err
}

// awaitOffsets asks for an offset of each group, in turn, until every one is answered. check, unless
// it is nil, gets each group's offset.
func awaitOffsets(ctx context.Context, c *replay.Client, topic string, groups []string, check func(group int, offset int64) error) error {
	next := 0
	return poll(ctx, func() (bool, error) {
		for ; next < len(groups); next++ {
			offsets, err := fetchOffsets(ctx, c, topic, groups[next], 1)
			if offsets == nil || err != nil {
				return false, err
			}
			if check == nil {
				continue
			}
			if err := check(next, offsets[0]); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// fetchOffsets gives a group's offsets in a topic's first partitions, nil while the coordinator does not answer.
func fetchOffsets(ctx context.Context, c *replay.Client, topic, group string, partitions int) ([]int64, error) {
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Version, req.Group = 5, group
	t := kmsg.NewOffsetFetchRequestTopic()
	t.Topic = topic
	for p := range partitions {
		t.Partitions = append(t.Partitions, int32(p))
	}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, c)
	if err != nil {
		return nil, err
	}
	if resp.ErrorCode != 0 {
		return nil, notYet(resp.ErrorCode)
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != partitions {
		return nil, fmt.Errorf("an OffsetFetch of group %s is answered without its partitions", group)
	}
	offsets := make([]int64, partitions)
	for _, p := range resp.Topics[0].Partitions { // in any order
		if p.ErrorCode != 0 {
			return nil, notYet(p.ErrorCode)
		}
		if p.Partition < 0 || int(p.Partition) >= partitions {
			return nil, fmt.Errorf("an OffsetFetch of group %s is answered with partition %d, which was not asked for", group, p.Partition)
		}
		offsets[p.Partition] = p.Offset
	}
	return offsets, nil
}
