// Package reassign carries plans for a cluster out, by requests that any Kafka broker of 3.9 serves: it reads who has what, asks package plan for moves, has the
// controller make them a few at a time, and waits for them.
//
// It keeps nothing of its own: a command that was interrupted plans from what it finds when it runs again. It leaves reassignments alone that were under way
// when it began.
//
// Begin reading at [Rebalance] and at runner.carry in carry.go. live.go has the requests; the tests put a cluster in memory in their place.
package reassign
