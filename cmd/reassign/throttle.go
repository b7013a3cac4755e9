package reassign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"klamm/cmd/reassign/plan"
)

// The properties of Kafka that bound how fast replicas are copied (KIP-73).
const (
	leaderReplicas   = "leader.replication.throttled.replicas"
	followerReplicas = "follower.replication.throttled.replicas"
	leaderRate       = "leader.replication.throttled.rate"
	followerRate     = "follower.replication.throttled.rate"
)

// throttle bounds the rate of moves, as kafka-reassign-partitions --throttle does: on each topic it names the replicas that send and those that receive, and
// on each broker that has one of them the rate.
func (r *runner) throttle(ctx context.Context, v *view, moves []plan.Move) error {
	topics, brokers := throttled(v, moves)
	for _, t := range topics {
		if err := r.setTopics(ctx, []string{t.name}, map[string]string{leaderReplicas: strings.Join(t.from, ","), followerReplicas: strings.Join(t.to, ",")}); err != nil {
			return fmt.Errorf("throttling topic %s: %w", t.name, err)
		}
	}
	rate := strconv.FormatInt(r.Throttle, 10)
	if err := r.setBrokers(ctx, brokers, map[string]string{leaderRate: rate, followerRate: rate}); err != nil {
		return fmt.Errorf("throttling brokers %v: %w", brokers, err)
	}
	r.say("moves are throttled to %d bytes per second on brokers %v", r.Throttle, brokers)
	return nil
}

// unthrottle removes what throttle set. Each request has its time: one that fails, as to a broker that hangs, takes none from the others.
func (r *runner) unthrottle(ctx context.Context, v *view, moves []plan.Move) error {
	topics, brokers := throttled(v, moves)
	var errs []error
	remove := func(from string, set func(context.Context, map[string]string) error, names ...string) {
		late, stop := context.WithTimeout(ctx, cleanUp)
		defer stop()
		configs := map[string]string{}
		for _, name := range names {
			configs[name] = ""
		}
		if err := set(late, configs); err != nil {
			errs = append(errs, fmt.Errorf("removing %s from %s: %w", strings.Join(names, " and "), from, err))
		}
	}
	remove(fmt.Sprint("brokers ", brokers), func(ctx context.Context, configs map[string]string) error {
		return r.setBrokers(ctx, brokers, configs)
	}, leaderRate, followerRate)
	for chunk := range slices.Chunk(topics, topicsAtOnce) {
		var names []string
		for _, t := range chunk {
			names = append(names, t.name)
		}
		remove("topics "+strings.Join(names, ", "), func(ctx context.Context, configs map[string]string) error {
			return r.setTopics(ctx, names, configs)
		}, leaderReplicas, followerReplicas)
	}
	if len(errs) == 0 {
		r.say("the throttles are removed")
	}
	return errors.Join(errs...)
}

type throttledTopic struct {
	name     string
	from, to []string // partition:broker
}

// throttled gives the topics with the replicas that moves copy, and the brokers that are alive and have one of them.
func throttled(v *view, moves []plan.Move) (topics []*throttledTopic, brokers []int32) {
	byName := map[string]*throttledTopic{}
	for _, m := range moves {
		added := m.Added()
		if len(added) == 0 {
			continue
		}
		t := byName[m.Topic]
		if t == nil {
			t = &throttledTopic{name: m.Topic}
			byName[m.Topic] = t
			topics = append(topics, t)
		}
		for _, id := range m.From {
			t.from = append(t.from, fmt.Sprint(m.Partition, ":", id))
		}
		for _, id := range added {
			t.to = append(t.to, fmt.Sprint(m.Partition, ":", id))
		}
		brokers = append(append(brokers, m.From...), added...)
	}
	slices.Sort(brokers)
	brokers = slices.DeleteFunc(slices.Compact(brokers), func(id int32) bool {
		return !v.alive(id)
	})
	return topics, brokers
}
