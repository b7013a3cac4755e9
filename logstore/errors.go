package logstore

import (
	"errors"
	"fmt"
)

// Errors of a batch that is refused because of its producer's state, and of a closed
// log. Nothing was written, and the log goes on. The rules are those of Apache Kafka's
// ProducerAppendInfo.
var (
	// ErrOutOfOrderSequence says that a batch of an idempotent producer does not
	// continue the sequence known here (OUT_OF_ORDER_SEQUENCE_NUMBER).
	ErrOutOfOrderSequence = errors.New("sequence number out of order")
	// ErrInvalidProducerEpoch says that a newer epoch of the same producer has
	// written already (INVALID_PRODUCER_EPOCH).
	ErrInvalidProducerEpoch = errors.New("producer epoch older than the last one seen")
	// ErrInvalidTxnState says that a producer writes outside of its open
	// transaction (INVALID_TXN_STATE).
	ErrInvalidTxnState = errors.New("batch is not part of the producer's open transaction")
	// ErrBatchTooLarge says that a batch does not fit into a segment at all
	// (RECORD_LIST_TOO_LARGE).
	ErrBatchTooLarge = errors.New("batch is larger than segment.bytes")
	// ErrClosed says that the log was closed or its partition deleted.
	ErrClosed = errors.New("log is closed")
)

// OffsetOutOfRangeError says that an offset is not one that the log holds
// (OFFSET_OUT_OF_RANGE). Start is the log start offset, End the exclusive upper
// bound that applied: the log end offset for a read, the high watermark for a
// deletion of records.
type OffsetOutOfRangeError struct {
	Partition             string
	Requested, Start, End int64
}

func (e *OffsetOutOfRangeError) Error() string {
	return fmt.Sprintf("%s: offset %d is outside of %d..%d", e.Partition, e.Requested, e.Start, e.End)
}

// DirError says that the disk under a log failed (KAFKA_STORAGE_ERROR). Err is
// the operating system's error, so that errors.Is finds ENOSPC and the like.
type DirError struct {
	// Dir is the partition's directory, Path the file, Op what was tried.
	Dir, Path, Op string
	// Sticky says that nobody knows what is on the disk, since a sync or a truncation
	// failed: the log takes no more writes until it is opened again.
	Sticky bool
	Err    error
}

func (e *DirError) Error() string { return e.Op + " " + e.Path + ": " + e.Err.Error() }

// Unwrap gives the operating system's error.
func (e *DirError) Unwrap() error { return e.Err }
