package protocol

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// fetchRequest gives a request with everything that its version can say.
func fetchRequest(v int16) *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.MaxWaitMillis, r.MinBytes = v, 100, 1
	if v >= 3 {
		r.MaxBytes = 1 << 20
	}
	if v >= 4 {
		r.IsolationLevel = 1
	}
	if v < 15 {
		r.ReplicaID = 4
	} else {
		r.ReplicaState.ID, r.ReplicaState.Epoch = 4, 5
	}
	if v >= 7 {
		r.SessionID, r.SessionEpoch = 77, 3
		f := kmsg.NewFetchRequestForgottenTopic()
		f.Partitions = []int32{1, 2}
		if v >= 13 {
			f.TopicID = testID
		} else {
			f.Topic = "gone"
		}
		r.ForgottenTopics = append(r.ForgottenTopics, f)
	}
	if v >= 11 {
		r.Rack = "rack"
	}
	if v >= 12 {
		r.ClusterID = ptr("cluster")
		r.UnknownTags.Set(9, []byte("unknown"))
	}
	for range 2 {
		t := kmsg.NewFetchRequestTopic()
		if v >= 13 {
			t.TopicID = testID
		} else {
			t.Topic = "topic"
		}
		for i := range int32(2) {
			p := kmsg.NewFetchRequestTopicPartition()
			p.Partition, p.FetchOffset, p.PartitionMaxBytes = i, 1<<40, 1000
			if v >= 5 {
				p.LogStartOffset = 9
			}
			if v >= 9 {
				p.CurrentLeaderEpoch = 5
			}
			if v >= 12 {
				p.LastFetchedEpoch = 6
				p.UnknownTags.Set(12, []byte("unknown"))
			}
			if v >= 17 {
				p.ReplicaDirectoryID = testID
			}
			if v >= 18 {
				p.HighWatermark = 10
			}
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	}
	return r
}

// toKmsg says the same as r in kmsg's words, without unknown tags.
func (r *FetchRequest) toKmsg() *kmsg.FetchRequest {
	k := kmsg.NewPtrFetchRequest()
	k.Version, k.ClusterID, k.MaxWaitMillis, k.MinBytes, k.MaxBytes, k.IsolationLevel, k.SessionID, k.SessionEpoch, k.Rack =
		r.Version, r.ClusterID, r.MaxWaitMs, r.MinBytes, r.MaxBytes, r.Isolation, r.SessionID, r.SessionEpoch, r.Rack
	if r.Version < 15 {
		k.ReplicaID = r.ReplicaID
	} else {
		k.ReplicaState.ID, k.ReplicaState.Epoch = r.ReplicaID, r.ReplicaEpoch
	}
	for _, t := range r.Topics {
		kt := kmsg.NewFetchRequestTopic()
		kt.Topic, kt.TopicID = t.Name, t.ID
		for _, p := range t.Partitions {
			kp := kmsg.NewFetchRequestTopicPartition()
			kp.Partition, kp.CurrentLeaderEpoch, kp.FetchOffset, kp.LastFetchedEpoch, kp.LogStartOffset, kp.PartitionMaxBytes, kp.ReplicaDirectoryID, kp.HighWatermark =
				p.Index, p.CurrentLeaderEpoch, p.FetchOffset, p.LastFetchedEpoch, p.LogStartOffset, p.MaxBytes, p.ReplicaDirectoryID, p.HighWatermark
			kt.Partitions = append(kt.Partitions, kp)
		}
		k.Topics = append(k.Topics, kt)
	}
	for _, t := range r.Forgotten {
		kt := kmsg.NewFetchRequestForgottenTopic()
		kt.Topic, kt.TopicID, kt.Partitions = t.Name, t.ID, t.Partitions
		k.ForgottenTopics = append(k.ForgottenTopics, kt)
	}
	return k
}

// dropFetchTags forgets the tags that a Fetch request has and kmsg does not know.
func dropFetchTags(k *kmsg.FetchRequest) {
	none := kmsg.Tags{}
	k.UnknownTags, k.ReplicaState.UnknownTags = none, none
	for i := range k.Topics {
		k.Topics[i].UnknownTags = none
		for j := range k.Topics[i].Partitions {
			k.Topics[i].Partitions[j].UnknownTags = none
		}
	}
	for i := range k.ForgottenTopics {
		k.ForgottenTopics[i].UnknownTags = none
	}
}

func TestParseFetchEveryVersion(t *testing.T) {
	var r FetchRequest
	for v := int16(0); v <= 18; v++ {
		k := fetchRequest(v)
		body := k.AppendTo(nil)
		if err := r.Parse(body, v, MaxPartitions); err != nil {
			t.Fatal(v, err)
		}
		if replica, n, err := ScanFetch(body, v, MaxPartitions); err != nil || replica != 4 || n != 4+len(k.ForgottenTopics)*2 {
			t.Fatalf("version %d: a scan finds %d partitions of replica %d: %v", v, n, replica, err)
		}
		dropFetchTags(k)
		if got, want := r.toKmsg().AppendTo(nil), k.AppendTo(nil); !bytes.Equal(got, want) {
			t.Fatalf("version %d reads as\n%x, want\n%x", v, got, want)
		}
		for cut := range body {
			_, _, err := ScanFetch(body[:cut], v, MaxPartitions)
			if r.Parse(body[:cut], v, MaxPartitions) == nil || err == nil {
				t.Fatalf("version %d: the first %d bytes of %d were taken for a request", v, cut, len(body))
			}
		}
	}
	if r.Parse(nil, -1, MaxPartitions) == nil || r.Parse(nil, 19, MaxPartitions) == nil {
		t.Fatal("versions that are not served must not be read")
	}
}

