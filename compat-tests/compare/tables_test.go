package compare

import (
	"math"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// written is a request written by hand, asked in every version.
type written struct {
	// name says what it is about.
	name string
	// from and to narrow the versions; to 0 is the highest.
	from, to int16
	req      kmsg.Request
	// bytes are sent in place of the request when they are set.
	bytes []byte
}

// tables asks what is written by hand.
func (p *pair) tables() {
	for _, table := range [][]written{fetchTable(), offsetsTable(), topicsTable(), configsTable(), produceTable()} {
		for _, w := range table {
			p.askWritten(w)
		}
	}
	// The topic now has another content on each side.
	p.both(func(s *side) error { return s.remove("strict") })
}

func (p *pair) askWritten(w written) {
	key := w.req.Key()
	r, served := p.served[key]
	if !served || !p.asks(key) {
		return
	}
	from, to := max(r[0], w.from), r[1]
	if w.to > 0 {
		to = min(to, w.to)
	}
	for v := from; v <= to; v++ {
		w.req.SetVersion(v)
		q := question{key: key, version: v, body: w.req.AppendTo(nil), req: w.req, how: w.name}
		if w.bytes != nil {
			q.body = w.bytes
		}
		if _, changes := changers[kmsg.Key(key)]; changes {
			p.change(q)
		} else {
			p.ask(q)
		}
	}
}

// fetch asks for one partition, changed by change.
func fetch(topic string, partition int32, change func(req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition)) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxBytes, req.SessionEpoch = 1<<20, -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = topic, placeholder(topic)
	fp := kmsg.NewFetchRequestTopicPartition()
	fp.Partition, fp.PartitionMaxBytes = partition, 1<<20
	t.Partitions = append(t.Partitions, fp)
	req.Topics = append(req.Topics, t)
	if change != nil {
		change(req, &req.Topics[0].Partitions[0])
	}
	return req
}

func fetchTable() []written {
	isolation := func(topic string, level int8, epoch int32) kmsg.Request {
		return fetch(topic, 0, func(req *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) {
			req.IsolationLevel, req.SessionEpoch = level, epoch
		})
	}
	limit := func(all, each int32) kmsg.Request {
		return fetch("alpha", 0, func(req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
			req.MaxBytes, p.PartitionMaxBytes = all, each
		})
	}
	var out []written
	for _, level := range []int8{0, 1, 2, -1} {
		out = append(out, written{name: "isolation level", from: 4, req: isolation("alpha", level, -1)},
			written{name: "isolation level, unknown topic", from: 4, req: isolation("none", level, -1)},
			written{name: "isolation level, to begin a session", from: 7, req: isolation("alpha", level, 0)},
			written{name: "isolation level, unknown session", from: 7, req: isolation("alpha", level, 5)})
	}
	for _, n := range []int32{0, 1, 100, 150, 300, math.MaxInt32, -1} {
		out = append(out, written{name: "limit", req: limit(n, 1<<20)}, written{name: "limit of the partition", req: limit(1<<20, n)})
	}
	for _, topic := range []string{"alpha", "empty", "trimmed", "none"} {
		for _, epoch := range []int32{-2, 0, 1, math.MaxInt32} {
			for _, offset := range []int64{0, 3, 7, 99} {
				out = append(out, written{name: "last fetched epoch", from: 12, req: fetch(topic, 0, func(req *kmsg.FetchRequest, p *kmsg.FetchRequestTopicPartition) {
					p.LastFetchedEpoch, p.FetchOffset, req.IsolationLevel = epoch, offset, int8(offset&1)
				})})
			}
		}
	}
	id := func(id [16]byte, epoch int32, n int) kmsg.Request {
		return fetch("alpha", 0, func(req *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) {
			req.SessionEpoch = epoch
			req.Topics[0].TopicID = id
			for range n - 1 {
				req.Topics[0].Partitions = append(req.Topics[0].Partitions, kmsg.NewFetchRequestTopicPartition())
				req.Topics[0].Partitions[1].Partition = 1
			}
		})
	}
	for _, session := range []int32{1, -1, math.MaxInt32, math.MinInt32} {
		out = append(out, written{name: "session id", from: 7, req: fetch("alpha", 0, func(req *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) {
			req.SessionID, req.SessionEpoch = session, 1
		})},
			written{name: "session id to be closed", from: 7, req: fetch("alpha", 0, func(req *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) { req.SessionID = session })})
	}
	return append(out, written{name: "no topic id", from: 13, req: id([16]byte{}, -1, 1)}, written{name: "no topic id twice", from: 13, req: id([16]byte{}, -1, 2)}, written{name: "no topic id in a session", from: 13, req: id([16]byte{}, 0, 1)},
		written{name: "replica state", from: 12, req: fetch("alpha", 0, func(req *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) { req.ReplicaState.ID = -2 })},
		written{name: "the replica of a directory", from: 4, req: fetch("alpha", 0, func(req *kmsg.FetchRequest, _ *kmsg.FetchRequestTopicPartition) {
			req.ReplicaID, req.IsolationLevel = -3, 1
		})})
}

