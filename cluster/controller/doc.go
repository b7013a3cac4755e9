// Package controller is what the elected broker decides: which topics there are, who leads their partitions, what is deleted and
// reassigned. It is the controller of Apache Kafka 3.9 on ZooKeeper, and reads and writes the same znodes.
//
// [State.Decide] is the heart and is pure: an [Event] changes the [State], and gives a [Decision] of what to read and write in
// the metadata tree and what to order brokers. What the tree answered comes back as an event, so that memory follows what is
// written; a plan (plan.go) compares what each partition is with what it should be, and takes one step at a time.
//
// [Controller] is the edge around it: one goroutine takes events in order. Another reads and writes the tree meanwhile, in
// transactions that check this controller's epoch, and one for each broker sends the orders, whose answers are events again. So the
// controller waits for no broker, and a session that ends stops it at once. [Elector] holds the elections.
//
// It is large because every event changes the one state, and one plan goes over all of it.
//
// Begin reading at state.go and plan.go; then one file for each kind of event.
package controller
