// Package logstore keeps partitions' logs on disk, in the files of Apache
// Kafka 3.9, and the directories that hold them. It knows record batches
// (protocol/batch) and nothing of topics' metadata, leaders or sockets.
//
// Begin reading at log.go (one partition) and store.go (the directories).
package logstore
