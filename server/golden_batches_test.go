package server_test

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol/batch"
)

// thisCentury tells times of the run from those that the cases choose, in ms.
const thisCentury = 1_600_000_000_000

// batchesText tells the batches of a Fetch answer as far as two runs have them
// in common, one a line, and how many bytes of a batch cut short follow.
func batchesText(b []byte) any {
	if batch.IsMessageSet(b) {
		return oldText(b)
	}
	lines := []any{}
	for len(b) > 0 {
		h, err := batch.ParseHeader(b)
		if err != nil || h.Size() > len(b) {
			return append(lines, fmt.Sprintf("%s%d bytes", cutShort, len(b)))
		}
		crc := ""
		if batch.CheckCRC(b[:h.Size()]) != nil {
			crc = " bad CRC"
		}
		lines = append(lines, fmt.Sprintf("%d-%d epoch %d attributes %d records %d times %s-%s producer %d/%d/%d bytes %d%s",
			h.BaseOffset, h.LastOffset(), h.PartitionLeaderEpoch, h.Attributes, h.Count, timeText(h.BaseTimestamp), timeText(h.MaxTimestamp),
			h.ProducerID, h.ProducerEpoch, h.BaseSequence, h.Size(), crc))
		b = b[h.Size():]
	}
	return lines
}

func timeText(ms int64) string {
	if ms >= thisCentury {
		return "now"
	}
	return fmt.Sprint(ms)
}

const cutShort = "and cut short "

// wholeBatches leaves out the batch cut short at the end: the reference fills
// the limits of a Fetch to the byte, klamm sends whole batches only. Clients
// drop what is cut short.
func wholeBatches(lines []any) []any {
	if n := len(lines); n > 0 && strings.HasPrefix(lines[n-1].(string), cutShort) {
		return lines[:n-1]
	}
	return lines
}

// made is a batch of one record for each timestamp, changed by change (nil for
// none) before it is built.
func made(change func(b *batch.Builder), timestamps ...int64) []byte {
	b := batch.NewBuilder(batch.None)
	if change != nil {
		change(b)
	}
	for _, ts := range timestamps {
		b.Add(ts, []byte("k"), []byte("v"))
	}
	raw, err := b.Build()
	if err != nil {
		panic(err)
	}
	return raw
}

// sequenced is a batch of an idempotent producer with n records.
func sequenced(producer int64, epoch int16, sequence int32, n int) []byte {
	timestamps := make([]int64, n)
	for i := range timestamps {
		timestamps[i] = 1000 + int64(i)
	}
	return made(func(b *batch.Builder) {
		b.ProducerID, b.ProducerEpoch, b.BaseSequence = producer, epoch, sequence
	}, timestamps...)
}

// bent is a batch of three records with bytes changed, and a CRC that matches.
func bent(change func(raw []byte)) []byte {
	raw := made(nil, 1000, 1001, 1002)
	change(raw)
	const crcAt, afterCRC = 17, 21
	binary.BigEndian.PutUint32(raw[crcAt:], crc32.Checksum(raw[afterCRC:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// sent is what one partition gets in a Produce request.
type sent struct {
	topic     string
	partition int32
	records   []byte
}

// send makes a Produce request; partitions of one topic that stand together are
// sent together. An unknown topic has an id that is nobody's.
func send(t *talk, acks int16, parts ...sent) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = acks, 20000
	for _, p := range parts {
		n := len(req.Topics)
		if n == 0 || req.Topics[n-1].Topic != t.n(p.topic) {
			rt := kmsg.NewProduceRequestTopic()
			rt.Topic, rt.TopicID = t.n(p.topic), t.someID(p.topic)
			req.Topics = append(req.Topics, rt)
			n++
		}
		rp := kmsg.NewProduceRequestTopicPartition()
		rp.Partition, rp.Records = p.partition, p.records
		req.Topics[n-1].Partitions = append(req.Topics[n-1].Partitions, rp)
	}
	return req
}

// someID is a topic's id, or one that is nobody's for a topic that there is not.
func (t *talk) someID(name string) [16]byte {
	if _, known := t.ids[t.n(name)]; !known {
		t.learn()
	}
	if id, ok := t.ids[t.n(name)]; ok {
		return id
	}
	return [16]byte{9, 9}
}
