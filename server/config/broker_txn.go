package config

// brokerTxn has the properties of transactions and idempotent producers.
var brokerTxn = []Property{
	{Name: "transactional.id.expiration.ms", Type: Int, Default: def("604800000"), Valid: AtLeast("1"), Importance: High,
		Doc: "How long a transactional id is remembered after its last transaction."},
	{Name: "transaction.max.timeout.ms", Type: Int, Default: def("900000"), Valid: AtLeast("1"), Importance: High,
		Doc: "The longest transaction timeout that a producer may ask for."},
	{Name: "transaction.state.log.min.isr", Type: Int, Default: def("2"), Valid: AtLeast("1"), Importance: High,
		Doc: "min.insync.replicas of __transaction_state."},
	{Name: "transaction.state.log.load.buffer.size", Type: Int, Default: def("5242880"), Valid: AtLeast("1"), Importance: High,
		Doc: "How many bytes are read at once when transactions are loaded into memory."},
	{Name: "transaction.state.log.replication.factor", Type: Short, Default: def("3"), Valid: AtLeast("1"), Importance: High,
		Doc: "Number of replicas of __transaction_state. The topic is not created before so many brokers live."},
	{Name: "transaction.state.log.num.partitions", Type: Int, Default: def("50"), Valid: AtLeast("1"), Importance: High,
		Doc: "Number of partitions of __transaction_state. It must not change once the topic exists."},
	{Name: "transaction.state.log.segment.bytes", Type: Int, Default: def("104857600"), Valid: AtLeast("1"), Importance: High,
		Doc: "Segment size of __transaction_state."},
	{Name: "transaction.abort.timed.out.transaction.cleanup.interval.ms", Type: Int, Default: def("10000"), Valid: AtLeast("1"), Importance: Low,
		Doc: "How often transactions that have timed out are looked for and aborted."},
	{Name: "transaction.remove.expired.transaction.cleanup.interval.ms", Type: Int, Default: def("3600000"), Valid: AtLeast("1"), Importance: Low,
		Doc: "How often expired transactional ids are looked for."},
	{Name: "transaction.partition.verification.enable", Type: Boolean, Default: def("true"), Importance: Low, Mode: ClusterWide,
		Doc: "Whether a transactional batch is accepted only if its partition is known to be in the transaction."},
	{Name: "producer.id.expiration.ms", Type: Int, Default: def("86400000"), Valid: AtLeast("1"), Importance: Low, Mode: ClusterWide,
		Doc: "How long a partition remembers an idempotent producer after its last batch."},
	{Name: "producer.id.expiration.check.interval.ms", Type: Int, Default: def("600000"), Valid: AtLeast("1"), Importance: Low, Internal: true,
		Doc: "How often producers that have expired are looked for."},
}
