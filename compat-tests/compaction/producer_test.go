package compaction

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"klamm/compat-tests/harness"
)

// producerCompactedAway: another producer replaces all records of an idempotent producer, the log is
// compacted, and the broker is killed. The idempotent producer's sequence has to go on where it was.
func producerCompactedAway(t *testing.T, b *harness.Broker) {
	topic := harness.Topic(t, b.Addr, 1, "cleanup.policy", "compact")
	id, epoch := initProducer(t, b.Addr)
	for sequence := range int32(3) {
		if offset, err := sendSequence(t, b.Addr, topic, id, epoch, sequence); err != nil || offset != int64(sequence) {
			t.Fatalf("sequence %d is at offset %d: %v", sequence, offset, err)
		}
	}
	end := int64(3)
	rounds := 2 // the second time what is kept for the producer goes through a compaction again
	if harness.Reference() {
		rounds = 1 // it takes long to come back
	}
	for round := range rounds {
		n := fill(t, b.Addr, topic, 20, 20)
		awaitGone(t, b.Addr, topic, end)
		b.Kill()
		if err := b.Run(); err != nil {
			t.Fatal(err)
		}
		harness.AwaitTopic(t, b.Addr, topic, 1)
		last := int32(2 + round)
		for _, c := range []struct {
			what     string
			sequence int32
			offset   int64
			err      error
		}{
			{"the last batch again", last, end - 1, nil},
			{"a batch before it again", 0, -1, kerr.OutOfOrderSequenceNumber},
			{"a batch after the next", last + 2, -1, kerr.OutOfOrderSequenceNumber},
			{"the next batch", last + 1, n, nil},
			{"the next batch again", last + 1, n, nil},
		} {
			if offset, err := sendSequence(t, b.Addr, topic, id, epoch, c.sequence); offset != c.offset || !errors.Is(err, c.err) {
				t.Errorf("round %d, %s: offset %d, %v; want %d, %v", round, c.what, offset, err, c.offset, c.err)
			}
		}
		end = n + 1
	}
}

// awaitGone waits until no record is left before an offset.
func awaitGone(t *testing.T, addr, topic string, before int64) {
	t.Helper()
	for ctx := harness.Context(t); ; time.Sleep(20 * time.Millisecond) {
		records := readAll(t, addr, topic)
		if records[0].Offset >= before {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("offset %d of %s is still there", records[0].Offset, topic)
		}
	}
}

func initProducer(t *testing.T, addr string) (id int64, epoch int16) {
	t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	resp, err := req.RequestWith(harness.Context(t), harness.Client(t, addr))
	if err == nil {
		err = kerr.ErrorForCode(resp.ErrorCode)
	}
	if err != nil {
		t.Fatal(err)
	}
	return resp.ProducerID, resp.ProducerEpoch
}

// sendSequence produces one record with key 1, of which fill has many, in a batch with this sequence.
func sendSequence(t *testing.T, addr, topic string, id int64, epoch int16, sequence int32) (offset int64, err error) {
	t.Helper()
	value := fmt.Sprint("sequence ", sequence)
	record := []byte{0, 0, 0} // attributes, deltas of timestamp and offset
	record = append(kbin.AppendVarint(record, 1), '1')
	record = append(kbin.AppendVarint(record, int32(len(value))), value...)
	record = append(record, 0) // headers
	records := append(kbin.AppendVarint(nil, int32(len(record))), record...)
	now := time.Now().UnixMilli()
	batch := kmsg.RecordBatch{
		Length: int32(49 + len(records)), PartitionLeaderEpoch: -1, Magic: 2, FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: id, ProducerEpoch: epoch, FirstSequence: sequence, NumRecords: 1, Records: records,
	}
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))

	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 10_000
	rt, rp := kmsg.NewProduceRequestTopic(), kmsg.NewProduceRequestTopicPartition()
	rt.Topic, rp.Records = topic, raw
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	cl := harness.Client(t, addr, kgo.MaxVersions(kversion.V2_8_0())) // topics have names
	defer cl.Close()
	known, err := kadm.NewClient(cl).Metadata(harness.Context(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := cl.Broker(int(known.Topics[topic].Partitions[0].Leader)).Request(harness.Context(t), req)
	if err != nil {
		t.Fatal(err)
	}
	p := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return p.BaseOffset, kerr.ErrorForCode(p.ErrorCode)
}
