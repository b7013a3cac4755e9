// Package logstore keeps partitions' logs on disk, in the files of Apache
// Kafka 3.9, and the directories that hold them. It knows record batches
// (protocol/batch) and nothing of topics' metadata, leaders or sockets.
//
// It is large because the files of a log keep each other's promises: append, recovery,
// retention, compaction and moves all work under one log's lock on the same segments, and
// a crash between any two of them has to leave a log that opens. Half is code,
// half its tests.
//
// Begin reading at log.go (one partition) and store.go (the directories).
package logstore
