// Command bench measures a broker from outside and prints klamm and Apache
// Kafka 3.9.2 side by side: the time from starting the process to the first
// Metadata answer on an empty directory and, with 2,000 partitions, after kill
// -9; resident memory idle and under four connections at full speed; throughput
// of producing and of consuming.
//
//	make bench                     # or: go run ./bench [-seconds 10] [-partitions 2000]
//
// Client and broker share the machine's cores, so throughput says how the two
// brokers compare on this machine and nothing more. Apache's broker runs with the
// JVM options of its own scripts, its ZooKeeper is up before the clock starts.
package main
