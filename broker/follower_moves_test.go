package broker_test

import (
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/internal/await"
)

// A follower's log moves to another of its directories while it is replicated, and then equals the leader's byte for byte. A follower
// answered REPLICA_NOT_AVAILABLE before.
func TestLogOfAFollowerMovesWhileItReplicates(t *testing.T) {
	root := t.TempDir()
	c := brokertest.RunClusterWith(t, brokertest.ClusterOptions{Settings: []string{"auto.leader.rebalance.enable=false"}, Each: func(i int) []string {
		dir := filepath.Join(root, string('a'+rune(i)))
		return []string{"log.dirs=" + filepath.Join(dir, "1") + "," + filepath.Join(dir, "2")}
	}}, 2)
	c.Topic("orders", 1, 2)
	_, follower := replicasOf(t, c, "orders")
	p := produce(t, c, "orders")
	p.more(50)
	log := partitionAt(follower, "orders").Log()
	for range 3 { // there, back, and there again
		was := filepath.Dir(log.Dir())
		to := filepath.Join(filepath.Dir(was), map[string]string{"1": "2", "2": "1"}[filepath.Base(was)])
		if code := moveTo(follower, "orders", to); code != 0 {
			t.Fatalf("moving to %s: code %d", to, code)
		}
		await.Until(t, "the log is in the other directory", func() bool { return filepath.Dir(log.Dir()) == to })
		p.more(20)
	}
	inSync(t, c, "orders", 2)
	p.check(c)
}

// moveTo has a broker move the log of partition 0 to a directory.
func moveTo(b *brokertest.Broker, topic, dir string) int16 {
	req := kmsg.NewPtrAlterReplicaLogDirsRequest()
	req.Version = 2
	d := kmsg.NewAlterReplicaLogDirsRequestDir()
	d.Dir = dir
	dt := kmsg.NewAlterReplicaLogDirsRequestDirTopic()
	dt.Topic, dt.Partitions = topic, []int32{0}
	d.Topics = append(d.Topics, dt)
	req.Dirs = append(req.Dirs, d)
	return b.Dial().Ask(req).(*kmsg.AlterReplicaLogDirsResponse).Topics[0].Partitions[0].ErrorCode
}
