// Package cli has klamm's commands that ask a cluster: topics, records, groups, configurations, brokers, and how the cluster is. They use the protocol alone, by
// franz-go, so they serve Apache Kafka's brokers as well.
//
// A command finds out what there is and gives a value; output.go writes it as a table, JSON or YAML. Whatever comes from a cluster goes through package
// printable before a terminal sees it.
//
// Begin reading at [Commands], then at topic.go for how a command looks.
package cli
