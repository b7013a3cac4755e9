package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"klamm/bench/figures"
)

// manyTopics makes, describes and deletes a tenth as many partitions as topics/idle
// has, ten to a topic: 1,000.
func manyTopics(_ context.Context, s *subject) (*session, error) {
	const each = 10
	b := s.target.(*broker)
	return &session{close: nothing, round: func(ctx context.Context) (figures.Sample, error) {
		names := topicNames(max(1, s.partitions/10/each))
		sample := figures.Sample{}
		u, err := metered(b.pids(), func() error {
			return timed(sample,
				step{made, func() error { return makeTopics(ctx, b.admin, names, each) }},
				step{described, func() error { return describeTopics(ctx, b.admin, names) }},
				step{deleted, func() error { return deleteTopics(ctx, b.admin, names) }})
		})
		sample[figures.Peak] = float64(u.peak) / mega
		return sample, errors.Join(err, b.gone(ctx, "many*"))
	}}, nil
}

// step is something that takes time.
type step struct {
	name figures.Figure
	do   func() error
}

// timed does the steps one after the other and notes the milliseconds of each.
func timed(into figures.Sample, steps ...step) error {
	for _, s := range steps {
		begun := time.Now()
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		into[s.name] = milliseconds(time.Since(begun))
	}
	return nil
}

func topicNames(n int) (names []string) {
	for range n {
		names = append(names, "many"+topicName())
	}
	return names
}

// makeTopics returns when every partition is led.
func makeTopics(ctx context.Context, admin *kadm.Client, names []string, partitions int) error {
	answers, err := admin.CreateTopics(ctx, int32(partitions), 1, nil, names...)
	if err := errors.Join(err, answers.Error()); err != nil {
		return err
	}
	return awaitLeaders(ctx, admin, partitions*len(names), names...)
}

// describeTopics asks what kafka-topics.sh --describe does: partitions and
// configurations.
func describeTopics(ctx context.Context, admin *kadm.Client, names []string) error {
	if _, err := admin.Metadata(ctx, names...); err != nil {
		return err
	}
	configs, err := admin.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return err
	}
	for _, c := range configs {
		if c.Err != nil {
			return c.Err
		}
	}
	return nil
}

// deleteTopics returns when Metadata has none of them.
func deleteTopics(ctx context.Context, admin *kadm.Client, names []string) error {
	answers, err := admin.DeleteTopics(ctx, names...)
	if err := errors.Join(err, answers.Error()); err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, name := range names {
		gone[name] = true
	}
	return poll(ctx, func() (bool, error) {
		m, err := admin.Metadata(ctx) // all: asked for by name they would be made again
		if err != nil {
			return false, err
		}
		for _, t := range m.Topics {
			if gone[t.Topic] && t.Err == nil {
				return false, nil
			}
		}
		return true, nil
	})
}

// idleTopics is a broker with many partitions that nobody uses.
func idleTopics(ctx context.Context, s *subject) (*session, error) {
	const each = 100
	b, err := startBroker(s.name, s.dir)
	if err != nil {
		return nil, err
	}
	total := s.partitions
	makingMs := figures.Sample{}
	if err := timed(makingMs, step{made, func() error {
		for n := 0; n < total; n += 10 * each { // no request takes a controller too long
			in := min(10*each, total-n)
			if err := makeTopics(ctx, b.admin, topicNames(max(1, in/each)), min(each, in)); err != nil {
				return err
			}
		}
		return nil
	}}); err != nil {
		return nil, errors.Join(err, b.close())
	}
	if total, err = leaders(ctx, b.admin); err != nil {
		return nil, errors.Join(err, b.close())
	}
	return &session{
		close: func(context.Context) error { return b.close() },
		round: func(ctx context.Context) (figures.Sample, error) {
			sample := figures.Sample{made: makingMs[made]}
			if err := idle(ctx, b, s.scale, sample); err != nil {
				return nil, err
			}
			if err := timed(sample, step{stopped, b.Stop}); err != nil {
				return nil, err
			}
			return sample, timedStart(ctx, b, total, sample, started, leading)
		},
	}, nil
}

// idle measures a broker that gets no requests.
func idle(ctx context.Context, b *broker, s scale, into figures.Sample) error {
	if err := pause(ctx, s.settle); err != nil {
		return err
	}
	u, err := metered(b.pids(), func() error { return pause(ctx, s.during) })
	if err != nil {
		return err
	}
	rss, err := figures.Resident(b.pid())
	into[figures.Idle] = float64(rss) / mega
	into[figures.CPUShare] = 100 * u.cpu.Seconds() / u.took.Seconds()
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
