package main

import (
	"context"
	"errors"
	"time"

	"klamm/bench/figures"
	"klamm/bench/replay"
)

// committing is a load of consumers that commit by themselves, each of which waits for the answer before its next commit.
type committing struct {
	partitions  int // in a commit
	connections int
	part        int // a round has a commit for every part of -requests: 4 for a quarter
}

func (c committing) open(ctx context.Context, s *subject) (*session, error) {
	b := s.target.(*broker)
	topic, groups := topicName(), groupNames(max(1, s.groups/10))
	if err := b.makeTopic(ctx, topic, c.partitions, nil); err != nil {
		return nil, err
	}
	if err := awaitCoordinator(ctx, b.addr(), topic, groups); err != nil {
		return nil, err
	}
	send := replay.Sending{Addr: b.addr(), Frames: replay.CommitFrames(topic, groups, c.partitions), Connections: c.connections, InFlight: 1,
		Requests: max(1, s.requests/c.part)}
	// The first round does not count: a JVM was warmed with records alone, and the groups
	// have to exist.
	if _, err := replay.Send(ctx, send); err != nil {
		return nil, err
	}
	return &session{
		close: func(ctx context.Context) error {
			return errors.Join(deleteGroups(ctx, b.admin, groups), b.dropTopic(ctx, topic))
		},
		round: func(ctx context.Context) (figures.Sample, error) {
			var done replay.Done
			u, err := metered(b.pids(), func() (err error) {
				done, err = replay.Send(ctx, send)
				return err
			})
			if err != nil {
				return nil, err
			}
			sample := latencies(done.Latencies)
			sample[commits] = float64(done.Requests) / done.Took.Seconds()
			// CPU time comes in steps, so little work may seem to take none.
			sample[commitsPerCPU] = float64(done.Requests) / max(u.cpu, cpuStep).Seconds()
			sample[figures.Peak] = float64(u.peak) / mega
			return sample, nil
		},
	}, nil
}

// cpuStep is how exact CPU time is.
const cpuStep = 10 * time.Millisecond
