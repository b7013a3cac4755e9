// Package groupcoord coordinates groups: who their members are, what each of them has to do, and where they have got to
// in the partitions that they read (kafka.coordinator.group.GroupCoordinator of Apache Kafka 3.9).
//
// A group is a state machine (group.go) that knows neither time nor disk: it is told what is asked and when, and says
// what is answered, what is to be written first, and when it wants to be woken. The Coordinator (coordinator.go) has the
// groups of those partitions of __consumer_offsets that this broker leads, appends what they want written to the log that
// it is handed, and reads it back when a partition comes to be led here (load.go).
//
// It opens no socket, no file and no clock, and knows no other room but the protocol.
//
// Begin reading at group.go, then join.go, rebalance.go and sync.go.
package groupcoord
