package compare

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// difference is one kind of answer that klamm gives otherwise on purpose. It is
// a row of docs/differences.md.
type difference struct {
	// apis are the APIs that it shows in; empty for all.
	apis []kmsg.Key
	// from and to are the versions; to 0 is the highest.
	from, to int16
	// path is a pattern of the whole path of the field; klamm and apache are
	// patterns of the values as JSON, empty for any.
	path, klamm, apache string
	// when narrows it to some requests.
	when func(q question) bool
	// asked, says and reason are for the reader: what is asked, how the answers
	// differ, and why klamm's is as it is.
	asked, says, reason string
}

func (d *difference) matches(q question, g gap) bool {
	if len(d.apis) > 0 && !slices.Contains(d.apis, kmsg.Key(q.key)) || d.from > 0 && q.version < d.from || d.to > 0 && q.version > d.to {
		return false
	}
	return whole(d.path, g.path) && whole(d.klamm, asJSON(g.klamm)) && whole(d.apache, asJSON(g.apache)) && (d.when == nil || d.when(q))
}

// whole says whether a pattern, unless it is empty, matches all of a text.
func whole(pattern, text string) bool {
	return pattern == "" || compiled(pattern).MatchString(text)
}

var patterns = map[string]*regexp.Regexp{}

func compiled(pattern string) *regexp.Regexp {
	if patterns[pattern] == nil {
		patterns[pattern] = regexp.MustCompile("^(?s:" + pattern + ")$")
	}
	return patterns[pattern]
}

func (d *difference) String() string { return fmt.Sprintf("%v %s: %s", d.apis, d.asked, d.says) }

