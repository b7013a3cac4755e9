package franzgo

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

func TestOffsetsByTime(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	for _, c := range codecs {
		t.Run(c.name, func(t *testing.T) {
			topic := harness.Topic(t, broker.Addr, 1)
			cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(c.codec), kgo.ProducerLinger(50*time.Millisecond))
			base := time.Now().Add(-time.Hour).UnixMilli()
			at := []int64{0, 10, 20, 50, 40, 30, 60} // out of order within
			var records []*kgo.Record
			for _, ms := range at {
				records = append(records, &kgo.Record{Topic: topic, Value: []byte("v"), Timestamp: time.UnixMilli(base + ms)})
			}
			produce(t, cl, records[:4]...)
			produce(t, cl, records[4:]...)
			for _, q := range []struct{ ask, offset, timestamp int64 }{
				{-1000, 0, 0}, {0, 0, 0}, {1, 1, 10}, {20, 2, 20}, {21, 3, 50}, {45, 3, 50}, {51, 6, 60}, {60, 6, 60},
			} {
				listed, err := adm.ListOffsetsAfterMilli(ctx, base+q.ask, topic)
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := listed.Lookup(topic, 0); got.Offset != q.offset || got.Timestamp != base+q.timestamp {
					t.Errorf("first at or after %d: offset %d of %d, want %d of %d", q.ask, got.Offset, got.Timestamp-base, q.offset, q.timestamp)
				}
			}
			listed, err := adm.ListMaxTimestampOffsets(ctx, topic)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := listed.Lookup(topic, 0); got.Offset != 6 || got.Timestamp != base+60 {
				t.Errorf("largest timestamp: offset %d of %d, want 6 of 60", got.Offset, got.Timestamp-base)
			}
		})
	}
}

// listOffset asks for one timestamp as it stands, special values included.
func listOffset(t *testing.T, topic string, partition int32, timestamp int64, epoch int32) kmsg.ListOffsetsResponseTopicPartition {
	t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = partition, timestamp, epoch
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return ask[*kmsg.ListOffsetsResponse](t, harness.Client(t, broker.Addr), req).Topics[0].Partitions[0]
}

func TestOffsetsByName(t *testing.T) {
	topic := broker.TopicOnOne(t, 1)
	produce(t, harness.Client(t, broker.Addr), text(topic, 10)...)
	if _, err := harness.Admin(t, broker.Addr).DeleteRecords(harness.Context(t), offsets(topic, 0, 3)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name             string
		ask, offset      int64
		partition, epoch int32
		wantEpoch        int32
		want             error
	}{
		{name: "latest", ask: -1, offset: 10, epoch: -1, wantEpoch: 0},
		{name: "earliest", ask: -2, offset: 3, epoch: -1, wantEpoch: 0},
		{name: "earliest local", ask: -4, offset: 3, epoch: -1, wantEpoch: 0},
		{name: "a time to come", ask: time.Now().Add(time.Hour).UnixMilli(), offset: -1, epoch: -1, wantEpoch: -1},
		{name: "the leader's epoch", ask: -1, offset: 10, epoch: 0, wantEpoch: 0},
		{name: "an epoch to come", ask: -1, epoch: 50, offset: -1, wantEpoch: -1, want: kerr.UnknownLeaderEpoch},
		{name: "no such partition", ask: -1, partition: 5, epoch: -1, offset: -1, wantEpoch: -1, want: kerr.UnknownTopicOrPartition},
	} {
		got := listOffset(t, topic, c.partition, c.ask, c.epoch)
		if err := kerr.ErrorForCode(got.ErrorCode); err != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if got.Offset != c.offset || got.LeaderEpoch != c.wantEpoch {
			t.Errorf("%s: offset %d epoch %d, want %d and %d", c.name, got.Offset, got.LeaderEpoch, c.offset, c.wantEpoch)
		}
	}
}

