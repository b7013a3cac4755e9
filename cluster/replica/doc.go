// Package replica holds the partitions that this broker has a replica of: which broker
// leads them, how far they are committed (the high watermark), which replicas are in sync, and the produce requests and fetches
// that wait for it. APIs reach logs through it.
//
// It does not elect leaders (cluster/controller does) and parses no request.
//
// Begin reading at partition.go. What the controller orders is carried out in orders.go and become.go; the rules of the high watermark
// are in watermark.go, those of the ISR in isr.go. follower_session.go spares a leader the look at partitions that have not changed. How a follower copies its leader's log is decided in fetch_state.go and done in fetcher.go.
//
// It is large because leading and following are two sides of one partition: both go by the same epochs under the same locks, and a
// partition changes from one to the other at any moment. Half is tests.
package replica
