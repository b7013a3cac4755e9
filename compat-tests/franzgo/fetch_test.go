package franzgo

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// fetchRequest asks for partitions 0..n-1 of a topic from the given offset on.
func fetchRequest(topic string, id [16]byte, offset int64, partitions ...int32) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis = 500
	req.MinBytes = 1
	req.MaxBytes = 50 << 20
	req.SessionEpoch = -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = topic, id
	for _, p := range partitions {
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.Partition = p
		rp.FetchOffset = offset
		rp.PartitionMaxBytes = 1 << 20
		rp.CurrentLeaderEpoch = -1
		rt.Partitions = append(rt.Partitions, rp)
	}
	req.Topics = append(req.Topics, rt)
	return req
}

// partition0 is the answer for the one partition asked for.
func partition0(t *testing.T, resp *kmsg.FetchResponse) kmsg.FetchResponseTopicPartition {
	t.Helper()
	if resp.ErrorCode != 0 || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		t.Fatalf("error %v and %d topics, want one partition", kerr.ErrorForCode(resp.ErrorCode), len(resp.Topics))
	}
	return resp.Topics[0].Partitions[0]
}

// batches counts the record batches of an answer and gives their offsets.
func batches(t *testing.T, records []byte) (bases []int64) {
	t.Helper()
	for len(records) > 0 {
		var b kmsg.RecordBatch
		if err := b.ReadFrom(records); err != nil || len(records) < int(b.Length)+12 {
			return bases // a batch that the limit cut off
		}
		bases = append(bases, b.FirstOffset)
		records = records[b.Length+12:]
	}
	return bases
}

func TestFetchOutOfRange(t *testing.T) {
	topic := broker.TopicOnOne(t, 1)
	cl := harness.Client(t, broker.Addr)
	produce(t, cl, text(topic, 10)...)
	id := topicID(t, cl, topic)
	for _, c := range []struct {
		offset int64
		want   error
	}{{0, nil}, {9, nil}, {10, nil}, {11, kerr.OffsetOutOfRange}, {-1, kerr.OffsetOutOfRange}} {
		req := fetchRequest(topic, id, c.offset, 0)
		req.MaxWaitMillis = 0
		p := partition0(t, ask[*kmsg.FetchResponse](t, cl, req))
		if err := kerr.ErrorForCode(p.ErrorCode); err != c.want {
			t.Errorf("offset %d of 10: %v, want %v", c.offset, err, c.want)
		}
	}
	if _, err := harness.Admin(t, broker.Addr).DeleteRecords(harness.Context(t), offsets(topic, 0, 4)); err != nil {
		t.Fatal(err)
	}
	p := partition0(t, ask[*kmsg.FetchResponse](t, cl, fetchRequest(topic, id, 3, 0)))
	if err := kerr.ErrorForCode(p.ErrorCode); err != kerr.OffsetOutOfRange {
		t.Errorf("offset 3 with the log starting at 4: %v, want OFFSET_OUT_OF_RANGE", err)
	}
	p = partition0(t, ask[*kmsg.FetchResponse](t, cl, fetchRequest(topic, id, 4, 0)))
	if p.ErrorCode != 0 || p.LogStartOffset != 4 || p.HighWatermark != 10 || p.LastStableOffset != 10 {
		t.Errorf("offset 4: error %d, log start %d, high watermark %d, last stable %d; want 0, 4, 10, 10",
			p.ErrorCode, p.LogStartOffset, p.HighWatermark, p.LastStableOffset)
	}
}

// offsets names one offset of one partition.
func offsets(topic string, partition int32, at int64) kadm.Offsets {
	var o kadm.Offsets
	o.AddOffset(topic, partition, at, -1)
	return o
}

func TestFetchInsideABatchGivesTheWholeBatch(t *testing.T) {
	topic := broker.TopicOnOne(t, 1)
	cl := harness.Client(t, broker.Addr, kgo.ProducerLinger(100*time.Millisecond), kgo.ProducerBatchCompression(kgo.GzipCompression()))
	produce(t, cl, text(topic, 50)...)
	p := partition0(t, ask[*kmsg.FetchResponse](t, cl, fetchRequest(topic, topicID(t, cl, topic), 49, 0)))
	bases := batches(t, p.RecordBatches)
	if len(bases) == 0 || bases[len(bases)-1] > 49 {
		t.Fatalf("batches at %v for offset 49; want the one that holds it", bases)
	}
	got := harness.ReadPartition(t, broker.Addr, topic, 0, 49, 50)
	if len(got) != 1 || got[0].Offset != 49 {
		t.Fatalf("%d records from offset 49 of 50", len(got))
	}
}

