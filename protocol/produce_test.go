package protocol

import (
	"bytes"
	"reflect"
	"testing"

	"klamm/protocol/batch"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var testID = UUID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

func ptr[T any](v T) *T { return &v }

// produceRequest gives a request with everything that its version can say.
func produceRequest(version int16) *kmsg.ProduceRequest {
	r := kmsg.NewPtrProduceRequest()
	r.Version, r.Acks, r.TimeoutMillis = version, -1, 1500
	if version >= 3 {
		r.TransactionID = ptr("tx")
	}
	for _, name := range []string{"one", "another"} {
		t := kmsg.NewProduceRequestTopic()
		if version >= 13 {
			t.TopicID = testID
		} else {
			t.Topic = name
		}
		for i := range int32(3) {
			p := kmsg.NewProduceRequestTopicPartition()
			p.Partition = i
			if i > 0 {
				p.Records = bytes.Repeat([]byte{byte(i)}, int(i-1)*100)
			}
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	}
	return r
}

// toKmsg says the same as r in kmsg's words.
func (r *ProduceRequest) toKmsg() *kmsg.ProduceRequest {
	k := kmsg.NewPtrProduceRequest()
	k.Version, k.TransactionID, k.Acks, k.TimeoutMillis = r.Version, r.TransactionalID, r.Acks, r.TimeoutMs
	for _, t := range r.Topics {
		kt := kmsg.NewProduceRequestTopic()
		kt.Topic, kt.TopicID = t.Name, t.ID
		for _, p := range t.Partitions {
			kp := kmsg.NewProduceRequestTopicPartition()
			kp.Partition, kp.Records = p.Index, p.Records
			kt.Partitions = append(kt.Partitions, kp)
		}
		k.Topics = append(k.Topics, kt)
	}
	return k
}

func TestParseProduceEveryVersion(t *testing.T) {
	var r ProduceRequest // used again from version to version
	for v := int16(0); v <= 13; v++ {
		body := produceRequest(v).AppendTo(nil)
		if err := r.Parse(body, v); err != nil {
			t.Fatal(v, err)
		}
		if got := r.toKmsg().AppendTo(nil); !bytes.Equal(got, body) {
			t.Fatalf("version %d reads as\n%x, want\n%x", v, got, body)
		}
		if p := r.Topics[1].Partitions; p[0].Records != nil || p[1].Records == nil || len(p[2].Records) != 100 {
			t.Fatalf("version %d: null, empty and full records are %v", v, p)
		}
		for cut := range body {
			if r.Parse(body[:cut], v) == nil {
				t.Fatalf("version %d: the first %d bytes of %d were taken for a request", v, cut, len(body))
			}
		}
	}
	if r.Parse(nil, -1) == nil || r.Parse(nil, 14) == nil {
		t.Fatal("versions that are not served must not be read")
	}
}

func TestProduceRequestsThatLie(t *testing.T) {
	good := produceRequest(3).AppendTo(nil)
	topics := 2 + 2 + 2 + 4
	for name, change := range map[string]func(b []byte){
		"null topics":     func(b []byte) { copy(b[topics:], "\xff\xff\xff\xff") },
		"2^31-1 topics":   func(b []byte) { copy(b[topics:], "\x7f\xff\xff\xff") },
		"null topic name": func(b []byte) { copy(b[topics+4:], "\xff\xff") },
	} {
		b := bytes.Clone(good)
		change(b)
		if _, err := ParseProduce(b, 3); err == nil {
			t.Error(name, "was read")
		}
	}
}

func TestAppendProduceResponseEveryVersion(t *testing.T) {
	resp := &ProduceResponse{ThrottleMs: 9, Topics: []ProduceTopicResponse{
		{Name: "one", ID: testID, Partitions: []ProducePartitionResponse{
			{Index: 0, BaseOffset: 12, LogAppendTimeMs: 33, LogStartOffset: 4},
			{Index: 1, ErrorCode: 6, BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1, CurrentLeader: &Leader{ID: 0, Epoch: 0}},
			{Index: 2, ErrorCode: 87, BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1, ErrorMessage: "bad",
				RecordErrors: []batch.RecordError{{Index: 3, Message: "no key"}, {Index: 4}}},
		}},
		{Name: "none"},
	}, NodeEndpoints: []NodeEndpoint{{ID: 0, Host: "localhost", Port: 9092}, {ID: 5, Host: "h", Port: 1, Rack: ptr("r")}}}
	for v := int16(0); v <= 13; v++ {
		got := AppendProduceResponse([]byte("x"), v, resp)[1:]
		k := kmsg.NewPtrProduceResponse()
		k.Version = v
		if err := k.ReadFrom(got); err != nil {
			t.Fatal(v, err)
		}
		if again := k.AppendTo(nil); !bytes.Equal(got, again) {
			t.Fatalf("version %d:\n%x, kmsg writes\n%x", v, got, again)
		}
		p := k.Topics[0].Partitions
		if p[0].BaseOffset != 12 || p[0].LogAppendTime != map[bool]int64{true: 33, false: -1}[v >= 2] || p[1].ErrorCode != 6 || k.ThrottleMillis != map[bool]int32{true: 9}[v >= 1] {
			t.Fatalf("version %d says %+v", v, k)
		}
		if v >= 8 && (!reflect.DeepEqual(p[2].ErrorMessage, ptr("bad")) || len(p[2].ErrorRecords) != 2 || p[2].ErrorRecords[1].ErrorMessage != nil) {
			t.Fatalf("version %d says %+v", v, p[2])
		}
		if v >= 10 && (p[1].CurrentLeader.LeaderID != 0 || len(k.Brokers) != 2 || *k.Brokers[1].Rack != "r") {
			t.Fatalf("version %d says %+v", v, k)
		}
	}
}
