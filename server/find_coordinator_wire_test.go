package server_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
)

// Whoever asks for a group's coordinator first has the topic of the offsets made.
func TestFindCoordinatorMakesTheOffsetsTopic(t *testing.T) {
	addr := startBroker(t, "offsets.topic.num.partitions=3", "offsets.topic.replication.factor=1")
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey = "g"
	first := ask[*kmsg.FindCoordinatorResponse](t, addr, find, 0)
	if first.ErrorCode != kerr.CoordinatorNotAvailable.Code || first.NodeID != -1 || first.Host != "" || first.Port != -1 {
		t.Errorf("at first %+v", first)
	}
	second := ask[*kmsg.FindCoordinatorResponse](t, addr, find, 0)
	if second.ErrorCode != 0 || second.NodeID != 0 || second.Host == "" || second.Port <= 0 {
		t.Errorf("then %+v", second)
	}
	offsets := ask[*kmsg.MetadataResponse](t, addr, metadata(kmsg.StringPtr(cluster.OffsetsTopic)), 12).Topics[0]
	if len(offsets.Partitions) != 3 || !offsets.IsInternal {
		t.Errorf("the topic is %+v", offsets)
	}
}

// With fewer brokers than the topic shall have replicas it is not made, and
// clients ask on until there are enough.
func TestFindCoordinatorWaitsForBrokers(t *testing.T) {
	addr := startBroker(t, "offsets.topic.replication.factor=3")
	for range 2 {
		got := ask[*kmsg.FindCoordinatorResponse](t, addr, kmsg.NewPtrFindCoordinatorRequest(), 0)
		if got.ErrorCode != kerr.CoordinatorNotAvailable.Code {
			t.Errorf("got %+v", got)
		}
	}
}