// known is the table of differences on purpose.
var known = []difference{
	{apis: []kmsg.Key{kmsg.ApiVersions}, path: `\.ApiKeys\[\d+\]\.MaxVersion`,
		asked: "what is served", says: "klamm announces the highest versions of Kafka 4.4.0, Apache those of 3.9.2",
		reason: "clients of Kafka 4 get what they know"},
	{apis: []kmsg.Key{kmsg.ApiVersions}, path: `\.ApiKeys\[7[45]\]`, apache: absent,
		asked: "what is served", says: "klamm serves ListConfigResources and DescribeTopicPartitions",
		reason: "4.4.0 has them, 3.9.2 with ZooKeeper has not"},
	{apis: []kmsg.Key{kmsg.ApiVersions}, path: `\.ApiKeys\[(27|58)\]`, klamm: absent,
		asked: "what is served", says: "klamm leaves out WriteTxnMarkers and Envelope",
		reason: "brokers ask them of each other: one is for transactions, which klamm has not yet, the other for a controller of KRaft"},
	{apis: []kmsg.Key{kmsg.DescribeClientQuotas}, path: `\.(ErrorCode|ErrorMessage)`, klamm: `42|"<ErrorMessage>"`, apache: "-1|null", when: matchesNothing,
		asked: "for quotas with an unknown kind of match, or with an exact match that names nothing", says: "klamm says INVALID_REQUEST; Apache says UNKNOWN_SERVER_ERROR",
		reason: "the request is wrong, the server is not"},
	{apis: []kmsg.Key{kmsg.CreateDelegationToken}, from: 3, path: `\.(ErrorCode|PrincipalName)`, apache: `-1|"ANONYMOUS"`, when: ownerWithoutType,
		asked: "for a delegation token of an owner without a type", says: "klamm says DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as for any owner; Apache says UNKNOWN_SERVER_ERROR",
		reason: "the request is wrong, the server is not"},
	{path: "", klamm: isClosed, when: lengthBelowNull,
		asked: "a nullable array or text whose length is below -1", says: "klamm closes the connection; Apache takes it for null",
		reason: "no client writes such a length: the bytes are not what they claim to be"},
	{apis: []kmsg.Key{kmsg.Produce}, from: 8, path: `.*\.ErrorMessage`, klamm: `"<ErrorMessage>"`, apache: "null",
		asked: "a batch that is refused", says: "klamm says why; Apache often gives an error code alone",
		reason: "people read the message"},
	{apis: []kmsg.Key{kmsg.Produce}, path: `.*\.(ErrorCode|LogStartOffset)`, klamm: "76|87|2|0|3", apache: "-1", when: packed,
		asked: "a batch that says that it is compressed and cannot be expanded", says: "klamm says INVALID_RECORD, or UNSUPPORTED_COMPRESSION_TYPE where there is no such codec; Apache says UNKNOWN_SERVER_ERROR",
		reason: "a producer tries again after an error of the server; the batch would never be taken"},
	{apis: []kmsg.Key{kmsg.DeleteTopics}, from: 6, path: `\.Topics.*\.ErrorCode`, klamm: "42", apache: "29", when: deletesNothing,
		asked: "to delete a topic with neither name nor id", says: "klamm says INVALID_REQUEST, as Apache Kafka 4.4.0 does; 3.9.2 says TOPIC_AUTHORIZATION_FAILED",
		reason: "klamm has no ACLs that could forbid the request"},
	{apis: []kmsg.Key{kmsg.Produce}, from: 3, path: `.*\.(ErrorCode|BaseOffset|LogStartOffset)`, klamm: "87|2|-1", apache: `\d+`, when: func(q question) bool { return q.how == "bytes behind a batch" },
		asked: "bytes behind a batch", says: "klamm says INVALID_RECORD; Apache drops them and stores the batch",
		reason: "what is acknowledged is stored whole"},
	{apis: []kmsg.Key{kmsg.Produce}, from: 3, path: `.*\.(ErrorCode|BaseOffset|LogStartOffset|LogAppendTime)`, klamm: "87|2|-1|0", apache: `\d+`, when: func(q question) bool { return q.how == "offset deltas that lie" },
		asked: "an uncompressed batch whose records do not have the offsets that its header says", says: "klamm says INVALID_RECORD; Apache stores it",
		reason: "its records would get the offsets of other records"},
	{apis: []kmsg.Key{kmsg.Produce}, path: "", apache: isSilent, when: func(q question) bool { return q.how == "null for records" },
		asked: "null for the records of a partition", says: "klamm says INVALID_RECORD; Apache never answers",
		reason: "without an answer the client waits for ever"},
	{apis: []kmsg.Key{kmsg.AlterConfigs}, path: "", apache: isSilent, when: func(q question) bool { return q.how == "a resource twice beside another" },
		asked: "to alter a resource that is named twice, beside others", says: "klamm says INVALID_REQUEST of it and alters the others; Apache never answers",
		reason: "without an answer the client waits for ever"},
	{apis: []kmsg.Key{kmsg.Produce}, to: 2, path: `.*\.(ErrorCode|BaseOffset)`, klamm: "2|87|-1", apache: `\d+`, when: tornBatch,
		asked: "messages of which the last is cut short", says: "klamm refuses them; Apache drops that one and acknowledges the rest, or nothing at all",
		reason: "the producer believes all of them stored"},
	{apis: []kmsg.Key{kmsg.Produce}, path: `.*\.(ErrorCode|ErrorMessage)`, klamm: "3|21|null", apache: `2|"<ErrorMessage>"`, when: tornBatch,
		asked: "a batch with an invalid magic, for a partition that does not exist or with invalid acks", says: "klamm says what is wrong with the partition or the acks; Apache refuses all partitions of the request with CORRUPT_MESSAGE before it looks at them",
		reason: "an error in one partition's batch is no reason to refuse the others"},
	{apis: []kmsg.Key{kmsg.Produce}, path: `.*\.Partitions(\.length|\[.*)?`, when: partitionTwice,
		asked: "a partition that stands in the request twice", says: "klamm takes both batches and answers both; Apache drops the first unseen",
		reason: "nothing that is acknowledged may be lost"},
	{apis: []kmsg.Key{kmsg.Produce}, path: `\.Topics(\.length|\[.*)?`, when: topicTwice,
		asked: "a topic that stands in the request twice", says: "klamm answers each as it stands; Apache puts the partitions together",
		reason: "clients look answers up by partition, and merging topics would cost time for every record"},
	{apis: []kmsg.Key{kmsg.OffsetCommit}, path: `\.Topics(\.length|\[.*)?`, when: committedTwice,
		asked: "to commit the offset of a partition twice, or of a topic's partitions here and there", says: "klamm answers each as it stands; Apache puts them together. The last counts for both",
		reason: "clients look answers up by partition, and merging topics would cost time for every commit"},
	{apis: []kmsg.Key{kmsg.DescribeLogDirs, kmsg.OffsetForLeaderEpoch, kmsg.ListOffsets, kmsg.Fetch}, path: `.*\[__consumer_offsets.*`,
		asked: "how much is in __consumer_offsets after such a commit", says: "klamm has a record for each; Apache has one",
		reason: "the last counts, and the topic is compacted"},
	{apis: []kmsg.Key{kmsg.FindCoordinator}, from: 1, path: `.*\.(ErrorCode|ErrorMessage)`, klamm: `35|"<ErrorMessage>"`, apache: `15|""`, when: findsOthers,
		asked: "who coordinates a share group, or a transaction", says: "klamm says UNSUPPORTED_VERSION and why; Apache says COORDINATOR_NOT_AVAILABLE where there is none",
		reason: "a client asks again after that for ever; klamm coordinates neither yet"},
	{apis: []kmsg.Key{kmsg.JoinGroup}, from: 5, when: func(q question) bool { return q.how == "a protocol named twice" },
		asked: "to join with a protocol named twice", says: "klamm takes the first; Apache finds none that all members have, and never answers",
		reason: "without an answer the client waits for ever"},
	{apis: []kmsg.Key{kmsg.OffsetFetch, kmsg.OffsetDelete}, path: `(\.Groups\[.*\])?\.Topics(\.length|\[.*)?`, when: askedTwice,
		asked: "for the offset of a partition twice, or of a topic's partitions here and there", says: "klamm answers each as it stands; Apache puts them together",
		reason: "clients look answers up by partition"},
	{apis: []kmsg.Key{kmsg.OffsetFetch}, from: 8, path: "", apache: isSilent, when: func(q question) bool { return q.how == "no groups" },
		asked: "for the offsets of no groups", says: "klamm gives none; Apache never answers",
		reason: "without an answer the client waits for ever"},
	{apis: []kmsg.Key{kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs}, path: `\.Resources\[.*\]\.(ErrorCode|ErrorMessage)`, klamm: `42|"<ErrorMessage>"`, apache: "0|null", when: setsSecurity,
		asked: "to change TLS or SASL while the broker runs", says: "klamm refuses; Apache does it",
		reason: "klamm has neither yet; to accept it and not do it would be a lie"},
	{apis: []kmsg.Key{kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs}, path: `\.Resources\[.*\]\.(ErrorCode|ErrorMessage)`, klamm: "0|null", when: setsClasses,
		asked: "to set metric.reporters", says: "klamm takes any names; Apache refuses those of which it has no Java class",
		reason: "klamm has no classes to ask"},
	{apis: []kmsg.Key{kmsg.DescribeConfigs}, path: `\.Resources\[.*\]\.Configs(\.length|\[.*)?`, when: describesLoggers,
		asked: "the loggers of the broker", says: "klamm has those of its rooms; Apache has those of its Java classes",
		reason: "loggers are named after what logs"},
	{apis: []kmsg.Key{kmsg.DescribeConfigs}, path: `\.Resources\[.*\]\.Configs(\.length|\[klamm\..*)`,
		asked: "the settings of a broker whose configuration sets a property of klamm's own", says: "klamm describes it as well",
		reason: "Apache has no such property"},
	{apis: []kmsg.Key{kmsg.AlterConfigs, kmsg.IncrementalAlterConfigs}, path: `\.Resources\[.*\]\.(ErrorCode|ErrorMessage)`, klamm: `42|"<ErrorMessage>"`, apache: "0|null", when: setsOwn,
		asked: "to change a property of klamm's own", says: "klamm refuses, since it is read at a start; Apache takes it as every name that it does not know",
		reason: "Apache has no such property"},
	{apis: []kmsg.Key{kmsg.IncrementalAlterConfigs}, path: `.*\.(ErrorCode|ErrorMessage)`, apache: "-1|null", when: oddOperation,
		asked: "to append to or to subtract from an unknown setting, or an unknown operation", says: "klamm says INVALID_CONFIG or INVALID_REQUEST and why; Apache says UNKNOWN_SERVER_ERROR",
		reason: "the request is wrong, the server is not"},
	{apis: []kmsg.Key{kmsg.CreateTopics}, path: `\.Topics\[.*`, when: oddAssignment,
		asked: "an assignment with a partition that has no replicas, or with partition -1", says: "klamm says INVALID_REPLICA_ASSIGNMENT, as Apache Kafka 4.4.0 does; 3.9.2 makes partitions without replicas, and stumbles over partition -1: UNKNOWN_SERVER_ERROR",
		reason: "a partition without replicas can never be led"},
	{apis: []kmsg.Key{kmsg.CreatePartitions}, path: `\.Topics.*`, apache: `-1|null`, when: noNode,
		asked: "a topic without a name, called . or .., or with a NUL in its name", says: "klamm says UNKNOWN_TOPIC_OR_PARTITION; Apache says UNKNOWN_SERVER_ERROR of all topics in the request",
		reason: "the other topics of the request are served"},
	{path: "", apache: isClosed, when: nullWhereNone,
		asked: "null for an array that is not nullable", says: "klamm takes it for an empty one; Apache closes the connection",
		reason: "it can mean nothing else, and costs nothing"},
	{apis: []kmsg.Key{kmsg.Metadata}, from: 10, to: 12, path: `\.Topics\[.*\]\.ErrorCode`, klamm: "42", apache: "-1", when: namelessTopic,
		asked: "a topic with neither name nor id", says: "klamm says INVALID_REQUEST; Apache says UNKNOWN_SERVER_ERROR",
		reason: "the request is wrong, the server is not"},
	{apis: []kmsg.Key{kmsg.OffsetForLeaderEpoch}, path: `.*\.(EndOffset|LeaderEpoch)`, klamm: "-1", when: epochBelowZero,
		asked: "a leader epoch below zero", says: "klamm knows no such epoch; Apache gives it back with the first offset of the log",
		reason: "an epoch below zero never was, and a client that believed the answer would truncate to the log's start"},
	{apis: []kmsg.Key{kmsg.Fetch}, from: 7, path: `(\.ErrorCode|\.SessionID|\.Topics.*)`, when: sessionOutOfRange,
		asked: "a fetch session with an id that Apache's broker never gives out", says: "klamm says FETCH_SESSION_ID_NOT_FOUND, or nothing where the request closes the session; Apache says UNKNOWN_SERVER_ERROR",
		reason: "klamm does not know the session, and clients begin a new one after that error"},
	{apis: []kmsg.Key{kmsg.Fetch}, path: `.*\.RecordBatches\.CutShort`, klamm: "0",
		asked: "a limit of bytes in which the next batch or message does not fit", says: "klamm sends whole batches; Apache fills the limit to the byte with the beginning of one more",
		reason: "clients drop what is cut short, and it had to be read and sent"},
	{apis: []kmsg.Key{kmsg.Fetch}, to: 3, path: `.*\.RecordBatches\.Whole(\.length)?`, when: convertedIsLarger,
		asked: "records that are larger as messages of magic 0 or 1", says: "klamm sends all that were read; Apache cuts the messages off at the size that the batches had",
		reason: "what was read and converted would be read and converted again"},
	{apis: []kmsg.Key{kmsg.Fetch}, path: `(\.ErrorCode|\.SessionID|\.Topics.*)`, when: limitBelowZero,
		asked: "a limit of bytes below 0", says: "klamm takes it for 0; Apache says UNKNOWN_SERVER_ERROR",
		reason: "a limit is an upper bound, and nothing is below it"},
	{apis: []kmsg.Key{kmsg.Fetch}, from: 13, path: `(\.ErrorCode|\.SessionID|\.Topics)`, when: topicWithoutID,
		asked: "a topic with the id zero", says: "klamm says UNKNOWN_TOPIC_ID for its partitions, as for any id that it does not know; Apache says UNKNOWN_SERVER_ERROR of two of them, and of one when it is to make a session",
		reason: "the other topics of the request are served"},
	{apis: []kmsg.Key{kmsg.Fetch}, from: 4, path: `.*\.AbortedTransactions`, klamm: `\[\]`, apache: "null", when: futureReplica,
		asked: "replica -3 with isolation level 1", says: "klamm takes it for a consumer; to Apache it is a directory that a partition moves to",
		reason: "there is no such replica outside of a broker"},
	{apis: []kmsg.Key{kmsg.Fetch}, from: 12, to: 14, path: "", apache: isClosed, when: earlyReplicaState,
		asked: "the tagged replica state in a version before 15", says: "klamm skips it as any tag that it does not know; Apache closes the connection",
		reason: "what tags are for: who does not know one skips it (KIP-482)"},
}

