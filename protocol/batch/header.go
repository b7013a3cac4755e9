package batch

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"strconv"
)

// HeaderSize is the number of bytes before the records of a batch.
const HeaderSize = 61

// Overhead is the number of bytes of a batch that its length field does not
// count: base offset and length.
const Overhead = 12

// Magic is the format number of the batches that this package understands.
const Magic = 2

// NoTimestamp stands for a timestamp that is not known.
const NoTimestamp = -1

// Positions of the header's fields.
const (
	baseOffsetAt      = 0
	lengthAt          = 8
	leaderEpochAt     = 12
	magicAt           = 16
	crcAt             = 17
	attributesAt      = 21 // the CRC covers the batch from here on
	lastOffsetDeltaAt = 23
	baseTimestampAt   = 27
	maxTimestampAt    = 35
	producerIDAt      = 43
	producerEpochAt   = 51
	baseSequenceAt    = 53
	countAt           = 57
)

// Bits of the attributes.
const (
	codecMask         = 0x07
	logAppendTimeBit  = 0x08
	transactionalBit  = 0x10
	controlBit        = 0x20
	deleteHorizonBit  = 0x40
	knownAttributes   = 0x7f
	minRecordSize     = 7 // length, attributes, two deltas, two null sizes, no headers
	smallestV0Message = 14
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is the header of a batch as it stands in its first 61 bytes.
// Timestamps are in ms since the epoch.
type Header struct {
	BaseOffset           int64
	Length               int32 // of what follows this field; see Size
	PartitionLeaderEpoch int32
	Magic                int8
	CRC                  uint32 // CRC-32C of all that follows it
	Attributes           int16
	LastOffsetDelta      int32
	BaseTimestamp        int64
	MaxTimestamp         int64
	ProducerID           int64
	ProducerEpoch        int16
	BaseSequence         int32
	Count                int32
}

// Size is the number of bytes of the whole batch.
func (h *Header) Size() int { return Overhead + int(h.Length) }

// LastOffset is the offset of the last record, or of the last one that the
// batch had before it was compacted.
func (h *Header) LastOffset() int64 { return h.BaseOffset + int64(h.LastOffsetDelta) }

// NextOffset is the offset after the batch.
func (h *Header) NextOffset() int64 { return h.LastOffset() + 1 }

// LastSequence is the sequence number of the last record, -1 if the batch has
// none. Sequences go from 2^31-1 on to 0.
func (h *Header) LastSequence() int32 {
	if h.BaseSequence < 0 {
		return -1
	}
	return AddSequence(h.BaseSequence, h.LastOffsetDelta)
}

// Codec says how the records are compressed. It may be one that does not
// exist (5 to 7): see Codec.Known.
func (h *Header) Codec() Codec { return Codec(h.Attributes & codecMask) }

// LogAppendTime reports whether MaxTimestamp stands for every record, set by
// the broker when it appended the batch.
func (h *Header) LogAppendTime() bool { return h.Attributes&logAppendTimeBit != 0 }

// Transactional reports whether the batch is part of a transaction.
func (h *Header) Transactional() bool { return h.Attributes&transactionalBit != 0 }

// Control reports whether the batch holds a marker and no data of a client.
func (h *Header) Control() bool { return h.Attributes&controlBit != 0 }

// HasDeleteHorizon reports whether BaseTimestamp is instead the time from which
// compaction may drop tombstones and markers (KIP-534).
func (h *Header) HasDeleteHorizon() bool { return h.Attributes&deleteHorizonBit != 0 }

// HasProducerID reports whether an idempotent producer sent the batch.
func (h *Header) HasProducerID() bool { return h.ProducerID > -1 }

// AddSequence gives the sequence number that is n after seq; both are at least 0.
func AddSequence(seq, n int32) int32 {
	if seq > math.MaxInt32-n {
		return n - (math.MaxInt32 - seq) - 1
	}
	return seq + n
}

// ParseHeader reads the header at the start of b, which may end before the
// batch does but not before its header. It refuses, with a *CorruptError, what
// cannot be a batch of magic 2: other magics and lengths below a header's.
// It does not look at the CRC.
func ParseHeader(b []byte) (Header, error) {
	var h Header
	if len(b) < HeaderSize {
		return h, &CorruptError{Reason: "the batch ends within its header: " + strconv.Itoa(len(b)) + " bytes"}
	}
	be := binary.BigEndian
	h = Header{
		BaseOffset:           int64(be.Uint64(b[baseOffsetAt:])),
		Length:               int32(be.Uint32(b[lengthAt:])),
		PartitionLeaderEpoch: int32(be.Uint32(b[leaderEpochAt:])),
		Magic:                int8(b[magicAt]),
		CRC:                  be.Uint32(b[crcAt:]),
		Attributes:           int16(be.Uint16(b[attributesAt:])),
		LastOffsetDelta:      int32(be.Uint32(b[lastOffsetDeltaAt:])),
		BaseTimestamp:        int64(be.Uint64(b[baseTimestampAt:])),
		MaxTimestamp:         int64(be.Uint64(b[maxTimestampAt:])),
		ProducerID:           int64(be.Uint64(b[producerIDAt:])),
		ProducerEpoch:        int16(be.Uint16(b[producerEpochAt:])),
		BaseSequence:         int32(be.Uint32(b[baseSequenceAt:])),
		Count:                int32(be.Uint32(b[countAt:])),
	}
	if h.Magic != Magic {
		return h, &CorruptError{Reason: "magic is " + strconv.Itoa(int(h.Magic)) + " and not 2"}
	}
	if h.Length < HeaderSize-Overhead {
		return h, &CorruptError{Reason: "length " + strconv.Itoa(int(h.Length)) + " is below a header's"}
	}
	return h, nil
}

// put writes every field of h but the CRC to the first 61 bytes of b.
func (h *Header) put(b []byte) {
	be := binary.BigEndian
	be.PutUint64(b[baseOffsetAt:], uint64(h.BaseOffset))
	be.PutUint32(b[lengthAt:], uint32(h.Length))
	be.PutUint32(b[leaderEpochAt:], uint32(h.PartitionLeaderEpoch))
	b[magicAt] = byte(h.Magic)
	be.PutUint16(b[attributesAt:], uint16(h.Attributes))
	be.PutUint32(b[lastOffsetDeltaAt:], uint32(h.LastOffsetDelta))
	be.PutUint64(b[baseTimestampAt:], uint64(h.BaseTimestamp))
	be.PutUint64(b[maxTimestampAt:], uint64(h.MaxTimestamp))
	be.PutUint64(b[producerIDAt:], uint64(h.ProducerID))
	be.PutUint16(b[producerEpochAt:], uint16(h.ProducerEpoch))
	be.PutUint32(b[baseSequenceAt:], uint32(h.BaseSequence))
	be.PutUint32(b[countAt:], uint32(h.Count))
}

// whole cuts b to the batch at its start, or says why there is none.
func whole(b []byte) ([]byte, Header, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return nil, h, err
	}
	if len(b) < h.Size() {
		return nil, h, &CorruptError{Reason: "the batch has " + strconv.Itoa(len(b)) + " of its " + strconv.Itoa(h.Size()) + " bytes"}
	}
	return b[:h.Size()], h, nil
}