func TestFetchLimits(t *testing.T) {
	topic := broker.TopicOnOne(t, 3)
	cl := harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()))
	for p := range int32(3) {
		for range 3 {
			produce(t, cl, &kgo.Record{Topic: topic, Partition: p, Value: make([]byte, 5000)})
		}
	}
	id := topicID(t, cl, topic)

	req := fetchRequest(topic, id, 0, 0)
	req.Topics[0].Partitions[0].PartitionMaxBytes = 1
	if got := batches(t, partition0(t, ask[*kmsg.FetchResponse](t, cl, req)).RecordBatches); len(got) != 1 {
		t.Errorf("a partition limit of 1 byte: batches at %v, want the first one whole", got)
	}

	req = fetchRequest(topic, id, 0, 0, 1, 2)
	req.MaxBytes = 1
	var whole int
	for _, p := range ask[*kmsg.FetchResponse](t, cl, req).Topics[0].Partitions {
		whole += len(batches(t, p.RecordBatches))
	}
	if whole != 1 {
		t.Errorf("a limit of 1 byte for the answer: %d batches, want the first of the first partition", whole)
	}

	req = fetchRequest(topic, id, 0, 0, 1, 2)
	req.Topics[0].Partitions[1].PartitionMaxBytes = 6000
	for i, p := range ask[*kmsg.FetchResponse](t, cl, req).Topics[0].Partitions {
		want := 3
		if p.Partition == 1 {
			want = 1
		}
		if got := batches(t, p.RecordBatches); len(got) != want {
			t.Errorf("answer %d, partition %d: batches at %v, want %d", i, p.Partition, got, want)
		}
	}
}

func TestFetchWaitsForRecords(t *testing.T) {
	topic := broker.TopicOnOne(t, 1)
	cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(kgo.NoCompression()))
	id := topicID(t, cl, topic)
	answer := make(chan *kmsg.FetchResponse, 1)
	fetcher := harness.Client(t, broker.Addr, kgo.ConnIdleTimeout(5*time.Minute))
	go func() {
		req := fetchRequest(topic, id, 0, 0)
		req.MaxWaitMillis = 120_000 // longer than the test may take
		req.MinBytes = 3000
		resp, err := fetcher.SeedBrokers()[0].Request(harness.Context(t), req)
		if err != nil {
			t.Error(err)
			answer <- nil
			return
		}
		answer <- resp.(*kmsg.FetchResponse)
	}()
	for range 4 {
		produce(t, cl, &kgo.Record{Topic: topic, Value: make([]byte, 1000)})
	}
	select {
	case resp := <-answer:
		if resp == nil {
			return
		}
		if got := len(partition0(t, resp).RecordBatches); got < 3000 {
			t.Errorf("answered with %d bytes, asked for 3000 at least", got)
		}
	case <-time.After(100 * time.Second):
		t.Error("4000 bytes were appended and the fetch that waits for 3000 is not answered")
	}
}

func TestFetchErrors(t *testing.T) {
	topic := broker.TopicOnOne(t, 1)
	cl := harness.Client(t, broker.Addr)
	produce(t, cl, text(topic, 1)...)
	id := topicID(t, cl, topic)

	req := fetchRequest(topic, [16]byte{1, 2, 3}, 0, 0)
	p := partition0(t, ask[*kmsg.FetchResponse](t, cl, req))
	if err := kerr.ErrorForCode(p.ErrorCode); err != kerr.UnknownTopicID {
		t.Errorf("an id that no topic has: %v, want UNKNOWN_TOPIC_ID", err)
	}

	p = partition0(t, ask[*kmsg.FetchResponse](t, cl, fetchRequest(topic, id, 0, 7)))
	if err := kerr.ErrorForCode(p.ErrorCode); err != kerr.UnknownTopicOrPartition {
		t.Errorf("partition 7 of 1: %v, want UNKNOWN_TOPIC_OR_PARTITION", err)
	}

	for _, c := range []struct {
		epoch int32
		want  error
	}{{0, nil}, {1000, kerr.UnknownLeaderEpoch}} {
		req = fetchRequest(topic, id, 0, 0)
		req.Topics[0].Partitions[0].CurrentLeaderEpoch = c.epoch
		p = partition0(t, ask[*kmsg.FetchResponse](t, cl, req))
		if err := kerr.ErrorForCode(p.ErrorCode); err != c.want {
			t.Errorf("leader epoch %d: %v, want %v", c.epoch, err, c.want)
		}
	}
}

func TestFetchReadCommitted(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1)
	produce(t, harness.Client(t, broker.Addr), text(topic, 20)...)
	got := harness.ReadPartition(t, broker.Addr, topic, 0, 0, 20, kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if len(got) != 20 {
		t.Fatalf("%d records of 20 without a transaction", len(got))
	}
}

