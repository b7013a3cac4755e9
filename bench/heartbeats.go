package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"klamm/bench/figures"
	"klamm/bench/replay"
)

const (
	heartbeatEvery = 3 * time.Second  // heartbeat.interval.ms of clients
	heartbeatDeath = 45 * time.Second // their session.timeout.ms
	// heartbeatConnections is how many connections the members share at most. With ten thousand members each connection
	// carries a heartbeat every 300 ms, so that heartbeats come one by one, as if every member had a connection of its own.
	heartbeatConnections = 1000
	joiners              = 16 // groups that are joined at a time
)

// heartbeats is many groups of a single member that has nothing to do.
func heartbeats(ctx context.Context, s *subject) (*session, error) {
	b := s.target.(*broker)
	topic := topicName()
	if err := b.makeTopic(ctx, topic, 1, nil); err != nil {
		return nil, err
	}
	groups := groupNames(s.groups)
	if err := awaitCoordinator(ctx, b.addr(), topic, groups); err != nil {
		return nil, err
	}
	members, err := joinAll(ctx, b.addr(), topic, groups)
	if err != nil {
		return nil, err
	}
	return &session{
		close: func(ctx context.Context) error {
			return errors.Join(leaveAll(ctx, b.addr(), members), deleteGroups(ctx, b.admin, groups), b.dropTopic(ctx, topic))
		},
		round: func(ctx context.Context) (figures.Sample, error) {
			var done replay.Done
			u, err := metered(b.pids(), func() (err error) {
				done, err = replay.Beat(ctx, replay.Beating{Addr: b.addr(), Members: members, Connections: min(heartbeatConnections, len(members)),
					Every: heartbeatEvery, During: s.during})
				return err
			})
			if err != nil {
				return nil, err
			}
			return sample(done, u), nil
		},
	}, nil
}

// joinAll has a member join each group.
func joinAll(ctx context.Context, addr, topic string, groups []string) ([]*replay.Member, error) {
	members := make([]*replay.Member, len(groups))
	return members, spread(ctx, addr, len(groups), func(ctx context.Context, c *replay.Client, i int) error {
		members[i] = &replay.Member{Client: c, Group: groups[i], Topic: topic, Partitions: 1, Session: heartbeatDeath}
		return members[i].Join(ctx)
	})
}

// leaveAll has the only member of each group leave.
func leaveAll(ctx context.Context, addr string, members []*replay.Member) error {
	return spread(ctx, addr, len(members), func(ctx context.Context, c *replay.Client, i int) error {
		return replay.Leave(ctx, c, members[i].Group, members[i:i+1])
	})
}

// spread does n things over several connections; the first error ends it.
func spread(ctx context.Context, addr string, n int, do func(ctx context.Context, c *replay.Client, i int) error) error {
	clients, err := replay.DialMany(ctx, addr, min(joiners, n))
	defer replay.CloseAll(clients)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var workers sync.WaitGroup
	for from, c := range clients {
		workers.Go(func() {
			for i := from; i < n; i += len(clients) {
				if err := do(ctx, c, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	workers.Wait()
	return context.Cause(ctx)
}
