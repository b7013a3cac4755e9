// Package javalib does what the library of a JVM does where that shows in what Kafka's scripts print: the order in
// which a HashMap is walked, the text of a Double, the class and the message of an exception, and how a number is
// read. People parse that output, so klamm's scripts have to print it the same way.
//
// It knows no script and no broker. Begin reading at hashmap.go.
package javalib
