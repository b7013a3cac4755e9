package config

// OwnPrefix begins the names of the properties that Apache Kafka never had.
const OwnPrefix = "klamm."

// brokerOwn has the properties that Apache Kafka 3.9 does not have: those that begin with OwnPrefix, and one that Apache Kafka has
// given up. They are internal (see Property), so that DescribeConfigs answers as Apache Kafka's broker does.
var brokerOwn = []Property{
	{Name: "klamm.producer.ids.max", Type: Int, Default: def("1000000"), Valid: AtLeast("0"), Importance: Low, Internal: true,
		Doc: "How many idempotent producers all partitions together remember; 0 for no bound. Each takes some 200 bytes of memory. Beyond that, " +
			"those that have written nothing for longest are forgotten, as after producer.id.expiration.ms: one that comes back may begin " +
			"with any sequence, and a batch that it sends again is stored again."},
	{Name: "klamm.producer.ids.max.per.partition", Type: Int, Default: def("100000"), Valid: AtLeast("0"), Importance: Low, Internal: true,
		Doc: "How many idempotent producers one partition remembers; 0 for no bound. They are written to the disk with each new segment."},
	{Name: "klamm.zookeeper.digest", Type: Password, Importance: Low, Internal: true,
		Doc: "The user and password, as user:password, that klamm gives to ZooKeeper's scheme digest. With zookeeper.set.acl the nodes belong to " +
			"that user. Apache's broker has no such property: it authenticates itself by SASL, which klamm does not speak, or by its certificate."},
	{Name: "klamm.fast.failover.enable", Type: Boolean, Default: def("true"), Importance: Medium, Internal: true,
		Doc: "Whether a broker whose process is dead, since its port refuses connections, is replaced as a leader and as the controller at once. " +
			"Without it that waits for the end of its session, as in Apache Kafka (zookeeper.session.timeout.ms)."},
	{Name: "klamm.log.format", Type: String, Default: def("text"), Valid: OneOf("text", "json"), Importance: Low, Internal: true,
		Doc: "What a line of the log is: text, as key=value, or a JSON object with the same keys."},
	{Name: logLevelsProperty, Type: List, Default: def("root=INFO"), Valid: logLevels, Importance: Low, Internal: true,
		Doc: "The levels that the loggers of this broker start with. A logger that is not named has the level of the one above it. kafka-configs changes levels " +
			"while the broker runs, until its next start: see docs/operations.md."},
	{Name: "klamm.http.listener", Type: String, Default: def("127.0.0.1:9094"), Importance: Medium, Internal: true,
		Doc: "Where metrics (/metrics) and health (/healthz, /readyz) are served, as HOST:PORT, or off. Where the default port is taken and this is " +
			"not set, the broker starts without it and says so."},
	{Name: "klamm.http.ssl.keystore.location", Type: String, Importance: Low, Internal: true,
		Doc: "The file with the key and certificate by which klamm.http.listener speaks TLS; without it, it speaks HTTP."},
	{Name: "klamm.http.ssl.keystore.password", Type: Password, Importance: Low, Internal: true,
		Doc: "The password of klamm.http.ssl.keystore.location."},
	{Name: "klamm.http.ssl.keystore.type", Type: String, Default: def("PEM"), Valid: OneOf("JKS", "PKCS12", "PEM"), Importance: Low, Internal: true,
		Doc: "The format of klamm.http.ssl.keystore.location."},
	{Name: "klamm.http.basic.auth", Type: Password, Importance: Medium, Internal: true,
		Doc: "The user and password, as user:password, that klamm.http.listener asks for (basic authentication). /healthz, /readyz and /v1/ are answered without."},
	{Name: "klamm.http.allow.insecure", Type: Boolean, Default: def("false"), Importance: Medium, Internal: true,
		Doc: "Whether klamm.http.listener may be reached from other machines without TLS and authentication."},
	{Name: "klamm.metrics.enable", Type: Boolean, Default: def("true"), Importance: Low, Internal: true,
		Doc: "Whether the broker counts what it does and tells of its events. Without it /metrics has little, and nothing else changes."},
	{Name: "klamm.metrics.partitions.max", Type: Int, Default: def("10000"), Valid: AtLeast("0"), Importance: Low, Internal: true,
		Doc: "How many of the partitions that the broker leads have metrics of their own, some 17 series each; 0 for none."},
	{Name: "replica.lag.max.messages", Type: Long, Default: def("0"), Valid: AtLeast("0"), Importance: Low, Internal: true,
		Doc: "How many messages a follower may be behind its leader before it leaves the ISR, as Apache Kafka had it before 0.9; 0 for no bound, " +
			"so that replica.lag.time.max.ms alone decides."},
}
