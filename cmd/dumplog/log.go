package dumplog

import (
	"encoding/binary"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"klamm/cmd/scripts/javalib"
	"klamm/protocol/batch"
)

// Record is a record of a log, or a message of magic 0 or 1.
type Record struct {
	batch.Record
	sequence int32
	crc      uint32 // of a message
	valid    bool   // of a message: whether its CRC is right
}

// log prints a .log file.
func (d *dump) log(file string) error {
	start, err := startOffset(file)
	if err != nil {
		return err
	}
	d.printf("Log starting offset: %d\n", start)
	r, err := openRecords(file, d.o.MaxBytes)
	if err != nil {
		return err
	}
	defer r.close()
	valid, last := int64(0), int64(-1)
	for {
		e, err := r.next()
		if err != nil {
			return err
		}
		if e == nil {
			break
		}
		if err := d.batchLine(e, valid); err != nil {
			return err
		}
		if d.o.Deep || d.o.Print {
			if err := d.records(file, e, &last); err != nil {
				return err
			}
		}
		valid += int64(len(e.bytes))
	}
	if rest := r.size - valid; rest > 0 && d.o.MaxBytes == NoMaxBytes {
		d.printf("Found %d invalid bytes at the end of %s\n", rest, filepath.Base(file))
	}
	return nil
}

// batchLine prints the line of a batch.
func (d *dump) batchLine(e *entry, position int64) error {
	if e.magic >= batch.Magic {
		h := &e.header
		horizon := "OptionalLong.empty"
		if h.HasDeleteHorizon() {
			horizon = fmt.Sprintf("OptionalLong[%d]", h.BaseTimestamp)
		}
		d.printf("baseOffset: %d lastOffset: %d count: %d baseSequence: %d lastSequence: %d producerId: %d producerEpoch: %d partitionLeaderEpoch: %d "+
			"isTransactional: %t isControl: %t deleteHorizonMs: %s", h.BaseOffset, h.LastOffset(), h.Count, h.BaseSequence, h.LastSequence(), h.ProducerID,
			h.ProducerEpoch, h.PartitionLeaderEpoch, h.Transactional(), h.Control(), horizon)
	} else {
		d.printf("offset: %d", e.lastOffset())
	}
	codec := e.codec()
	if !codec.Known() {
		return javalib.IllegalArgument(fmt.Sprintf("Unknown compression type id: %d", codec))
	}
	d.printf(" position: %d %s: %d size: %d magic: %d compresscodec: %s crc: %d isvalid: %t\n", position, e.timestampType(), e.maxTimestamp(), len(e.bytes), e.magic,
		codec, e.crc(), e.valid())
	return nil
}

// records prints the lines of a batch's records.
func (d *dump) records(file string, e *entry, last *int64) error {
	for r, err := range e.records() {
		if err != nil {
			return err
		}
		if *last != -1 && r.Offset != *last+1 {
			d.gaps = note(d.gaps, file, true, *last, r.Offset)
		}
		*last = r.Offset
		if err := d.record(e, &r); err != nil {
			return err
		}
	}
	return nil
}

// record prints the line of a record.
func (d *dump) record(e *entry, r *Record) error {
	prefix := "| "
	if !d.o.SkipMetadata {
		d.printf("%soffset: %d %s: %d keySize: %d valueSize: %d", prefix, r.Offset, e.timestampType(), r.Timestamp, sizeOf(r.Key), sizeOf(r.Value))
		prefix = " "
		if e.magic >= batch.Magic {
			var keys []string
			for _, h := range r.Headers {
				keys = append(keys, text([]byte(h.Key)))
			}
			d.printf(" sequence: %d headerKeys: [%s]", r.sequence, strings.Join(keys, ","))
		} else {
			d.printf(" isValid: %t crc: %d}", r.valid, r.crc)
		}
		if e.control() {
			if err := d.control(r); err != nil {
				return err
			}
		}
	}
	if d.o.Print && !e.control() {
		key, value, err := d.o.Parse(r)
		if err != nil {
			return err
		}
		if key != nil {
			d.printf("%skey: %s", prefix, *key)
		}
		if value != nil {
			d.printf(" payload: %s", *value)
		}
	}
	d.printf("\n")
	return nil
}

// controlTypes are the names of control records by their types (ControlRecordType).
var controlTypes = []string{"ABORT", "COMMIT", "LEADER_CHANGE", "SNAPSHOT_HEADER", "SNAPSHOT_FOOTER", "KRAFT_VERSION", "KRAFT_VOTERS"}

// control prints what a control record says.
func (d *dump) control(r *Record) error {
	if len(r.Key) < 4 {
		return &javalib.Exception{Class: "org.apache.kafka.common.InvalidRecordException", Message: fmt.Sprintf("Invalid value size found for end control record key. Must have at least 4 bytes, but found only %d", len(r.Key))}
	}
	kind := int16(binary.BigEndian.Uint16(r.Key[2:]))
	name := "UNKNOWN"
	if kind >= 0 && int(kind) < len(controlTypes) {
		name = controlTypes[kind]
	}
	if kind != 0 && kind != 1 {
		d.printf(" controlType: %s(%d)", name, kind)
		return nil
	}
	if len(r.Value) < 6 {
		return &javalib.Exception{Class: "org.apache.kafka.common.InvalidRecordException", Message: fmt.Sprintf("Invalid value size found for end transaction marker. Must have at least 6 bytes, but found only %d", len(r.Value))}
	}
	d.printf(" endTxnMarker: %s coordinatorEpoch: %d", name, int32(binary.BigEndian.Uint32(r.Value[2:])))
	return nil
}

// sizeOf is the size of a key or a value, -1 for null.
func sizeOf(b []byte) int {
	if b == nil {
		return -1
	}
	return len(b)
}

// sequenceOf is the sequence of a record in a batch of this header.
func sequenceOf(h *batch.Header, delta int32) int32 {
	if h.BaseSequence < 0 {
		return -1
	}
	if h.BaseSequence > math.MaxInt32-delta {
		return delta - (math.MaxInt32 - h.BaseSequence) - 1
	}
	return h.BaseSequence + delta
}
