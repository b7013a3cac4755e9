package franzgo

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// ask sends one request to the broker, in the highest version that both know,
// and gives the answer.
func ask[T kmsg.Response](t *testing.T, cl *kgo.Client, req kmsg.Request) T {
	t.Helper()
	resp, err := cl.SeedBrokers()[0].Request(harness.Context(t), req)
	if err != nil {
		t.Fatalf("%s: %v", kmsg.NameForKey(req.Key()), err)
	}
	return resp.(T)
}

// advertised gives the version ranges of ApiVersions by key.
func advertised(t *testing.T, cl *kgo.Client) map[int16][2]int16 {
	t.Helper()
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "compat-tests", "1"
	resp := ask[*kmsg.ApiVersionsResponse](t, cl, req)
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		t.Fatal(err)
	}
	ranges := map[int16][2]int16{}
	for _, k := range resp.ApiKeys {
		ranges[k.ApiKey] = [2]int16{k.MinVersion, k.MaxVersion}
	}
	return ranges
}

// topicID asks Metadata for the id of a topic.
func topicID(t *testing.T, cl *kgo.Client, topic string) [16]byte {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &topic
	req.Topics = append(req.Topics, rt)
	resp := ask[*kmsg.MetadataResponse](t, cl, req)
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		t.Fatalf("metadata of %s: %v", topic, err)
	}
	return resp.Topics[0].TopicID
}

func TestApiVersionsHasWhatClientsNeed(t *testing.T) {
	got := advertised(t, harness.Client(t, broker.Addr))
	// Apache Kafka 3.9 serves these; klamm serves at least as much from version
	// 3 of Produce and 4 of Fetch on, and more at the top.
	for key, max := range map[int16]int16{
		0: 11, 1: 17, 2: 9, 3: 12, 10: 4, 18: 4, 19: 7, 20: 6, 21: 2, 22: 5, 23: 4, 32: 4, 33: 2, 35: 4, 37: 3, 44: 1, 60: 1, 61: 0,
	} {
		if key == 10 && !harness.Reference() {
			continue // groups are not served yet
		}
		if have, ok := got[key]; !ok || have[1] < max {
			t.Errorf("%s: advertised up to %v, 3.9 has %d", kmsg.NameForKey(key), have, max)
		}
	}
	if got[0][0] != 0 {
		t.Errorf("Produce is advertised from %d; librdkafka compresses only where it starts at 0", got[0][0])
	}
	if !harness.Reference() {
		for key, max := range map[int16]int16{0: 13, 1: 18, 2: 11, 3: 13, 74: 1, 75: 0} {
			if have, ok := got[key]; !ok || have[1] != max {
				t.Errorf("%s: advertised %v, Kafka 4.4 has %d", kmsg.NameForKey(key), have, max)
			}
		}
	}
}
