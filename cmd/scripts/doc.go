// Package scripts runs Apache Kafka's command-line scripts as klamm: kafka-topics, kafka-consumer-groups and so on, with
// the names, options, output and exit codes of release 3.9's. Runbooks and the programs that parse their output go on
// working, without the second that a JVM takes to start. They work on any Kafka cluster by its protocol alone.
//
// A script is one file that begins with what it does differently, and one row of the table in table.go. An option that
// a script does not serve is refused by its name. What goes to standard output is Kafka's to the letter, with the order
// that a JVM's maps have (package javalib); what goes to standard error is Kafka's where people read it, without stack
// traces. docs/scripts.md is made from the table.
//
// It is large because each of Kafka's scripts is a program of its own, and all share how a cluster is asked and how a script fails.
//
// The package never starts a broker, reads no configuration of one, and keeps no state. Begin reading at table.go, then
// call.go and topics.go.
package scripts

//go:generate go run ./page ../../docs/scripts.md
