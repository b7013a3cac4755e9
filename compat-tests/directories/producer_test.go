package directories

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"klamm/compat-tests/harness"
)

// idempotentTo is where the producers of single requests write.
var idempotentTo = partition{"idempotent", 0}

// perBatch is how many records each of their batches has: always the same, so that a broker that
// gave one id to two producers would take the first batch of the second one for a duplicate.
const perBatch = 4

// producer is an idempotent producer whose requests the test makes itself.
type producer struct {
	w     *world
	id    int64
	epoch int16
	seq   int32 // of the next batch
	last  []byte
	base  int64 // where the last batch is
}

func (w *world) newProducer() *producer {
	w.t.Helper()
	req := kmsg.NewPtrInitProducerIDRequest()
	for {
		resp, err := w.raw().Request(harness.Context(w.t), req)
		if err != nil {
			w.t.Fatal(err)
		}
		r := resp.(*kmsg.InitProducerIDResponse)
		err = kerr.ErrorForCode(r.ErrorCode)
		if kerr.IsRetriable(err) { // a broker that has just started
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		return &producer{w: w, id: r.ProducerID, epoch: r.ProducerEpoch}
	}
}

// raw is a connection for single requests, of versions that name topics.
func (w *world) raw() *kgo.Broker {
	return harness.Client(w.t, w.addr, kgo.MaxVersions(kversion.V3_8_0())).SeedBrokers()[0]
}

// goOn sends the next batch.
func (p *producer) goOn() {
	p.w.t.Helper()
	var records []*kgo.Record
	for i := range perBatch {
		records = append(records, &kgo.Record{Timestamp: time.UnixMilli(time.Now().UnixMilli()),
			Value: fmt.Appendf(nil, "producer %d sequence %d", p.id, p.seq+int32(i))})
	}
	p.last = encode(p, records)
	end := int64(len(p.w.sent[idempotentTo]))
	base, err := p.send(p.last)
	if err != nil || base != end {
		p.w.t.Fatalf("batch of producer %d at sequence %d: offset %d, %v; the log ended at %d", p.id, p.seq, base, err, end)
	}
	p.base = base
	p.seq += perBatch
	p.w.sent[idempotentTo] = append(p.w.sent[idempotentTo], records...)
}

// again sends the last batch once more. The broker has to store it only once.
func (p *producer) again() {
	p.w.t.Helper()
	if base, err := p.send(p.last); err != nil || base != p.base {
		p.w.t.Fatalf("the last batch of producer %d sent again: offset %d, %v; it is at %d", p.id, base, err, p.base)
	}
}

// skip sends a batch that leaves a gap in the sequence. The broker has to refuse it.
func (p *producer) skip() {
	p.w.t.Helper()
	ahead := *p
	ahead.seq += perBatch
	batch := encode(&ahead, []*kgo.Record{{Timestamp: time.Now(), Value: []byte("never stored")}})
	if base, err := p.send(batch); err != kerr.OutOfOrderSequenceNumber {
		p.w.t.Fatalf("a batch of producer %d that leaves a gap: offset %d, %v", p.id, base, err)
	}
}

func (p *producer) send(batch []byte) (int64, error) {
	p.w.t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 30_000
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = idempotentTo.topic
	part := kmsg.NewProduceRequestTopicPartition()
	part.Partition, part.Records = idempotentTo.n, batch
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := p.w.raw().Request(harness.Context(p.w.t), req)
	if err != nil {
		p.w.t.Fatal(err)
	}
	got := resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	return got.BaseOffset, kerr.ErrorForCode(got.ErrorCode)
}

// encode makes the batch of the producer's next sequence.
func encode(p *producer, records []*kgo.Record) []byte {
	first := records[0].Timestamp.UnixMilli()
	last := first
	var body []byte
	for i, r := range records {
		last = max(last, r.Timestamp.UnixMilli())
		b := []byte{0}
		b = binary.AppendVarint(b, r.Timestamp.UnixMilli()-first)
		b = binary.AppendVarint(b, int64(i))
		b = binary.AppendVarint(b, -1)
		b = binary.AppendVarint(b, int64(len(r.Value)))
		b = append(b, r.Value...)
		b = binary.AppendVarint(b, 0)
		body = append(binary.AppendVarint(body, int64(len(b))), b...)
	}
	batch := kmsg.RecordBatch{Length: int32(49 + len(body)), PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(len(records) - 1),
		FirstTimestamp: first, MaxTimestamp: last, ProducerID: p.id, ProducerEpoch: p.epoch, FirstSequence: p.seq,
		NumRecords: int32(len(records)), Records: body}
	b := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}
