package config

// OwnPrefix begins the names of klamm's own properties, which Apache Kafka does not have. They bound what Kafka
// leaves unbounded. They are internal (see Property), so that DescribeConfigs answers as Apache Kafka's broker
// does.
const OwnPrefix = "klamm."

// brokerOwn has klamm's own properties.
var brokerOwn = []Property{
	{Name: "klamm.producer.ids.max", Type: Int, Default: def("1000000"), Valid: AtLeast("0"), Importance: Low, Internal: true,
		Doc: "How many idempotent producers all partitions together remember; 0 for no bound. Each takes some 200 bytes of memory. Beyond that, " +
			"those that have written nothing for longest are forgotten, as after producer.id.expiration.ms: one that comes back may begin " +
			"with any sequence, and a batch that it sends again is stored again."},
	{Name: "klamm.producer.ids.max.per.partition", Type: Int, Default: def("100000"), Valid: AtLeast("0"), Importance: Low, Internal: true,
		Doc: "How many idempotent producers one partition remembers; 0 for no bound. They are written to the disk with each new segment."},
}
