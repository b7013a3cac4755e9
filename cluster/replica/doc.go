// Package replica holds the partitions that this broker has a replica of: which broker
// leads them, how far they are committed (the high watermark), and the produce requests and fetches
// that wait for it. APIs reach logs through it.
//
// It does not elect leaders (cluster/controller does) and parses no request.
//
// Begin reading at partition.go.
package replica
