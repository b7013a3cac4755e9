// Package batch reads, checks, changes and builds record batches of magic 2,
// the only format that klamm stores: a header of 61 bytes and records that are
// compressed together or not at all. Every function works on the bytes of one
// batch where they lie; nothing here knows partitions, files or sockets.
//
// Clients from before magic 2 speak in message sets of magic 0 and 1 (message.go):
// ValidateSet makes a batch of what they produce, a Downconversion makes messages of
// what they fetch.
//
// Three kinds of reader use it, and trust the bytes differently:
//
//   - the log, which wrote them: ParseHeader, SetOffsets;
//   - a produce request, which nobody vouches for: Validate, which reads every
//     record as a stream with a bound on what it may expand to, and ValidateBatch,
//     which packs the records in another codec on the way;
//   - whoever wants the records: Records.
//
// It is large because five codecs, three formats of records and the rules for each stand
// in it, with their tests and fuzz targets; each has a file of its own.
//
// The layout and the rules are those of Apache Kafka's DefaultRecordBatch,
// DefaultRecord and LogValidator. Begin reading at header.go.
package batch
