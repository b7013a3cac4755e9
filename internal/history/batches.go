package history

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Replica is what one broker has of a partition.
type Replica struct {
	Broker  int32
	Batches []Batch
}

// Batch is a record batch as it is stored, or a message of the formats before 0.11.
type Batch struct {
	Offset int64
	Bytes  []byte
}

// Append adds the batches of a segment's text. Where segments begin may differ between replicas.
func (r *Replica) Append(segment string, text []byte) error {
	for len(text) > 0 {
		if len(text) < 12 || uint64(len(text)) < 12+uint64(binary.BigEndian.Uint32(text[8:])) {
			return fmt.Errorf("%s ends amid a batch", segment)
		}
		size := 12 + binary.BigEndian.Uint32(text[8:])
		r.Batches = append(r.Batches, Batch{int64(binary.BigEndian.Uint64(text)), text[:size]})
		text = text[size:]
	}
	return nil
}

// end is the offset after the last batch.
func (r Replica) end() int64 {
	if len(r.Batches) == 0 {
		return 0
	}
	last := r.Batches[len(r.Batches)-1]
	if last.Bytes[16] < 2 { // a message of the formats before 0.11, which has its own offset, or the last one of those inside
		return last.Offset + 1
	}
	return last.Offset + int64(binary.BigEndian.Uint32(last.Bytes[23:])) + 1
}

// Differ says where two replicas differ below an offset, or that they do not both have all up to it from offset 0 on, or gives "".
func Differ(a, b Replica, below int64) string {
	for _, r := range []Replica{a, b} {
		if below > 0 && (r.end() < below || r.Batches[0].Offset != 0) {
			return fmt.Sprintf("broker %d has %d batches, which end at offset %d, and not all from 0 to %d", r.Broker, len(r.Batches), r.end(), below)
		}
	}
	for i := 0; ; i++ {
		endA, endB := i >= len(a.Batches) || a.Batches[i].Offset >= below, i >= len(b.Batches) || b.Batches[i].Offset >= below
		switch {
		case endA && endB:
			return ""
		case endA != endB:
			return fmt.Sprintf("brokers %d and %d have different numbers of batches below offset %d", a.Broker, b.Broker, below)
		case !bytes.Equal(a.Batches[i].Bytes, b.Batches[i].Bytes):
			return fmt.Sprintf("brokers %d and %d differ: one has at offset %d\n%x\nand the other at offset %d\n%x", a.Broker, b.Broker,
				a.Batches[i].Offset, head(a.Batches[i].Bytes), b.Batches[i].Offset, head(b.Batches[i].Bytes))
		}
	}
}

// head is the header of a batch.
func head(batch []byte) []byte { return batch[:min(len(batch), 61)] }
