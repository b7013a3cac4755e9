package data_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/broker/brokertest"
	"klamm/protocol"
	"klamm/server/data"
)

// TestProduceByIDDoesNotReachTheTopicMadeAgain has a topic deleted and made again between the snapshot of the metadata
// that a Produce looks the id up in and the partition that it finds by the name.
func TestProduceByIDDoesNotReachTheTopicMadeAgain(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	before := b.Cluster().Metadata()
	b.DeleteTopic("t")
	b.Topic("t", 1)
	for name, c := range map[string]struct {
		id   protocol.UUID
		want int16
	}{
		"the topic that was deleted": {before.Topic("t").ID, kerr.UnknownTopicID.Code},
		"a name":                     {protocol.UUID{}, 0},
	} {
		version := int16(data.TopicIDVersion)
		if c.id.IsZero() {
			version--
		}
		in := protocol.ProduceTopic{Name: "t", ID: c.id, Partitions: []protocol.ProducePartition{{Records: brokertest.BatchOf(t, 10)}}}
		out := b.Server().Data().ProduceAt(before, version, &in)
		if got := out.Partitions[0].ErrorCode; got != c.want {
			t.Errorf("%s: error %d, want %d", name, got, c.want)
		}
	}
	part, err := b.Replicas().Partition(protocol.TopicPartition{Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	if end := part.Log().EndOffset(); end != 1 {
		t.Errorf("the new topic holds %d records, want the one sent by name", end)
	}
}