// absent matches an element that one answer has not.
const absent = `"<missing>"`

// isClosed matches the end of a connection in place of an answer.
const isClosed = `"the connection is closed"`

// isSilent matches the lack of an answer.
const isSilent = `"no answer"`

// lengthBelowNull is a malformed request with a length below -1 in it.
func lengthBelowNull(q question) bool {
	if !strings.Contains(q.how, "changed") {
		return false
	}
	for i := 0; i+4 <= len(q.body); i++ {
		if int32(binary.BigEndian.Uint32(q.body[i:])) < -1 {
			return true
		}
	}
	if r := kmsg.RequestForKey(q.key); r != nil { // read as null, written as null
		r.SetVersion(q.version)
		return r.ReadFrom(q.body) == nil && !bytes.HasPrefix(q.body, r.AppendTo(nil))
	}
	return false
}

// said decodes the request from its bytes, which may have been changed. Where they cannot
// be decoded, said gives the request as it was before the change.
func said[T kmsg.Request](q question) (req T, ok bool) {
	r := kmsg.RequestForKey(q.key)
	r.SetVersion(q.version)
	if err := r.ReadFrom(q.body); err != nil {
		r = q.req
	}
	req, ok = r.(T)
	return req, ok
}

func matchesNothing(q question) bool {
	req, ok := said[*kmsg.DescribeClientQuotasRequest](q)
	return ok && slices.ContainsFunc(req.Components, func(c kmsg.DescribeClientQuotasRequestComponent) bool {
		return c.MatchType < 0 || c.MatchType > 2 || c.MatchType == 0 && c.Match == nil
	})
}

