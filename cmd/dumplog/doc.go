// Package dumplog prints what stands in the files of a log: batches and records of .log, the entries of .index and .timeindex and
// whether they fit the log, aborted transactions of .txnindex and producers of .snapshot. It prints them to the letter as
// kafka.tools.DumpLogSegments of Apache Kafka 3.9 does, whose output people and programs read.
//
// It opens files for reading only, takes no lock, and reads files of a broker that runs as far as they are written. It does not say what a
// broker would do about a file: klamm check does that.
//
// Begin reading at run.go; log.go, index.go and producers.go have the kinds of files, and offsets.go and transactions.go what the
// records of the internal topics mean.
package dumplog
