// Package directories hands one set of log directories from Apache Kafka 3.9.2
// to klamm and back, more than once, after clean stops and after kill -9.
//
//	go test -count=1 ./compat-tests/directories
//
// What must hold: every record is read byte for byte by whoever has the
// directories, at its offset; log start offsets, topic ids and the state of
// idempotent producers go along; DumpLogSegments finds nothing wrong. Apache's
// broker keeps its ZooKeeper throughout, klamm its own metadata in a file of
// the first directory. Begin at handover_test.go.
package directories
