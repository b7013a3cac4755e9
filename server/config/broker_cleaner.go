package config

// brokerCleaner has the properties of compaction.
var brokerCleaner = []Property{
	{Name: "log.cleaner.enable", Type: Boolean, Default: def("true"), Importance: Medium,
		Doc: "Whether the log cleaner, which compacts, runs."},
	{Name: "log.cleaner.threads", Type: Int, Default: def("1"), Valid: AtLeast("0"), Importance: Medium, Mode: ClusterWide,
		Doc: "How many logs are compacted at the same time."},
	{Name: "log.cleaner.io.max.bytes.per.second", Type: Double, Default: def("1.7976931348623157E308"), Importance: Medium, Mode: ClusterWide,
		Doc: "The most bytes per second that all compaction reads and writes together."},
	{Name: "log.cleaner.dedupe.buffer.size", Type: Long, Default: def("134217728"), Importance: Medium, Mode: ClusterWide,
		Doc: "Memory in bytes for the map from keys to offsets, over all cleaner threads."},
	{Name: "log.cleaner.io.buffer.size", Type: Int, Default: def("524288"), Valid: AtLeast("0"), Importance: Medium, Mode: ClusterWide,
		Doc: "Memory in bytes for reading and writing, over all cleaner threads."},
	{Name: "log.cleaner.io.buffer.load.factor", Type: Double, Default: def("0.9"), Importance: Medium, Mode: ClusterWide,
		Doc: "How full the map of keys may become before a pass of compaction stops reading."},
	{Name: "log.cleaner.backoff.ms", Type: Long, Default: def("15000"), Valid: AtLeast("0"), Importance: Medium, Mode: ClusterWide,
		Doc: "How long the cleaner sleeps when there is nothing to compact."},
	{Name: "log.cleaner.min.cleanable.ratio", Type: Double, Default: def("0.5"), Valid: Between("0", "1"), Importance: Medium, Mode: ClusterWide,
		Doc: "The part of a log that must be not yet compacted before compaction is worth while."},
	{Name: "log.cleaner.delete.retention.ms", Type: Long, Default: def("86400000"), Valid: AtLeast("0"), Importance: Medium, Mode: ClusterWide,
		Doc: "How long a tombstone stays in a compacted topic, so that readers see the deletion."},
	{Name: "log.cleaner.min.compaction.lag.ms", Type: Long, Default: def("0"), Valid: AtLeast("0"), Importance: Medium, Mode: ClusterWide,
		Doc: "How long a record stays uncompacted at least."},
	{Name: "log.cleaner.max.compaction.lag.ms", Type: Long, Default: def("9223372036854775807"), Valid: AtLeast("1"), Importance: Medium, Mode: ClusterWide,
		Doc: "How long a record may stay uncompacted at most."},
}
