package server_test

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Short names for the requests that the golden cases are made of.

func step(req func(t *talk) kmsg.Request) goldenStep { return goldenStep{req: req} }

func ptr[T any](v T) *T { return &v }

// topics gives a setup that creates topics and waits for their leaders.
func topics(specs ...topicSpec) func(t *talk) {
	return func(t *talk) {
		for _, s := range specs {
			req := createTopic(t, s.name, s.partitions, 1, s.configs...)
			req.SetVersion(7)
			resp, err := t.wire.ask(req)
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.(*kmsg.CreateTopicsResponse).Topics[0]; got.ErrorCode != 0 {
				t.Fatalf("%s: error %d %s", got.Topic, got.ErrorCode, *got.ErrorMessage)
			}
			t.awaitLeaders(s.name, int(s.partitions))
			t.awaitServed(s.name, s.partitions)
		}
	}
}

type topicSpec struct {
	name       string
	partitions int32
	configs    []string // name, value, name, value, ...
}

func topic(name string, partitions int32, configs ...string) topicSpec {
	return topicSpec{name, partitions, configs}
}

func (t *talk) awaitLeaders(name string, partitions int) {
	for {
		req := metadata(ptr(t.n(name)))
		req.Version = 12
		resp, err := t.wire.ask(req)
		if err != nil {
			t.Fatal(err)
		}
		if allLed(resp, partitions) {
			return
		}
	}
}

// awaitServed waits until the leaders that Metadata tells know it themselves:
// with 4.4.0 that is later.
func (t *talk) awaitServed(name string, partitions int32) {
	for p := int32(0); p < partitions; {
		if t.do(listOffsets(t.n(name), p, -1)).(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].ErrorCode == 0 {
			p++
		}
	}
}

// allLed tells whether each topic of a Metadata answer has its partitions with leaders.
func allLed(resp kmsg.Response, partitions int) bool {
	for _, topic := range resp.(*kmsg.MetadataResponse).Topics {
		if topic.ErrorCode != 0 || len(topic.Partitions) != partitions {
			return false
		}
		for _, p := range topic.Partitions {
			if p.ErrorCode != 0 || p.Leader < 0 {
				return false
			}
		}
	}
	return true
}

func metadata(names ...*string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, n := range names {
		rt := kmsg.NewMetadataRequestTopic()
		rt.Topic = n
		req.Topics = append(req.Topics, rt)
	}
	return req
}

func metadataByID(ids ...[16]byte) *kmsg.MetadataRequest {
	req := metadata()
	for _, id := range ids {
		rt := kmsg.NewMetadataRequestTopic()
		rt.TopicID = id
		req.Topics = append(req.Topics, rt)
	}
	return req
}

// createTopic with configs given as name, value, name, value, ...
func createTopic(t *talk, name string, partitions int32, replicas int16, configs ...string) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 20000
	addTopic(req, t.n(name), partitions, replicas, configs...)
	return req
}

func addTopic(req *kmsg.CreateTopicsRequest, name string, partitions int32, replicas int16, configs ...string) *kmsg.CreateTopicsRequestTopic {
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, partitions, replicas
	for i := 0; i+1 < len(configs); i += 2 {
		rc := kmsg.NewCreateTopicsRequestTopicConfig()
		rc.Name, rc.Value = configs[i], ptr(configs[i+1])
		rt.Configs = append(rt.Configs, rc)
	}
	req.Topics = append(req.Topics, rt)
	return &req.Topics[len(req.Topics)-1]
}

// assign adds a partition's replicas to a topic to be created.
func assign(rt *kmsg.CreateTopicsRequestTopic, partition int32, replicas ...int32) {
	a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
	a.Partition, a.Replicas = partition, replicas
	rt.ReplicaAssignment = append(rt.ReplicaAssignment, a)
}

func deleteTopics(names ...string) *kmsg.DeleteTopicsRequest {
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 20000
	req.TopicNames = names
	for _, n := range names {
		rt := kmsg.NewDeleteTopicsRequestTopic()
		rt.Topic = ptr(n)
		req.Topics = append(req.Topics, rt)
	}
	return req
}

func deleteByID(ids ...[16]byte) *kmsg.DeleteTopicsRequest {
	req := deleteTopics()
	for _, id := range ids {
		rt := kmsg.NewDeleteTopicsRequestTopic()
		rt.TopicID = id
		req.Topics = append(req.Topics, rt)
	}
	return req
}

func createPartitions(topic string, count int32, assignments ...[]int32) *kmsg.CreatePartitionsRequest {
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.TimeoutMillis = 20000
	addPartitions(req, topic, count, assignments...)
	return req
}

func addPartitions(req *kmsg.CreatePartitionsRequest, topic string, count int32, assignments ...[]int32) {
	rt := kmsg.NewCreatePartitionsRequestTopic()
	rt.Topic, rt.Count = topic, count
	for _, a := range assignments {
		ra := kmsg.NewCreatePartitionsRequestTopicAssignment()
		ra.Replicas = a
		rt.Assignment = append(rt.Assignment, ra)
	}
	req.Topics = append(req.Topics, rt)
}

