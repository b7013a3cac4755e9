package compare

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// names are what topics may be called: those of the base (see base), and others.
var names = []string{"alpha", "alpha", "alpha", "beta", "empty", "trimmed", "now", "none", "", "bad name", ".", "..",
	strings.Repeat("x", 249), strings.Repeat("x", 250), "ünicode", "a/b", "nul\x00", "alpha.", "__consumer_offsets"}

// fields are the values of fields by name, or by API and name.
var fields = map[string]func(g *generator) any{
	"Topic":              func(g *generator) any { return pick(g, names...) },
	"CreateTopics.Topic": changedTopic, "CreatePartitions.Topic": changedTopic,
	"DeleteTopics.TopicNames": func(g *generator) any {
		return []string{pick(g, changed...), pick(g, changed...)}[:pick(g, 0, 1, 1, 1, 2)]
	},
	"DeleteTopics.TopicID": func(g *generator) any {
		return pick(g, [16]byte{}, [16]byte{}, placeholder("new-1"), placeholder("new-2"), [16]byte{9, 9})
	},
	"NumPartitions":               func(g *generator) any { return pick[int32](g, 1, 1, 2, 3, -1, -1, 0, -2, math.MinInt32) },
	"ReplicationFactor":           func(g *generator) any { return pick[int16](g, 1, 1, 1, -1, -1, 0, 2, -2, math.MaxInt16) },
	"ReplicaAssignment":           func(g *generator) any { return assignments(g) },
	"CreateTopics.ValidateOnly":   func(g *generator) any { return g.IntN(4) > 0 },
	"Replicas":                    replicas,
	"CreatePartitions.Count":      func(g *generator) any { return pick[int32](g, 2, 3, 3, 4, 1, 0, -1, -1000) },
	"CreatePartitions.Assignment": func(g *generator) any { return partitionAssignments(g) },
	"CreateTopics.Name":           setting, "AlterConfigs.Name": setting, "IncrementalAlterConfigs.Name": setting,
	"CreateTopics.Value": settingValue, "AlterConfigs.Value": settingValue, "IncrementalAlterConfigs.Value": settingValue,
	"Op":                        func(g *generator) any { return pick[int8](g, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, -1) },
	"AlterConfigs.ResourceName": changedResource, "IncrementalAlterConfigs.ResourceName": changedResource,
	"DeleteRecords.Topic": recordTopic, "Produce.Topic": recordTopic,
	"Produce.TopicID":          func(g *generator) any { return [16]byte{} },
	"Records":                  records,
	"Acks":                     func(g *generator) any { return pick[int16](g, -1, -1, -1, 1, 1, 0, 2, -2) },
	"TransactionID":            func(g *generator) any { return (*string)(nil) },
	"TransactionalID":          func(g *generator) any { s := pick(g, "", "tx"); return pick(g, nil, nil, &s) },
	"TransactionTimeoutMillis": func(g *generator) any { return pick[int32](g, 1000, 60000, 0, -1, math.MaxInt32) },
	"Metadata.Topic":           topicOrNull,
	"DeleteTopics.Topic":       topicOrNull,
	"Partition": func(g *generator) any {
		return pick[int32](g, 0, 0, 0, 1, 1, 2, 3, -1, 7, math.MaxInt32, math.MinInt32)
	},
	"Partitions":           partitions,
	"CurrentLeaderEpoch":   func(g *generator) any { return pick[int32](g, -1, -1, -1, 0, 0, 1, 5, -2, math.MaxInt32) },
	"LastFetchedEpoch":     func(g *generator) any { return pick[int32](g, -1, -1, 0, 1, -2) },
	"LeaderEpoch":          func(g *generator) any { return pick[int32](g, 0, 0, 1, 5, -1, -2, math.MaxInt32) },
	"ReplicaID":            func(g *generator) any { return pick[int32](g, -1, -1, -1, -1, -2, -3) },
	"Fetch.ID":             func(g *generator) any { return pick[int32](g, -1, -1, -1, -2) },
	"Fetch.Epoch":          func(g *generator) any { return int64(-1) },
	"MaxWaitMillis":        func(g *generator) any { return pick[int32](g, 0, 0, 1, 5, -1) },
	"MinBytes":             func(g *generator) any { return pick[int32](g, 0, 0, 1, 100, -1, math.MaxInt32) },
	"MaxBytes":             func(g *generator) any { return pick[int32](g, 1<<20, 1<<20, math.MaxInt32, 0, 1, 100, 300, -1) },
	"PartitionMaxBytes":    func(g *generator) any { return pick[int32](g, 1<<20, 1<<20, math.MaxInt32, 0, 1, 100, 300, -1) },
	"IsolationLevel":       func(g *generator) any { return pick[int8](g, 0, 0, 0, 1, 1, 2, -1, 127) },
	"FetchOffset":          offset,
	"DeleteRecords.Offset": offset,
	"SessionID":            func(g *generator) any { return pick[int32](g, 0, 0, 0, 0, -1, 1, 12345, math.MaxInt32) },
	"SessionEpoch":         func(g *generator) any { return pick[int32](g, -1, -1, 0, 0, 1, 2, math.MaxInt32, -2) },
	"ReplicaDirectoryID":   func(g *generator) any { return [16]byte{} },
	"HighWatermark":        func(g *generator) any { return int64(math.MaxInt64) },
	"Timestamp": func(g *generator) any {
		return pick[int64](g, -1, -1, -2, -2, -3, -4, -5, -6, -7, 0, 999, 1000, 1001, 2000, 5000, 1<<40, math.MaxInt64, math.MinInt64)
	},
	"MaxNumOffsets":          func(g *generator) any { return pick[int32](g, 1, 1, 2, 10, 0, -1, math.MaxInt32) },
	"TimeoutMillis":          func(g *generator) any { return pick[int32](g, 30000, 30000, 30000, 30000, 0, -1) },
	"Produce.TimeoutMillis":  func(g *generator) any { return int32(30000) },
	"AllowAutoTopicCreation": func(g *generator) any { return g.IntN(2) == 0 },
	"ClientSoftwareName":     software,
	"ClientSoftwareVersion":  software,
	"ResponsePartitionLimit": func(g *generator) any { return pick[int32](g, 2000, 2000, 1, 2, 0, -1, math.MaxInt32) },
	"ResourceType":           func(g *generator) any { return pick[int8](g, 2, 2, 2, 2, 4, 4, 8, 16, 32, 0, 1, 3, -1, 127) },
	"ResourceName":           resource, "ConfigNames": configNames,
	"ResourceTypes": func(g *generator) any {
		return [][]int8{nil, {2}, {4}, {8}, {16}, {32}, {2, 4}, {0}, {2, 2}, {99}}[g.IntN(10)]
	},
	"EntityType":              func(g *generator) any { return pick(g, "user", "user", "client-id", "ip", "", "x") },
	"MatchType":               func(g *generator) any { return pick[int8](g, 0, 0, 1, 1, 2, 2, 3, -1) },
	"OwnerPrincipalType":      func(g *generator) any { s := pick(g, "User", "x", ""); return pick(g, nil, &s) },
	"SASLHandshake.Mechanism": func(g *generator) any { return pick(g, "PLAIN", "SCRAM-SHA-256", "") },
	"StateFilters": func(g *generator) any {
		return pick(g, nil, nil, []string{"Ongoing"}, []string{"ongoing", "Dead"}, []string{"x", ""})
	},
	"EndpointType": func(g *generator) any { return pick[int8](g, 1, 1, 2, 0, 3, -1) },
	// 1, which stands for transactions, is left out: the reference would create their
	// topic, in its own time.
	"CoordinatorType": func(g *generator) any { return pick[int8](g, 0, 0, 2, 3, -1) },
	"Group":           func(g *generator) any { return pick(g, groups...) },
	"JoinGroup.Group": func(g *generator) any { return joined(g) },
	"MemberID":        func(g *generator) any { return pick(g, "", "", "", "nobody") },
	"InstanceID":      func(g *generator) any { s := pick(g, "", "i"); return pick(g, nil, nil, nil, &s) },
	"Generation":      func(g *generator) any { return pick[int32](g, -1, -1, -1, 0, 1, 2, -2, math.MaxInt32) },
	"ProtocolType": func(g *generator) any {
		return pick(g, "consumer", "consumer", "consumer", "connect", "", "x")
	},
	"Protocol":               func(g *generator) any { return pick(g, "range", "range", "sticky", "") },
	"JoinGroup.Name":         func(g *generator) any { return pick(g, "range", "sticky", "") },
	"SessionTimeoutMillis":   func(g *generator) any { return pick[int32](g, 1800000, 1800000, 300000, 5999, 1800001, 0, -1) },
	"RebalanceTimeoutMillis": func(g *generator) any { return int32(300000) },
	"RetentionTimeMillis":    func(g *generator) any { return int64(-1) },
	"StatesFilter": func(g *generator) any {
		return pick(g, nil, nil, []string{}, []string{"Empty"}, []string{"empty", "Dead"}, []string{"CompletingRebalance"}, []string{"Stable", "Empty", "x", ""})
	},
	"TypesFilter": func(g *generator) any {
		return pick(g, nil, nil, []string{}, []string{"classic"}, []string{"Classic", "consumer"}, []string{"x"})
	},
}

