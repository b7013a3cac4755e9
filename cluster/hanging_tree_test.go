package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"klamm/cluster/order"
	"klamm/protocol"
)

// TestOrderDoesNotWaitForAChangeThatHangs: an order waited for as long as ZooKeeper kept a change of a configuration waiting, which
// was for ever.
func TestOrderDoesNotWaitForAChangeThatHangs(t *testing.T) {
	keep := func(current map[string]string) (map[string]string, error) { return current, nil }
	for name, change := range map[string]func(*Broker) error{
		"topic":  func(b *Broker) error { return b.AlterTopicConfig(context.Background(), "orders", keep, false) },
		"broker": func(b *Broker) error { return b.AlterBrokerConfig(context.Background(), true, keep, false) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSessionBroker(t, func(o *Options) { o.After = nil })
				if res := b.broker.CreateTopics(t.Context(), []NewTopic{{Name: "orders", Partitions: 1, ReplicationFactor: 1}}, false); res[0].Err != nil {
					t.Fatal(res[0].Err)
				}
				b.store.Disconnect(b.conn.Tree())
				began := time.Now()
				changed := make(chan error, 1)
				go func() { changed <- change(b.broker) }()
				synctest.Wait()
				tp := protocol.TopicPartition{Topic: "new"}
				req := &order.LeaderAndISRRequest{Partitions: []order.LeaderAndISR{{TopicPartition: tp, IsNew: true}}}
				req.ControllerEpoch, req.BrokerEpoch = b.broker.controllerEpoch.Load(), -1
				if answer := b.broker.LeaderAndISR(req); answer.Err != nil || answer.At(0) != nil {
					t.Errorf("the order failed: %+v", answer)
				}
				if took := time.Since(began); took != configTimeout {
					t.Errorf("the order took %v", took)
				}
				if err := <-changed; !errors.Is(err, ErrTimedOut) {
					t.Errorf("the change ended with %v", err)
				}
				if took := time.Since(began); took != alterTimeout {
					t.Errorf("the change took %v", took)
				}
				b.store.Reconnect(b.conn.Tree())
			})
		})
	}
}
