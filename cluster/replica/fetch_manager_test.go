package replica

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/protocol"
)

// waitingLeader is a leaderDouble that holds a fetch for a while if there is nothing to send, as brokers do.
type waitingLeader struct{ *leaderDouble }

func (l waitingLeader) Fetch(ctx context.Context, req *kmsg.FetchRequest) (*kmsg.FetchResponse, func(), error) {
	resp, release, err := l.leaderDouble.Fetch(ctx, req)
	if err == nil && len(resp.Topics) == 0 {
		time.Sleep(time.Duration(req.MaxWaitMillis) * time.Millisecond)
	}
	return resp, release, err
}

// TestManagerFollowsItsLeader follows a leader by the controller's orders: the records come, then the high watermark, until this broker leads.
func TestManagerFollowsItsLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tp := protocol.TopicPartition{Topic: "t"}
		leader := newLogDouble(t, 2, tp, logstore.DefaultConfig())
		leader.lead(3, []int32{2, 1})
		leader.produce(5, 100)
		store, err := logstore.OpenStore(logstore.StoreOptions{
			Dirs: []string{"/d"}, FS: vfs.NewMem(), BrokerID: 1, ClusterID: "c", Defaults: logstore.DefaultConfig(), MaxOpenFiles: 10, ReserveBytes: 1,
			Clock: time.Now, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close(context.Background())
		m := NewManager(Options{
			Store: store, BrokerID: 1, Logger: slog.New(slog.DiscardHandler), Resolve: func(map[string]string) *Config { return &Config{Log: logstore.DefaultConfig()} },
			DialLeader: func(context.Context, int32) (LeaderConn, error) {
				return waitingLeader{&leaderDouble{t: t, follower: 1, logs: map[protocol.TopicPartition]*logDouble{tp: leader}}}, nil
			},
		})
		defer m.Close()
		tell := func(leader, epoch int32) {
			t.Helper()
			answer := m.LeaderAndISR(&order.LeaderAndISRRequest{Partitions: []order.LeaderAndISR{{TopicPartition: tp, TopicID: doubleID, Leader: leader,
				LeaderEpoch: epoch, ISR: []int32{1, 2}, Replicas: []int32{1, 2}, PartitionEpoch: epoch}}}, func(string) map[string]string { return nil })
			if err := answer.At(0); err != nil {
				t.Fatal(err)
			}
		}
		tell(2, 3)
		time.Sleep(2 * time.Second)
		p, err := m.Partition(tp)
		if err != nil {
			t.Fatal(err)
		}
		if b := p.Bounds(); b.LogEnd != 5 || b.HighWatermark != 5 || leader.hw != 5 || p.Log().LatestEpoch() != 3 {
			t.Fatalf("%+v, leader %v", b, leader)
		}
		tell(1, 4)
		leader.produce(5, 100) // it does not know yet
		time.Sleep(2 * time.Second)
		if end := p.Log().EndOffset(); end != 5 {
			t.Errorf("the log ends at %d", end)
		}
	})
}