// A follower's request of more partitions than a client may name could not be read.
func TestParseFetchOfAFollowerWithManyPartitions(t *testing.T) {
	k := fetchRequest(17)
	for i := range k.Topics {
		k.Topics[i].Partitions = slices.Repeat(k.Topics[i].Partitions[:1], MaxPartitions)
	}
	for range maxTopics {
		k.Topics = append(k.Topics, k.Topics[0])
		k.Topics[len(k.Topics)-1].Partitions = nil
	}
	body := k.AppendTo(nil)
	var r FetchRequest
	if err := r.Parse(body, 17, MaxPartitions); err == nil {
		t.Error("a client's is read")
	}
	if n := testing.AllocsPerRun(1, func() { _, _, _ = ScanFetch(body, 17, math.MaxInt) }); n > 10 {
		t.Errorf("a scan allocates %v times", n)
	}
	const forgotten = 2
	if err := r.Parse(body, 17, 2*MaxPartitions+forgotten-1); err == nil {
		t.Error("one that names a partition too many is read")
	}
	if err := r.Parse(body, 17, 2*MaxPartitions+forgotten); err != nil || len(r.Topics[1].Partitions) != MaxPartitions {
		t.Error(err)
	}
}

// region stands for records in a file.
type region []byte

func (r region) Size() int { return len(r) }

// flatten sends an answer to nowhere.
func flatten(pieces []Piece) []byte {
	var b []byte
	for _, p := range pieces {
		b = append(b, p.Bytes...)
		if p.Records != nil {
			b = append(b, p.Records.(region)...)
		}
	}
	return b
}

func fetchResponse() *FetchResponse {
	full := NewFetchPartitionResponse(1, 0)
	full.HighWatermark, full.LastStableOffset, full.LogStartOffset = 10, 9, 8
	full.Records = region(bytes.Repeat([]byte("records"), 100))
	full.AbortedTransactions = []AbortedTransaction{{ProducerID: 1, FirstOffset: 2}}
	moved := NewFetchPartitionResponse(2, 6)
	moved.CurrentLeader = &Leader{ID: 0, Epoch: 7}
	moved.DivergingEpoch = &EpochEndOffset{Epoch: 0, EndOffset: 0}
	moved.SnapshotID = &EpochEndOffset{Epoch: 3, EndOffset: 4}
	uncommitted := NewFetchPartitionResponse(4, 0)
	more := full
	more.Index, more.Records, more.AbortedTransactions = 3, region("x"), []AbortedTransaction{}
	return &FetchResponse{ThrottleMs: 1, SessionID: 5, Topics: []FetchTopicResponse{
		{Name: "one", ID: testID, Partitions: []FetchPartitionResponse{full, moved, more, uncommitted}},
		{Name: "two", ID: testID, Partitions: []FetchPartitionResponse{more}},
	}, NodeEndpoints: []NodeEndpoint{{ID: 0, Host: "localhost", Port: 9092, Rack: ptr("")}}}
}

func TestEncodeFetchResponseEveryVersion(t *testing.T) {
	var e FetchEncoder
	resp := fetchResponse()
	for v := int16(0); v <= 18; v++ {
		size, pieces, err := e.Encode(v, 99, resp)
		if err != nil {
			t.Fatal(err)
		}
		frame := flatten(pieces)
		if len(frame) != size || len(pieces) != 7 {
			t.Fatalf("version %d: %d bytes in %d pieces, %d announced", v, len(frame), len(pieces), size)
		}
		body := frame[8:]
		if v >= 12 {
			body = body[1:]
		}
		k := kmsg.NewPtrFetchResponse()
		k.Version = v
		if err := k.ReadFrom(body); err != nil {
			t.Fatal(v, err)
		}
		if again := k.AppendTo(nil); !bytes.Equal(body, again) {
			t.Fatalf("version %d:\n%x, kmsg writes\n%x", v, body, again)
		}
		p := k.Topics[0].Partitions
		if len(p[0].RecordBatches) != 700 || v >= 4 && (len(p[0].AbortedTransactions) != 1 || p[1].AbortedTransactions == nil ||
			p[2].AbortedTransactions == nil || p[3].AbortedTransactions != nil) || string(k.Topics[1].Partitions[0].RecordBatches) != "x" {
			t.Fatalf("version %d says %+v", v, k)
		}
		if v >= 12 && (p[1].CurrentLeader.LeaderEpoch != 7 || p[1].DivergingEpoch.EndOffset != 0 || p[1].SnapshotID.Epoch != 3) {
			t.Fatalf("version %d says %+v", v, p[1])
		}
		if v >= 16 && (len(k.Brokers) != 1 || k.Brokers[0].Rack == nil) {
			t.Fatalf("version %d names %+v", v, k.Brokers)
		}
	}
}
