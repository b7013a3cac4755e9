package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/bench/figures"
	"klamm/compat-tests/harness"
)

// withCluster is a load on a cluster of its own.
func withCluster(open func(context.Context, *subject, *cluster) (func(context.Context) (figures.Sample, error), error)) func(context.Context, *subject) (*session, error) {
	return func(ctx context.Context, s *subject) (*session, error) {
		c, err := startCluster(s.name, s.dir, s.session)
		if err != nil {
			return nil, err
		}
		round, err := open(ctx, s, c)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%w; the brokers' logs are kept: %s", err, c.logs()), c.close())
		}
		return &session{
			close: func(context.Context) error { return c.close() },
			round: func(ctx context.Context) (figures.Sample, error) {
				sample, err := round(ctx)
				if err != nil && ctx.Err() == nil {
					err = fmt.Errorf("%w; the brokers' logs are kept: %s", err, c.logs())
				}
				return sample, err
			},
		}, nil
	}
}

// clusterTopics makes and deletes 1,000 partitions, ten to a topic.
func clusterTopics(_ context.Context, s *subject, c *cluster) (func(context.Context) (figures.Sample, error), error) {
	const each = 10
	return func(ctx context.Context) (figures.Sample, error) {
		names := topicNames(max(1, s.partitions/10/each))
		sample := figures.Sample{}
		u, err := metered(c.pids(), func() error {
			return timed(sample,
				step{made, func() error { return c.makeTopics(ctx, names, each, nil) }},
				step{deleted, func() error { return deleteTopics(ctx, c.admin, names) }})
		})
		sample[figures.Peak] = float64(u.peak) / mega
		return sample, errors.Join(err, c.gone(ctx, "many*"))
	}, nil
}

// fillCluster makes about so many partitions, a hundred to a topic, with ten records of 500 bytes each if they are
// to be filled, and gives their number.
func fillCluster(ctx context.Context, c *cluster, partitions int, filled bool) (int, error) {
	each := min(100, partitions)
	total := 0
	for total+each <= partitions {
		name := topicNames(1)
		if err := c.makeTopics(ctx, name, each, nil); err != nil {
			return 0, err
		}
		total += each
		if !filled {
			continue
		}
		var records []*kgo.Record
		for p := range each {
			for range 10 {
				records = append(records, &kgo.Record{Topic: name[0], Partition: int32(p), Value: make([]byte, 500)})
			}
		}
		if err := c.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
			return 0, err
		}
	}
	return total, nil
}

// clusterStart stops a broker of three and starts it again, cleanly and after kill -9.
func clusterStart(ctx context.Context, s *subject, c *cluster) (func(context.Context) (figures.Sample, error), error) {
	total, err := fillCluster(ctx, c, max(1, s.partitions/10), true)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (figures.Sample, error) {
		b, err := c.follower(ctx)
		if err != nil {
			return nil, err
		}
		sample := figures.Sample{}
		if err := timed(sample, step{stopped, b.Stop}); err != nil {
			return nil, err
		}
		if err := timedReturn(ctx, c, b, total, sample, started, synced, leadingAgain); err != nil {
			return nil, err
		}
		b.Kill()
		return sample, timedReturn(ctx, c, b, total, sample, startedAfterKill, syncedAfterKill, ledAgainAfterKill)
	}, nil
}

// timedReturn starts a broker that was stopped and notes the milliseconds until its first answer, until all replicas are
// in sync again, and until it leads again.
func timedReturn(ctx context.Context, c *cluster, b *harness.Broker, partitions int, into figures.Sample, first, all, leads figures.Figure) error {
	took, err := launch(ctx, b)
	if err != nil {
		return err
	}
	begun := time.Now().Add(-took)
	into[first] = milliseconds(took)
	if err := c.await(ctx, nil, partitions, inSync); err != nil {
		return err
	}
	into[all] = milliseconds(time.Since(begun))
	err = c.elect(ctx, partitions)
	into[leads] = milliseconds(time.Since(begun))
	return err
}

// clusterDeath kills a broker that leads a third of 10,000 partitions.
func clusterDeath(victim func(*cluster, context.Context) (*harness.Broker, error)) func(context.Context, *subject, *cluster) (func(context.Context) (figures.Sample, error), error) {
	return func(ctx context.Context, s *subject, c *cluster) (func(context.Context) (figures.Sample, error), error) {
		total, err := fillCluster(ctx, c, s.partitions, false)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) (figures.Sample, error) { return deathOf(ctx, c, victim, total) }, nil
	}
}

// deathOf kills a broker and starts it again.
func deathOf(ctx context.Context, c *cluster, victim func(*cluster, context.Context) (*harness.Broker, error), total int) (figures.Sample, error) {
	b, err := victim(c, ctx)
	if err != nil {
		return nil, err
	}
	dead := b.ID()
	sample := figures.Sample{}
	b.Kill()
	err = timed(sample, step{newLeaders, func() error {
		return c.await(ctx, nil, total, func(p partition) bool { return led(p) && p.Leader != dead })
	}})
	if err := errors.Join(err, b.Settle()); err != nil {
		return nil, err
	}
	if err := timed(sample, step{backInSync, func() error {
		return errors.Join(b.Launch(), c.await(ctx, nil, total, inSync))
	}}); err != nil {
		return nil, err
	}
	return sample, c.elect(ctx, total)
}

// clusterIdle is three brokers with 3,000 replicas each that nobody uses.
func clusterIdle(ctx context.Context, s *subject, c *cluster) (func(context.Context) (figures.Sample, error), error) {
	if _, err := fillCluster(ctx, c, max(1, s.partitions*3/10), false); err != nil {
		return nil, err
	}
	return func(ctx context.Context) (figures.Sample, error) {
		if err := pause(ctx, s.settle); err != nil {
			return nil, err
		}
		u, err := metered(c.pids(), func() error { return pause(ctx, s.during) })
		if err != nil {
			return nil, err
		}
		var rss int64
		for _, pid := range c.pids() {
			one, err := figures.Resident(pid)
			if err != nil {
				return nil, err
			}
			rss += one
		}
		return figures.Sample{
			figures.Idle:     float64(rss) / mega / clusterBrokers,
			figures.CPUShare: 100 * u.cpu.Seconds() / u.took.Seconds() / clusterBrokers,
		}, nil
	}, nil
}
