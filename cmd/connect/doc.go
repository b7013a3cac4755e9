// Package connect has what every command needs to reach a Kafka cluster, of klamm or of Apache Kafka: the flags that say which one, the properties files of
// Java's clients, and errors that say what to do when there is no way to it.
//
// It gives a client of franz-go, and asks the cluster for nothing but its brokers. What a command does there is the command's.
//
// Begin reading at [Flags] (commands of klamm), [New] (a command that has the addresses and the properties) and [Config.Open].
package connect
