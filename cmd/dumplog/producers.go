package dumplog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"klamm/cmd/scripts/javalib"
)

// The layout of a .snapshot file (ProducerStateManager) and of an entry of a .txnindex file (AbortedTxn).
const (
	snapshotHead  = 10
	snapshotCRC   = 6 // where the part begins that the CRC covers
	snapshotEntry = 46
	abortedEntry  = 34
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// producers prints a .snapshot file.
func (d *dump) producers(file string) error {
	b, err := read(file)
	if err != nil {
		return err
	}
	be := binary.BigEndian
	if len(b) < snapshotHead {
		d.errorf("Snapshot failed schema validation: Error reading field 'version': java.nio.BufferUnderflowException\n")
		return nil
	}
	if version := int16(be.Uint16(b)); version != 1 {
		return javalib.IllegalArgument(fmt.Sprintf("Snapshot contained an unknown file version %d", version))
	}
	if stored, sum := be.Uint32(b[2:]), crc32.Checksum(b[snapshotCRC:], castagnoli); stored != sum {
		d.errorf("Snapshot is corrupt (CRC is no longer valid). Stored crc: %d. Computed crc: %d\n", stored, sum)
		return nil
	}
	count := int(be.Uint32(b[6:]))
	for b = b[snapshotHead:]; count > 0 && len(b) >= snapshotEntry; count, b = count-1, b[snapshotEntry:] {
		id, epoch, lastSequence, lastOffset := int64(be.Uint64(b)), int16(be.Uint16(b[8:])), int32(be.Uint32(b[10:])), int64(be.Uint64(b[14:]))
		delta, timestamp := int32(be.Uint32(b[22:])), int64(be.Uint64(b[26:]))
		coordinator, first := int32(be.Uint32(b[34:])), int64(be.Uint64(b[38:]))
		open := "OptionalLong.empty"
		if first >= 0 {
			open = fmt.Sprintf("OptionalLong[%d]", first)
		}
		d.printf("producerId: %d producerEpoch: %d coordinatorEpoch: %d currentTxnFirstOffset: %s lastTimestamp: %d ", id, epoch, coordinator, open, timestamp)
		if lastOffset >= 0 {
			d.printf("firstSequence: %d lastSequence: %d lastOffset: %d offsetDelta: %d timestamp: %d", decrement(lastSequence, delta), lastSequence, lastOffset, delta, timestamp)
		}
		d.printf("\n")
	}
	return nil
}

// decrement is DefaultRecordBatch.decrementSequence.
func decrement(sequence, by int32) int32 {
	if sequence < by {
		return 1<<31 - 1 - (by - sequence) + 1
	}
	return sequence - by
}

// aborted prints a .txnindex file.
func (d *dump) aborted(file string) error {
	if _, err := startOffset(file); err != nil {
		return err
	}
	b, err := readIfThere(file)
	if err != nil {
		return err
	}
	be := binary.BigEndian
	for position := 0; len(b)-position >= abortedEntry; position += abortedEntry {
		e := b[position:]
		version := int16(be.Uint16(e))
		if version > 0 {
			return &javalib.Exception{Class: "org.apache.kafka.common.KafkaException", Message: fmt.Sprintf("Unexpected aborted transaction version %d "+
				"in transaction index %s, current version is 0", version, absolute(file))}
		}
		d.printf("version: %d producerId: %d firstOffset: %d lastOffset: %d lastStableOffset: %d\n", version, int64(be.Uint64(e[2:])), int64(be.Uint64(e[10:])),
			int64(be.Uint64(e[18:])), int64(be.Uint64(e[26:])))
	}
	return nil
}
