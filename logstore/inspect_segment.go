package logstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// inspectSegment reads a segment and its indexes.
func (p *partitionInspection) inspectSegment(base int64, follows bool, names map[string]bool) {
	path := filepath.Join(p.path, fileName(base, logSuffix))
	if follows && base != p.end && !p.cut {
		switch {
		case base < p.end:
			p.at(Problem, path, base, 0, "a start takes it as it is, and reads of these offsets find the older records", "the segment begins below offset %d, where the one before ends", p.end)
		case !p.compacted && base > p.recovery:
			p.at(Problem, path, base, 0, p.ifScanned(base, "a start sets this segment and those behind it aside", "a start takes it as it is: these offsets have no records"),
				"the segment before ends at offset %d: one between is missing", p.end)
		case !p.compacted:
			p.at(Note, path, base, 0, "a start takes it as it is", "the segment before ends at offset %d, as after a compaction", p.end)
		}
	}
	f, err := p.fs.OpenRead(path)
	if err != nil {
		p.at(Problem, path, base, -1, "a start takes the log directory offline", "%v", reason(err))
		return
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		p.at(Problem, path, base, -1, "a start takes the log directory offline", "%v", reason(err))
		return
	}
	x := p.openIndexes(base, names, size)
	p.end = max(p.end, base)
	batches := p.scanSegment(f, path, base, size, x)
	x.finish(p)
	p.inspectAborted(base)
	p.read(Inspected{Segments: 1, Batches: batches, Bytes: size})
}

// scanned says whether a start reads the segment batch by batch.
func (p *partitionInspection) scanned(base int64) bool {
	return !p.clean && (base == p.last || p.end >= max(p.recovery, p.start))
}

// ifScanned chooses what a start does by whether it scans the segment.
func (p *partitionInspection) ifScanned(base int64, scanned, not string) string {
	if p.scanned(base) {
		return scanned
	}
	return not
}

// scanSegment reads the batches of a segment with their CRCs.
func (p *partitionInspection) scanSegment(f vfs.File, path string, base, size int64, x *indexInspection) (batches int64) {
	scan := openFrames(f, 0, size, &recoverBuffers)
	defer scan.close()
	for {
		scan.within(base)
		scan.lo = p.end
		from := scan.pos
		err := scan.next()
		if err == nil {
			err = scan.check()
		}
		if err == nil {
			batches++
			p.batch(path, &scan)
			x.batch(p, &scan)
			continue
		}
		if errors.Is(err, io.EOF) {
			return batches
		}
		if !errors.Is(err, errBadFrame) {
			p.at(Problem, path, p.end, from, "a start takes the log directory offline, or requests for these records fail", "%v", reason(err))
			return batches
		}
		scan.pos, scan.lo = from, p.end
		if again := scan.resync(); again != nil {
			p.badEnd(f, path, base, from, size, err)
			return batches
		}
		p.badBatch(path, base, from, scan.pos, err)
		if p.cut {
			return batches
		}
	}
}

// batch compares a good batch with the one before and with the leader epochs.
func (p *partitionInspection) batch(path string, scan *frames) {
	h := &scan.h
	if h.Magic == batch.Magic {
		if h.PartitionLeaderEpoch < p.epoch {
			p.at(Problem, path, h.BaseOffset, scan.at, "a start takes it as it is", "the batch has leader epoch %d, the one before has %d", h.PartitionLeaderEpoch, p.epoch)
		}
		p.epoch = max(p.epoch, h.PartitionLeaderEpoch)
		if want, known := p.epochAt(h.BaseOffset); known && want != h.PartitionLeaderEpoch && h.LastOffset() >= p.start {
			p.at(Problem, path, h.BaseOffset, scan.at, "a start takes both as they are, and followers may be truncated wrongly",
				"the batch has leader epoch %d, and %s says %d", h.PartitionLeaderEpoch, leaderEpochFile, want)
		}
	}
	p.end = h.NextOffset()
}

// epochAt gives the leader epoch that leader-epoch-checkpoint has for an offset.
func (p *partitionInspection) epochAt(offset int64) (epoch int32, known bool) {
	for _, e := range p.epochs {
		if e.startOffset <= offset {
			epoch, known = e.epoch, true
		}
	}
	return epoch, known && !p.noEpochs
}

// badBatch reports bytes that are no batch, behind which there are good ones again.
func (p *partitionInspection) badBatch(path string, base, from, to int64, err error) {
	then := "a start does not look at it: requests for these records fail, all others are served"
	switch {
	case p.scanned(base) && p.end >= p.recovery:
		p.cut = true
		then = fmt.Sprintf("a start cuts the log at offset %d, and sets what follows aside", p.end)
	case p.scanned(base):
		then = "a start passes over it, since it lies below the recovery point: requests for these records fail, all others are served"
	}
	p.at(Problem, path, p.end, from, then, "%d bytes are no batch: %v", to-from, err)
}

// badEnd reports bytes at the end of a segment that are no batch.
func (p *partitionInspection) badEnd(f vfs.File, path string, base, from, size int64, err error) {
	if zeros, zerr := onlyZeros(f, from, size); zerr == nil && zeros {
		p.at(Note, path, p.end, from, "a start cuts them off", "%d bytes of room follow the last batch", size-from)
		return
	}
	severity, then := Problem, "requests for these records fail, and a start does not look at them"
	switch {
	case base != p.last && p.scanned(base):
		p.cut = true
		then = fmt.Sprintf("a start cuts the log at offset %d, and sets the segments behind aside", p.end)
	case base == p.last && !p.clean && p.end >= p.recovery:
		severity, then = Note, fmt.Sprintf("a start cuts the log at offset %d: a crash came while they were written", p.end)
	case base == p.last:
		then = fmt.Sprintf("a start cuts the log at offset %d, and says so", p.end)
	}
	p.at(severity, path, p.end, from, then, "%d bytes at the end are no whole batch: %v", size-from, err)
}

// onlyZeros says whether a part of a file has nothing but zeros.
func onlyZeros(f vfs.File, from, to int64) (bool, error) {
	buf := make([]byte, recoverChunk)
	for from < to {
		n, err := f.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		if n == 0 && err != nil {
			return false, err
		}
		for _, b := range buf[:n] {
			if b != 0 {
				return false, nil
			}
		}
		from += int64(n)
	}
	return true, nil
}

// inspectAborted reads the aborted transactions of a segment.
func (p *partitionInspection) inspectAborted(base int64) {
	path := filepath.Join(p.path, fileName(base, txnIndexSuffix))
	list, err := readTxnIndex(p.fs, path)
	then := "a start takes it as it is: consumers with read_committed may see records of aborted transactions"
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		p.at(Problem, path, -1, -1, then, "%v", err)
		return
	}
	last := int64(-1)
	for i, t := range list {
		if t.first > t.last || t.last < last || t.last >= p.end || t.last < base {
			p.at(Problem, path, t.last, int64(i*abortedTxnSize), then, "producer %d aborted a transaction from offset %d to %d, which does not fit the segment", t.producerID, t.first, t.last)
		}
		last = t.last
	}
}
