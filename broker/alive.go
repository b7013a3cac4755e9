package broker

import "klamm/protocol"

// Alive returns once the parts that every request needs have taken a turn: the replicas, the log directories and the groups. It does not return while
// one of them is stuck, as after a deadlock, which only a restart ends. It waits for no disk, client, peer or
// ZooKeeper: a broker that these hold up serves the others, and a restart would not help it.
func (b *Broker) Alive() {
	nobody := protocol.TopicPartition{}
	_, _ = b.replicas.Partition(nobody) // takes the locks, and the answer does not matter
	_, _ = b.store.TopicID(nobody)
	_, _ = b.groups.DescribeGroup("")
}
