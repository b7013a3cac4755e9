// Command bench measures klamm from outside, with Apache Kafka 3.9.2 and 4.4.0 beside it
// and, where there is one, a limit: a loop that does what no broker can leave out. It
// prints a table for each load; docs/performance.md explains the figures.
//
//	make bench
//	go run ./bench -loads big,small -brokers klamm,limit -json figures.json
//
// A load is measured against one broker after the other, several rounds each, with the
// data on a tmpfs and once more on the disk. Client and brokers share the machine, and
// machines are noisy: only the ratios of one run count. The clients look at every
// answer's error code; one that is not zero ends the run.
//
// A run keeps everything that it makes in directories of its own, and removes them when
// it ends, by a signal too. The next run removes what a killed run left. Processes die
// with the run, however that ends.
//
// Begin reading at loads.go, the table of loads, and run.go, the order of things.
package main
