package cli

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// membership is what a member of a group has been given.
type membership struct {
	mu       sync.Mutex
	joined   bool        // guarded by mu: there was an assignment
	mine     map[tp]bool // guarded by mu
	arrivals map[tp]bool // guarded by mu: those of mine whose position is not known yet
}

func (m *membership) take(parts map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.joined = true
	for topic, numbers := range parts {
		for _, n := range numbers {
			m.mine[tp{topic, n}], m.arrivals[tp{topic, n}] = true, true
		}
	}
}

func (m *membership) lose(parts map[string][]int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for topic, numbers := range parts {
		for _, n := range numbers {
			delete(m.mine, tp{topic, n})
			delete(m.arrivals, tp{topic, n})
		}
	}
}

// newcomers gives the partitions whose position is not known yet, once.
func (m *membership) newcomers() map[tp]bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	came := m.arrivals
	m.arrivals = map[tp]bool{}
	return came
}

// all gives a copy of what the member has. joined is false before the first assignment.
func (m *membership) all() (mine map[tp]bool, joined bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.mine), m.joined
}

// asMember reads as a member of a group. It ends when all that the member has is read up to where it ended when the command began.
func (c *consumption) asMember(ctx context.Context, topics []string, b bounds) error {
	if !c.f.follow {
		c.until = b.ends
	}
	m := &membership{mine: map[tp]bool{}, arrivals: map[tp]bool{}}
	reset := kgo.NewOffset().AtStart()
	if c.f.fromAt.kind == end {
		reset = kgo.NewOffset().AtEnd()
	}
	reader, err := c.admin.config.Open(ctx, append(c.readerOptions(), kgo.ConsumerGroup(c.f.group), kgo.ConsumeTopics(topics...), kgo.ConsumeResetOffset(reset),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.take(parts) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.lose(parts) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, parts map[string][]int32) { m.lose(parts) }))...)
	if err != nil {
		return err
	}
	defer reader.Close()
	c.from = &connectedReader{client: reader.Client, explain: reader.Explain, unreached: reader.Unreached, commit: func(ctx context.Context, printed []*kgo.Record) error {
		if err := reader.Client.CommitRecords(ctx, printed...); err != nil {
			return fmt.Errorf("moving the offsets of group %s: %w", c.f.group, reader.Explain(err))
		}
		return nil
	}}
	var failed error
	err = c.run(ctx, func() bool {
		if c.f.follow {
			return false
		}
		failed = c.arrive(ctx, m, b)
		mine, joined := m.all()
		for at := range mine {
			if c.unfinished(at) {
				joined = false
			}
		}
		return failed != nil || joined
	})
	if failed != nil {
		return failed
	}
	return err
}

// arrive finds out where the group is in partitions that the member was given.
func (c *consumption) arrive(ctx context.Context, m *membership, b bounds) error {
	came := m.newcomers()
	if len(came) == 0 {
		return nil
	}
	committed, err := c.admin.Admin.FetchOffsets(ctx, c.f.group)
	if err != nil {
		return fmt.Errorf("asking for the offsets of group %s: %w", c.f.group, err)
	}
	for at := range came {
		c.next[at] = b.starts[at]
		if c.f.fromAt.kind == end {
			c.next[at] = b.ends[at]
		}
		if o, ok := committed.Lookup(at.topic, at.partition); ok && o.At >= 0 && o.Err == nil {
			c.next[at] = o.At
		}
	}
	return nil
}