func TestDeleteRecords(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	topic := broker.TopicOnOne(t, 2)
	produce(t, harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner())), text(topic, 10)...)
	for _, c := range []struct {
		at, low   int64
		partition int32
		want      error
	}{
		{at: 4, low: 4}, {at: 2, low: 4}, {at: 11, want: kerr.OffsetOutOfRange}, {at: 10, low: 10}, {at: 0, partition: 1, low: 0},
		{at: 0, partition: 9, want: kerr.UnknownTopicOrPartition},
	} {
		got, err := adm.DeleteRecords(ctx, offsets(topic, c.partition, c.at))
		r, _ := got.Lookup(topic, c.partition)
		if c.want != nil {
			if !errors.Is(r.Err, c.want) && !errors.Is(err, c.want) {
				t.Errorf("before %d of partition %d: %v %v, want %v", c.at, c.partition, err, r.Err, c.want)
			}
			continue
		}
		if err != nil || r.Err != nil || r.LowWatermark != c.low {
			t.Errorf("before %d of partition %d: %v %v, the log starts at %d, want %d", c.at, c.partition, err, r.Err, r.LowWatermark, c.low)
		}
	}
	// -1 is the high watermark.
	produce(t, harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner())), text(topic, 5)...)
	got, err := adm.DeleteRecords(ctx, offsets(topic, 0, -1))
	if r, _ := got.Lookup(topic, 0); err != nil || r.LowWatermark != 15 {
		t.Errorf("before the high watermark: %v, the log starts at %d, want 15", err, r.LowWatermark)
	}
	if got := listOffset(t, topic, 0, -2, -1); got.Offset != 15 {
		t.Errorf("earliest is %d, want 15", got.Offset)
	}
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	topic := harness.Topic(t, broker.Addr, 1)
	produce(t, harness.Client(t, broker.Addr), text(topic, 10)...)
	for _, c := range []struct {
		epoch, want int32
		end         int64
	}{{0, 0, 10}, {5, -1, -1}} {
		var req kadm.OffsetForLeaderEpochRequest
		req.Add(topic, 0, c.epoch)
		got, err := adm.OffsetForLeaderEpoch(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		if o := got[topic][0]; o.Err != nil || o.LeaderEpoch != c.want || o.EndOffset != c.end {
			t.Errorf("epoch %d: %v, epoch %d ends at %d; want %d and %d", c.epoch, o.Err, o.LeaderEpoch, o.EndOffset, c.want, c.end)
		}
	}
}

func TestDescribeProducers(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	topic := harness.Topic(t, broker.Addr, 1)
	cl := harness.Client(t, broker.Addr)
	produce(t, cl, text(topic, 3)...)
	produce(t, cl, text(topic, 4)...)
	produce(t, harness.Client(t, broker.Addr, kgo.DisableIdempotentWrite()), text(topic, 4)...)
	id, epoch, err := cl.ProducerID(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var p kadm.DescribedProducersPartition
	err = harness.Ask(ctx, func() error {
		got, err := adm.DescribeProducers(ctx, kadm.TopicsSet{topic: {0: {}}})
		p = got[topic].Partitions[0]
		return errors.Join(err, p.Err)
	})
	if err != nil || len(p.ActiveProducers) != 1 {
		t.Fatalf("%v, %d producers; one is idempotent", err, len(p.ActiveProducers))
	}
	if d := p.ActiveProducers[id]; d.ProducerEpoch != epoch || d.LastSequence != 6 || d.CurrentTxnStartOffset != -1 || d.LastTimestamp <= 0 {
		t.Errorf("%+v; want epoch %d, last sequence 6, no transaction", d, epoch)
	}
}

func TestProducerIDsAreDistinct(t *testing.T) {
	seen := map[int64]bool{}
	for range 20 {
		id, epoch, err := harness.Client(t, broker.Addr).ProducerID(harness.Context(t))
		if err != nil {
			t.Fatal(err)
		}
		if id < 0 || epoch != 0 || seen[id] {
			t.Errorf("producer id %d, epoch %d; seen before: %t", id, epoch, seen[id])
		}
		seen[id] = true
	}
}

func TestDescribeLogDirs(t *testing.T) {
	ctx, adm := harness.Context(t), harness.Admin(t, broker.Addr)
	topic := broker.TopicOnOne(t, 2)
	produce(t, harness.Client(t, broker.Addr, kgo.RecordPartitioner(kgo.ManualPartitioner())), text(topic, 100)...)
	all, err := adm.DescribeAllLogDirs(ctx, kadm.TopicsSet{topic: {0: {}, 1: {}}})
	if err != nil {
		t.Fatal(err)
	}
	dir, ok := all[broker.IDs()[0]][broker.LogDir]
	if !ok || dir.Err != nil || dir.TotalBytes <= 0 || dir.UsableBytes <= 0 {
		t.Fatalf("directory %s: %+v among %v", broker.LogDir, dir, all)
	}
	for p, want := range map[int32]bool{0: true, 1: false} {
		got, ok := dir.Topics.Lookup(topic, p)
		if !ok || (got.Size > 0) != want || got.IsFuture || got.OffsetLag != 0 {
			t.Errorf("partition %d: %t %+v", p, ok, got)
		}
	}
	log, err := os.Stat(filepath.Join(broker.LogDir, topic+"-0", "00000000000000000000.log"))
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := dir.Topics.Lookup(topic, 0); got.Size != log.Size() {
		t.Errorf("partition 0 has %d bytes, its file %d", got.Size, log.Size())
	}
}
