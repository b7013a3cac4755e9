package brokertest

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol/batch"
)

// APIVersions returns an ApiVersions request.
func APIVersions() *kmsg.ApiVersionsRequest {
	r := kmsg.NewPtrApiVersionsRequest()
	r.Version = 2
	return r
}

// Metadata returns a Metadata request for topics by name.
func Metadata(topics ...string) *kmsg.MetadataRequest {
	r := kmsg.NewPtrMetadataRequest()
	r.Version = 9
	r.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		r.Topics = append(r.Topics, t)
	}
	return r
}

// BatchOf returns a batch of one record with a value of size bytes.
func BatchOf(t testing.TB, size int) []byte {
	t.Helper()
	b := batch.NewBuilder(batch.None)
	b.Add(time.Now().UnixMilli(), nil, bytes.Repeat([]byte{'v'}, size))
	out, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Produce returns a request that stores one batch in a partition.
func Produce(topic string, partition int32, acks int16, records []byte) *kmsg.ProduceRequest {
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.Acks, r.TimeoutMillis = 9, acks, 30_000
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = partition, records
	rt.Partitions = append(rt.Partitions, rp)
	r.Topics = append(r.Topics, rt)
	return r
}

// Produced returns the base offset in a produce answer. The test fails if the answer has an error.
func Produced(t testing.TB, resp kmsg.Response) int64 {
	t.Helper()
	p := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		t.Fatalf("produce failed with code %d", p.ErrorCode)
	}
	return p.BaseOffset
}

// Fetch returns a request that reads a partition from an offset.
func Fetch(topic string, partition int32, offset int64, maxWaitMs, minBytes int32) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version = 12
	r.ReplicaID = -1
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes = maxWaitMs, minBytes, 50<<20
	r.SessionEpoch = -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = partition, offset, 50<<20
	rt.Partitions = append(rt.Partitions, rp)
	r.Topics = append(r.Topics, rt)
	return r
}

// Fetched returns the only partition of a fetch answer.
func Fetched(t testing.TB, resp kmsg.Response) kmsg.FetchResponseTopicPartition {
	t.Helper()
	f := resp.(*kmsg.FetchResponse)
	if f.ErrorCode != 0 || len(f.Topics) != 1 || len(f.Topics[0].Partitions) != 1 {
		t.Fatalf("fetch answer: %+v", f)
	}
	return f.Topics[0].Partitions[0]
}

// Forever is a max_wait in ms that is longer than any test.
const Forever = 1 << 30
