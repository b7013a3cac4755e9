package dumplog

import (
	"encoding/binary"
	"math"
)

// timeIndex is the content of a .timeindex file.
type timeIndex struct {
	path  string
	base  int64
	bytes []byte
}

func (x *timeIndex) entries() int { return len(x.bytes) / timeIndexEntry }

func (x *timeIndex) entry(i int) (timestamp, offset int64) {
	b := x.bytes[i*timeIndexEntry:]
	return int64(binary.BigEndian.Uint64(b)), x.base + int64(int32(binary.BigEndian.Uint32(b[8:])))
}

// check is TimeIndex.sanityCheck.
func (x *timeIndex) check() error {
	path := absolute(x.path)
	if n := x.entries(); n > 0 {
		first, _ := x.entry(0)
		last, offset := x.entry(n - 1)
		if last < first {
			return corruptIndex("Corrupt time index found, time index file (%s) has non-zero size but the last timestamp is %d which is less than the first timestamp %d", path, last, first)
		}
		if offset < x.base {
			return corruptIndex("Corrupt time index found, time index file (%s) has non-zero size but the last offset is %d which is less than the first offset %d", path, offset, x.base)
		}
	}
	if n := len(x.bytes); n%timeIndexEntry != 0 {
		return corruptIndex("Time index file %s is corrupt, found %d bytes which is neither positive nor a multiple of %d", path, n, timeIndexEntry)
	}
	return nil
}

// timeErrors are what was found wrong in .timeindex files.
type timeErrors struct{ mismatches, unordered, missing []*pairs }

// report prints them.
func (e *timeErrors) report(d *dump) {
	for _, p := range mapOrder(e.mismatches) {
		d.errorf("Found timestamp mismatch in :%s\n", p.file)
		for _, pair := range p.all {
			d.errorf("  Index timestamp: %d, log timestamp: %d\n", pair[0], pair[1])
		}
	}
	for _, p := range mapOrder(e.unordered) {
		d.errorf("Found out of order timestamp in :%s\n", p.file)
		for _, pair := range p.all {
			d.errorf("  Index timestamp: %d, Previously indexed timestamp: %d\n", pair[0], pair[1])
		}
	}
	for _, p := range mapOrder(e.missing) {
		d.errorf("The following indexed offsets are not found in the log.\n")
		for _, pair := range p.all {
			d.errorf("Indexed offset: %d, found log offset: %d\n", pair[0], pair[1])
		}
	}
}

// timeIndex prints a .timeindex file.
func (d *dump) timeIndex(file string) error {
	base, err := startOffset(file)
	if err != nil {
		return err
	}
	log, err := openRecords(sibling(file, ".log"), NoMaxBytes)
	if err != nil {
		return err
	}
	defer log.close()
	offsets, err := openIndex(sibling(file, ".index"), base)
	if err != nil {
		return err
	}
	x := &timeIndex{path: file, base: base}
	if x.bytes, err = readIfThere(file); err != nil {
		return err
	}
	if d.o.SanityOnly {
		if err := x.check(); err != nil {
			return err
		}
		d.printf("%s passed sanity check.\n", file)
		return nil
	}
	before := int64(-1)
	for i := range x.entries() {
		timestamp, offset := x.entry(i)
		if offset == base && i > 0 {
			return nil // room that was taken in advance
		}
		slice, err := log.slice(offsets.lookup(offset), math.MaxInt32)
		if err != nil {
			return err
		}
		if err := d.timeEntry(file, slice, timestamp, offset, before); err != nil {
			return err
		}
		if !d.o.VerifyOnly {
			d.printf("timestamp: %d offset: %d\n", timestamp, offset)
		}
		before = timestamp
	}
	return nil
}

// timeEntry compares an entry with the log from where its batch may begin.
func (d *dump) timeEntry(file string, log *records, timestamp, offset, before int64) error {
	e, err := log.next()
	for err == nil && e != nil && e.lastOffset() < offset {
		e, err = log.next()
	}
	switch {
	case err != nil:
		return err
	case e == nil:
		d.timeErrors.missing = note(d.timeErrors.missing, file, false, offset, -1)
		return nil
	case e.lastOffset() != offset:
		d.timeErrors.missing = note(d.timeErrors.missing, file, false, offset, e.lastOffset())
		return nil
	}
	most := int64(-1)
	for r, err := range e.records() {
		if err != nil {
			return err
		}
		most = max(most, r.Timestamp)
	}
	if most != timestamp {
		d.timeErrors.mismatches = note(d.timeErrors.mismatches, file, false, timestamp, most)
	}
	if before >= timestamp {
		d.timeErrors.unordered = note(d.timeErrors.unordered, file, false, timestamp, before)
	}
	return nil
}
