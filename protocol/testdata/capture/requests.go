package main

import (
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fill gives r something to ask in version v: of a topic that exists and, where
// answers differ, of one thing that does not.
func (c *capture) fill(r kmsg.Request, v int16) {
	switch r := r.(type) {
	case *kmsg.ProduceRequest:
		if v < 3 {
			c.produce(r, pair(int8(v/2))) // magic 1 came with version 2
			return
		}
		c.produce(r, records(at))
	case *kmsg.FetchRequest:
		c.fetch(r)
		if v < 4 {
			r.IsolationLevel = 0
		}
	case *kmsg.ListOffsetsRequest:
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = topic
		for i, at := range []int64{-1, -2} {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp, p.MaxNumOffsets = int32(i), at, 3
			t.Partitions = append(t.Partitions, p)
		}
		r.ReplicaID, r.Topics = -1, append(r.Topics, t)
	case *kmsg.MetadataRequest:
		for _, name := range []string{topic, "none"} {
			t := kmsg.NewMetadataRequestTopic()
			t.Topic = kmsg.StringPtr(name)
			r.Topics = append(r.Topics, t)
		}
		if v < 4 {
			r.Topics = r.Topics[:1] // it would be created
		}
		r.AllowAutoTopicCreation = false
	case *kmsg.ApiVersionsRequest:
		r.ClientSoftwareName, r.ClientSoftwareVersion = "klamm-golden", "1"
	case *kmsg.CreateTopicsRequest:
		r.TimeoutMillis = 5000
		r.Topics = append(r.Topics, newTopic(fmt.Sprint("created-", v)), newTopic(topic), newTopic("no/name"))
	case *kmsg.DeleteTopicsRequest:
		r.TimeoutMillis = 5000
		if v < 6 {
			r.TopicNames = []string{fmt.Sprint("created-", v+1), "none"}
			return
		}
		for _, name := range []string{"created-7", "none"} {
			t := kmsg.NewDeleteTopicsRequestTopic()
			t.Topic = kmsg.StringPtr(name)
			r.Topics = append(r.Topics, t)
		}
	default:
		c.fillAdmin(r, v)
	}
}

func (c *capture) produce(r *kmsg.ProduceRequest, records []byte) {
	r.Acks, r.TimeoutMillis = -1, 5000
	t := kmsg.NewProduceRequestTopic()
	if r.Version >= 13 {
		t.TopicID = c.id
	} else {
		t.Topic = topic
	}
	for _, i := range []int32{0, 9} {
		p := kmsg.NewProduceRequestTopicPartition()
		p.Partition, p.Records = i, records
		t.Partitions = append(t.Partitions, p)
	}
	r.Topics = append(r.Topics, t)
}

func (c *capture) fetch(r *kmsg.FetchRequest) {
	r.ReplicaID, r.MaxWaitMillis, r.MinBytes, r.MaxBytes = -1, 0, 1, 1<<20
	r.IsolationLevel = int8(r.Version % 2)
	r.SessionEpoch = -1
	t := kmsg.NewFetchRequestTopic()
	if r.Version >= 13 {
		t.TopicID = c.id
	} else {
		t.Topic = topic
	}
	for _, i := range []int32{0, 1, 9} {
		p := kmsg.NewFetchRequestTopicPartition()
		p.Partition, p.PartitionMaxBytes = i, 200
		p.LogStartOffset = -1
		t.Partitions = append(t.Partitions, p)
	}
	r.Topics = append(r.Topics, t)
	if r.Version >= 7 {
		f := kmsg.NewFetchRequestForgottenTopic()
		f.Topic, f.TopicID, f.Partitions = t.Topic, t.TopicID, []int32{5}
		r.ForgottenTopics = append(r.ForgottenTopics, f)
	}
}

func (c *capture) fillAdmin(r kmsg.Request, v int16) {
	switch r := r.(type) {
	case *kmsg.DeleteRecordsRequest:
		t := kmsg.NewDeleteRecordsRequestTopic()
		t.Topic = topic
		for i := range int32(3) {
			p := kmsg.NewDeleteRecordsRequestTopicPartition()
			p.Partition, p.Offset = i, int64(i)
			t.Partitions = append(t.Partitions, p)
		}
		r.TimeoutMillis, r.Topics = 5000, append(r.Topics, t)
	case *kmsg.InitProducerIDRequest:
		r.TransactionTimeoutMillis, r.ProducerID, r.ProducerEpoch = 1000, -1, -1
	case *kmsg.OffsetForLeaderEpochRequest:
		t := kmsg.NewOffsetForLeaderEpochRequestTopic()
		t.Topic = topic
		for i := range int32(3) {
			p := kmsg.NewOffsetForLeaderEpochRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.LeaderEpoch = i, -1, 5*i
			t.Partitions = append(t.Partitions, p)
		}
		r.ReplicaID, r.Topics = -1, append(r.Topics, t)
	case *kmsg.DescribeConfigsRequest:
		q := kmsg.NewDescribeConfigsRequestResource()
		q.ResourceType, q.ResourceName, q.ConfigNames = kmsg.ConfigResourceTypeTopic, topic, []string{"retention.ms", "cleanup.policy"}
		none := q
		none.ResourceName = "none"
		r.Resources, r.IncludeSynonyms, r.IncludeDocumentation = append(r.Resources, q, none), true, true
	case *kmsg.AlterConfigsRequest:
		q := kmsg.NewAlterConfigsRequestResource()
		q.ResourceType, q.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		conf := kmsg.NewAlterConfigsRequestResourceConfig()
		conf.Name, conf.Value = "retention.ms", kmsg.StringPtr("-1")
		q.Configs = append(q.Configs, conf)
		none := q
		none.ResourceName = "none"
		r.Resources = append(r.Resources, q, none)
	case *kmsg.IncrementalAlterConfigsRequest:
		q := kmsg.NewIncrementalAlterConfigsRequestResource()
		q.ResourceType, q.ResourceName = kmsg.ConfigResourceTypeTopic, topic
		conf := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
		conf.Name, conf.Value = "segment.ms", kmsg.StringPtr("0")
		q.Configs = append(q.Configs, conf)
		r.Resources = append(r.Resources, q)
	case *kmsg.AlterReplicaLogDirsRequest:
		for i, dir := range []string{"/no/such/dir", "/nor/this"} {
			d := kmsg.NewAlterReplicaLogDirsRequestDir()
			t := kmsg.NewAlterReplicaLogDirsRequestDirTopic()
			t.Topic, t.Partitions = topic, []int32{int32(i), int32(i + 5)}
			d.Dir, d.Topics = dir, append(d.Topics, t)
			r.Dirs = append(r.Dirs, d)
		}
	case *kmsg.DescribeLogDirsRequest:
		t := kmsg.NewDescribeLogDirsRequestTopic()
		t.Topic, t.Partitions = topic, []int32{0, 1}
		r.Topics = append(r.Topics, t)
	case *kmsg.CreatePartitionsRequest:
		for i, name := range []string{topic, "none"} {
			t := kmsg.NewCreatePartitionsRequestTopic()
			t.Topic, t.Count = name, int32(2+i)
			r.Topics = append(r.Topics, t)
		}
		r.TimeoutMillis, r.ValidateOnly = 5000, true
	case *kmsg.DescribeClusterRequest:
		r.IncludeClusterAuthorizedOperations = true
		r.EndpointType = 1
	case *kmsg.DescribeProducersRequest:
		t := kmsg.NewDescribeProducersRequestTopic()
		t.Topic, t.Partitions = topic, []int32{0, 9}
		r.Topics = append(r.Topics, t)
	case *kmsg.ListConfigResourcesRequest:
	case *kmsg.DescribeTopicPartitionsRequest:
		for _, name := range []string{topic, "none"} {
			t := kmsg.NewDescribeTopicPartitionsRequestTopic()
			t.Topic = name
			r.Topics = append(r.Topics, t)
		}
		r.ResponsePartitionLimit = 100
	default:
		c.fillGroup(r, v)
	}
}

// request gives a frame for r in any version, one that does not exist too; body
// follows the request.
func request(r kmsg.Request, v int16, after string) []byte {
	r.SetVersion(v)
	b := append(formatter.AppendRequest(nil, r, 4242), after...)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func (c *capture) produceOf(v int16, change func(b []byte) []byte) *kmsg.ProduceRequest {
	r := kmsg.NewPtrProduceRequest()
	r.Version = v
	c.produce(r, change(records(1_700_000_000_000)))
	r.Topics[0].Partitions = r.Topics[0].Partitions[:1]
	return r
}

func (c *capture) odds() []odd {
	metadata := kmsg.NewPtrMetadataRequest()
	api := kmsg.NewPtrApiVersionsRequest()
	api.ClientSoftwareName, api.ClientSoftwareVersion = "klamm-golden", "1"
	badName := kmsg.NewPtrApiVersionsRequest()
	badName.ClientSoftwareName, badName.ClientSoftwareVersion = "-", ""
	same := func(b []byte) []byte { return b }
	unknown := request(metadata, 1, "")
	binary.BigEndian.PutUint16(unknown[4:], 999)
	truncated := request(metadata, 1, "")
	truncated = truncated[:len(truncated)-2]
	binary.BigEndian.PutUint32(truncated, uint32(len(truncated)-4))
	all := []odd{
		{"ApiVersions 5", request(api, 5, "")},
		{"ApiVersions 99", request(api, 99, "")},
		{"ApiVersions 99 with a body of another form", request(api, 99, "\x00\x01\x02")},
		{"ApiVersions -1", request(api, -1, "")},
		{"ApiVersions 3 with a client name that is not allowed", request(badName, 3, "")},
		{"ApiVersions 3 with trailing bytes", request(api, 3, "\x00\x00\x00")},
		{"Metadata 99", request(metadata, 99, "")},
		{"Metadata -1", request(metadata, -1, "")},
		{"API key 999", unknown},
		{"OffsetCommit 0", request(kmsg.NewPtrOffsetCommitRequest(), 0, "")},
		{"ListOffsets 0", request(kmsg.NewPtrListOffsetsRequest(), 0, "")},
		{"Fetch 3", request(kmsg.NewPtrFetchRequest(), 3, "")},
		{"Metadata 1 with trailing bytes", request(metadata, 1, "\x00\x00\x00")},
		{"Metadata 12 with trailing bytes", request(metadata, 12, "\x00\x00\x00")},
		{"Metadata 1 cut short", truncated},
		{"an empty frame", []byte{0, 0, 0, 0}},
		{"a frame of 3 bytes", []byte{0, 0, 0, 3, 0, 0, 0}},
		{"Produce 3 with trailing bytes", request(c.produceOf(3, same), 3, "\x00\x00\x00")},
	}
	for v := range int16(3) {
		all = append(all, odd{fmt.Sprint("Produce ", v), request(c.produceOf(v, same), v, "")})
	}
	all = append(all, malformed()...)
	return append(all, c.oddBatches()...)
}
