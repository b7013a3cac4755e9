package franzgo

import (
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

// message.downconversion.enable: consumers from before batches of magic 2 are told
// that they are too old, or served, as it is set now.
func TestMessageDownconversion(t *testing.T) {
	topic := harness.Topic(t, broker.Addr, 1, "message.downconversion.enable", "false")
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
		for tries := 0; ; tries++ { // Apache's broker learns of a change after it was answered
			code, bytes := asked(old)
			if code == want && (bytes > 0) == (want == 0) {
				return
			}
			if tries > 1000 || !harness.Reference() {
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
