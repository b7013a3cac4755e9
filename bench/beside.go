package main

import (
	"context"
	"errors"
	"time"

	"klamm/bench/replay"
)

// besidePartitions is how many partitions each of the other topics has that a load runs
// beside.
const besidePartitions = 100

// beside runs a load on a broker that has much else: twice as many connections as crowd
// has, every other one in a waiting fetch, as many partitions with a record as
// topics/idle has, and as many groups with an offset as commits has. The load costs more
// there than by itself; the difference is the price of the rest.
func beside(open func(context.Context, *subject) (*session, error)) func(context.Context, *subject) (*session, error) {
	return func(ctx context.Context, s *subject) (_ *session, err error) {
		var undo []func(context.Context) error
		closeAll := func(ctx context.Context) (err error) {
			for i := len(undo) - 1; i >= 0; i-- {
				err = errors.Join(err, undo[i](ctx))
			}
			return err
		}
		defer func() {
			if err != nil {
				err = errors.Join(err, closeAll(ctx))
			}
		}()
		for _, step := range []func(context.Context, *subject) (func(context.Context) error, error){filledTopics, committedGroups, bystanders} {
			close, err := step(ctx, s)
			if err != nil {
				return nil, err
			}
			undo = append(undo, close)
		}
		inner, err := open(ctx, s)
		if err != nil {
			return nil, err
		}
		undo = append(undo, inner.close)
		return &session{close: closeAll, round: inner.round}, nil
	}
}

// filledTopics makes partitions that each have a record, so that their logs were opened.
func filledTopics(ctx context.Context, s *subject) (func(context.Context) error, error) {
	b := s.target.(*broker)
	batch, err := replay.Batch(1, 100, replay.Plain, time.Now())
	if err != nil {
		return nil, err
	}
	each := min(besidePartitions, s.partitions)
	names := topicNames(max(1, s.partitions/each))
	for from := 0; from < len(names); from += 10 { // no request takes a controller too long
		if err := makeTopics(ctx, b.admin, names[from:min(from+10, len(names))], each); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		if _, err := replay.Send(ctx, replay.Sending{Addr: b.addr(), Frames: replay.ProduceFrames(name, replay.First(each), 1, 1, batch), BatchBytes: len(batch),
			Connections: 1, InFlight: 8, Requests: each}); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context) error { return deleteTopics(ctx, b.admin, names) }, nil
}

// committedGroups makes groups that each have an offset and no member.
func committedGroups(ctx context.Context, s *subject) (func(context.Context) error, error) {
	b := s.target.(*broker)
	topic, groups := topicName(), groupNames(max(1, s.groups/10))
	if err := b.makeTopic(ctx, topic, 1, nil); err != nil {
		return nil, err
	}
	if err := awaitCoordinator(ctx, b.addr(), topic, groups); err != nil {
		return nil, err
	}
	if _, err := replay.Send(ctx, replay.Sending{Addr: b.addr(), Frames: replay.CommitFrames(topic, groups, 1), Connections: 1, InFlight: 1,
		Requests: len(groups)}); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		return errors.Join(deleteGroups(ctx, b.admin, groups), b.dropTopic(ctx, topic))
	}, nil
}

func bystanders(ctx context.Context, s *subject) (func(context.Context) error, error) {
	quiet := topicName()
	if err := s.target.makeTopic(ctx, quiet, 1, nil); err != nil {
		return nil, err
	}
	standing, err := replay.StandBy(ctx, s.target.addr(), quiet, 2*s.clients)
	if err != nil {
		return nil, errors.Join(err, s.target.dropTopic(ctx, quiet))
	}
	return func(ctx context.Context) error {
		standing.Close()
		return s.target.dropTopic(ctx, quiet)
	}, nil
}
