package config

import (
	"strconv"
	"strings"
)

// brokerThrottles has the rates that only dynamic configuration sets (QuotaConfigs.brokerQuotaConfigs in Apache
// Kafka).
var brokerThrottles = []Property{
	{Name: "leader.replication.throttled.rate", Type: Long, Default: def("9223372036854775807"), Valid: AtLeast("0"), Importance: Medium, Mode: ClusterWide,
		Doc: "The most bytes per second that a leader sends to the followers of throttled replicas."},
	{Name: "follower.replication.throttled.rate", Type: Long, Default: def("9223372036854775807"), Valid: AtLeast("0"), Importance: Medium, Mode: ClusterWide,
		Doc: "The most bytes per second that a follower fetches of throttled replicas."},
	{Name: "replica.alter.log.dirs.io.max.bytes.per.second", Type: Long, Default: def("9223372036854775807"), Valid: AtLeast("0"), Importance: Medium, Mode: ClusterWide,
		Doc: "The most bytes per second that replicas are moved between directories of one broker."},
}

// ThrottledReplicas gives what a property of throttled replicas, leader.replication.throttled.replicas or
// follower.replication.throttled.replicas, says of one broker: that the replicas of all partitions are throttled, or those of
// some (ConfigHandler.parseThrottledPartitions).
func (t *Topic) ThrottledReplicas(property string, broker int32) (all bool, partitions []int32) {
	for _, pair := range t.Values.List(property) {
		pair = javaTrim(pair)
		if pair == "*" {
			return true, nil
		}
		partition, id, _ := strings.Cut(pair, ":")
		if n, err := strconv.ParseInt(id, 10, 32); err != nil || int32(n) != broker {
			continue
		}
		if n, err := strconv.ParseInt(partition, 10, 32); err == nil {
			partitions = append(partitions, int32(n))
		}
	}
	return false, partitions
}
