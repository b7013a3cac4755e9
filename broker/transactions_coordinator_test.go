package broker_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/cluster"
	"klamm/groupcoord"
	"klamm/internal/await"
)

// TestEveryBrokerFindsTransactionCoordinators: a broker said that there are no transactions while another broker coordinated them. A transactional
// client of a cluster with Apache's brokers that asked it gave up.
func TestEveryBrokerFindsTransactionCoordinators(t *testing.T) {
	c := brokertest.RunCluster(t, 2)
	find := func(asked *brokertest.Broker, id string) kmsg.FindCoordinatorResponseCoordinator {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.Version, req.CoordinatorType, req.CoordinatorKeys = 4, 1, []string{id}
		return asked.Dial().Ask(req).(*kmsg.FindCoordinatorResponse).Coordinators[0]
	}
	if got := find(c.Brokers[0], "payer"); got.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("without the topic: %+v", got)
	}
	c.Topic(cluster.TransactionsTopic, 2, 1)
	inSync(t, c, cluster.TransactionsTopic, 1)
	for _, asked := range c.Brokers {
		await.Until(t, "the broker knows the topic", func() bool { return asked.Cluster().Metadata().Topic(cluster.TransactionsTopic) != nil })
		topic := asked.Cluster().Metadata().Topic(cluster.TransactionsTopic)
		for n := range 4 {
			id := fmt.Sprint("payer ", n)
			leader := topic.Partitions.At(int(groupcoord.PartitionOf(id, 2))).Leader
			got := find(asked, id)
			itself := leader == asked.Cluster().ID()
			if itself && got.ErrorCode != kerr.UnsupportedVersion.Code || !itself && (got.ErrorCode != 0 || got.NodeID != leader || got.Port <= 0) {
				t.Errorf("broker %d says of %q, whose partition broker %d leads: %+v", asked.Cluster().ID(), id, leader, got)
			}
		}
	}
}
