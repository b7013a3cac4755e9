package batch

import (
	"encoding/binary"
	"errors"
	"iter"
	"strconv"
)

// DefaultMaxExpandedBytes bounds what the records of one compressed batch may
// expand to where the caller names no bound.
const DefaultMaxExpandedBytes = 256 << 20

// RecordHeader is a header of a record. A nil value is a null on the wire, an
// empty one is not.
type RecordHeader struct {
	Key   string
	Value []byte
}

// Record is one record of a batch. Timestamps are in ms. Nil keys and values
// are nulls on the wire, empty ones are not.
type Record struct {
	Attributes     int8
	OffsetDelta    int32
	TimestampDelta int64
	Offset         int64
	Timestamp      int64 // the batch's maximum where the broker set it
	Key            []byte
	Value          []byte
	Headers        []RecordHeader
}

var (
	errRecordSize  = errors.New("a record's fields do not fill its length")
	errHeaderCount = errors.New("a record has a negative number of headers, or more than it has bytes")
	errHeaderKey   = errors.New("a record header has a key of negative length")
	errRemaining   = errors.New("bytes remain after the last record")
)

// fields is what a record holds before its key.
type fields struct {
	end            int64 // where the record ends, see cursor.at
	attributes     int8
	timestampDelta int64
	offsetDelta    int32
}

// readFields reads the start of a record.
func (c *cursor) readFields() (f fields, err error) {
	size, err := c.varint()
	if err != nil {
		return f, err
	}
	if size < minRecordSize-1 {
		return f, errRecordSize
	}
	if c.r == nil && int(size) > len(c.win) {
		return f, errEnds
	}
	if err := c.claim(int64(size)); err != nil {
		return f, err
	}
	f.end = c.at() + int64(size)
	a, err := c.byte()
	if err != nil {
		return f, err
	}
	f.attributes = int8(a)
	if f.timestampDelta, err = c.varlong(); err != nil {
		return f, err
	}
	f.offsetDelta, err = c.varint()
	return f, err
}

// size reads the length of a field and checks that it lies before end. A
// negative one, whatever the number, is a null, as it is to Apache's broker.
func (c *cursor) size(end int64) (int64, error) {
	n, err := c.varint()
	if err != nil {
		return 0, err
	}
	if int64(n) > end-c.at() {
		return 0, errRecordSize
	}
	return int64(n), nil
}

// skipField passes over a key or value and says whether it is a null.
func (c *cursor) skipField(end int64) (null bool, err error) {
	n, err := c.size(end)
	if err != nil || n < 0 {
		return true, err
	}
	return false, c.skip(n)
}

func (c *cursor) takeField(end int64) ([]byte, error) {
	n, err := c.size(end)
	if err != nil || n < 0 {
		return nil, err
	}
	return c.take(n)
}

// headerCount reads the number of headers. Each takes two bytes at least.
func (c *cursor) headerCount(end int64) (int, error) {
	n, err := c.varint()
	if err != nil {
		return 0, err
	}
	if n < 0 || int64(n) > (end-c.at())/2 {
		return 0, errHeaderCount
	}
	return int(n), nil
}

// skipHeaders passes over the headers and checks that the record ends there.
func (c *cursor) skipHeaders(end int64) error {
	n, err := c.headerCount(end)
	if err != nil {
		return err
	}
	for range n {
		null, err := c.skipField(end)
		if err != nil {
			return err
		}
		if null {
			return errHeaderKey
		}
		if _, err := c.skipField(end); err != nil {
			return err
		}
	}
	if c.at() != end {
		return errRecordSize
	}
	return nil
}

// readRecord reads the next record of the batch with header h.
func (c *cursor) readRecord(h *Header) (r Record, err error) {
	f, err := c.readFields()
	if err != nil {
		return r, err
	}
	if size := f.end - c.at(); c.largest > 0 && c.r != nil && size > c.largest {
		return r, &TooLargeError{Size: size, Limit: c.largest, Expanded: true}
	}
	r = Record{Attributes: f.attributes, OffsetDelta: f.offsetDelta, TimestampDelta: f.timestampDelta,
		Offset: h.BaseOffset + int64(f.offsetDelta), Timestamp: h.BaseTimestamp + f.timestampDelta}
	if h.LogAppendTime() {
		r.Timestamp = h.MaxTimestamp
	}
	if r.Key, err = c.takeField(f.end); err != nil {
		return r, err
	}
	if r.Value, err = c.takeField(f.end); err != nil {
		return r, err
	}
	n, err := c.headerCount(f.end)
	if err != nil {
		return r, err
	}
	for range n {
		key, err := c.takeField(f.end)
		if err != nil {
			return r, err
		}
		if key == nil {
			return r, errHeaderKey
		}
		value, err := c.takeField(f.end)
		if err != nil {
			return r, err
		}
		r.Headers = append(r.Headers, RecordHeader{Key: string(key), Value: value})
	}
	if c.at() != f.end {
		return r, errRecordSize
	}
	return r, nil
}

// Records iterates over the records of the one batch that b holds. Keys and
// values are parts of b if it is not compressed, so they live as long as it
// does, and copies otherwise. The records may expand to limit bytes; 0 stands
// for DefaultMaxExpandedBytes. The CRC is not checked. After an error, which
// is one of this package's, nothing follows.
func Records(b []byte, limit int64) iter.Seq2[Record, error] {
	if limit <= 0 {
		limit = DefaultMaxExpandedBytes
	}
	return func(yield func(Record, error) bool) {
		b, h, err := whole(b)
		if err != nil {
			yield(Record{}, err)
			return
		}
		if h.Count == 0 {
			return // compaction leaves batches without records
		}
		var c cursor
		e, err := c.start(b, &h, limit, wideAny)
		if err != nil {
			yield(Record{}, invalid(err))
			return
		}
		if e != nil {
			defer e.release()
		}
		for range h.Count {
			r, err := c.readRecord(&h)
			if err != nil {
				yield(Record{}, invalid(err))
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		if err := c.mustEnd(); err != nil {
			yield(Record{}, invalid(err))
		}
	}
}

// mustEnd fails if anything is left after the last record.
func (c *cursor) mustEnd() error {
	ended, err := c.ended()
	if err == nil && !ended {
		err = errRemaining
	}
	return err
}

// invalid gives an error met while reading records the type that callers see.
func invalid(err error) error {
	switch err.(type) {
	case *CodecError, *TooLargeError, *InvalidError, *CorruptError:
		return err
	}
	return &InvalidError{Message: err.Error()}
}

// Batches iterates over the batches that lie one after the other in b, as in a
// region of a log. A batch that ends after b is the last thing given, with a
// *CorruptError; so is one whose header cannot be read.
func Batches(b []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for len(b) > 0 {
			one, _, err := whole(b)
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(one, nil) {
				return
			}
			b = b[len(one):]
		}
	}
}

// sizeOfBatch reads the length field of the batch at the start of b, which has
// Overhead bytes at least, and gives the size of the batch.
func sizeOfBatch(b []byte) int64 {
	return Overhead + int64(int32(binary.BigEndian.Uint32(b[lengthAt:])))
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
