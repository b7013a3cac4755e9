// Package limit is what the machine allows: loops that do what no broker can leave
// out and nothing else, in a process of their own that is measured as a broker is.
//
// For produce: read a frame, check the batch's CRC-32C, give it its offset, append
// it with one write, answer. For fetch: answer with sendfile from the partition's
// file. It speaks Produce 7 and Fetch 11 with one partition a request, which the
// replayed requests keep to; it has no topics to create, no indexes, no recovery,
// and takes all batches of a partition to be equal in length and count, so that an
// offset says where it stands in the file.
//
// It shares no code with the broker, on purpose: a limit that is made of what it
// limits says nothing. Begin reading at [Serve].
package limit
