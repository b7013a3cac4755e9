// Package history has clients of a topic that write down what brokers tell them, and the checks that hold that against what the
// brokers have in the end. Tests of whole clusters use it, in one process and from outside. It starts no broker.
//
// Begin reading at [Topic]; the checks are in check.go and batches.go.
package history
