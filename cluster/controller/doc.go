// Package controller is what the elected broker decides: which topics there are, who leads their
// partitions, what is deleted.
//
// [Decide] is the heart and is pure: from a [State] and an [Event] it makes the next state, the writes to the
// metadata tree that make it true, and the orders that tell brokers. [Controller] is the edge around it: one goroutine
// takes events in order, writes what was decided in one transaction that is conditional on
// this controller's epoch, and only then sends the orders: through one queue for each broker, whose answers come back as
// further events. So this goroutine waits for the tree, and for nothing else. Clients see a change when the brokers have
// answered. When a write fails the state is read again from the tree, which is the truth. Orders that fail for a reason that
// passes are sent again (failures.go).
//
// It is built for one broker now: nothing watches the tree yet for what other brokers write to it.
//
// Begin reading at state.go and event.go; then one file for each kind of event.
package controller