func ownerWithoutType(q question) bool {
	req, ok := said[*kmsg.CreateDelegationTokenRequest](q)
	return ok && req.OwnerPrincipalType == nil && req.OwnerPrincipalName != nil
}

func namelessTopic(q question) bool {
	req, ok := said[*kmsg.MetadataRequest](q)
	return ok && slices.ContainsFunc(req.Topics, func(t kmsg.MetadataRequestTopic) bool { return t.Topic == nil && t.TopicID == [16]byte{} })
}

func epochBelowZero(q question) bool {
	req, ok := said[*kmsg.OffsetForLeaderEpochRequest](q)
	if !ok {
		return false
	}
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			if p.LeaderEpoch < 0 {
				return true
			}
		}
	}
	return false
}

// sessionOutOfRange is a session id outside of the ranges that 3.9.2 divides among
// its eight caches.
func sessionOutOfRange(q question) bool {
	const ranges, width = 8, math.MaxInt32 / 8
	req, ok := said[*kmsg.FetchRequest](q)
	return ok && (req.SessionID >= ranges*width || req.SessionID <= -width)
}

func earlyReplicaState(q question) bool {
	req, ok := q.req.(*kmsg.FetchRequest)
	return ok && req.ReplicaState.ID != -1
}

// nullWhereNone says whether a request has null for an array that is not nullable:
// encoded again, the request has other bytes.
func nullWhereNone(q question) bool {
	req, ok := said[kmsg.Request](q)
	return ok && q.how != "" && !bytes.HasPrefix(q.body, req.AppendTo(nil))
}

