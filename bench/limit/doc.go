// Package limit shows what the machine allows. It is a server that does what no broker can leave
// out, and nothing else. It runs in a process of its own, which the benchmark measures as it
// measures a broker.
//
// For a produce it reads a frame, checks the batch's CRC-32C, gives the batch its offset, appends
// it with one write and answers. For a fetch it answers with sendfile from the partition's
// file. It serves Produce 7 and Fetch 11 with one partition a request, which is what the benchmark
// replays. It creates no topics, and has no indexes and no recovery. All batches of a partition
// must have the same length and number of records, so that the offset of a batch gives its place
// in the file.
//
// It shares no code with the broker: the broker's own code would slow the limit as it slows
// the broker. Begin reading at [Serve].
package limit
