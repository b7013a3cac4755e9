package config

import (
	"reflect"
	"slices"
	"strings"
)

// servedBroker are the broker properties that klamm acts on today. A property joins the list in the commit that
// makes it work; klamm accepts the others with a warning.
var servedBroker = set(
	"inter.broker.protocol.version", "authorizer.class.name", "remote.log.storage.system.enable", "zookeeper.metadata.migration.enable",
	"broker.id", "node.id", "broker.id.generation.enable", "reserved.broker.max.id", "broker.rack",
	"listeners", "advertised.listeners", "listener.security.protocol.map", "inter.broker.listener.name", "control.plane.listener.name",
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
	"unclean.leader.election.enable", "auto.leader.rebalance.enable", "leader.imbalance.per.broker.percentage",
	"leader.imbalance.check.interval.seconds",
	"replica.lag.time.max.ms", "replica.lag.max.messages", "replica.socket.timeout.ms", "replica.socket.receive.buffer.bytes",
	"replica.fetch.max.bytes", "replica.fetch.wait.max.ms", "replica.fetch.min.bytes", "replica.fetch.response.max.bytes",
	"replica.fetch.backoff.ms", "replica.selector.class",
	"leader.replication.throttled.rate", "follower.replication.throttled.rate", "replication.quota.window.num",
	"replication.quota.window.size.seconds", "num.replica.fetchers", "controller.socket.timeout.ms",
	"controlled.shutdown.enable", "controlled.shutdown.max.retries", "controlled.shutdown.retry.backoff.ms",
	"zookeeper.connect", "zookeeper.session.timeout.ms", "zookeeper.connection.timeout.ms", "zookeeper.max.in.flight.requests",
	"zookeeper.set.acl", "klamm.zookeeper.digest",
	"zookeeper.ssl.client.enable", "zookeeper.ssl.keystore.location", "zookeeper.ssl.keystore.password", "zookeeper.ssl.keystore.type",
	"zookeeper.ssl.truststore.location", "zookeeper.ssl.truststore.password", "zookeeper.ssl.truststore.type",
	"zookeeper.ssl.protocol", "zookeeper.ssl.enabled.protocols", "zookeeper.ssl.cipher.suites",
	"zookeeper.ssl.endpoint.identification.algorithm", "zookeeper.ssl.crl.enable", "zookeeper.ssl.ocsp.enable",
	"producer.id.expiration.ms", "producer.id.expiration.check.interval.ms",
	"socket.request.max.bytes", "socket.send.buffer.bytes", "socket.receive.buffer.bytes", "socket.listen.backlog.size",
	"queued.max.request.bytes", "connections.max.idle.ms", "max.connections", "max.connections.per.ip",
	"max.connections.per.ip.overrides", "max.connection.creation.rate", "quota.window.num", "quota.window.size.seconds",
	"klamm.fast.failover.enable", "klamm.log.format", "klamm.log.levels", "klamm.producer.ids.max", "klamm.producer.ids.max.per.partition",
	"klamm.http.listener", "klamm.http.ssl.keystore.location", "klamm.http.ssl.keystore.password", "klamm.http.ssl.keystore.type",
	"klamm.http.basic.auth", "klamm.http.allow.insecure", "klamm.metrics.enable", "klamm.metrics.partitions.max",
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
	"message.downconversion.enable", "preallocate", "unclean.leader.election.enable",
	"leader.replication.throttled.replicas", "follower.replication.throttled.replicas",
)

// These are the reasons why a property has no effect.
const (
	noThreads = "klamm has no pools of threads and no queue between them; goroutines take their place"
	noPurge   = "klamm removes what has ended at once"
	noSamples = "klamm holds moves to replica.alter.log.dirs.io.max.bytes.per.second at every moment; nothing is sampled"
	onlyKRaft = "it is for KRaft"
	noJVM     = "klamm runs on no Java virtual machine"
	noRemote  = "there is no remote storage, whose manager is a Java class; remote.storage.enable=true is refused, as by a broker whose remote.log.storage.system.enable is false"
	noSocket  = "klamm speaks to ZooKeeper with a client of its own, which does TLS as well"
	oneFormat = "batches are stored in magic 2 always, as by Apache Kafka unless inter.broker.protocol.version is below 3.0"
)

// without has the properties that have no effect, with the reason.
var without = map[string]string{
	"message.format.version": oneFormat, "log.message.format.version": oneFormat,
	"zookeeper.clientCnxnSocket": noSocket,
	"background.threads":         noThreads, "num.io.threads": noThreads, "num.network.threads": noThreads, "queued.max.requests": noThreads,
	"group.coordinator.threads":               noThreads,
	"fetch.purgatory.purge.interval.requests": noPurge, "producer.purgatory.purge.interval.requests": noPurge,
	"delete.records.purgatory.purge.interval.requests": noPurge,
	"alter.log.dirs.replication.quota.window.num":      noSamples, "alter.log.dirs.replication.quota.window.size.seconds": noSamples,
	"alter.config.policy.kraft.compatibility.enable": onlyKRaft, "log.dir.failure.timeout.ms": onlyKRaft, "unclean.leader.election.interval.ms": onlyKRaft,
	"security.providers": noJVM, "auto.include.jmx.reporter": noJVM,
	"remote.storage.enable": noRemote, "remote.log.copy.disable": noRemote, "remote.log.delete.on.disable": noRemote,
	"local.retention.ms": noRemote, "local.retention.bytes": noRemote,
	"log.local.retention.ms": noRemote, "log.local.retention.bytes": noRemote,
}

// idleAreas says for whole parts of the table, by their titles, why their properties have no use as long as klamm does not serve what they
// are for. Another property says whether it is used, and is judged by itself: listeners, process.roles, remote.log.storage.system.enable.
var idleAreas = map[string]string{
	"Transactions and idempotent producers": "klamm does not coordinate transactions yet",
	"KRaft":                                 onlyKRaft,
	"Tiered storage":                        "klamm has no tiered storage",
	"Authentication":                        "klamm opens no listener with SASL yet",
	"TLS and stored passwords":              "klamm opens no listener with TLS yet",
}

// idlePrefixes says the same of properties whose names begin so.
var idlePrefixes = map[string]string{
	"group.share.": onlyKRaft, "group.consumer.": onlyKRaft, "group.coordinator.": onlyKRaft,
	"metrics.": "klamm reports no metrics to Java classes", "kafka.metrics.polling.": "klamm reports no metrics to Java classes",
	"telemetry.": "it is for the Java classes in metric.reporters", "connection.failed.authentication.": "klamm opens no listener with SASL or TLS yet",
	"early.start.listeners": "klamm has no authorizer that would need it",
}

// idle says why a property that klamm does not serve changes nothing as things are. It is "" for one that Apache Kafka acts on and klamm
// does not.
func (p *Property) idle() string {
	if why := p.Without(); why != "" {
		return why
	}
	for prefix, why := range idlePrefixes {
		if strings.HasPrefix(p.Name, prefix) {
			return why
		}
	}
	for i, title := range areaTitles {
		if idleAreas[title] != "" && slices.ContainsFunc(brokerTables[i], func(other Property) bool { return other.Name == p.Name }) {
			return idleAreas[title]
		}
	}
	return ""
}

// defaultReason is why a setting changes nothing that has the property's default value. It is "" for any other.
func (p *Property) defaultReason(value string) string {
	given, err := p.resolve(&value)
	standard, _ := p.resolve(p.Default)
	if err == nil && (p.Default != nil || value == "") && reflect.DeepEqual(given, standard) {
		return "it has Kafka's default"
	}
	return ""
}

func set(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}
