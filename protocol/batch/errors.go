package batch

import "strconv"

// CorruptError says that bytes are not what was once written: the length, the
// magic or the CRC is wrong. Clients are told CORRUPT_MESSAGE, which they retry.
type CorruptError struct{ Reason string }

func (e *CorruptError) Error() string { return "corrupt record batch: " + e.Reason }

// NoKey is the Message of a RecordError of a record that has no key, where the topic is compacted.
const NoKey = "a compacted topic takes no record without a key"

// RecordError names a record because of which its batch is refused. Index counts
// the records of the batch from 0.
type RecordError struct {
	Index   int32
	Message string
}

// InvalidError says that a batch is intact and breaks a rule, so that sending
// it again is of no use: INVALID_RECORD. Records names the records at fault, the
// first 1000 of them; it is empty where the batch itself breaks the rule.
type InvalidError struct {
	Message string
	Records []RecordError
}

func (e *InvalidError) Error() string { return "invalid record batch: " + e.Message }

// TimestampError says that records have timestamps that the topic refuses:
// INVALID_TIMESTAMP. Records names every record at fault, also those with another
// fault.
type TimestampError struct {
	Message string
	Records []RecordError
}

func (e *TimestampError) Error() string { return "invalid timestamps in record batch: " + e.Message }

// CodecError says that the batch is compressed in a way that is not known or
// not allowed in this request: UNSUPPORTED_COMPRESSION_TYPE.
type CodecError struct{ Codec Codec }

func (e *CodecError) Error() string { return "record batch with codec " + e.Codec.String() }

// TooLargeError says that a batch is larger than the topic takes, or expands
// to more than that: MESSAGE_TOO_LARGE. Sizes in bytes.
type TooLargeError struct {
	Size     int64 // for expanded records only a lower bound
	Limit    int64
	Expanded bool
}

func (e *TooLargeError) Error() string {
	if e.Expanded {
		return "the records of the batch expand to more than " + strconv.FormatInt(e.Limit, 10) + " bytes"
	}
	return "the batch has " + strconv.FormatInt(e.Size, 10) + " bytes, more than the " +
		strconv.FormatInt(e.Limit, 10) + " that are allowed"
}
