// Package scale measures what grows with the number of partitions: the failover of the controller, the death of a broker, a
// reassignment, and Metadata for many clients. It has tests alone.
//
//	make scale                          200,000 partitions, and a quarter and a sixteenth of that
//	make scale SCALE='-partitions 50000 -only death'
//
// The controller is klamm's own, with the orders encoded as for the wire. Three things stand in for others (fleet_test.go). The
// metadata tree is the one in memory, behind the round trips and the bound on requests in flight of a session with ZooKeeper
// (remote_test.go). The brokers do what they are told at once, and their replicas are in sync as soon as somebody reassigns them. There are no
// sockets between the controller and the brokers. The tree is recorded: a controller of klamm's made all topics in it. Metadata is asked of a
// whole broker over TCP, which another one's UpdateMetadata told of the partitions (metadata_test.go).
//
// An ordinary run of the tests takes a few partitions, and checks that everything ends as it should. What the figures are and what they say
// stands in docs/performance.md.
//
// Begin reading at TestScale.
package scale