// listOffsets asks one partition for an offset.
func listOffsets(topic string, timestamp int64, change func(req *kmsg.ListOffsetsRequest)) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	lp := kmsg.NewListOffsetsRequestTopicPartition()
	t.Topic, lp.Timestamp, lp.MaxNumOffsets, lp.CurrentLeaderEpoch = topic, timestamp, 1, -1
	t.Partitions = append(t.Partitions, lp)
	req.Topics = append(req.Topics, t)
	if change != nil {
		change(req)
	}
	return req
}

func offsetsTable() []written {
	var out []written
	for _, topic := range []string{"alpha", "beta", "empty", "trimmed", "now", "none", "bad name", ""} {
		for _, ts := range []int64{-1, -2, -3, -4, -5, -6, -7, 0, 999, 1000, 1003, 2000, 2001, math.MaxInt64, math.MinInt64} {
			out = append(out, written{name: "timestamp", req: listOffsets(topic, ts, nil)})
		}
	}
	for _, level := range []int8{2, -1, 127} {
		for _, replica := range []int32{-1, -2} {
			for _, topic := range []string{"alpha", "none"} {
				out = append(out, written{name: "isolation level that is none", req: listOffsets(topic, -1, func(req *kmsg.ListOffsetsRequest) { req.IsolationLevel, req.ReplicaID = level, replica })})
			}
		}
	}
	for _, n := range []int32{-1, 0, 2, math.MinInt32, math.MaxInt32} {
		out = append(out, written{name: "number of offsets", to: 1, req: listOffsets("alpha", -1, func(req *kmsg.ListOffsetsRequest) { req.Topics[0].Partitions[0].MaxNumOffsets = n })})
	}
	epochs := func(epoch int32) kmsg.Request {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.ReplicaID = -1
		for _, topic := range []string{"alpha", "empty", "none"} {
			t := kmsg.NewOffsetForLeaderEpochRequestTopic()
			ep := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			t.Topic, ep.LeaderEpoch, ep.CurrentLeaderEpoch = topic, epoch, -1
			t.Partitions = append(t.Partitions, ep)
			req.Topics = append(req.Topics, t)
		}
		return req
	}
	for _, e := range []int32{0, 1, 5, -1, -2, math.MaxInt32, math.MinInt32} {
		out = append(out, written{name: "leader epoch", req: epochs(e)})
	}
	return out
}

func topicsTable() []written {
	nameless := kmsg.NewPtrMetadataRequest()
	nameless.Topics = []kmsg.MetadataRequestTopic{kmsg.NewMetadataRequestTopic()}
	more := func(names ...string) kmsg.Request {
		req := kmsg.NewPtrCreatePartitionsRequest()
		req.TimeoutMillis, req.ValidateOnly = 30000, true
		for _, n := range names {
			t := kmsg.NewCreatePartitionsRequestTopic()
			t.Topic, t.Count = n, 4
			req.Topics = append(req.Topics, t)
		}
		return req
	}
	nullArray := kmsg.NewPtrDescribeLogDirsRequest()
	nullArray.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "alpha"}}
	deleted := func(name *string, id [16]byte) kmsg.Request {
		req := kmsg.NewPtrDeleteTopicsRequest()
		req.TimeoutMillis = 30000
		t := kmsg.NewDeleteTopicsRequestTopic()
		t.Topic, t.TopicID = name, id
		req.Topics = append(req.Topics, t)
		return req
	}
	none := "none"
	var made []written
	for _, assignment := range [][][]int32{{{0, 0}}, {{0}}, {{-1, 0}}, {{1, 0}}, {{0, 0, 0}}, {{0, -1}}, {{0, 7}}, {{0, 0}, {0, 0}}, {{0, 0}, {2, 0}}, {{0, 0}, {1}}, {{0, 0}, {1, 0}}, {{0, 0}, {-1, 0}}} {
		for _, numbers := range [][2]int32{{-1, -1}, {1, -1}, {-1, 1}} {
			req := kmsg.NewPtrCreateTopicsRequest()
			req.TimeoutMillis, req.ValidateOnly = 30000, true
			t := kmsg.NewCreateTopicsRequestTopic()
			t.Topic, t.NumPartitions, t.ReplicationFactor = "assigned", numbers[0], int16(numbers[1])
			for _, a := range assignment {
				ra := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
				ra.Partition, ra.Replicas = a[0], a[1:]
				t.ReplicaAssignment = append(t.ReplicaAssignment, ra)
			}
			req.Topics = append(req.Topics, t)
			made = append(made, written{name: "assignment", from: 1, req: req})
		}
	}
	return append(made, []written{
		{name: "neither name nor id", from: 6, req: deleted(nil, [16]byte{})}, {name: "name and id", from: 6, req: deleted(&none, placeholder("alpha"))}, {name: "unknown id", from: 6, req: deleted(nil, [16]byte{9})},
		{name: "with null for the partitions", from: 2, req: nullArray, bytes: []byte{2, 6, 'a', 'l', 'p', 'h', 'a', 0, 0, 0}},
		{name: "all topics", from: 1, req: kmsg.NewPtrMetadataRequest()},
		{name: "neither name nor id", from: 10, req: nameless},
		{name: "a name that no znode can have", req: more("alpha", "nul\x00")}, {name: "a name that no znode can have", req: more(".")}, {name: "unknown topic", req: more("alpha", "none")},
	}...)
}

