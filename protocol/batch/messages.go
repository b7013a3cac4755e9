package batch

import (
	"encoding/binary"
	"errors"
	"io"
	"iter"
)

// IsMessageSet reports whether b, which has the first bytes at least of an entry
// of a log or of a request, begins with a message of magic 0 or 1.
func IsMessageSet(b []byte) bool {
	return len(b) > magicAt && int8(b[magicAt]) >= 0 && b[magicAt] < Magic
}

// Messages iterates over the messages of a set of magic 0 or 1, those inside
// wrappers in place of the wrappers, with the offsets that consumers see. Each is
// given as a record without headers, whose timestamp is NoTimestamp in magic 0.
// CRCs are checked. The messages of one wrapper may expand to limit bytes; 0
// stands for DefaultMaxExpandedBytes. Keys and values live as long as the set where
// they are parts of it, and otherwise are copies. After an error, which is one of
// this package's, nothing follows; a set that ends within a message is one.
func Messages(set []byte, limit int64) iter.Seq2[Record, error] {
	if limit <= 0 {
		limit = DefaultMaxExpandedBytes
	}
	return func(yield func(Record, error) bool) {
		for len(set) > 0 {
			one, err := firstMessage(set)
			if err != nil {
				yield(Record{}, err)
				return
			}
			m, err := parseMessage(one)
			if err != nil {
				yield(Record{}, err)
				return
			}
			set = set[len(one):]
			if m.codec() == None {
				if !yield(Record{Offset: m.offset, Timestamp: m.timestamp, Key: m.key, Value: m.value}, nil) {
					return
				}
				continue
			}
			more, err := wrapped(&m, limit, yield)
			if err != nil {
				yield(Record{}, invalid(err))
			}
			if !more || err != nil {
				return
			}
		}
	}
}

// wrapped yields the messages inside m.
func wrapped(m *message, limit int64, yield func(Record, error) bool) (more bool, err error) {
	base := int64(0)
	if m.magic > 0 && m.offset != 0 {
		last, err := lastInside(m, limit)
		if err != nil {
			return false, err
		}
		base = m.offset - last
	}
	w, err := openWrapper(m, limit)
	if err != nil {
		return false, err
	}
	defer w.close()
	for {
		if err := w.next(); err != nil {
			if errors.Is(err, io.EOF) {
				return true, nil
			}
			return false, err
		}
		r := Record{Offset: base + w.offset, Timestamp: w.timestamp}
		if r.Key, err = w.takeField(w.keySize, w.key); err != nil {
			return false, err
		}
		if err := w.valueHead(); err != nil {
			return false, err
		}
		if r.Value, err = w.takeField(w.valueSize, w.value); err != nil {
			return false, err
		}
		if !yield(r, nil) {
			return false, nil
		}
	}
}

// takeField copies a key or a value, as its bytes arrive.
func (w *wrapper) takeField(size int32, pass func(func([]byte) error) error) ([]byte, error) {
	var b []byte
	if size >= 0 {
		b = make([]byte, 0, min(size, windowSize))
	}
	err := pass(func(piece []byte) error {
		b = append(b, piece...)
		return nil
	})
	return b, err
}

// lastInside reads the offset that the last message inside m has there.
func lastInside(m *message, limit int64) (last int64, err error) {
	w, err := openWrapper(m, limit)
	if err != nil {
		return 0, err
	}
	defer w.close()
	for {
		if err := w.next(); err != nil {
			if errors.Is(err, io.EOF) {
				return last, nil
			}
			return 0, err
		}
		last = w.offset
		if err := w.key(drop); err != nil {
			return 0, err
		}
		if err := w.valueHead(); err != nil {
			return 0, err
		}
		if err := w.value(drop); err != nil {
			return 0, err
		}
	}
}

// Bounds gives the size in bytes of the entry of a log that begins with head, and
// the offset after it: a batch, of which head has the whole header, or a message of
// magic 0 or 1. What cannot be one is a *CorruptError.
func Bounds(head []byte) (size int, next int64, err error) {
	if !IsMessageSet(head) {
		h, err := ParseHeader(head)
		return h.Size(), h.NextOffset(), err
	}
	if n := sizeOfBatch(head); n >= Overhead+messageOverhead0 {
		return int(n), int64(binary.BigEndian.Uint64(head)) + 1, nil
	}
	return 0, 0, &CorruptError{Reason: "a message of " + itoa(sizeOfBatch(head)) + " bytes"}
}
