package broker

import (
	"slices"

	"klamm/cluster/replica"
	"klamm/cluster/throttle"
	"klamm/server/config"
)

// replicationRates makes the rates of throttled replicas, as a leader and as a follower, whose limits follow the configuration.
func replicationRates(dynamic *config.Dynamic) (leader, follower *throttle.Rate) {
	v := dynamic.Current()
	samples, windowMs := v.Int("replication.quota.window.num"), int64(v.Int("replication.quota.window.size.seconds"))*1000
	leader, follower = throttle.NewRate(samples, windowMs), throttle.NewRate(samples, windowMs)
	set := func(v *config.Values) {
		leader.SetLimit(v.Long("leader.replication.throttled.rate"))
		follower.SetLimit(v.Long("follower.replication.throttled.rate"))
	}
	set(v)
	dynamic.OnChange(func(c config.Change) { set(c.New) })
	return leader, follower
}

// throttledReplicas gives the replicas on a broker that a property of their topic throttles.
func throttledReplicas(t *config.Topic, property string, broker int32) *replica.ThrottledReplicas {
	all, partitions := t.ThrottledReplicas(property, broker)
	if !all && len(partitions) == 0 {
		return nil
	}
	slices.Sort(partitions)
	return &replica.ThrottledReplicas{All: all, Partitions: partitions}
}
