// Package moves has partitions move between log directories (AlterReplicaLogDirs) while they are
// produced to and consumed from, and kills the broker amid a move.
//
//	go test -count=1 ./compat-tests/moves
//
// What must hold: the consumer sees every offset once and in order, every acknowledged record stands
// at its offset, a move that a kill interrupted is completed after the start, and DumpLogSegments
// finds nothing wrong. Begin at moves_test.go.
package moves
