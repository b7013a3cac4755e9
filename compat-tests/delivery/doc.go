// Package delivery proves what is promised of delivery: records that are processed at most once, at least once, and stored
// once in a partition, while consumers and the broker are killed and requests and answers get lost, and consumers of a
// group that come, go, hang and die. When all have ended, it prints for each test what was sent, processed, lost and
// doubled, and which faults were made (report_test.go).
//
// The consumers are processes of their own (consumer_test.go): this test program once more, which TestMain makes one by its
// environment. They write down what they do (journal_test.go), line by line, since they may be killed at any moment.
package delivery