// CheckCRC compares the stored CRC-32C of the batch at the start of b with that
// of its bytes. Every failure, one of the header too, is a *CorruptError.
func CheckCRC(b []byte) error {
	b, h, err := whole(b)
	if err != nil {
		return err
	}
	return h.MatchCRC(crc32.Checksum(b[CRCFrom:], castagnoli))
}

// CRCFrom is where the part of a batch begins that its CRC covers.
const CRCFrom = attributesAt

// MatchCRC compares the CRC-32C of a batch's bytes from CRCFrom on, computed by the caller, with the one
// that the header holds. It fails with a *CorruptError.
func (h *Header) MatchCRC(got uint32) error {
	if got == h.CRC {
		return nil
	}
	return &CorruptError{Reason: "the stored CRC is " + strconv.FormatUint(uint64(h.CRC), 10) +
		" and that of the bytes " + strconv.FormatUint(uint64(got), 10)}
}

// SetOffsets gives the batch in b its base offset and leader epoch. Both stand
// before the part that the CRC covers, so the CRC stays right. b has at least the
// header.
func SetOffsets(b []byte, baseOffset int64, leaderEpoch int32) {
	_ = b[HeaderSize-1]
	binary.BigEndian.PutUint64(b[baseOffsetAt:], uint64(baseOffset))
	binary.BigEndian.PutUint32(b[leaderEpochAt:], uint32(leaderEpoch))
}

// SetLogAppendTime makes nowMs the timestamp of every record of the batch that
// b holds whole, for topics with message.timestamp.type=LogAppendTime, and
// brings its CRC up to date.
func SetLogAppendTime(b []byte, nowMs int64) { setTimestamp(b, logAppendTimeBit, nowMs) }

// setTimestamp writes the maximum timestamp and its type. If either changes it
// updates the CRC.
func setTimestamp(b []byte, typeBit uint16, maxMs int64) {
	be := binary.BigEndian
	attrs := be.Uint16(b[attributesAt:])
	if attrs&logAppendTimeBit == typeBit && int64(be.Uint64(b[maxTimestampAt:])) == maxMs {
		return
	}
	be.PutUint16(b[attributesAt:], attrs&^logAppendTimeBit|typeBit)
	be.PutUint64(b[maxTimestampAt:], uint64(maxMs))
	updateCRC(b)
}

func updateCRC(b []byte) {
	binary.BigEndian.PutUint32(b[crcAt:], crc32.Checksum(b[attributesAt:], castagnoli))
}
