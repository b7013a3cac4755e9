// Package delivery tests the delivery guarantees: records are processed at most once, processed at least once, or stored
// once in a partition, while consumers and the broker are killed, requests and answers get lost, and consumers of a group
// come, go, hang and die. When all tests have ended, it prints for each test what was sent, processed, lost and doubled,
// and which faults were made (report_test.go).
//
// The consumers are processes of their own (consumer_test.go): this test program once more, which TestMain turns into a
// consumer when its environment says so. The consumers write down what they do (journal_test.go), line by line, since they
// may be killed at any moment.
package delivery
