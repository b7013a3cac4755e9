package dumplog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"iter"
	"math"
	"os"

	"klamm/cmd/scripts/javalib"
	"klamm/protocol/batch"
)

// records reads the batches and messages of a .log file, or of a part of it, one after the other (FileLogInputStream).
type records struct {
	file *os.File
	path string
	at   int64
	end  int64 // of the part
	size int64 // of the part
}

// The sizes of what stands at the start of every batch and message.
const (
	logOverhead = 12 // offset and size
	toMagic     = 17 // up to the magic
	smallest    = 14 // of a message of magic 0, without offset and size
)

// openRecords opens a .log file, of which the first max bytes count.
func openRecords(path string, maxBytes int32) (*records, error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, &javalib.Exception{Class: "java.nio.file.NoSuchFileException", Message: path}
	}
	if err != nil {
		return nil, &javalib.Exception{Class: "java.nio.file.FileSystemException", Message: err.Error()}
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	r := &records{file: f, path: path, size: min(info.Size(), math.MaxInt32)}
	whole := *r
	part, err := whole.slice(0, maxBytes)
	if err != nil {
		f.Close()
		return nil, err
	}
	return part, nil
}

// slice gives a part of the file (FileRecords.slice).
func (r *records) slice(position, size int32) (*records, error) {
	if position < 0 {
		return nil, javalib.IllegalArgument(fmt.Sprintf("Invalid position: %d in read from %s", position, r))
	}
	if int64(position) > r.size {
		return nil, javalib.IllegalArgument(fmt.Sprintf("Slice from position %d exceeds end position of %s", position, r))
	}
	if size < 0 {
		return nil, javalib.IllegalArgument(fmt.Sprintf("Invalid size: %d in read from %s", size, r))
	}
	end := min(int64(position)+int64(size), r.size)
	return &records{file: r.file, path: r.path, at: int64(position), end: end, size: end - int64(position)}, nil
}

// String is FileRecords.toString of a whole file.
func (r *records) String() string {
	return fmt.Sprintf("FileRecords(size=%d, file=%s, start=0, end=2147483647)", r.size, r.path)
}

func (r *records) close() { r.file.Close() }

// next gives the next batch or message, nil at the end: where there is none, or not the whole of one.
func (r *records) next() (*entry, error) {
	if r.at >= r.end-toMagic {
		return nil, nil
	}
	var head [toMagic]byte
	if _, err := r.file.ReadAt(head[:], r.at); err != nil {
		return nil, err
	}
	size := int32(binary.BigEndian.Uint32(head[8:]))
	if size < smallest {
		return nil, javalib.Kafka("CorruptRecordException", fmt.Sprintf("Found record size %d smaller than minimum record overhead (%d) in file %s.", size, smallest, r.path))
	}
	if r.at > r.end-logOverhead-int64(size) {
		return nil, nil
	}
	e := &entry{bytes: make([]byte, logOverhead+int(size)), magic: int8(head[16])}
	if _, err := r.file.ReadAt(e.bytes, r.at); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	r.at += int64(len(e.bytes))
	if e.magic < batch.Magic {
		return e, nil
	}
	padded := e.bytes
	if len(padded) < batch.HeaderSize {
		padded = append(padded[:len(padded):len(padded)], make([]byte, batch.HeaderSize-len(padded))...)
	}
	e.header, _ = batch.ParseHeader(padded) // the fields are read whatever they are
	return e, nil
}

// entry is a batch, or a message of magic 0 or 1.
type entry struct {
	bytes  []byte
	magic  int8
	header batch.Header // of a batch
}

// Where the fields of a message stand.
const (
	messageCRC       = 12
	messageAttribute = 17
	messageTimestamp = 18
)

func (e *entry) lastOffset() int64 {
	if e.magic >= batch.Magic {
		return e.header.LastOffset()
	}
	return int64(binary.BigEndian.Uint64(e.bytes))
}

func (e *entry) control() bool { return e.magic >= batch.Magic && e.header.Control() }

func (e *entry) codec() batch.Codec {
	if e.magic >= batch.Magic {
		return e.header.Codec()
	}
	return batch.Codec(e.bytes[messageAttribute] & 7)
}

func (e *entry) timestampType() string {
	switch {
	case e.magic == 0:
		return "NoTimestampType"
	case e.magic >= batch.Magic && e.header.LogAppendTime(), e.magic == 1 && e.bytes[messageAttribute]&8 != 0:
		return "LogAppendTime"
	}
	return "CreateTime"
}

func (e *entry) maxTimestamp() int64 {
	switch {
	case e.magic >= batch.Magic:
		return e.header.MaxTimestamp
	case e.magic == 0 || len(e.bytes) < messageTimestamp+8:
		return -1
	}
	return int64(binary.BigEndian.Uint64(e.bytes[messageTimestamp:]))
}

func (e *entry) crc() uint32 {
	if e.magic >= batch.Magic {
		return e.header.CRC
	}
	return binary.BigEndian.Uint32(e.bytes[messageCRC:])
}

func (e *entry) valid() bool {
	if e.magic >= batch.Magic {
		return batch.CheckCRC(e.bytes) == nil
	}
	return crc32.ChecksumIEEE(e.bytes[messageCRC+4:]) == e.crc()
}

// records gives the records of a batch, the messages inside a wrapper, or the one message.
func (e *entry) records() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if e.magic >= batch.Magic {
			for r, err := range batch.Records(e.bytes, 0) {
				if !yield(Record{Record: r, sequence: sequenceOf(&e.header, r.OffsetDelta)}, invalidRecord(err)) || err != nil {
					return
				}
			}
			return
		}
		for r, err := range batch.Messages(e.bytes, 0) {
			m := Record{Record: r, crc: e.crc(), valid: e.valid()}
			if err == nil && e.codec() != batch.None {
				m.crc, m.valid = innerCRC(e.magic, &r), true // Messages has compared it
			}
			if !yield(m, invalidRecord(err)) || err != nil {
				return
			}
		}
	}
}

// innerCRC is the CRC of a message inside a wrapper, which has no attributes.
func innerCRC(magic int8, r *batch.Record) uint32 {
	b := []byte{byte(magic), 0}
	if magic > 0 {
		b = binary.BigEndian.AppendUint64(b, uint64(r.Timestamp))
	}
	for _, field := range [][]byte{r.Key, r.Value} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(int32(sizeOf(field)))), field...)
	}
	return crc32.ChecksumIEEE(b)
}

// invalidRecord is an error of package batch as the tool has it.
func invalidRecord(err error) error {
	if err == nil {
		return nil
	}
	return &javalib.Exception{Class: "org.apache.kafka.common.InvalidRecordException", Message: err.Error()}
}
