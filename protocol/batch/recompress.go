package batch

import (
	"encoding/binary"
	"errors"
	"math"
)

// ValidateBatch does what Validate does and gives the batch that is stored: b
// itself where r.Compression keeps its codec, and otherwise a new one with the
// records of b, packed while they are read. It holds no memory that grows with
// what b expands to, only with what comes out, and that is bounded by MaxBatchBytes.
//
// A new batch has the offsets, the producer's id, epoch and sequence, and the
// transactional bit of b, a base timestamp that is its first record's, and records
// that are those of b but for their attributes, of which none are defined. b is not
// changed then. Errors besides Validate's: *TimestampError for records with a
// negative timestamp, and last of all *TooLargeError for a new batch that is larger
// than MaxBatchBytes.
//
// The rules are those of LogValidator.buildRecordsAndAssignOffsets.
func ValidateBatch(b []byte, r Rules) (one []byte, info Info, err error) {
	h, err := CheckForm(b, r.NoZstd)
	if err != nil {
		return nil, Info{}, err
	}
	if r.Compression.keeps(h.Codec()) {
		info, err = validate(b, &h, &r)
		return b, info, err
	}
	return recompress(b, h, r)
}

// recompression packs the records of one batch anew.
type recompression struct {
	old  Header
	base int64 // the first record's timestamp
	any  bool  // there was a first record
	pack *packer
	// failed is why nothing is written any more; what b holds is checked to its end
	// nevertheless, since that comes first.
	failed error
	head   []byte
}

func recompress(b []byte, h Header, r Rules) ([]byte, Info, error) {
	if err := checkHeader(b, &h, &r); err != nil {
		return nil, Info{}, err
	}
	limit := math.MaxInt32
	if r.MaxBatchBytes > 0 {
		limit = int(min(r.MaxBatchBytes, math.MaxInt32))
	}
	room := 2 * len(b) // a guess
	if h.Codec() == None {
		room = len(b) / 2
	}
	var one []byte
	var info Info
	err := expanding(b, &r, &h, true, func(t turn) (err error) {
		w := &recompression{old: h}
		if w.pack, err = newPacker(r.Compression, make([]byte, HeaderSize, HeaderSize+min(room, limit)), limit); err != nil {
			return err
		}
		defer func() { w.pack.release() }()
		info = Info{Header: h}
		if err := readRecords(b, &r, &info, w, t); err != nil {
			return err
		}
		one, info, err = w.finish(info)
		return err
	})
	if err != nil {
		return nil, Info{}, err
	}
	return one, info, nil
}

// finish writes the header of the new batch.
func (w *recompression) finish(info Info) ([]byte, Info, error) {
	if w.failed == nil {
		w.failed = w.pack.close()
	}
	if w.failed != nil {
		return nil, Info{}, tooLarge(w.failed)
	}
	out := w.pack.out
	h := w.old
	h.Length = int32(len(out) - Overhead)
	h.Attributes = int16(w.pack.codec) | h.Attributes&transactionalBit
	h.BaseTimestamp, h.MaxTimestamp = w.base, info.MaxTimestamp
	h.put(out)
	updateCRC(out)
	h.CRC = binary.BigEndian.Uint32(out[crcAt:])
	info.Header = h
	return out, info, nil
}

// tooLarge finds the error of this package in that of a codec's writer.
func tooLarge(err error) error {
	var large *TooLargeError
	if errors.As(err, &large) {
		return large
	}
	return err
}

// record reads the next record as glance does, and writes it.
func (w *recompression) record(c *cursor) (glance, error) {
	if g, size := quick(c.win); size > 0 {
		one := c.win[:size]
		c.win = c.win[size:]
		w.whole(&g, one)
		return g, nil
	}
	f, err := c.readFields()
	if err != nil {
		return glance{}, err
	}
	g := glance{timestampDelta: f.timestampDelta, offsetDelta: f.offsetDelta}
	w.begin(&g, f.end-c.at())
	c.copyFrom(w.write)
	if g.nullKey, err = c.skipField(f.end); err != nil {
		return g, err
	}
	if _, err = c.skipField(f.end); err != nil {
		return g, err
	}
	if err = c.skipHeaders(f.end); err != nil {
		return g, err
	}
	c.endCopy()
	return g, nil
}

// whole writes a record that quick has read: as it is, if nothing of it changes.
func (w *recompression) whole(g *glance, one []byte) {
	_, at := short(one, 0)
	if one[at] == 0 && w.delta(g) == g.timestampDelta {
		w.write(one)
		return
	}
	_, at = short(one, at+1) // past the attributes
	_, at = short(one, at)
	w.begin(g, int64(len(one)-at))
	w.write(one[at:])
}

// delta is how far a record's timestamp lies after the first one's.
func (w *recompression) delta(g *glance) int64 {
	timestamp := w.old.timestampOf(&fields{timestampDelta: g.timestampDelta})
	if !w.any {
		w.base, w.any = timestamp, true
	}
	return timestamp - w.base
}

// begin writes what stands before a record's key, of which rest bytes follow.
func (w *recompression) begin(g *glance, rest int64) {
	delta := w.delta(g)
	size := int64(1+varintSize(delta)+varintSize(int64(g.offsetDelta))) + rest
	b := binary.AppendVarint(w.head[:0], size)
	b = append(b, 0)
	b = binary.AppendVarint(b, delta)
	w.head = binary.AppendVarint(b, int64(g.offsetDelta))
	w.write(w.head)
}

func (w *recompression) write(b []byte) {
	if w.failed == nil {
		_, w.failed = w.pack.Write(b)
	}
}
