// Package replica holds the partitions that this broker has a replica of: who
// leads them, how far they are committed (the high watermark), and who waits
// for that. It is the room between the APIs and the logs.
//
// It decides no leadership (cluster/controller does, and tells it by cluster/order) and parses no request.
//
// Begin reading at partition.go.
package replica
