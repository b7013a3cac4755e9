package compare

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// These are the places of fields in a batch of magic 2, and in a message of magic 0 or 1.
const (
	lengthAt   = 8
	afterBatch = 12 // what the length does not count
	magicAt    = 16
	crcAt      = 17
	afterCRC   = 21
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// recordsText describes the batches and messages of a Fetch answer, one a line, and says
// how many bytes follow of one that is cut short.
func recordsText(b []byte) any {
	lines, cut := []any{}, 0
	for len(b) > 0 {
		if len(b) <= magicAt || afterBatch+int(binary.BigEndian.Uint32(b[lengthAt:])) > len(b) {
			cut = len(b)
			break
		}
		size := afterBatch + int(binary.BigEndian.Uint32(b[lengthAt:]))
		if b[magicAt] < 2 {
			lines = append(lines, messageText(b[:size]))
		} else {
			lines = append(lines, batchText(b[:size]))
		}
		b = b[size:]
	}
	return map[string]any{"Whole": lines, "CutShort": cut}
}

// messageText describes a message. It leaves out the time and the CRC of a message that
// has the time of the run.
func messageText(b []byte) string {
	const timestampAt, afterTimestamp = 18, 26
	head := fmt.Sprintf("message at %d of magic %d", binary.BigEndian.Uint64(b), b[magicAt])
	if b[magicAt] == 1 && len(b) >= afterTimestamp && int64(binary.BigEndian.Uint64(b[timestampAt:])) >= thisCentury {
		return fmt.Sprintf("%s of now: %x", head, b[afterTimestamp:])
	}
	return fmt.Sprintf("%s: %x", head, b[afterBatch:])
}

func batchText(b []byte) string {
	var h kmsg.RecordBatch
	if err := h.ReadFrom(b); err != nil {
		return err.Error()
	}
	sum := fmt.Sprintf("sum %08x", crc32.ChecksumIEEE(b))
	if h.MaxTimestamp >= thisCentury {
		sum = "now"
	}
	crc := ""
	if crc32.Checksum(b[afterCRC:], castagnoli) != uint32(h.CRC) {
		crc = ", bad CRC"
	}
	return fmt.Sprintf("%d+%d epoch %d attributes %d producer %d/%d/%d %d records, %d bytes, %s%s", h.FirstOffset, h.LastOffsetDelta, h.PartitionLeaderEpoch,
		h.Attributes, h.ProducerID, h.ProducerEpoch, h.FirstSequence, h.NumRecords, len(b), sum, crc)
}

// batch makes a batch of magic 2 of uncompressed records, one for each
// timestamp, changed by change (nil for not) before it is summed.
func batch(change func(b *kmsg.RecordBatch), timestamps ...int64) []byte {
	b := kmsg.NewRecordBatch()
	b.PartitionLeaderEpoch, b.Magic = -1, 2
	b.ProducerID, b.ProducerEpoch, b.FirstSequence = -1, -1, -1
	b.LastOffsetDelta, b.NumRecords = int32(len(timestamps)-1), int32(len(timestamps))
	for i, ts := range timestamps {
		if i == 0 {
			b.FirstTimestamp, b.MaxTimestamp = ts, ts
		}
		b.MaxTimestamp = max(b.MaxTimestamp, ts)
		r := kmsg.NewRecord()
		r.TimestampDelta64, r.OffsetDelta = ts-b.FirstTimestamp, int32(i)
		r.Key, r.Value = fmt.Appendf(nil, "k%d", i), []byte("value")
		r.Length = 0
		r.Length = int32(len(r.AppendTo(nil)) - 1)
		b.Records = r.AppendTo(b.Records)
	}
	if change != nil {
		change(&b)
	}
	return summed(b.AppendTo(nil))
}

// summed sets the length and the CRC of a batch.
func summed(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[lengthAt:], uint32(len(raw)-afterBatch))
	return crced(raw)
}

func crced(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[crcAt:], crc32.Checksum(raw[afterCRC:], castagnoli))
	return raw
}

// message is one of magic 0 or 1.
func message(magic int8, offset, timestamp int64, key, value []byte) []byte {
	body := []byte{byte(magic), 0}
	if magic == 1 {
		body = binary.BigEndian.AppendUint64(body, uint64(timestamp))
	}
	for _, b := range [][]byte{key, value} {
		if b == nil {
			body = binary.BigEndian.AppendUint32(body, 0xffffffff)
			continue
		}
		body = append(binary.BigEndian.AppendUint32(body, uint32(len(b))), b...)
	}
	out := binary.BigEndian.AppendUint64(nil, uint64(offset))
	out = binary.BigEndian.AppendUint32(out, uint32(len(body)+4))
	out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(body))
	return append(out, body...)
}
