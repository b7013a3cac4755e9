package batch

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Filter leaves records out of batches, as compaction does (MemoryRecords.filterTo
// of Apache Kafka). It streams: of what a batch expands to it holds a window, one
// key and a bit for each record, whatever the codec. Its buffers serve again, so
// it is not safe for concurrent use. The zero value is ready.
type Filter struct {
	key  []byte
	keep []uint64 // a bit for each record of the batch in hand
}

// Seen is what compaction needs to know of a record. Key is valid during the call.
type Seen struct {
	Offset int64
	Key    []byte // nil for a null
	// Tombstone says that the value is a null.
	Tombstone bool
}

// Retention says what Filter.Append leaves of a batch.
type Retention struct {
	// Keep is asked for each record in order, once.
	Keep func(*Seen) bool
	// HorizonMs is the delete horizon (KIP-534) that the batch gets when it has
	// none and a tombstone is kept in it, or Mark is set.
	HorizonMs int64
	Mark      bool
	// RetainEmpty keeps the header of a batch of which no record is kept.
	RetainEmpty bool
	// Limit is how many bytes the records may expand to; 0 for DefaultMaxExpandedBytes.
	Limit int64
}

// Keys shows each record of the one batch that b holds, until visit gives false.
// Errors are this package's; the CRC is not checked.
func (f *Filter) Keys(b []byte, limit int64, visit func(*Seen) bool) error {
	b, h, err := whole(b)
	if err != nil {
		return err
	}
	return f.each(b, &h, limit, func(s *Seen, _ int64) bool { return visit(s) })
}

// Append adds to dst what r leaves of the one batch that b holds: the batch as it
// is, one made anew in its codec, its header alone, or nothing. Offsets, the
// producer's sequence and the last offset stay. It gives how many records were
// read and kept. After an error dst is as before. Append does not check the CRC of b;
// the caller must have, since a rebuilt batch gets a CRC that is right.
func (f *Filter) Append(dst, b []byte, r *Retention) (out []byte, read, kept int, err error) {
	b, h, err := whole(b)
	if err != nil {
		return dst, 0, 0, err
	}
	clear(f.keep)
	tombstones := false
	first, largest := int64(NoTimestamp), int64(NoTimestamp)
	err = f.each(b, &h, r.Limit, func(s *Seen, timestamp int64) bool {
		if r.Keep(s) {
			if kept == 0 {
				first = timestamp
			}
			largest = max(largest, timestamp)
			tombstones = tombstones || s.Tombstone
			f.mark(read)
			kept++
		}
		read++
		return true
	})
	if err != nil {
		return dst, read, 0, err
	}
	if kept == 0 {
		if r.RetainEmpty {
			dst = appendEmpty(dst, h)
		}
		return dst, read, 0, nil
	}
	newHorizon := (tombstones || r.Mark) && !h.HasDeleteHorizon()
	if kept == read && !newHorizon {
		return append(dst, b...), read, kept, nil
	}
	n := h
	n.Count = int32(kept)
	n.MaxTimestamp = largest
	if h.LogAppendTime() {
		n.MaxTimestamp = h.MaxTimestamp
	}
	switch {
	case newHorizon:
		n.Attributes |= deleteHorizonBit
		n.BaseTimestamp = r.HorizonMs
	case !h.HasDeleteHorizon():
		n.BaseTimestamp = first
	}
	out, err = f.rebuild(dst, b, &h, n, r.Limit)
	if err != nil {
		return dst, read, 0, err
	}
	return out, read, kept, nil
}

func (f *Filter) mark(i int) {
	for i/64 >= len(f.keep) {
		f.keep = append(f.keep, 0)
	}
	f.keep[i/64] |= 1 << (i % 64)
}

func (f *Filter) marked(i int) bool { return i/64 < len(f.keep) && f.keep[i/64]&(1<<(i%64)) != 0 }

// each reads the records' keys, and their timestamps in ms.
func (f *Filter) each(b []byte, h *Header, limit int64, visit func(s *Seen, timestamp int64) bool) error {
	return withRecords(b, h, limit, func(c *cursor) error {
		var s Seen
		for range h.Count {
			r, err := c.readFields()
			if err != nil {
				return err
			}
			if s.Key, err = c.takeKey(r.end, &f.key); err != nil {
				return err
			}
			if s.Tombstone, err = c.skipField(r.end); err != nil {
				return err
			}
			if err := c.skipHeaders(r.end); err != nil {
				return err
			}
			s.Offset = h.BaseOffset + int64(r.offsetDelta)
			if !visit(&s, h.timestampOf(&r)) {
				return nil
			}
		}
		return c.mustEnd()
	})
}

func (h *Header) timestampOf(r *fields) int64 {
	if h.LogAppendTime() {
		return h.MaxTimestamp
	}
	return h.BaseTimestamp + r.timestampDelta
}

// withRecords calls read with a cursor at the first record.
func withRecords(b []byte, h *Header, limit int64, read func(*cursor) error) error {
	if h.Count <= 0 {
		return nil
	}
	if limit <= 0 {
		limit = DefaultMaxExpandedBytes
	}
	var c cursor
	e, err := c.start(b, h, limit, wideAny)
	if err != nil {
		return invalid(err)
	}
	if e != nil {
		defer e.release()
	}
	if err := read(&c); err != nil {
		return invalid(err)
	}
	return nil
}

// takeKey reads a key, into buf unless the records are read in place.
func (c *cursor) takeKey(end int64, buf *[]byte) ([]byte, error) {
	n, err := c.size(end)
	if err != nil || n < 0 {
		return nil, err
	}
	if c.r == nil {
		return c.take(n)
	}
	key := (*buf)[:0]
	if key == nil {
		key = []byte{}
	}
	err = c.pass(n, func(b []byte) error { key = append(key, b...); return nil })
	if cap(key) <= keptKey {
		*buf = key
	}
	return key, err
}

// keptKey is how large a buffer for keys is kept.
const keptKey = 1 << 20

// pass gives the next n bytes to take, in pieces.
func (c *cursor) pass(n int64, take func([]byte) error) error {
	for {
		m := min(n, int64(len(c.win)))
		if err := take(c.win[:m]); err != nil {
			return err
		}
		c.win = c.win[m:]
		if n -= m; n == 0 {
			return nil
		}
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// rebuild appends a batch with header n of the records of b that are marked. It
// computes their timestamp deltas from n's base timestamp and copies the rest.
func (f *Filter) rebuild(dst, b []byte, h *Header, n Header, limit int64) ([]byte, error) {
	start := len(dst)
	w, err := newPacker(as(h.Codec()), append(dst, make([]byte, HeaderSize)...), 0)
	if err != nil {
		return nil, err
	}
	defer w.release()
	var scratch [4 * binary.MaxVarintLen64]byte
	i := 0
	err = withRecords(b, h, limit, func(c *cursor) error {
		for range h.Count {
			r, err := c.readFields()
			if err != nil {
				return err
			}
			rest := r.end - c.at()
			if i++; !f.marked(i - 1) {
				if err := c.skip(rest); err != nil {
					return err
				}
				continue
			}
			delta := h.timestampOf(&r) - n.BaseTimestamp
			size := 1 + varintSize(delta) + varintSize(int64(r.offsetDelta)) + int(rest)
			p := binary.AppendVarint(scratch[:0], int64(size))
			p = append(p, byte(r.attributes))
			p = binary.AppendVarint(p, delta)
			p = binary.AppendVarint(p, int64(r.offsetDelta))
			if _, err := w.Write(p); err != nil {
				return err
			}
			if err := c.pass(rest, func(b []byte) error { _, err := w.Write(b); return err }); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := w.close(); err != nil {
		return nil, err
	}
	out := w.out
	one := out[start:]
	if len(one) > math.MaxInt32 {
		return nil, fmt.Errorf("a batch of %d bytes is too large for its format", len(one))
	}
	n.Length = int32(len(one) - Overhead)
	n.put(one)
	updateCRC(one)
	return out, nil
}

// appendEmpty appends the header of h with no record behind it.
func appendEmpty(dst []byte, h Header) []byte {
	h.Length, h.Count, h.BaseTimestamp = HeaderSize-Overhead, 0, NoTimestamp
	h.Attributes &^= codecMask | deleteHorizonBit
	start := len(dst)
	dst = append(dst, make([]byte, HeaderSize)...)
	h.put(dst[start:])
	updateCRC(dst[start:])
	return dst
}
