package franzgo

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"klamm/compat-tests/harness"
)

// alterTopic sets one property of a topic.
func alterTopic(t *testing.T, topic, name, value string) {
	t.Helper()
	got, err := harness.Admin(t, broker.Addr).AlterTopicConfigs(harness.Context(t), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
	if err == nil {
		err = got[0].Err
	}
	if err != nil {
		t.Fatalf("%s=%s: %v", name, value, err)
	}
}

// TestMessageDownconversion: message.downconversion.enable decides whether the broker
// serves consumers from before magic 2 or refuses them.
func TestMessageDownconversion(t *testing.T) {
	topic := broker.TopicOnOne(t, 1, "message.downconversion.enable", "false")
	produce(t, harness.Client(t, broker.Addr), &kgo.Record{Topic: topic, Value: []byte("v")})
	known := kversion.Stable()
	known.SetMaxKeyVersion(int16(kmsg.Fetch), 3)
	old := harness.Client(t, broker.Addr, kgo.MaxVersions(known))
	asked := func(cl *kgo.Client) (code int16, bytes int) {
		req := kmsg.NewPtrFetchRequest()
		req.ReplicaID, req.MaxBytes, req.SessionEpoch = -1, 1<<20, -1
		rt := kmsg.NewFetchRequestTopic()
		rt.Topic = topic
		rp := kmsg.NewFetchRequestTopicPartition()
		rp.PartitionMaxBytes, rp.CurrentLeaderEpoch = 1<<20, -1
		rt.Partitions = append(rt.Partitions, rp)
		req.Topics = append(req.Topics, rt)
		p := ask[*kmsg.FetchResponse](t, cl, req).Topics[0].Partitions[0]
		return p.ErrorCode, len(p.RecordBatches)
	}
	becomes := func(want int16) {
		t.Helper()
		for tries := 0; ; tries++ { // Apache's broker applies a change only after it has answered
			code, bytes := asked(old)
			if code == want && (bytes > 0) == (want == 0) {
				return
			}
			if tries > 1000 || harness.AtOnce() {
				t.Fatalf("a fetch of version 3 gets code %d and %d bytes, want code %d", code, bytes, want)
			}
		}
	}
	becomes(kerr.UnsupportedVersion.Code)
	known = kversion.Stable()
	known.SetMaxKeyVersion(int16(kmsg.Fetch), 4)
	if code, bytes := asked(harness.Client(t, broker.Addr, kgo.MaxVersions(known))); code != 0 || bytes == 0 {
		t.Errorf("a fetch of version 4 gets code %d and %d bytes", code, bytes)
	}
	alterTopic(t, topic, "message.downconversion.enable", "true")
	becomes(0)
	alterTopic(t, topic, "message.downconversion.enable", "false")
	becomes(kerr.UnsupportedVersion.Code)
}

// TestPreallocate: with preallocate the active segment's file has its full size. Once the
// next segment has begun, the file ends where its batches end.
func TestPreallocate(t *testing.T) {
	const full = 100_000
	topic := harness.Topic(t, broker.Addr, 1, "preallocate", "true", "segment.bytes", strconv.Itoa(full))
	cl := harness.Client(t, broker.Addr, kgo.ProducerBatchCompression(kgo.NoCompression()))
	records := 0
	segments := func() (sizes []int64) {
		t.Helper()
		produce(t, cl, &kgo.Record{Topic: topic, Value: make([]byte, 30_000)})
		records++
		files, err := filepath.Glob(filepath.Join(broker.LogDir, topic+"-0", "*.log"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files { // in the order of their offsets
			info, err := os.Stat(f)
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, info.Size())
		}
		return sizes
	}
	for range 7 { // three to a segment
		sizes := segments()
		for i, size := range sizes {
			if last := i == len(sizes)-1; last && size != full || !last && (size < 90_000 || size >= full) {
				t.Fatalf("the segments' files have %v bytes", sizes)
			}
		}
	}
	// A change counts for the next segment.
	becomes := func(value string, right func(size int64) bool) {
		t.Helper()
		alterTopic(t, topic, "preallocate", value)
		before := len(segments())
		for {
			sizes := segments()
			if n := len(sizes); n > before && right(sizes[n-1]) {
				return
			} else if n > before+1 && harness.AtOnce() || n > before+50 {
				t.Fatalf("with preallocate=%s the segments' files have %v bytes", value, sizes)
			}
		}
	}
	becomes("false", func(size int64) bool { return size < full })
	becomes("true", func(size int64) bool { return size == full })
	for i, r := range harness.ReadPartition(t, broker.Addr, topic, 0, 0, int64(records)) {
		if r.Offset != int64(i) || len(r.Value) != 30_000 {
			t.Fatalf("record %d is offset %d with %d bytes", i, r.Offset, len(r.Value))
		}
	}
}
