package batch

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Builder makes batches. Its exported fields may be set until Build; NewBuilder
// gives it those of a batch without a producer id. Not safe for concurrent use.
type Builder struct {
	BaseOffset    int64
	LeaderEpoch   int32
	Codec         Codec
	LogAppendTime bool // MaxTimestamp stands for every record
	Transactional bool
	Control       bool
	ProducerID    int64
	ProducerEpoch int16
	BaseSequence  int32

	records       []byte // not compressed
	count         int32
	lastDelta     int32
	baseTimestamp int64
	maxTimestamp  int64
}

// NewBuilder begins an empty batch at offset 0 without a producer id.
func NewBuilder(codec Codec) *Builder {
	b := &Builder{Codec: codec}
	b.Reset()
	return b
}

// Reset makes the builder as NewBuilder does, with the codec that it has.
func (b *Builder) Reset() {
	*b = Builder{Codec: b.Codec, LeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1,
		records: b.records[:0], lastDelta: -1, baseTimestamp: NoTimestamp, maxTimestamp: NoTimestamp}
}

// Add appends a record at the offset after the last one. timestamp is in ms;
// nil keys and values are nulls.
func (b *Builder) Add(timestamp int64, key, value []byte, headers ...RecordHeader) {
	b.AddAt(b.lastDelta+1, timestamp, key, value, headers...)
}

// AddAt appends a record offsetDelta after the base offset, for batches with
// gaps, as compaction leaves them.
func (b *Builder) AddAt(offsetDelta int32, timestamp int64, key, value []byte, headers ...RecordHeader) {
	if b.count == 0 {
		b.baseTimestamp = timestamp
	}
	b.maxTimestamp = max(b.maxTimestamp, timestamp)
	b.lastDelta = offsetDelta
	b.count++
	delta := timestamp - b.baseTimestamp

	size := 1 + varintSize(delta) + varintSize(int64(offsetDelta)) + fieldSize(key) + fieldSize(value) +
		varintSize(int64(len(headers)))
	for _, h := range headers {
		size += varintSize(int64(len(h.Key))) + len(h.Key) + fieldSize(h.Value)
	}
	r := binary.AppendVarint(b.records, int64(size))
	r = append(r, 0) // attributes: none are defined
	r = binary.AppendVarint(r, delta)
	r = binary.AppendVarint(r, int64(offsetDelta))
	r = appendField(r, key)
	r = appendField(r, value)
	r = binary.AppendVarint(r, int64(len(headers)))
	for _, h := range headers {
		r = binary.AppendVarint(r, int64(len(h.Key)))
		r = append(r, h.Key...)
		r = appendField(r, h.Value)
	}
	b.records = r
}

// Count is the number of records added.
func (b *Builder) Count() int { return int(b.count) }

// Size is the number of bytes that the batch takes before compression.
func (b *Builder) Size() int { return HeaderSize + len(b.records) }

// Build gives the batch with its CRC. It fails for a codec that does not exist
// and for more than 2 GiB.
func (b *Builder) Build() ([]byte, error) { return b.AppendTo(nil) }

// AppendTo does what Build does and appends the batch to dst.
func (b *Builder) AppendTo(dst []byte) ([]byte, error) {
	start := len(dst)
	out := append(dst, make([]byte, HeaderSize)...)
	out, err := compress(out, b.Codec, b.records)
	if err != nil {
		return dst, err
	}
	one := out[start:]
	if len(one) > math.MaxInt32 {
		return dst, fmt.Errorf("a batch of %d bytes is too large for its format", len(one))
	}
	h := Header{BaseOffset: b.BaseOffset, Length: int32(len(one) - Overhead), PartitionLeaderEpoch: b.LeaderEpoch,
		Magic: Magic, Attributes: int16(b.Codec), LastOffsetDelta: b.lastDelta, BaseTimestamp: b.baseTimestamp,
		MaxTimestamp: b.maxTimestamp, ProducerID: b.ProducerID, ProducerEpoch: b.ProducerEpoch,
		BaseSequence: b.BaseSequence, Count: b.count}
	for _, bit := range []struct {
		on   bool
		mask int16
	}{{b.LogAppendTime, logAppendTimeBit}, {b.Transactional, transactionalBit}, {b.Control, controlBit}} {
		if bit.on {
			h.Attributes |= bit.mask
		}
	}
	h.put(one)
	updateCRC(one)
	return out, nil
}

// compress appends src to dst as the codec packs it, in the form that every
// client reads.
func compress(dst []byte, codec Codec, src []byte) ([]byte, error) {
	p, err := newPacker(as(codec), dst, 0)
	if err != nil {
		return dst, err
	}
	defer p.release()
	if _, err := p.Write(src); err != nil {
		return dst, err
	}
	err = p.close()
	return p.out, err
}

func appendField(dst, field []byte) []byte {
	if field == nil {
		return binary.AppendVarint(dst, -1)
	}
	dst = binary.AppendVarint(dst, int64(len(field)))
	return append(dst, field...)
}

func fieldSize(field []byte) int {
	if field == nil {
		return 1
	}
	return varintSize(int64(len(field))) + len(field)
}

// varintSize is the number of bytes that n takes as a zigzag number.
func varintSize(n int64) int {
	u := uint64(n<<1) ^ uint64(n>>63)
	size := 1
	for ; u >= 0x80; u >>= 7 {
		size++
	}
	return size
}
