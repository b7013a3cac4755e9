package config

// servedBroker are the broker properties that klamm acts on today. A property joins the list in the commit that
// makes it work; klamm accepts the others with a warning.
var servedBroker = set(
	"broker.id", "node.id", "broker.id.generation.enable", "reserved.broker.max.id", "broker.rack",
	"listeners", "advertised.listeners", "listener.security.protocol.map", "inter.broker.listener.name",
	"security.inter.broker.protocol",
	"log.dir", "log.dirs", "num.recovery.threads.per.data.dir",
	"auto.create.topics.enable", "delete.topic.enable", "num.partitions", "default.replication.factor",
	"min.insync.replicas", "message.max.bytes",
	"offsets.topic.num.partitions", "offsets.topic.replication.factor", "offsets.topic.segment.bytes",
	"offsets.topic.compression.codec", "offsets.load.buffer.size", "offset.metadata.max.bytes",
	"offsets.retention.minutes", "offsets.retention.check.interval.ms",
	"offsets.commit.timeout.ms", "offsets.commit.required.acks",
	"group.min.session.timeout.ms", "group.max.session.timeout.ms", "group.max.size",
	"group.initial.rebalance.delay.ms",
	"compression.type", "compression.gzip.level", "compression.lz4.level", "compression.zstd.level",
	"log.message.downconversion.enable", "log.preallocate",
	"log.segment.bytes", "log.roll.ms", "log.roll.hours", "log.roll.jitter.ms", "log.roll.jitter.hours",
	"log.retention.ms", "log.retention.minutes", "log.retention.hours", "log.retention.bytes",
	"log.retention.check.interval.ms", "log.cleanup.policy",
	"log.index.size.max.bytes", "log.index.interval.bytes",
	"log.flush.interval.messages", "log.flush.interval.ms", "log.flush.scheduler.interval.ms",
	"log.flush.offset.checkpoint.interval.ms", "log.flush.start.offset.checkpoint.interval.ms",
	"log.segment.delete.delay.ms", "log.initial.task.delay.ms",
	"log.cleaner.enable", "log.cleaner.threads", "log.cleaner.io.max.bytes.per.second",
	"log.cleaner.dedupe.buffer.size", "log.cleaner.io.buffer.size", "log.cleaner.io.buffer.load.factor",
	"log.cleaner.backoff.ms", "log.cleaner.min.cleanable.ratio", "log.cleaner.delete.retention.ms",
	"log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms",
	"num.replica.alter.log.dirs.threads", "replica.alter.log.dirs.io.max.bytes.per.second",
	"log.message.timestamp.type", "log.message.timestamp.difference.max.ms",
	"log.message.timestamp.before.max.ms", "log.message.timestamp.after.max.ms",
	"replica.high.watermark.checkpoint.interval.ms",
	"producer.id.expiration.ms", "producer.id.expiration.check.interval.ms",
	"socket.request.max.bytes", "socket.send.buffer.bytes", "socket.receive.buffer.bytes", "socket.listen.backlog.size",
	"queued.max.request.bytes", "connections.max.idle.ms", "max.connections", "max.connections.per.ip",
	"max.connections.per.ip.overrides", "max.connection.creation.rate", "quota.window.num", "quota.window.size.seconds",
	"klamm.producer.ids.max", "klamm.producer.ids.max.per.partition",
	"fetch.max.bytes", "max.incremental.fetch.session.cache.slots", "max.request.partition.size.limit",
)

// servedTopic are the topic properties that klamm acts on today.
var servedTopic = set(
	"segment.bytes", "segment.ms", "segment.jitter.ms", "segment.index.bytes", "index.interval.bytes",
	"flush.messages", "flush.ms", "retention.bytes", "retention.ms", "cleanup.policy",
	"min.cleanable.dirty.ratio", "min.compaction.lag.ms", "max.compaction.lag.ms", "delete.retention.ms",
	"file.delete.delay.ms", "max.message.bytes", "min.insync.replicas",
	"message.timestamp.type", "message.timestamp.difference.max.ms",
	"message.timestamp.before.max.ms", "message.timestamp.after.max.ms",
	"compression.type", "compression.gzip.level", "compression.lz4.level", "compression.zstd.level",
	"message.downconversion.enable", "preallocate",
)

// These are the reasons why a property has no effect on a broker as long as it is alone.
const (
	noOther   = "a broker alone has the only replica of each partition, and no other to choose"
	noReplica = "a broker alone sends to no follower and is none"
	noRemote  = "there is no remote storage, whose manager is a Java class; remote.storage.enable=true is refused, as by a broker whose remote.log.storage.system.enable is false"
	oneFormat = "batches are stored in magic 2 always, as by Apache Kafka unless inter.broker.protocol.version is below 3.0"
)

// without has the topic properties that have no effect on a broker alone, and the broker properties that they
// fall back to, with the reason.
var without = map[string]string{
	"unclean.leader.election.enable": noOther,
	"message.format.version":         oneFormat, "log.message.format.version": oneFormat,
	"leader.replication.throttled.replicas": noReplica, "follower.replication.throttled.replicas": noReplica,
	"remote.storage.enable": noRemote, "remote.log.copy.disable": noRemote, "remote.log.delete.on.disable": noRemote,
	"local.retention.ms": noRemote, "local.retention.bytes": noRemote,
	"log.local.retention.ms": noRemote, "log.local.retention.bytes": noRemote,
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}