// groups are the names of groups. Those of one are committed for by OffsetCommit;
// the others are not there.
var groups = []string{"g1", "g1", "g1", "g2", "g2", "g3", "none", "", "ünicode", "bad name", "a/b", "nul\x00", strings.Repeat("x", 250)}

// joined makes a group that nobody has joined: two members would wait for each other.
func joined(g *generator) any {
	return pick(g, fmt.Sprintf("joined-%d-%d", g.version, g.Uint32()), fmt.Sprintf("joined-%d-%d", g.version, g.Uint32()), "")
}

// resources are the names of topics, brokers, and of neither.
func resource(g *generator) any {
	return pick(g, "alpha", "beta", "empty", "now", "none", "0", "0", "0", "", "", "1", "-1", "x", "bad name", strings.Repeat("x", 250))
}

// configNames are the names of settings that a request asks for; null asks for all.
func configNames(g *generator) any {
	return pick(g, nil, nil, []string{}, []string{"retention.ms"}, []string{"cleanup.policy", "retention.ms"}, []string{"no.such"}, []string{""},
		[]string{"retention.ms", "retention.ms"}, []string{"log.retention.ms", "num.partitions"}, []string{"no.such", "compression.type"},
		[]string{"listeners", "broker.id", "log.dirs"}, []string{"message.timestamp.type", "log.message.timestamp.type"})
}

