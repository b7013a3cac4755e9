package config

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
