// Command bench measures klamm from outside, with Apache Kafka 3.9.2 and 4.4.0
// beside it and, where there is one, a limit: a loop that does what no broker can
// leave out. It prints a table for each load and says what docs/performance.md
// explains.
//
//	make bench
//	go run ./bench -loads big,small -brokers klamm,limit -json figures.json
//
// A load is measured against one broker after the other, several rounds each, with
// the data on a tmpfs and once more on the disk. Client and brokers share the
// machine, and machines are noisy: only the ratios of one run count. Every answer's
// error code is looked at; one that is not zero ends the run.
//
// Everything that a run makes lies in directories of its own, which go when it ends,
// by a signal too; what a killed run left goes when the next one starts. Processes
// die with the run, however that ends.
//
// Begin reading at loads.go, the table of loads, and run.go, the order of things.
package main
