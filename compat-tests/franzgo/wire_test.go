package franzgo

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// batch makes a record batch of format 2 with n small records.
func batch(n int, producerID int64, epoch int16, sequence int32) []byte {
	var records []byte
	for i := range n {
		var r []byte
		r = append(r, 0)                   // attributes
		r = kbin.AppendVarlong(r, 0)       // timestamp delta
		r = kbin.AppendVarint(r, int32(i)) // offset delta
		r = kbin.AppendVarint(r, 1)
		r = append(r, 'k')
		r = kbin.AppendVarint(r, 1)
		r = append(r, 'v')
		r = kbin.AppendVarint(r, 0) // headers
		records = append(kbin.AppendVarint(records, int32(len(r))), r...)
	}
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{
		Length: int32(49 + len(records)), PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(n - 1), FirstTimestamp: now, MaxTimestamp: now,
		ProducerID: producerID, ProducerEpoch: epoch, FirstSequence: sequence, NumRecords: int32(n), Records: records,
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// produceRequest is a Produce of version 9, where topics still have names.
func produceRequest(acks int16) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks, req.TimeoutMillis = 9, acks, 10_000
	return req
}

func add(req *kmsg.ProduceRequest, topic string, partition int32, records []byte) {
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = partition, records
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
}

// wire is a plain connection: it sends exactly what the test gives it, in the version
// that the test gives it.
type wire struct {
	t *testing.T
	net.Conn
	correlation int32
}

func dial(t *testing.T) *wire {
	t.Helper()
	c, err := net.Dial("tcp", broker.FirstAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &wire{t: t, Conn: c}
}

func (w *wire) send(req kmsg.Request) {
	w.t.Helper()
	w.correlation++
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("wire")).AppendRequest(nil, req, w.correlation)
	if _, err := w.Write(frame); err != nil {
		w.t.Fatal(err)
	}
}

// receive gives an answer's body behind the correlation id.
func (w *wire) receive() ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(w, head[:]); err != nil {
		return nil, err
	}
	if got := int32(binary.BigEndian.Uint32(head[4:])); got != w.correlation {
		w.t.Fatalf("the answer is to request %d, %d was sent", got, w.correlation)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:4])-4)
	_, err := io.ReadFull(w, body)
	return body, err
}

func (w *wire) produce(req *kmsg.ProduceRequest) *kmsg.ProduceResponse {
	w.t.Helper()
	w.send(req)
	body, err := w.receive()
	if err != nil {
		w.t.Fatal(err)
	}
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = req.Version
	if resp.IsFlexible() {
		body = body[1:] // the header's tags, of which there are none
	}
	if err := resp.ReadFrom(body); err != nil {
		w.t.Fatal(err)
	}
	return resp
}

// one is the answer for the one partition of a request.
func one(r *kmsg.ProduceResponse) (int64, error) {
	p := r.Topics[0].Partitions[0]
	return p.BaseOffset, kerr.ErrorForCode(p.ErrorCode)
}

