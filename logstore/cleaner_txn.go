package logstore

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// abortedTxn is an entry of a .txnindex file (org.apache.kafka.storage...AbortedTxn,
// version 0), big-endian: version int16, producer id int64, first offset int64,
// last offset (the marker's) int64, last stable offset int64.
type abortedTxn struct {
	producerID, first, last int64
	raw                     [abortedTxnSize]byte
}

const (
	abortedTxnSize   = 2 + 4*8
	abortedTxnLastAt = 2 + 2*8
)

// readTxnIndex reads the aborted transactions of a segment; no file, none.
func readTxnIndex(disk vfs.FS, path string) ([]abortedTxn, error) {
	data, err := readFileIfExists(disk, path)
	if err != nil {
		return nil, err
	}
	be := binary.BigEndian
	var list []abortedTxn
	for len(data) > 0 {
		if len(data) < abortedTxnSize || be.Uint16(data) != 0 {
			return nil, &uncleanableError{path, "the index of aborted transactions is not readable"}
		}
		t := abortedTxn{producerID: int64(be.Uint64(data[2:])), first: int64(be.Uint64(data[10:])), last: int64(be.Uint64(data[abortedTxnLastAt:]))}
		copy(t.raw[:], data)
		list = append(list, t)
		data = data[abortedTxnSize:]
	}
	return list, nil
}

// transactions follows which transaction a batch belongs to while a log is read
// from front to back (CleanedTransactionMetadata): records of aborted ones may go,
// and markers whose transaction has no record left.
type transactions struct {
	waiting   []abortedTxn // not reached yet, by first offset
	aborted   map[int64]*openAborted
	committed map[int64]bool
	// kept is what the new segment's index of aborted transactions holds.
	kept []abortedTxn
}

type openAborted struct {
	abortedTxn
	seen bool // a batch of it is still there
}

// newTransactions begins with the aborted transactions that are known of.
func newTransactions(list []abortedTxn) *transactions {
	slices.SortFunc(list, func(a, b abortedTxn) int { return cmp.Compare(a.first, b.first) })
	return &transactions{waiting: list, aborted: map[int64]*openAborted{}, committed: map[int64]bool{}}
}

func (t *transactions) reach(offset int64) {
	n := 0
	for ; n < len(t.waiting) && t.waiting[n].first <= offset; n++ {
		if a := t.waiting[n]; t.aborted[a.producerID] == nil {
			t.aborted[a.producerID] = &openAborted{abortedTxn: a}
		}
	}
	t.waiting = t.waiting[n:]
}

// discard takes in the next batch and says whether it may go: a batch of an
// aborted transaction, or the marker of one of which nothing is left.
func (t *transactions) discard(h *batch.Header, data []byte) (bool, error) {
	if h.Magic < batch.Magic {
		return false, nil
	}
	if !h.Transactional() && !h.Control() {
		return false, nil
	}
	t.reach(h.LastOffset())
	if h.Control() {
		return t.marker(h, data)
	}
	if a := t.aborted[h.ProducerID]; a != nil {
		a.seen = true
		return true, nil
	}
	t.committed[h.ProducerID] = true
	return false, nil
}

// The types of control records that end a transaction (ControlRecordType).
const (
	abortMarker  = 0
	commitMarker = 1
)

func (t *transactions) marker(h *batch.Header, data []byte) (bool, error) {
	for r, err := range batch.Records(data, controlRecordLimit) {
		if err != nil {
			return false, err
		}
		if len(r.Key) < 4 {
			return false, nil
		}
		switch binary.BigEndian.Uint16(r.Key[2:]) {
		case abortMarker:
			a := t.aborted[h.ProducerID]
			delete(t.aborted, h.ProducerID)
			if a != nil && a.seen {
				t.kept = append(t.kept, a.abortedTxn)
				return false, nil
			}
			return true, nil
		case commitMarker:
			open := t.committed[h.ProducerID]
			delete(t.committed, h.ProducerID)
			return !open, nil
		}
		return false, nil
	}
	return true, nil // it was emptied before
}

// abortedIn collects the aborted transactions that touch offsets from..to out of
// all segments from number i on, since a transaction is noted where it ended.
func (p *cleaningPass) abortedIn(i int, from, to int64) ([]abortedTxn, error) {
	var list []abortedTxn
	for ; i < len(p.view.segments); i++ {
		path := p.view.segments[i].path(txnIndexSuffix)
		more, err := readTxnIndex(p.log.fs, path)
		if errors.As(err, new(*uncleanableError)) {
			return nil, err
		}
		if err != nil {
			return nil, p.log.dirError("read", path, err)
		}
		for _, a := range more {
			if a.last >= from && a.first < to {
				list = append(list, a)
			}
		}
	}
	return list, nil
}

// writeTxnIndex makes the file of aborted transactions, unless there are none.
func writeTxnIndex(disk vfs.FS, path string, list []abortedTxn) error {
	if len(list) == 0 {
		return removeIfExists(disk, path)
	}
	var b []byte
	for i := range list {
		b = append(b, list[i].raw[:]...)
	}
	return writeFile(disk, path, b, true)
}

// uncleanableError says what of a log keeps it from being compacted.
type uncleanableError struct{ path, reason string }

func (e *uncleanableError) Error() string { return fmt.Sprintf("%s: %s", e.path, e.reason) }

// errCleaningAborted says that a cleaning ended because the log changed under it
// or is to be closed; the next one begins anew.
var errCleaningAborted = errors.New("cleaning was given up")