func configsTable() []written {
	var out []written
	describe := func(name string, kind kmsg.ConfigResourceType, resource string) {
		req := kmsg.NewPtrDescribeConfigsRequest()
		req.IncludeSynonyms, req.IncludeDocumentation = true, true
		addResource(req, kind, resource)
		out = append(out, written{name: name, req: req})
	}
	out = append(out, written{name: "a length changed to -2", to: 1, req: kmsg.NewPtrDescribeConfigsRequest(),
		bytes: []byte{0, 0, 0, 1, 2, 0, 5, 'a', 'l', 'p', 'h', 'a', 0xff, 0xff, 0xff, 0xfe}})
	describe("every setting of a topic", kmsg.ConfigResourceTypeTopic, "beta")
	describe("every setting of the broker", kmsg.ConfigResourceTypeBroker, "0")
	describe("every logger", kmsg.ConfigResourceTypeBrokerLogger, "0")
	describe("every setting of all brokers", kmsg.ConfigResourceTypeBroker, "")
	for _, op := range []kmsg.IncrementalAlterConfigOp{0, 1, 2, 3, 4, -1} {
		for _, r := range []struct {
			kind kmsg.ConfigResourceType
			name string
		}{{kmsg.ConfigResourceTypeTopic, "conf"}, {kmsg.ConfigResourceTypeBroker, "0"}, {kmsg.ConfigResourceTypeTopic, "none"}, {kmsg.ConfigResourceTypeBrokerLogger, "0"}} {
			for _, name := range []string{"no.such", "retention.ms", "cleanup.policy", "log.cleanup.policy"} {
				req := kmsg.NewPtrIncrementalAlterConfigsRequest()
				req.ValidateOnly = true
				rr := kmsg.NewIncrementalAlterConfigsRequestResource()
				c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
				value := "1"
				rr.ResourceType, rr.ResourceName, c.Op, c.Name, c.Value = r.kind, r.name, op, name, &value
				rr.Configs = append(rr.Configs, c)
				req.Resources = append(req.Resources, rr)
				out = append(out, written{name: "operation", req: req})
			}
		}
	}
	return out
}

func produceTable() []written {
	torn := batch(nil, 1000)
	torn[magicAt] = 3
	cut := message(1, 0, 1000, []byte("k"), []byte("v"))
	gzip := batch(func(b *kmsg.RecordBatch) { b.Attributes = 1 }, 1000)
	codec7 := batch(func(b *kmsg.RecordBatch) { b.Attributes = 7 }, 1000)
	twice := produce("strict", 0, batch(nil, 1000))
	twice.Topics[0].Partitions = append(twice.Topics[0].Partitions, twice.Topics[0].Partitions[0])
	topicTwice := produce("rec", 0, batch(nil, 1000))
	topicTwice.Topics = append(topicTwice.Topics, produce("rec", 1, batch(nil, 1000)).Topics...)
	lying := batch(nil, 1000, 1001)
	lying[len(lying)-11] = 10 // the offset delta of the last record
	return []written{
		{name: "bytes behind a batch", from: 3, req: produce("strict", 0, append(batch(nil, 1000), 0, 0, 0, 0, 0))},
		{name: "offset deltas that lie", from: 3, req: produce("strict", 0, crced(lying))},
		{name: "no magic, and no such partition", from: 3, req: produce("rec", 9, torn)},
		{name: "a message cut short", to: 2, req: produce("strict", 0, append(cut, cut[:20]...))},
		{name: "not in gzip", from: 3, req: produce("rec", 0, gzip)}, {name: "no such codec", from: 3, req: produce("rec", 0, codec7)}, {name: "no such codec, and no such partition", from: 3, req: produce("rec", 9, codec7)},
		{name: "a partition twice", req: twice}, {name: "a topic twice", req: topicTwice},
	}
}
