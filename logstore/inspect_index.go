package logstore

import (
	"encoding/binary"
	"path/filepath"

	"klamm/protocol/batch"
)

// indexInspection compares the indexes of a segment with its batches, in step with them.
type indexInspection struct {
	base    int64
	offsets entriesInspection
	times   entriesInspection
}

// entriesInspection is one index of a segment.
type entriesInspection struct {
	path string
	data []byte // the entries that were not compared yet
	size int    // of an entry
	told bool   // that it does not fit: one finding for an index is enough
	at   int64  // where data begins in the file
	last int64  // the offset or the timestamp of the entry before
}

// rebuilt is what a start or a reader does about an index.
const rebuilt = "a start, or the first reader, builds it anew from the segment"

// openIndexes reads the indexes of a segment.
func (p *partitionInspection) openIndexes(base int64, names map[string]bool, size int64) *indexInspection {
	x := &indexInspection{base: base}
	x.offsets = p.openEntries(fileName(base, indexSuffix), offsetEntrySize, names, size)
	x.times = p.openEntries(fileName(base, timeIndexSuffix), timeEntrySize, names, size)
	return x
}

// openEntries reads one index.
func (p *partitionInspection) openEntries(name string, size int, names map[string]bool, segment int64) entriesInspection {
	e := entriesInspection{path: filepath.Join(p.path, name), size: size, last: -1}
	if !names[name] {
		if segment > 0 {
			p.at(Note, e.path, -1, -1, rebuilt, "there is none")
		}
		return e
	}
	var err error
	if e.data, err = p.fs.ReadFile(e.path); err != nil {
		p.at(Problem, e.path, -1, -1, rebuilt, "%v", reason(err))
		e.data = nil
	}
	if n := len(e.data); n%size != 0 {
		p.at(Problem, e.path, -1, -1, rebuilt, "%d bytes are no multiple of %d", n, size)
		e.data = e.data[:n-n%size]
	}
	for len(e.data) > 0 && allZero(e.data[len(e.data)-size:]) { // room that Apache Kafka's broker took in advance
		e.data = e.data[:len(e.data)-size]
	}
	return e
}

// allZero says whether bytes are all zero.
func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// wrong reports once that an index does not fit its segment.
func (e *entriesInspection) wrong(p *partitionInspection, offset int64, format string, args ...any) {
	if !e.told {
		e.told = true
		p.at(Problem, e.path, offset, e.at, rebuilt, format, args...)
	}
}

// next goes to the next entry.
func (e *entriesInspection) next() {
	e.data = e.data[e.size:]
	e.at += int64(e.size)
}

// batch compares the entries that point to a batch with it.
func (x *indexInspection) batch(p *partitionInspection, scan *frames) {
	be := binary.BigEndian
	o := &x.offsets
	for len(o.data) > 0 {
		offset, position := x.base+int64(int32(be.Uint32(o.data))), int64(int32(be.Uint32(o.data[4:])))
		if position > scan.at {
			break
		}
		if position < scan.at || offset != scan.h.LastOffset() {
			o.wrong(p, offset, "the entry for offset %d points to position %d, where no batch with that last offset begins", offset, position)
		}
		if offset <= o.last {
			o.wrong(p, offset, "the entry for offset %d follows one for %d", offset, o.last)
		}
		o.last = offset
		o.next()
	}
	t := &x.times
	for len(t.data) > 0 {
		timestamp, offset := int64(be.Uint64(t.data)), x.base+int64(int32(be.Uint32(t.data[8:])))
		if offset > scan.h.LastOffset() {
			break
		}
		// Batches of magic 0 and 1 do not tell the offset of their first record, nor, compressed, which record has the largest timestamp.
		if scan.h.Magic == batch.Magic && (offset < scan.h.BaseOffset || timestamp != scan.h.MaxTimestamp) {
			t.wrong(p, offset, "the entry says that offset %d has timestamp %d, and the batch there says %d", offset, timestamp, scan.h.MaxTimestamp)
		}
		if timestamp < t.last {
			t.wrong(p, offset, "timestamp %d follows %d", timestamp, t.last)
		}
		t.last = timestamp
		t.next()
	}
}

// finish reports entries that point behind the segment's end.
func (x *indexInspection) finish(p *partitionInspection) {
	for _, e := range []*entriesInspection{&x.offsets, &x.times} {
		if len(e.data) > 0 && !p.cut {
			e.wrong(p, -1, "%d entries point behind the last batch of the segment", len(e.data)/e.size)
		}
	}
}
