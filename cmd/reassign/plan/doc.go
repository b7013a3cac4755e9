// Package plan decides which replicas of a cluster go to which broker, so that they are spread evenly and as little as possible is copied.
//
// It only decides: it asks no broker and looks at no clock, and the same input gives the same plan. What it never does: two replicas of a partition on one
// broker, a replica on a broker that is not given, or a partition whose replicas crowd in a rack more than before (a drained broker may leave no other way).
//
// Begin reading at [Spread], [Drain] and [Factor]. state.go has what they work on, and paths.go finds what no single move can do.
package plan
