package harness

import "testing"

// TestANodeByItself starts Kafka 4.4.0 without ZooKeeper, stops it, and starts it
// again on the directories that were formatted once.
func TestANodeByItself(t *testing.T) {
	b := Start(t, Options{Broker: "apache", Release: KafkaNewest})
	topic := Topic(t, b.Addr, 2)
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	AwaitTopic(t, b.Addr, topic, 2)
}