func fetches(q question, wanted func(t *kmsg.FetchRequestTopic, p *kmsg.FetchRequestTopicPartition) bool) bool {
	req, ok := said[*kmsg.FetchRequest](q)
	if !ok {
		return false
	}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			if wanted(&req.Topics[i], &req.Topics[i].Partitions[j]) {
				return true
			}
		}
	}
	return false
}

func limitBelowZero(q question) bool {
	req, ok := said[*kmsg.FetchRequest](q)
	return ok && (req.MaxBytes < 0 || fetches(q, func(_ *kmsg.FetchRequestTopic, p *kmsg.FetchRequestTopicPartition) bool {
		return p.PartitionMaxBytes < 0
	}))
}

func topicWithoutID(q question) bool {
	return fetches(q, func(t *kmsg.FetchRequestTopic, _ *kmsg.FetchRequestTopicPartition) bool {
		return t.TopicID == [16]byte{}
	})
}

func futureReplica(q question) bool {
	req, ok := said[*kmsg.FetchRequest](q)
	return ok && req.ReplicaID == -3
}

func produces(q question, wanted func(t *kmsg.ProduceRequestTopic, p *kmsg.ProduceRequestTopicPartition) bool) bool {
	req, ok := said[*kmsg.ProduceRequest](q)
	if !ok {
		return false
	}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			if wanted(&req.Topics[i], &req.Topics[i].Partitions[j]) {
				return true
			}
		}
	}
	return false
}