// changed are the names of topics that a changing request may name: those that
// it may change, some that are not there, and those that cannot be.
var changed = append([]string{"new-1", "new-1", "new-2", "new.1", "new_1", "new-3", "new-3"}, names[7:]...)

func changedTopic(g *generator) any { return pick(g, changed...) }

// recordTopic are the names of topics to write to.
func recordTopic(g *generator) any {
	return pick(g, "rec", "rec", "rec", "rec-compact", "rec-now", "rec-small", "rec-late", "none", "", "bad name")
}

// replicas are mostly the one broker that there is.
func replicas(g *generator) any {
	return pick(g, []int32{0}, []int32{0}, []int32{0}, []int32{0}, []int32{0}, []int32{0, 0}, []int32{}, []int32{-1}, nil)
}

// settings are the names of settings that a changing request may name.
var settings = []string{"retention.ms", "retention.ms", "cleanup.policy", "cleanup.policy", "compression.type", "max.message.bytes", "segment.bytes", "no.such", "",
	"min.compaction.lag.ms", "max.compaction.lag.ms", "local.retention.ms", "preallocate", "follower.replication.throttled.replicas", "min.insync.replicas",
	"message.timestamp.type", "message.format.version", "remote.storage.enable", "min.cleanable.dirty.ratio",
	"log.retention.ms", "log.cleaner.threads", "num.io.threads", "num.partitions", "log.segment.bytes", "max.connections", "message.max.bytes",
	"log.cleanup.policy", "listeners", "broker.id", "log.cleaner.io.max.bytes.per.second", "min.cleanable.dirty.ratio"}

func setting(g *generator) any { return pick(g, settings...) }