func deleteRecords(topic string, partition int32, offset int64) *kmsg.DeleteRecordsRequest {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 20000
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Partition, rp.Offset = partition, offset
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// listOffsets asks one partition for several timestamps, in requests of their own.
func listOffsets(topic string, partition int32, timestamp int64) *kmsg.ListOffsetsRequest {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	addListOffset(req, topic, partition, timestamp, -1)
	return req
}

func addListOffset(req *kmsg.ListOffsetsRequest, topic string, partition int32, timestamp int64, epoch int32) {
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = partition, timestamp, epoch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
}

func offsetForEpoch(topic string, partition, current, epoch int32) *kmsg.OffsetForLeaderEpochRequest {
	req := kmsg.NewPtrOffsetForLeaderEpochRequest()
	req.ReplicaID = -1
	rt := kmsg.NewOffsetForLeaderEpochRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
	rp.Partition, rp.CurrentLeaderEpoch, rp.LeaderEpoch = partition, current, epoch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// describe asks for a resource's configs; no names ask for all.
func describe(kind kmsg.ConfigResourceType, name string, names ...string) *kmsg.DescribeConfigsRequest {
	req := kmsg.NewPtrDescribeConfigsRequest()
	r := kmsg.NewDescribeConfigsRequestResource()
	r.ResourceType, r.ResourceName, r.ConfigNames = kind, name, names
	req.Resources = append(req.Resources, r)
	return req
}

// alter sets a resource's configs, given as name, value, name, value, ...
func alter(kind kmsg.ConfigResourceType, name string, configs ...string) *kmsg.AlterConfigsRequest {
	req := kmsg.NewPtrAlterConfigsRequest()
	r := kmsg.NewAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kind, name
	for i := 0; i+1 < len(configs); i += 2 {
		c := kmsg.NewAlterConfigsRequestResourceConfig()
		c.Name, c.Value = configs[i], ptr(configs[i+1])
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	return req
}

type change struct {
	op    kmsg.IncrementalAlterConfigOp
	name  string
	value *string
}

func set(name, value string) change { return change{kmsg.IncrementalAlterConfigOpSet, name, &value} }
func del(name string) change        { return change{kmsg.IncrementalAlterConfigOpDelete, name, nil} }
func appendTo(name, value string) change {
	return change{kmsg.IncrementalAlterConfigOpAppend, name, &value}
}
func subtract(name, value string) change {
	return change{kmsg.IncrementalAlterConfigOpSubtract, name, &value}
}

func incremental(kind kmsg.ConfigResourceType, name string, changes ...change) *kmsg.IncrementalAlterConfigsRequest {
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kind, name
	for _, ch := range changes {
		c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		c.Op, c.Name, c.Value = ch.op, ch.name, ch.value
		r.Configs = append(r.Configs, c)
	}
	req.Resources = append(req.Resources, r)
	return req
}

// produce appends one batch with records of the given timestamps. A producer
// id of -1 is none.
func produce(topic string, partition int32, producer int64, sequence int32, timestamps ...int64) *kmsg.ProduceRequest {
	batch := kmsg.NewRecordBatch()
	batch.PartitionLeaderEpoch = -1
	batch.Magic = 2
	batch.LastOffsetDelta = int32(len(timestamps) - 1)
	batch.FirstTimestamp = timestamps[0]
	batch.MaxTimestamp = timestamps[0]
	batch.ProducerID, batch.ProducerEpoch, batch.FirstSequence = producer, -1, sequence
	if producer >= 0 {
		batch.ProducerEpoch = 0
	}
	batch.NumRecords = int32(len(timestamps))
	for i, ts := range timestamps {
		batch.MaxTimestamp = max(batch.MaxTimestamp, ts)
		r := kmsg.NewRecord()
		r.TimestampDelta64 = ts - timestamps[0]
		r.OffsetDelta = int32(i)
		r.Key, r.Value = []byte("k"), []byte("v")
		r.Length = 0
		body := r.AppendTo(nil)[1:]
		r.Length = int32(len(body))
		batch.Records = r.AppendTo(batch.Records)
	}
	const beforeLength, crcAt, afterCRC = 12, 17, 21
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-beforeLength))
	binary.BigEndian.PutUint32(raw[crcAt:], crc32.Checksum(raw[afterCRC:], crc32.MakeTable(crc32.Castagnoli)))

	req := kmsg.NewPtrProduceRequest()
	req.Acks = -1
	req.TimeoutMillis = 20000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = partition, raw
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// do asks and wants an answer, whose content is not looked at.
func (t *talk) do(req kmsg.Request) kmsg.Response {
	return t.doAt(req, steady(kmsg.Key(req.Key())))
}

func (t *talk) doAt(req kmsg.Request, version int16) kmsg.Response {
	req.SetVersion(version)
	resp, err := t.wire.ask(req)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

// write produces and wants success.
func (t *talk) write(req *kmsg.ProduceRequest) {
	resp := t.do(req).(*kmsg.ProduceResponse)
	if p := resp.Topics[0].Partitions[0]; p.ErrorCode != 0 {
		t.Fatalf("produce: error %d %v", p.ErrorCode, p.ErrorMessage)
	}
}
