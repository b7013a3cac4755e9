// Package scripts compares klamm's scripts (klamm kafka-topics and so on) with the Java tools of Apache Kafka 3.9.2 that
// they stand for: the same command line against the same cluster of three brokers, and then the same standard output,
// the same exit code and, where nothing went to standard output, the same first line on standard error.
//
// The cluster is of klamm or, with KLAMM_BROKER=apache, of Apache Kafka. What a command changes is done twice, once by
// each, and undone in between or done to two topics, groups or users whose names have the same length.
//
// Begin reading at world_test.go, which makes the cluster's content, and compare_test.go.
package scripts