func TestSequences(t *testing.T) {
	topic := broker.TopicOnOne(t, 1)
	id, _, err := harness.Client(t, broker.Addr).ProducerID(harness.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	w := dial(t)
	for i, c := range []struct {
		name     string
		n        int
		epoch    int16
		sequence int32
		offset   int64
		want     error
	}{
		{"the first", 2, 0, 0, 0, nil},
		{"the next", 1, 0, 2, 2, nil},
		{"the same again", 1, 0, 2, 2, nil},
		{"the first again", 2, 0, 0, 0, nil},
		{"a gap", 1, 0, 9, -1, kerr.OutOfOrderSequenceNumber},
		{"3", 1, 0, 3, 3, nil}, {"4", 1, 0, 4, 4, nil}, {"5", 1, 0, 5, 5, nil}, {"6", 1, 0, 6, 6, nil},
		{"the fifth from the end again", 1, 0, 2, 2, nil},
		{"one that is no longer known", 2, 0, 0, -1, kerr.OutOfOrderSequenceNumber},
		{"a new epoch that does not begin at 0", 1, 1, 7, -1, kerr.OutOfOrderSequenceNumber},
		{"a new epoch", 1, 1, 0, 7, nil},
		{"the old epoch", 1, 0, 7, -1, kerr.InvalidProducerEpoch},
	} {
		req := produceRequest(-1)
		add(req, topic, 0, batch(c.n, id, c.epoch, c.sequence))
		offset, err := one(w.produce(req))
		if offset != c.offset || !errors.Is(err, c.want) {
			t.Errorf("%d, %s (sequence %d, epoch %d): offset %d, %v; want %d, %v", i, c.name, c.sequence, c.epoch, offset, err, c.offset, c.want)
		}
	}
	if end := harness.EndOffset(t, broker.Addr, topic, 0); end != 8 {
		t.Errorf("the log ends at %d, want 8", end)
	}
}

func TestPartitionsFailOneByOne(t *testing.T) {
	good, compacted := broker.TopicOnOne(t, 2), broker.TopicOnOne(t, 1, "cleanup.policy", "compact")
	corrupt := batch(1, -1, -1, -1)
	corrupt[len(corrupt)-1] ^= 1
	noKey := batch(1, -1, -1, -1)
	// A record of 7 bytes: attributes, deltas of timestamp and offset, -1 for the
	// key's length, the value, no headers; numbers are zigzag.
	noKey = append(noKey[:61], []byte{14, 0, 0, 0, 1, 2, 'v', 0}...)
	binary.BigEndian.PutUint32(noKey[8:], uint32(len(noKey)-12))
	binary.BigEndian.PutUint32(noKey[17:], crc32.Checksum(noKey[21:], crc32.MakeTable(crc32.Castagnoli)))

	req := produceRequest(1)
	add(req, good, 0, batch(3, -1, -1, -1))
	add(req, good, 7, batch(1, -1, -1, -1))
	add(req, "no-such-topic-at-all", 0, batch(1, -1, -1, -1))
	add(req, compacted, 0, noKey)
	add(req, good, 1, corrupt)
	want := map[string]error{"0": nil, "7": kerr.UnknownTopicOrPartition, "1": kerr.CorruptMessage}
	for _, rt := range dial(t).produce(req).Topics {
		for _, p := range rt.Partitions {
			err := kerr.ErrorForCode(p.ErrorCode)
			switch rt.Topic {
			case good:
				if expect := want[string(rune('0'+p.Partition))]; !errors.Is(err, expect) {
					t.Errorf("partition %d: %v, want %v", p.Partition, err, expect)
				}
			case compacted:
				if !errors.Is(err, kerr.InvalidRecord) || len(p.ErrorRecords) != 1 || p.ErrorRecords[0].RelativeOffset != 0 || p.ErrorMessage == nil {
					t.Errorf("a record without a key: %v, records %+v, message %v; want INVALID_RECORD, record 0 and a message", err, p.ErrorRecords, p.ErrorMessage)
				}
			default:
				if !errors.Is(err, kerr.UnknownTopicOrPartition) {
					t.Errorf("a topic that is not: %v", err)
				}
			}
		}
	}
}

func TestAcksThatAreNot(t *testing.T) {
	topic := broker.TopicOnOne(t, 1)
	req := produceRequest(2)
	add(req, topic, 0, batch(1, -1, -1, -1))
	if _, err := one(dial(t).produce(req)); !errors.Is(err, kerr.InvalidRequiredAcks) {
		t.Errorf("acks=2: %v, want INVALID_REQUIRED_ACKS", err)
	}
}

// closed says whether the broker closed the connection instead of answering.
func (w *wire) closed() bool {
	_, err := w.receive()
	return err != nil && !errors.Is(err, net.ErrClosed) && !isTimeout(err)
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

func TestAnErrorWithAcks0ClosesTheConnection(t *testing.T) {
	w := dial(t)
	req := produceRequest(0)
	add(req, "no-such-topic-at-all", 0, batch(1, -1, -1, -1))
	w.send(req)
	if !w.closed() {
		t.Error("the connection stays open; a client with acks=0 would never hear of it")
	}
}

func TestVersionsThatAreNotServed(t *testing.T) {
	w := dial(t)
	w.send(&kmsg.ApiVersionsRequest{Version: 99, ClientSoftwareName: "wire", ClientSoftwareVersion: "1"})
	body, err := w.receive()
	if err != nil {
		t.Fatalf("ApiVersions of version 99: %v, want an answer", err)
	}
	resp := kmsg.NewPtrApiVersionsResponse() // of version 0
	if err := resp.ReadFrom(body); err != nil {
		t.Fatal(err)
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != kerr.UnsupportedVersion || len(resp.ApiKeys) == 0 {
		t.Errorf("ApiVersions of version 99: %v and %d ranges, want UNSUPPORTED_VERSION and the range of ApiVersions", err, len(resp.ApiKeys))
	}

	w = dial(t)
	w.send(&kmsg.MetadataRequest{Version: 50})
	if !w.closed() {
		t.Error("Metadata of version 50: the connection stays open")
	}

	w = dial(t)
	// The API key of this frame is one that no Kafka has.
	if _, err := w.Write([]byte{0, 0, 0, 10, 0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	w.correlation = 1
	if !w.closed() {
		t.Error("key 32767: the connection stays open")
	}
}

func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	topic := broker.TopicOnOne(t, 1)
	w := dial(t)
	const n = 50
	for range n {
		req := produceRequest(-1)
		add(req, topic, 0, batch(1, -1, -1, -1))
		w.send(req)
	}
	for i := range n {
		w.correlation = int32(i + 1)
		body, err := w.receive()
		if err != nil {
			t.Fatal(err)
		}
		resp := kmsg.NewPtrProduceResponse()
		resp.Version = 9
		if err := resp.ReadFrom(body[1:]); err != nil {
			t.Fatal(err)
		}
		if offset, err := one(resp); err != nil || offset != int64(i) {
			t.Fatalf("request %d: offset %d, %v", i, offset, err)
		}
	}
}