// packed is a batch that has a codec among its attributes.
func packed(q question) bool {
	return produces(q, func(_ *kmsg.ProduceRequestTopic, p *kmsg.ProduceRequestTopicPartition) bool {
		const attributesAt = 22
		return len(p.Records) > attributesAt && p.Records[magicAt] == 2 && p.Records[attributesAt]&7 != 0
	})
}

func tornBatch(q question) bool {
	return produces(q, func(_ *kmsg.ProduceRequestTopic, p *kmsg.ProduceRequestTopicPartition) bool {
		return !framed(p.Records)
	})
}

func topicTwice(q question) bool {
	seen := map[string]bool{}
	req, ok := said[*kmsg.ProduceRequest](q)
	return ok && slices.ContainsFunc(req.Topics, func(t kmsg.ProduceRequestTopic) bool {
		again := seen[t.Topic]
		seen[t.Topic] = true
		return again
	})
}

// noNode is a name that no znode can have.
func noNode(q question) bool {
	req, ok := said[*kmsg.CreatePartitionsRequest](q)
	return ok && slices.ContainsFunc(req.Topics, func(t kmsg.CreatePartitionsRequestTopic) bool {
		return t.Topic == "" || t.Topic == "." || t.Topic == ".." || strings.Contains(t.Topic, "\x00")
	})
}

func oddOperation(q question) bool {
	req, ok := said[*kmsg.IncrementalAlterConfigsRequest](q)
	return ok && slices.ContainsFunc(req.Resources, func(r kmsg.IncrementalAlterConfigsRequestResource) bool {
		return slices.ContainsFunc(r.Configs, func(c kmsg.IncrementalAlterConfigsRequestResourceConfig) bool { return c.Op > 1 || c.Op < 0 })
	})
}

// convertedIsLarger says whether a request fetches alpha's first batches, whose seven
// records are larger as messages of magic 1.
func convertedIsLarger(q question) bool {
	return q.version >= 2 && fetches(q, func(t *kmsg.FetchRequestTopic, p *kmsg.FetchRequestTopicPartition) bool { return t.Topic == "alpha" })
}

func partitionTwice(q question) bool {
	req, ok := said[*kmsg.ProduceRequest](q)
	if !ok {
		return false
	}
	seen := map[string]bool{}
	twice := false
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			id := fmt.Sprint(t.Topic, p.Partition)
			twice = twice || seen[id]
			seen[id] = true
		}
	}
	return twice
}

func describesLoggers(q question) bool {
	req, ok := said[*kmsg.DescribeConfigsRequest](q)
	return ok && slices.ContainsFunc(req.Resources, func(r kmsg.DescribeConfigsRequestResource) bool {
		return r.ResourceType == kmsg.ConfigResourceTypeBrokerLogger
	})
}