// settingValues are what a setting may be set to.
var settingValues = []string{"1", "1000", "0", "-1", "-2", "", "abc", "true", "false", "TRUE", "yes", "compact", "delete", "compact,delete", "delete, compact", "delete,delete", "compact,shred", " 5 ", "1.5", "0.5", "1e3", "0x10",
	"gzip", "GZIP", "producer", "uncompressed", "none", "99999999999", "2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "CreateTime", "LogAppendTime", "3.0", "0.10.0", "*", "0:0", "a:b", "1048576"}

func settingValue(g *generator) any {
	if g.IntN(12) == 0 {
		return (*string)(nil)
	}
	v := pick(g, settingValues...)
	return &v
}

func topicOrNull(g *generator) any {
	if g.IntN(6) == 0 {
		return (*string)(nil)
	}
	name := pick(g, names...)
	return &name
}

func offset(g *generator) any {
	return pick[int64](g, 0, 0, 1, 2, 3, 4, 5, 6, 7, 9, 100, -1, -2, math.MaxInt64, math.MinInt64)
}

func partitions(g *generator) any {
	return pick(g, []int32{0}, []int32{0}, []int32{0, 1}, []int32{1, 0, 2}, []int32{}, nil, []int32{7}, []int32{-1}, []int32{0, 0}, []int32{0, 9, math.MinInt32})
}

func software(g *generator) any {
	return pick(g, "client", "1.0", "", "-x", "x-", "a b", "ü", strings.Repeat("v", 300), "a.b-c")
}

func changedResource(g *generator) any {
	return pick(g, "conf", "conf", "conf", "none", "0", "0", "", "1", "x", "bad name")
}

func assignments(g *generator) (out []kmsg.CreateTopicsRequestTopicReplicaAssignment) {
	if g.IntN(4) > 0 {
		return nil
	}
	for i := range pick[int32](g, 1, 1, 2, 3) {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = pick(g, i, i, i, i, 0, i+1, -1), replicas(g).([]int32)
		out = append(out, a)
	}
	return out
}

func partitionAssignments(g *generator) (out []kmsg.CreatePartitionsRequestTopicAssignment) {
	if g.IntN(2) > 0 {
		return nil
	}
	for range pick(g, 0, 1, 1, 2, 2, 3) {
		a := kmsg.NewCreatePartitionsRequestTopicAssignment()
		a.Replicas = replicas(g).([]int32)
		out = append(out, a)
	}
	return out
}

// records are batches and messages as they should be, and not.
func records(g *generator) any {
	good := batch(nil, 1000, 1001, 1002)
	change := func(f func(b *kmsg.RecordBatch)) []byte { return batch(f, 1000, 1001, 1002) }
	bent := func(at int, to byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = to
		return b
	}
	now := time.Now().UnixMilli()
	return pick(g, good, good, batch(nil, 1000), batch(nil, now), batch(nil, -1), batch(nil, now+2*24*3600*1000), []byte{}, []byte{1, 2, 3}, good[:20], good[:len(good)-1],
		append(append([]byte(nil), good...), good...), batch(nil), bent(crcAt, 1), bent(magicAt, 3), bent(magicAt, 0xff), bent(lengthAt, 0x7f),
		change(func(b *kmsg.RecordBatch) { b.LastOffsetDelta = 5 }), change(func(b *kmsg.RecordBatch) { b.NumRecords = 2 }), change(func(b *kmsg.RecordBatch) { b.NumRecords = -1 }),
		change(func(b *kmsg.RecordBatch) { b.Attributes = 0x20 }), change(func(b *kmsg.RecordBatch) { b.Attributes = 0x10 }), change(func(b *kmsg.RecordBatch) { b.Attributes = 7 }), change(func(b *kmsg.RecordBatch) { b.Attributes = 1 }),
		change(func(b *kmsg.RecordBatch) { b.FirstOffset = 77 }), change(func(b *kmsg.RecordBatch) { b.PartitionLeaderEpoch = 9 }), change(func(b *kmsg.RecordBatch) { b.Attributes = 8 }),
		change(func(b *kmsg.RecordBatch) { b.ProducerID, b.ProducerEpoch, b.FirstSequence = 5000, 0, 0 }), change(func(b *kmsg.RecordBatch) { b.ProducerID, b.ProducerEpoch, b.FirstSequence = 5000, 0, 3 }),
		change(func(b *kmsg.RecordBatch) { b.ProducerID, b.ProducerEpoch, b.FirstSequence = 5000, 0, 100 }), change(func(b *kmsg.RecordBatch) { b.ProducerID, b.ProducerEpoch, b.FirstSequence = 5001, 3, 0 }),
		change(func(b *kmsg.RecordBatch) { b.ProducerID, b.ProducerEpoch, b.FirstSequence = 5001, 2, 0 }), change(func(b *kmsg.RecordBatch) { b.ProducerID, b.ProducerEpoch, b.FirstSequence = 5002, -1, 0 }),
		change(func(b *kmsg.RecordBatch) { b.ProducerID, b.ProducerEpoch, b.FirstSequence = 5002, 0, -1 }), change(func(b *kmsg.RecordBatch) { b.ProducerID, b.ProducerEpoch, b.FirstSequence = 5003, 0, math.MaxInt32 }),
		message(1, 0, 1000, []byte("k"), []byte("v")), message(0, 0, 0, nil, []byte("v")), message(1, 5, -1, []byte("k"), nil), append(message(1, 0, 1000, []byte("k"), []byte("v")), message(1, 1, 1001, []byte("k"), []byte("v"))...),
		message(0, 0, 0, nil, []byte("v"))[:20])
}