// fetched gives the partitions of an answer, by number.
func fetched(t *testing.T, resp *kmsg.FetchResponse) map[int32]kmsg.FetchResponseTopicPartition {
	t.Helper()
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		t.Fatal(err)
	}
	m := map[int32]kmsg.FetchResponseTopicPartition{}
	for _, rt := range resp.Topics {
		for _, p := range rt.Partitions {
			m[p.Partition] = p
		}
	}
	return m
}

func TestFetchSession(t *testing.T) {
	const partitions = 100
	topic := broker.TopicOnOne(t, partitions)
	cl := harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	id := topicID(t, cl, topic)
	all := make([]int32, partitions)
	for i := range all {
		all[i] = int32(i)
	}

	first := fetchRequest(topic, id, 0, all...)
	first.SessionEpoch, first.MaxWaitMillis = 0, 0
	resp := ask[*kmsg.FetchResponse](t, cl, first)
	if got := fetched(t, resp); len(got) != partitions || resp.SessionID == 0 {
		t.Fatalf("a full fetch: %d partitions, session %d; want all %d and a session", len(got), resp.SessionID, partitions)
	}
	session := resp.SessionID
	epoch := int32(0)
	next := func(change func(*kmsg.FetchRequest)) *kmsg.FetchResponse {
		epoch++
		req := fetchRequest(topic, id, 0)
		req.Topics = nil
		req.SessionID, req.SessionEpoch, req.MaxWaitMillis = session, epoch, 0
		if change != nil {
			change(req)
		}
		return ask[*kmsg.FetchResponse](t, cl, req)
	}

	if got := fetched(t, next(nil)); len(got) != 0 {
		t.Errorf("nothing changed and %d partitions are in the answer", len(got))
	}
	produce(t, cl, &kgo.Record{Topic: topic, Partition: 42, Value: []byte("v")})
	if got := fetched(t, next(nil)); len(got) != 1 || len(got[42].RecordBatches) == 0 {
		t.Errorf("partition 42 got a record and the answer has %d partitions", len(got))
	}
	got := fetched(t, next(func(req *kmsg.FetchRequest) { // move on in 42
		req.Topics = fetchRequest(topic, id, 1, 42).Topics
	}))
	if len(got[42].RecordBatches) != 0 {
		t.Error("partition 42 gives the record again to a session that moved on")
	}
	produce(t, cl, &kgo.Record{Topic: topic, Partition: 7, Value: []byte("v")}, &kgo.Record{Topic: topic, Partition: 8, Value: []byte("v")})
	got = fetched(t, next(func(req *kmsg.FetchRequest) {
		forgotten := kmsg.NewFetchRequestForgottenTopic()
		forgotten.Topic, forgotten.TopicID, forgotten.Partitions = topic, id, []int32{7}
		req.ForgottenTopics = append(req.ForgottenTopics, forgotten)
	}))
	if _, has := got[7]; has || len(got[8].RecordBatches) == 0 {
		t.Errorf("7 was forgotten and 8 has a record: %d partitions in the answer", len(got))
	}

	epoch += 5
	if err := kerr.ErrorForCode(next(nil).ErrorCode); err != kerr.InvalidFetchSessionEpoch {
		t.Errorf("an epoch that is skipped: %v, want INVALID_FETCH_SESSION_EPOCH", err)
	}
	session++
	if err := kerr.ErrorForCode(next(nil).ErrorCode); err != kerr.FetchSessionIDNotFound {
		t.Errorf("a session that is not: %v, want FETCH_SESSION_ID_NOT_FOUND", err)
	}
}

func TestConsumingManyPartitions(t *testing.T) {
	const partitions, each = 120, 30
	topic := harness.Topic(t, broker.Addr, partitions)
	cl := harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	consumer := harness.Client(t, broker.Addr, kgo.ConsumeTopics(topic), kgo.FetchMaxWait(200*time.Millisecond))
	for round := range 3 { // the later rounds come through an established session
		var records []*kgo.Record
		for p := range int32(partitions) {
			for i := range each / 3 {
				records = append(records, &kgo.Record{Topic: topic, Partition: p, Value: fmt.Appendf(nil, "%d", round*each/3+i)})
			}
		}
		produce(t, cl, records...)
		seen := 0
		for seen < len(records) {
			fetches := consumer.PollFetches(harness.Context(t))
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				if string(r.Value) != fmt.Sprint(r.Offset) {
					t.Errorf("partition %d offset %d holds %s", r.Partition, r.Offset, r.Value)
				}
				seen++
			})
		}
		if seen != len(records) {
			t.Fatalf("round %d: %d records of %d", round, seen, len(records))
		}
	}
}
