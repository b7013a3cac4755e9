// Package groupcoord coordinates consumer groups: it knows the members of each group, their assignments, and the group's committed
// offsets (kafka.coordinator.group.GroupCoordinator of Apache Kafka 3.9).
//
// A group is a state machine (group.go) that knows neither time nor disk. It is handed a request and the time, and gives
// the answers, the records that are to be written before, and the time at which it wants to be woken. The Coordinator (coordinator.go) holds the
// groups of those partitions of __consumer_offsets that this broker leads. It appends the groups' records to the log that
// it is handed (write.go), and reads them when this broker becomes the leader of a partition (read.go, load.go, place.go).
//
// It is large because a group's members, its offsets and its records change together, under one lock.
//
// The package opens no socket, no file and no clock, and imports no other room but the protocol.
//
// Begin reading at group.go, then join.go, rebalance.go and sync.go.
package groupcoord
