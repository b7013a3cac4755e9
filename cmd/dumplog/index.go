package dumplog

import (
	"encoding/binary"
	"fmt"

	"klamm/cmd/scripts/javalib"
)

// The sizes of entries.
const (
	indexEntry     = 8
	timeIndexEntry = 12
)

// offsetIndex is the content of an .index file.
type offsetIndex struct {
	path  string
	base  int64
	bytes []byte
}

// openIndex reads an .index file. One that is missing is empty.
func openIndex(path string, base int64) (*offsetIndex, error) {
	b, err := readIfThere(path)
	return &offsetIndex{path, base, b}, err
}

// readIfThere reads a file, as empty if it is missing.
func readIfThere(path string) ([]byte, error) {
	b, err := read(path)
	if missing, ok := err.(*javalib.Exception); ok && missing.Class == "java.nio.file.NoSuchFileException" {
		return nil, nil
	}
	return b, err
}

func (x *offsetIndex) entries() int { return len(x.bytes) / indexEntry }

func (x *offsetIndex) entry(i int) (offset int64, position int32) {
	b := x.bytes[i*indexEntry:]
	return x.base + int64(int32(binary.BigEndian.Uint32(b))), int32(binary.BigEndian.Uint32(b[4:]))
}

// warmEntries is how many entries at the end a lookup tries first (AbstractIndex).
const warmEntries = 8192 / indexEntry

// lookup gives the position of the last entry that is not above an offset, as a broker searches it.
func (x *offsetIndex) lookup(offset int64) int32 {
	n := x.entries()
	if n == 0 {
		return 0
	}
	search := func(from, to int) int32 {
		for from < to {
			mid := (from + to + 1) >> 1
			switch at, _ := x.entry(mid); {
			case at > offset:
				to = mid - 1
			case at < offset:
				from = mid
			default:
				_, position := x.entry(mid)
				return position
			}
		}
		_, position := x.entry(from)
		return position
	}
	hot := max(0, n-1-warmEntries)
	if at, _ := x.entry(hot); at < offset {
		return search(hot, n-1)
	}
	if at, _ := x.entry(0); at > offset {
		return 0
	}
	return search(0, hot)
}

// corruptIndex is what a start's check throws.
func corruptIndex(format string, args ...any) error {
	return &javalib.Exception{Class: "org.apache.kafka.storage.internals.log.CorruptIndexException", Message: fmt.Sprintf(format, args...)}
}

// check is OffsetIndex.sanityCheck.
func (x *offsetIndex) check() error {
	path := absolute(x.path)
	if last, _ := x.entry(x.entries() - 1); last < x.base {
		return corruptIndex("Corrupt index found, index file %s has non-zero size but the last offset is %d which is less than the base offset %d", path, last, x.base)
	}
	if n := len(x.bytes); n%indexEntry != 0 {
		return corruptIndex("Index file %s is corrupt, found %d bytes which is neither positive nor a multiple of %d", path, n, indexEntry)
	}
	return nil
}

// index prints an .index file.
func (d *dump) index(file string) error {
	base, err := startOffset(file)
	if err != nil {
		return err
	}
	log, err := openRecords(sibling(file, ".log"), NoMaxBytes)
	if err != nil {
		return err
	}
	defer log.close()
	x, err := openIndex(file, base)
	if err != nil {
		return err
	}
	if x.entries() == 0 {
		d.printf("%s is empty.\n", file)
		return nil
	}
	if d.o.SanityOnly {
		if err := x.check(); err != nil {
			return err
		}
		d.printf("%s passed sanity check.\n", file)
		return nil
	}
	for i := range x.entries() {
		offset, position := x.entry(i)
		if offset == base && i > 0 {
			return nil // room that was taken in advance
		}
		slice, err := log.slice(position, d.o.MaxMessageSize)
		if err != nil {
			return err
		}
		first, err := slice.next()
		if err != nil {
			return err
		}
		if first == nil {
			return &javalib.Exception{Class: "java.util.NoSuchElementException"}
		}
		if last := first.lastOffset(); last != offset {
			d.indexMismatches = note(d.indexMismatches, file, true, offset, last)
		}
		if !d.o.VerifyOnly {
			d.printf("offset: %d position: %d\n", offset, position)
		}
	}
	return nil
}
