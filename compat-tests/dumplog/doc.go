// Package dumplog compares klamm dump-log with kafka.tools.DumpLogSegments of 3.9.2 on the same files. testdata holds partitions that
// Apache Kafka wrote; the tests break copies of them.
//
//	go test -count=1 ./compat-tests/dumplog
//	go test -count=1 ./compat-tests/dumplog -run TestGenerate -generate
package dumplog
