// Package mem keeps a metadata tree in memory, for tests of what stands on one: several sessions, which lose their
// connection, lose the answer to a write or expire when a test says so. It behaves as a tree in ZooKeeper does, but that
// it waits for nothing. A broker never runs on it.
//
// Begin reading at [Store]; the faults are in faults.go.
package mem
