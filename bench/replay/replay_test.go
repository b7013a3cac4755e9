package replay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/bench/limit"
)

// batchOf reads a batch with a decoder that is not ours.
func batchOf(t *testing.T, raw []byte) kmsg.RecordBatch {
	t.Helper()
	var b kmsg.RecordBatch
	if err := b.ReadFrom(raw); err != nil {
		t.Fatal(err)
	}
	if int(b.Length) != len(raw)-12 {
		t.Errorf("the length is %d of %d bytes", b.Length, len(raw))
	}
	if got := crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)); uint32(b.CRC) != got {
		t.Errorf("CRC %x, the bytes' is %x", uint32(b.CRC), got)
	}
	return b
}

func TestBatchIsOneThatOthersRead(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	for _, codec := range []Codec{Plain, Zstd} {
		raw, err := Batch(64, 1000, codec, now)
		if err != nil {
			t.Fatal(err)
		}
		b := batchOf(t, raw)
		if b.NumRecords != 64 || b.LastOffsetDelta != 63 || b.ProducerID != -1 || b.Magic != 2 || b.Attributes != int16(codec) || b.MaxTimestamp != now.UnixMilli() {
			t.Errorf("%+v", b)
		}
		records := b.Records
		if codec == Zstd {
			r, err := zstd.NewReader(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if records, err = r.DecodeAll(records, nil); err != nil {
				t.Fatal(err)
			}
			if ratio := float64(len(records)) / float64(len(b.Records)); ratio < 1.5 || ratio > 6 {
				t.Errorf("the text compresses %.1f-fold, logs do two- to fivefold", ratio)
			}
		}
		for i := range 64 {
			length, n := binary.Varint(records)
			var r kmsg.Record
			if err := r.ReadFrom(records[:n+int(length)]); err != nil {
				t.Fatal(err)
			}
			if len(r.Value) != 1000 || r.OffsetDelta != int32(i) || r.Key != nil {
				t.Fatalf("record %d: %d bytes, delta %d", i, len(r.Value), r.OffsetDelta)
			}
			records = records[n+int(length):]
		}
		if len(records) != 0 {
			t.Errorf("%d bytes behind the last record", len(records))
		}
	}
}

// frameRequest decodes a frame's body.
func frameRequest(t *testing.T, frame []byte, req kmsg.Request) (correlation int32) {
	t.Helper()
	if int(binary.BigEndian.Uint32(frame)) != len(frame)-4 {
		t.Fatalf("length %d of %d bytes", binary.BigEndian.Uint32(frame), len(frame))
	}
	if key, version := int16(binary.BigEndian.Uint16(frame[4:])), int16(binary.BigEndian.Uint16(frame[6:])); key != req.Key() || version != req.GetVersion() {
		t.Fatalf("API %d version %d", key, version)
	}
	name := int(binary.BigEndian.Uint16(frame[12:]))
	if err := req.ReadFrom(frame[14+name:]); err != nil {
		t.Fatal(err)
	}
	return int32(binary.BigEndian.Uint32(frame[8:]))
}

func TestFramesCoverEveryPartitionAlike(t *testing.T) {
	batch, err := Batch(1, 100, Plain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f := ProduceFrames("t", First(6), 8, -1, batch)
	if f.Len() != 12 {
		t.Fatalf("%d frames, want the multiple of 6 that is at least 8", f.Len())
	}
	for i := range f.Len() {
		frame, n := f.span(i, 1)
		req := kmsg.NewPtrProduceRequest()
		req.Version = produceVersion
		if id := frameRequest(t, frame, req); n != 1 || id != int32(i) {
			t.Errorf("frame %d: correlation id %d, %d frames", i, id, n)
		}
		p := req.Topics[0].Partitions[0]
		if req.Acks != -1 || req.Topics[0].Topic != "t" || p.Partition != int32(i%6) || !bytes.Equal(p.Records, batch) {
			t.Errorf("frame %d: %+v", i, req)
		}
	}
	whole, n := f.span(10, 5)
	if last, _ := f.span(11, 1); n != 2 || !bytes.HasSuffix(whole, last) || len(whole) != 2*len(last) {
		t.Errorf("a span over the end has %d frames, want the last 2", n)
	}
}

func TestFetchFrameTakesAnOffset(t *testing.T) {
	f := newFetchFrame("topic", 3, 1<<20, 500)
	for _, offset := range []int64{0, 1<<40 + 7} {
		req := kmsg.NewPtrFetchRequest()
		req.Version = fetchVersion
		frameRequest(t, f.at(offset), req)
		p := req.Topics[0].Partitions[0]
		if p.FetchOffset != offset || p.Partition != 3 || p.PartitionMaxBytes != 1<<20 || p.LogStartOffset != -1 || req.MaxWaitMillis != 500 || req.SessionEpoch != -1 {
			t.Errorf("%+v", req)
		}
	}
}

// produceAnswer is what a broker answers, made by an encoder that is not ours.
func produceAnswer(correlation int32, code int16) []byte {
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = produceVersion
	topic := kmsg.NewProduceResponseTopic()
	topic.Topic = "some-topic"
	p := kmsg.NewProduceResponseTopicPartition()
	p.Partition, p.ErrorCode = 2, code
	topic.Partitions = append(topic.Partitions, p)
	resp.Topics = append(resp.Topics, topic)
	return resp.AppendTo(binary.BigEndian.AppendUint32(nil, uint32(correlation)))
}

func TestAnErrorCodeIsAnError(t *testing.T) {
	if err := checkProduce(produceAnswer(7, 0), 7); err != nil {
		t.Error(err)
	}
	if err := checkProduce(produceAnswer(7, 19), 7); !errors.Is(err, kerr.NotEnoughReplicas) {
		t.Errorf("%v", err)
	}
	if err := checkProduce(produceAnswer(8, 0), 7); err == nil {
		t.Error("an answer out of order passes")
	}
	if err := checkProduce(produceAnswer(7, 0)[:20], 7); err == nil {
		t.Error("half an answer passes")
	}
}

func fetchAnswer(top, code int16, base int64, records []byte) []byte {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version, resp.ErrorCode = fetchVersion, top
	topic := kmsg.NewFetchResponseTopic()
	topic.Topic = "t"
	p := kmsg.NewFetchResponseTopicPartition()
	p.ErrorCode = code
	if records != nil {
		records = append([]byte(nil), records...)
		binary.BigEndian.PutUint64(records, uint64(base))
	}
	p.RecordBatches = records
	topic.Partitions = append(topic.Partitions, p)
	resp.Topics = append(resp.Topics, topic)
	return resp.AppendTo([]byte{0, 0, 0, 0})
}

func TestFetchedHeadsAreChecked(t *testing.T) {
	batch, err := Batch(10, 100, Plain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	c := &fetcher{Fetching: Fetching{Topic: "t", BatchBytes: len(batch), BatchRecords: 10}}
	if n, err := c.check(fetchAnswer(0, 0, 20, batch), 20); err != nil || n != len(batch) {
		t.Errorf("%d bytes, %v", n, err)
	}
	if n, err := c.check(fetchAnswer(0, 0, 20, batch), 29); err != nil || n != len(batch) {
		t.Errorf("from amid the batch: %d bytes, %v", n, err)
	}
	for name, answer := range map[string][]byte{
		"the session's error":   fetchAnswer(70, 0, 20, batch),
		"the partition's error": fetchAnswer(0, 1, 20, batch),
		"records further on":    fetchAnswer(0, 0, 30, batch),
		"records further back":  fetchAnswer(0, 0, 10, batch),
		"no records":            fetchAnswer(0, 0, 0, nil),
		"half an answer":        fetchAnswer(0, 0, 20, batch)[:40],
	} {
		if _, err := c.check(answer, 20); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

// TestWhatIsProducedIsRead goes both ways over real sockets, to the limit's loops.
func TestWhatIsProducedIsRead(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- limit.Serve(l, t.TempDir()) }()
	t.Cleanup(func() {
		l.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	batch, err := Batch(64, 1000, Plain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	done, err := Send(t.Context(), Sending{Addr: l.Addr().String(), Frames: ProduceFrames("t", First(2), 8, 1, batch), BatchBytes: len(batch), Connections: 3, InFlight: 8, Requests: 100})
	if err != nil || done.Requests != 100 || len(done.Latencies) != 100 || done.Bytes != int64(100*len(batch)) {
		t.Fatalf("%d requests, %d latencies, %d bytes, %v", done.Requests, len(done.Latencies), done.Bytes, err)
	}
	var readings []Reading
	for p := range int32(2) {
		readings = append(readings, Reading{Partition: p, Next: func(offset, n int64) (int64, bool) { return offset + n, offset+n < 47*64 }})
	}
	done, err = Fetch(t.Context(), Fetching{Addr: l.Addr().String(), Topic: "t", MaxBytes: 1 << 20, BatchBytes: len(batch), BatchRecords: 64, Readings: readings})
	if err != nil || done.Bytes < int64(2*47*len(batch)) || done.Requests < 6 || done.Took <= 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	broken := bytes.Clone(batch)
	broken[len(broken)-1]++
	if _, err := Send(t.Context(), Sending{Addr: l.Addr().String(), Frames: ProduceFrames("u", First(1), 1, 1, broken), BatchBytes: len(batch), Connections: 1, InFlight: 1, Requests: 1}); err == nil {
		t.Error("the limit takes a batch whose CRC is wrong")
	}
}
