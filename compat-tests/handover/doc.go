// Package handover moves a log directory from klamm to Apache Kafka 3.9.2 and
// back, as it is, under a producer that goes on all the while; and with consumer groups, whose
// offsets and members the next broker has to know.
//
//	go test -count=1 ./compat-tests/handover
//
// It starts both brokers itself, whatever KLAMM_BROKER says.
package handover
