package main

import (
	"context"
	"errors"
	"time"

	"klamm/bench/figures"
	"klamm/bench/replay"
)

// crowdEvery is the time between two records of a connection. A round that is too short
// for two records sends them more often.
const crowdEvery = 5 * time.Second

// crowd is many connections that do little.
func crowd(ctx context.Context, s *subject) (*session, error) {
	batch, err := replay.Batch(1, 100, replay.Plain, time.Now())
	if err != nil {
		return nil, err
	}
	quiet := topicName()
	if err := s.target.makeTopic(ctx, quiet, 1, nil); err != nil {
		return nil, err
	}
	return &session{
		close: func(ctx context.Context) error { return s.target.dropTopic(ctx, quiet) },
		round: func(ctx context.Context) (figures.Sample, error) {
			topic := topicName()
			if err := s.target.makeTopic(ctx, topic, big.partitions, nil); err != nil {
				return nil, err
			}
			every := min(crowdEvery, s.during/2)
			c := replay.Crowding{Addr: s.target.addr(), Frames: replay.ProduceFrames(topic, replay.First(big.partitions), 1, 1, batch), BatchBytes: len(batch),
				Quiet: quiet, Connections: s.clients, Every: every, Times: max(2, int(s.during/every))}
			done, u, err := crowdRound(ctx, s, c)
			if err := errors.Join(err, s.target.dropTopic(ctx, topic)); err != nil {
				return nil, err
			}
			return sample(done, u), nil
		},
	}, nil
}

// crowdRound meters from when all connections stand.
func crowdRound(ctx context.Context, s *subject, c replay.Crowding) (done replay.Done, u usage, err error) {
	connected := make(chan struct{})
	over := make(chan error, 1)
	go func() {
		var err error
		done, err = replay.Crowd(ctx, c, func() error { close(connected); return nil })
		over <- err
	}()
	select {
	case err := <-over:
		return done, u, err
	case <-connected:
	}
	u, err = metered(s.target.pids(), func() error { return <-over })
	return done, u, err
}