// sets says whether a request changes a setting whose name fits.
func sets(q question, fits func(name string) bool) bool {
	if req, ok := said[*kmsg.AlterConfigsRequest](q); ok {
		return slices.ContainsFunc(req.Resources, func(r kmsg.AlterConfigsRequestResource) bool {
			return slices.ContainsFunc(r.Configs, func(c kmsg.AlterConfigsRequestResourceConfig) bool { return fits(c.Name) })
		})
	}
	req, ok := said[*kmsg.IncrementalAlterConfigsRequest](q)
	return ok && slices.ContainsFunc(req.Resources, func(r kmsg.IncrementalAlterConfigsRequestResource) bool {
		return slices.ContainsFunc(r.Configs, func(c kmsg.IncrementalAlterConfigsRequestResourceConfig) bool { return fits(c.Name) })
	})
}

func setsSecurity(q question) bool {
	return sets(q, func(name string) bool { return strings.HasPrefix(name, "ssl.") || strings.HasPrefix(name, "sasl.") })
}

func setsOwn(q question) bool {
	return sets(q, func(name string) bool { return strings.HasPrefix(name, "klamm.") })
}

func setsClasses(q question) bool {
	return sets(q, func(name string) bool { return name == "metric.reporters" })
}

// oddAssignment is a topic whose assignment makes no sense to a broker.
func oddAssignment(q question) bool {
	req, ok := said[*kmsg.CreateTopicsRequest](q)
	return ok && slices.ContainsFunc(req.Topics, func(t kmsg.CreateTopicsRequestTopic) bool { return senseless(t.ReplicaAssignment) })
}

func senseless(assignment []kmsg.CreateTopicsRequestTopicReplicaAssignment) bool {
	return slices.ContainsFunc(assignment, func(a kmsg.CreateTopicsRequestTopicReplicaAssignment) bool {
		return len(a.Replicas) == 0 || a.Partition < 0
	})
}

func deletesNothing(q question) bool {
	req, ok := said[*kmsg.DeleteTopicsRequest](q)
	return ok && slices.ContainsFunc(req.Topics, func(t kmsg.DeleteTopicsRequestTopic) bool { return t.Topic == nil && t.TopicID == [16]byte{} })
}

// findsOthers is a FindCoordinator of something else than groups.
func findsOthers(q question) bool {
	req, ok := said[*kmsg.FindCoordinatorRequest](q)
	return ok && req.CoordinatorType != 0
}

// twice says whether one text comes twice.
func twice(texts []string) bool {
	slices.Sort(texts)
	return len(slices.Compact(slices.Clone(texts))) < len(texts)
}

// committedTwice is a commit in which a topic stands twice, or a partition.
func committedTwice(q question) bool {
	req, ok := said[*kmsg.OffsetCommitRequest](q)
	var names []string
	if ok {
		for _, t := range req.Topics {
			names = append(names, t.Topic)
			for _, p := range t.Partitions {
				names = append(names, fmt.Sprint(t.Topic, " ", p.Partition))
			}
		}
	}
	return twice(names)
}

// askedTwice is an OffsetFetch or OffsetDelete in which a topic stands twice, or a partition.
func askedTwice(q question) bool {
	var names []string
	name := func(group, topic string, partitions []int32) {
		names = append(names, group+" "+topic)
		for _, p := range partitions {
			names = append(names, fmt.Sprint(group, " ", topic, " ", p))
		}
	}
	if req, ok := said[*kmsg.OffsetFetchRequest](q); ok {
		for _, t := range req.Topics {
			name("", t.Topic, t.Partitions)
		}
		for _, g := range req.Groups {
			for _, t := range g.Topics {
				name(g.Group, t.Topic, t.Partitions)
			}
		}
	}
	if req, ok := said[*kmsg.OffsetDeleteRequest](q); ok {
		for _, t := range req.Topics {
			var partitions []int32
			for _, p := range t.Partitions {
				partitions = append(partitions, p.Partition)
			}
			name("", t.Topic, partitions)
		}
	}
	return twice(names)
}
