package server

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/protocol"
	"klamm/server/transport"
)

// TestProduceByIDDoesNotReachTheTopicMadeAgain has a topic deleted and made again between the snapshot of the metadata
// that a Produce looks the id up in and the partition that it finds by the name.
func TestProduceByIDDoesNotReachTheTopicMadeAgain(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	before := b.cluster.Metadata()
	b.deleteTopic("t")
	b.topic("t", 1)
	for name, c := range map[string]struct {
		id   protocol.UUID
		want int16
	}{
		"the topic that was deleted": {before.Topic("t").ID, kerr.UnknownTopicID.Code},
		"a name":                     {protocol.UUID{}, 0},
	} {
		version := int16(topicIDVersion)
		if c.id.IsZero() {
			version--
		}
		p := &produceCall{call: &call{header: protocol.RequestHeader{Version: version}, server: b.server, conn: &transport.Conn{}}}
		p.req.Acks = 1
		p.waiting.Store(1)
		in := protocol.ProduceTopic{Name: "t", ID: c.id, Partitions: []protocol.ProducePartition{{Records: batchOf(t, 10)}}}
		var out protocol.ProduceTopicResponse
		p.topic(b.server, before, &in, &out, nil)
		if got := out.Partitions[0].ErrorCode; got != c.want {
			t.Errorf("%s: error %d, want %d", name, got, c.want)
		}
	}
	part, err := b.server.partition(protocol.TopicPartition{Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	if end := part.Log().EndOffset(); end != 1 {
		t.Errorf("the new topic holds %d records, want the one sent by name", end)
	}
}
