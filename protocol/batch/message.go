package batch

import (
	"encoding/binary"
	"hash/crc32"
	"strconv"
)

// Before magic 2, records were messages: an offset and a size like a batch's, then
//
//	crc uint32 · magic int8 · attributes int8 · [timestamp int64, magic 1] ·
//	key size int32 · key · value size int32 · value
//
// where the CRC-32 (IEEE) covers all that follows it and a size of -1 is a null.
// Messages that are compressed together stand, packed, in the value of another one,
// the wrapper. In a wrapper of magic 1 the offsets inside count from 0 and the
// wrapper's own is that of the last message inside; in one of magic 0 they are
// absolute. A message set is any number of messages, one after the other
// (AbstractLegacyRecordBatch, LegacyRecord).
const (
	messageCRCAt        = 12
	messageAttributesAt = 17
	messageTimestampAt  = 18 // magic 1 only

	// messageOverhead is what a message takes beside its key and value and
	// without its offset and size, by magic.
	messageOverhead0 = smallestV0Message
	messageOverhead1 = smallestV0Message + 8
)

// messageOverhead is the smallest size that a message of this magic can claim.
func messageOverhead(magic int8) int64 {
	if magic == 0 {
		return messageOverhead0
	}
	return messageOverhead1
}

// message is one message of a message set, read where it lies.
type message struct {
	offset     int64
	magic      int8
	attributes int8
	timestamp  int64  // NoTimestamp in magic 0
	key, value []byte // nil for nulls
}

func (m *message) codec() Codec { return Codec(m.attributes & codecMask) }

// logAppendTime reports whether a broker has set the timestamp, to that of
// messages inside a wrapper too.
func (m *message) logAppendTime() bool { return m.magic > 0 && m.attributes&logAppendTimeBit != 0 }

// parseMessage reads the message that b holds whole and checks its CRC.
func parseMessage(b []byte) (m message, err error) {
	if len(b) < Overhead+messageOverhead0 {
		return m, &CorruptError{Reason: "a message of " + strconv.Itoa(len(b)) + " bytes"}
	}
	be := binary.BigEndian
	if got, want := crc32.ChecksumIEEE(b[magicAt:]), be.Uint32(b[messageCRCAt:]); got != want {
		return m, messageCRC(want, got)
	}
	m = message{offset: int64(be.Uint64(b)), magic: int8(b[magicAt]), attributes: int8(b[messageAttributesAt]), timestamp: NoTimestamp}
	at := messageTimestampAt
	switch m.magic {
	case 0:
	case 1:
		if len(b) < Overhead+messageOverhead1 {
			return m, errMessageSize
		}
		m.timestamp = int64(be.Uint64(b[messageTimestampAt:]))
		at += 8
	default:
		return m, &InvalidError{Message: "a message of magic " + strconv.Itoa(int(m.magic))}
	}
	rest := b[at:]
	if m.key, rest, err = messageField(rest); err != nil {
		return m, err
	}
	if m.value, rest, err = messageField(rest); err != nil {
		return m, err
	}
	if len(rest) > 0 {
		return m, errMessageSize
	}
	return m, nil
}

var errMessageSize = &InvalidError{Message: "the fields of a message do not fill its size"}

func messageCRC(stored, computed uint32) error {
	return &CorruptError{Reason: "the stored CRC of a message is " + strconv.FormatUint(uint64(stored), 10) +
		" and that of its bytes " + strconv.FormatUint(uint64(computed), 10)}
}

// messageField reads a key or a value. Any negative size is a null.
func messageField(b []byte) (field, rest []byte, err error) {
	if len(b) < 4 {
		return nil, nil, errMessageSize
	}
	n := int32(binary.BigEndian.Uint32(b))
	b = b[4:]
	if n < 0 {
		return nil, b, nil
	}
	if int64(n) > int64(len(b)) {
		return nil, nil, errMessageSize
	}
	return b[:n:n], b[n:], nil
}

// appendMessage appends m, with its CRC.
func appendMessage(dst []byte, m *message) []byte {
	return append(appendMessageHead(dst, m), m.value...)
}

// appendMessageHead appends all of m but the bytes of its value, with which it ends.
func appendMessageHead(dst []byte, m *message) []byte {
	start := len(dst)
	dst = appendMessageField(beginMessage(dst, m), m.key)
	size := uint32(len(m.value))
	if m.value == nil {
		size = 0xffffffff
	}
	dst = binary.BigEndian.AppendUint32(dst, size)
	b := dst[start:]
	binary.BigEndian.PutUint32(b[lengthAt:], uint32(len(b)+len(m.value)-Overhead))
	binary.BigEndian.PutUint32(b[messageCRCAt:], crc32.Update(crc32.ChecksumIEEE(b[magicAt:]), crc32.IEEETable, m.value))
	return dst
}

// beginMessage appends what stands before the key of m; its size and CRC are
// left to endMessage.
func beginMessage(dst []byte, m *message) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.offset))
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, byte(m.magic), byte(m.attributes))
	if m.magic > 0 {
		dst = binary.BigEndian.AppendUint64(dst, uint64(m.timestamp))
	}
	return dst
}

// endMessage writes the size and the CRC of the message that b holds whole.
func endMessage(b []byte) {
	binary.BigEndian.PutUint32(b[lengthAt:], uint32(len(b)-Overhead))
	binary.BigEndian.PutUint32(b[messageCRCAt:], crc32.ChecksumIEEE(b[magicAt:]))
}

func appendMessageField(dst, field []byte) []byte {
	if field == nil {
		return binary.BigEndian.AppendUint32(dst, 0xffffffff)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(field)))
	return append(dst, field...)
}
