package data

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	orders "klamm/cluster/order"
	"klamm/cluster/replica"
	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
	"klamm/server/codes"
)

// A new leader told consumers its own high watermark as the latest offset, which may be below the one that the leader before it told.
func TestNewLeaderGivesNoOffsetsBeforeItsHighWatermarkIsBack(t *testing.T) {
	store, err := logstore.OpenStore(logstore.StoreOptions{
		Dirs: []string{"/d"}, FS: vfs.NewMem(), BrokerID: 1, ClusterID: "c", Defaults: logstore.DefaultConfig(), ReserveBytes: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.Background()) })
	m := replica.NewManager(replica.Options{Store: store, BrokerID: 1, Resolve: func(map[string]string) *replica.Config {
		return &replica.Config{Log: logstore.DefaultConfig()}
	}})
	tp := protocol.TopicPartition{Topic: "t"}
	elect := func(leader, epoch int32) *replica.Partition {
		t.Helper()
		o := orders.LeaderAndISR{TopicPartition: tp, TopicID: protocol.UUID{1}, Leader: leader, LeaderEpoch: epoch, ISR: []int32{1, 2}, Replicas: []int32{1, 2}}
		answer := m.LeaderAndISR(&orders.LeaderAndISRRequest{Partitions: []orders.LeaderAndISR{o}}, func(string) map[string]string { return nil })
		if err := answer.At(0); err != nil {
			t.Fatal(err)
		}
		p, err := m.Partition(tp)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := elect(1, 1)
	builder := batch.NewBuilder(batch.None)
	builder.Add(1000, nil, []byte("v"))
	data, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	h, err := batch.ParseHeader(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Append([]logstore.Append{{Data: data, Header: h}}, 1, 1000); err != nil {
		t.Fatal(err)
	}
	s := &Service{replicas: m, now: time.Now}
	expect := func(when string, replica int32, version int16, timestamp int64, code int16, offset int64) {
		t.Helper()
		in := kmsg.ListOffsetsRequestTopicPartition{Timestamp: timestamp, CurrentLeaderEpoch: -1}
		found, err := s.findOffset(&kmsg.ListOffsetsRequest{Version: version, ReplicaID: replica}, tp, &in)
		if got := codes.Of(err); got != code || found.Offset != offset {
			t.Errorf("%s, replica %d, version %d, timestamp %d: code %d, offset %d; want %d, %d", when, replica, version, timestamp, got, found.Offset, code, offset)
		}
	}
	const consumer, follower = -1, 2
	expect("in the epoch of the record", consumer, 5, timestampLatest, 0, 0)
	expect("in the epoch of the record", consumer, 5, 1000, 0, -1)
	elect(2, 2)
	elect(1, 3)
	expect("elected anew", consumer, 5, timestampLatest, kerr.OffsetNotAvailable.Code, -1)
	expect("elected anew", consumer, 4, timestampLatest, kerr.LeaderNotAvailable.Code, -1)
	expect("elected anew", consumer, 5, 1000, kerr.OffsetNotAvailable.Code, -1)
	expect("elected anew", consumer, 7, timestampMax, kerr.OffsetNotAvailable.Code, -1)
	expect("elected anew", consumer, 5, timestampEarliest, 0, 0)
	expect("elected anew", follower, 5, timestampLatest, 0, 1)
	if err := p.UpdateFollower(replica.FollowerFetch{Replica: 2, LeaderEpoch: 3, Offset: 1, LeaderEnd: 1}, m.NowMs()); err != nil {
		t.Fatal(err)
	}
	expect("when the follower has all", consumer, 5, timestampLatest, 0, 1)
	expect("when the follower has all", consumer, 5, 1000, 0, 0)
}
