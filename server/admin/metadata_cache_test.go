package admin_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/protocol"
	"klamm/server/admin"
)

// TestAllTopicsAreEncodedOnceForASnapshot counts: before, they were sorted and encoded for each request.
func TestAllTopicsAreEncodedOnceForASnapshot(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 3)
	meta := b.Cluster().Metadata()
	var topics admin.AllTopics
	for range 10 {
		topics.Encoded(meta, 12, "PLAINTEXT", false)
		topics.Encoded(meta, 12, "OTHER", false)
		topics.Encoded(meta, 9, "PLAINTEXT", false)
	}
	if topics.Made != 3 {
		t.Errorf("the topics were encoded %d times for 30 requests of 3 kinds", topics.Made)
	}
	before := topics.Encoded(meta, 12, "PLAINTEXT", false)
	b.Topic("u", 1)
	meta = b.Cluster().Metadata()
	if after := topics.Encoded(meta, 12, "PLAINTEXT", false); topics.Made != 4 || bytes.Equal(before, after) {
		t.Errorf("after a topic was created they were encoded %d times in all, and are the same: %t", topics.Made, bytes.Equal(before, after))
	}
	for version := range int16(admin.MaxKept + 5) {
		topics.Encoded(meta, version, "PLAINTEXT", false)
	}
	if topics.Kept() > admin.MaxKept {
		t.Errorf("%d answers are kept", topics.Kept())
	}
}

// TestEncodedTopicsReadAsTheMessage holds an answer whose topics are kept encoded against the whole message, in each version.
func TestEncodedTopicsReadAsTheMessage(t *testing.T) {
	b := brokertest.Run(t)
	for i := range 3 {
		b.Topic(fmt.Sprintf("t%d", i), int32(i+1))
	}
	meta := b.Cluster().Metadata()
	api, _ := protocol.Lookup(protocol.KeyMetadata)
	for version := api.Min; version <= api.Max; version++ {
		for _, operations := range []bool{false, true} {
			head := func() *kmsg.MetadataResponse {
				resp := kmsg.NewPtrMetadataResponse()
				resp.SetVersion(version)
				resp.ClusterID, resp.ControllerID, resp.AuthorizedOperations = kmsg.StringPtr("c"), 7, 99
				broker := kmsg.NewMetadataResponseBroker()
				broker.NodeID, broker.Host, broker.Port, broker.Rack = 7, "host", 9092, kmsg.StringPtr("rack")
				resp.Brokers = append(resp.Brokers, broker)
				return resp
			}
			whole := head()
			whole.Topics = admin.TopicsAnew(meta, version, "PLAINTEXT", operations)
			var topics admin.AllTopics
			split := admin.WithTopics(head(), topics.Encoded(meta, version, "PLAINTEXT", operations))
			want, got := whole.AppendTo([]byte("before")), split.AppendTo([]byte("before"))
			if !bytes.Equal(got, want) {
				t.Errorf("version %d, operations %t:\n%x\nwant\n%x", version, operations, got, want)
			}
		}
	}
}

// BenchmarkMetadataOfAllTopics answers about 1,000 topics of 10 partitions.
func BenchmarkMetadataOfAllTopics(b *testing.B) {
	broker := brokertest.Run(b)
	for i := range 1000 {
		broker.Topic(fmt.Sprintf("t%d", i), 10)
	}
	meta := broker.Cluster().Metadata()
	buf := make([]byte, 0, 4<<20)
	answer := func(b *testing.B, encode func(resp *kmsg.MetadataResponse)) {
		b.ReportAllocs()
		for b.Loop() {
			resp := kmsg.NewPtrMetadataResponse()
			resp.SetVersion(12)
			encode(resp)
		}
	}
	b.Run("anew", func(b *testing.B) {
		answer(b, func(resp *kmsg.MetadataResponse) {
			resp.Topics = admin.TopicsAnew(meta, 12, "PLAINTEXT", false)
			resp.AppendTo(buf[:0])
		})
	})
	b.Run("kept", func(b *testing.B) {
		var topics admin.AllTopics
		answer(b, func(resp *kmsg.MetadataResponse) {
			admin.WithTopics(resp, topics.Encoded(meta, 12, "PLAINTEXT", false)).AppendTo(buf[:0])
		})
	})
}
