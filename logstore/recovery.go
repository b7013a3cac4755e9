package logstore

import (
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"klamm/protocol/batch"
)

// OpenLog opens the log in a directory, or begins one in an empty directory. The
// rules are those of Apache Kafka's LogLoader:
//
//   - leftovers of deletions and of interrupted compactions go or are finished;
//   - after a clean stop nothing is scanned but the last segment's end;
//   - after a crash the segments from the recovery point on are read, each batch
//     with its CRC. At the first that is not whole and plausible the log is cut. Whole
//     batches that follow, and later segments, are set aside (see asidePrefix), where
//     Apache Kafka deletes them. Indexes are written anew;
//   - the producers' state comes from the newest snapshot and what follows it.
//
// An index that is missing or wrong elsewhere is built when it is first needed.
//
// One rule goes further than Apache's: where a crash lost the end of a segment
// at a batch's boundary, so that the next one does not continue it, what follows
// the gap is set aside, since the log has to be a prefix of what was written. (Not
// where compaction may have made the gap: see gapsEnd and wasCompacted.)
func OpenLog(o Options) (*Log, error) {
	l := newLog(o)
	l.mu.Lock()
	defer l.mu.Unlock()
	r := recoverer{Log: l, o: &o}
	if err := r.open(); err != nil {
		for _, s := range r.segments {
			s.retire()
		}
		return nil, l.dirError("open", l.Dir(), err)
	}
	if l.view.end > 0 {
		l.settle = nil
	}
	l.producers.joinBudget(o.Producers)
	if r.gaps {
		// From here on the checkpoints tell what was lost and what was compacted.
		if err := l.flushAll(false); err != nil {
			return nil, err
		}
	}
	if l.unsyncedSealed.Load() >= 0 {
		// Compaction waits for it, and nobody may ever write to the log again and have it roll.
		l.syncSealed()
	}
	return l, nil
}

// recoverer is one opening of a log. It holds Log.mu throughout.
type recoverer struct {
	*Log
	o        *Options
	names    map[string]bool // files in the directory
	segments []*segment
	// end is the log end offset as far as it is known.
	end int64
	// gaps says that the log has gaps which only wasCompacted explains.
	gaps bool
}

func (r *recoverer) open() error {
	if err := r.readDirectory(); err != nil {
		return err
	}
	entries, err := readLeaderEpochs(r.fs, r.Dir())
	if err != nil {
		// Rebuilt as far as segments are scanned; unlike Apache's broker, which
		// takes the directory offline.
		r.logger.Warn("leader-epoch-checkpoint is unreadable and begun anew", "error", err)
		r.epochFile.unsure, r.epochs.cut = true, true
	}
	r.epochs.entries, r.epochFile.written = entries, entries
	if err := r.findSegments(); err != nil {
		return err
	}
	if err := r.recoverSegments(); err != nil {
		return err
	}
	if len(r.segments) > 0 && r.end < r.o.StartOffset {
		r.logger.Warn("log ends before its start offset and is emptied", "log_end_offset", r.end, "log_start_offset", r.o.StartOffset)
		if err := r.deleteFrom(0); err != nil {
			return err
		}
		r.epochs.entries = nil
		if err := r.writeEpochs(); err != nil {
			return err
		}
	}
	if len(r.segments) == 0 {
		if err := r.begin(); err != nil {
			return err
		}
		if r.end > 0 { // Options.Settle, which does this before the first record, is for logs that begin at 0
			if err := r.fs.SyncDir(r.Dir()); err != nil {
				return err
			}
		}
	}
	r.epochs.truncateFromEnd(r.end)
	r.epochs.truncateFromStart(r.o.StartOffset)
	start := max(r.o.StartOffset, r.segments[0].base)
	r.view = view{segments: r.segments, start: start, end: r.end, last: r.segments[len(r.segments)-1].size.Load()}
	r.highWatermark.Store(start)
	point := min(r.o.RecoveryPoint, r.end)
	if r.o.Clean {
		point = r.end
	}
	r.recoveryPoint.Store(max(point, 0))
	if point < r.end {
		r.unflushed(r.o.NowMs)
	}
	if r.o.Compacted && r.o.CleanedTo > start && r.o.CleanedTo <= r.end {
		r.cleanedTo.Store(r.o.CleanedTo)
	} else if r.o.Compacted {
		r.cleanedTo.Store(start)
	}
	return r.loadProducers()
}

// readDirectory lists the files, removes leftovers of deletions and ends interrupted compactions.
func (r *recoverer) readDirectory() error {
	r.names = map[string]bool{}
	if err := r.list(); err != nil {
		return err
	}
	minCleaned := int64(math.MaxInt64)
	var swaps []string
	for name := range r.names {
		offset, suffix, numbered := parseFileName(name)
		switch {
		case strings.HasSuffix(name, deletedSuffix), name == leaderEpochFile+".tmp", strings.HasPrefix(name, asidePrefix) && !isAside(name):
			if err := r.removeFile(name); err != nil {
				return err
			}
		case numbered && strings.HasSuffix(suffix, cleanedSuffix):
			minCleaned = min(minCleaned, offset)
			if err := r.removeFile(name); err != nil {
				return err
			}
		case numbered && strings.HasSuffix(suffix, swapSuffix):
			swaps = append(swaps, name)
		}
	}
	r.remindOfAside()
	if len(swaps) > 0 {
		if err := r.finishSwaps(swaps, minCleaned); err != nil {
			return err
		}
	}
	for name := range r.names {
		offset, suffix, ok := parseFileName(name)
		isIndex := suffix == indexSuffix || suffix == timeIndexSuffix || suffix == txnIndexSuffix
		if ok && isIndex && !r.names[fileName(offset, logSuffix)] {
			r.logger.Warn("index without a log removed", "path", filepath.Join(r.Dir(), name))
			if err := r.removeFile(name); err != nil {
				return err
			}
		}
		if ok && suffix == snapshotSuffix {
			r.producers.snapshots = append(r.producers.snapshots, offset)
		}
	}
	slices.Sort(r.producers.snapshots)
	return nil
}

func (r *recoverer) list() error {
	entries, err := r.fs.ReadDir(r.Dir())
	if err != nil {
		return err
	}
	clear(r.names)
	for _, e := range entries {
		if !e.IsDir() {
			r.names[e.Name()] = true
		}
	}
	return nil
}

func (r *recoverer) removeFile(name string) error {
	delete(r.names, name)
	return removeIfExists(r.fs, filepath.Join(r.Dir(), name))
}

// finishSwaps ends a compaction, or a split by Apache's broker, that was interrupted.
// .swap files are whole and replace the segments whose offsets they cover. Those from
// the first .cleaned file on belong to a split that was not finished, and are removed.
func (r *recoverer) finishSwaps(swaps []string, minCleaned int64) error {
	from, to := int64(math.MaxInt64), int64(math.MinInt64)
	var valid []string
	for _, name := range swaps {
		offset, suffix, _ := parseFileName(name)
		if offset >= minCleaned {
			if err := r.removeFile(name); err != nil {
				return err
			}
			continue
		}
		valid = append(valid, name)
		if suffix != logSuffix+swapSuffix {
			continue
		}
		end, err := r.endOfFile(filepath.Join(r.Dir(), name), offset)
		if err != nil {
			return err
		}
		from, to = min(from, offset), max(to, end)
	}
	for name := range r.names {
		offset, suffix, ok := parseFileName(name)
		if ok && !strings.HasSuffix(suffix, swapSuffix) && offset >= from && offset < to {
			if err := r.removeFile(name); err != nil {
				return err
			}
		}
	}
	for _, name := range valid {
		path := filepath.Join(r.Dir(), name)
		if err := r.fs.Rename(path, strings.TrimSuffix(path, swapSuffix)); err != nil {
			return err
		}
	}
	if err := r.fs.SyncDir(r.Dir()); err != nil {
		return err
	}
	return r.list()
}

// endOfFile gives the offset after the last batch of a file.
func (r *recoverer) endOfFile(path string, base int64) (int64, error) {
	f, err := r.fs.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return 0, err
	}
	end := base
	scan := openFrames(f, 0, size, &lookupBuffers)
	defer scan.close()
	for err = scan.next(); err == nil; err = scan.next() {
		end = scan.h.NextOffset()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, errBadFrame) {
		err = nil
	}
	return end, err
}

// findSegments makes the segments by the names of their files.
func (r *recoverer) findSegments() error {
	var bases []int64
	for name := range r.names {
		if offset, suffix, ok := parseFileName(name); ok && suffix == logSuffix {
			bases = append(bases, offset)
		}
	}
	slices.Sort(bases)
	for _, base := range bases {
		s := r.newSegment(base, r.o.NowMs)
		info, err := r.fs.Stat(s.log.path)
		if err != nil {
			return err
		}
		s.size.Store(info.Size())
		s.trusted.Store(info.Size())
		s.named.Store(r.o.Clean && info.Size() > 0) // an empty log may not have been synced ever
		r.segments = append(r.segments, s)
	}
	return nil
}

// begin makes the first segment of an empty log, at the log start offset.
func (r *recoverer) begin() error {
	s := r.newSegment(r.o.StartOffset, r.o.NowMs)
	r.segments, r.end = []*segment{s}, s.base
	return s.create(r.fullSize())
}

// deleteFrom removes the segments from number n on, at once.
func (r *recoverer) deleteFrom(n int) error {
	for _, s := range r.segments[n:] {
		s.retire()
		for _, suffix := range []string{logSuffix, indexSuffix, timeIndexSuffix, txnIndexSuffix} {
			if err := r.removeFile(fileName(s.base, suffix)); err != nil {
				return err
			}
		}
		if err := r.producers.dropSnapshot(r.fs, r.Dir(), s.base); err != nil {
			return err
		}
	}
	r.segments = slices.Clone(r.segments[:n])
	return r.fs.SyncDir(r.Dir()) // they must not come back behind what is written from here on
}

// recoverSegments finds the end of the log, after a crash by reading all that
// is not known to be durable.
func (r *recoverer) recoverSegments() error {
	if len(r.segments) == 0 {
		return nil
	}
	first := len(r.segments) - 1
	if !r.o.Clean {
		v := view{segments: r.segments}
		// What lies before the start may have been half deleted.
		first = v.floor(max(r.o.RecoveryPoint, r.o.StartOffset))
	} else if ok, err := r.trustLastSegment(); ok || err != nil {
		return err
	}
	gapsEnd, err := r.gapsEnd()
	if err != nil {
		return err
	}
	for i := first; i < len(r.segments); i++ {
		s := r.segments[i]
		gap := i > first && s.base != r.end && s.base > gapsEnd
		if gap && !r.gaps {
			if r.gaps, err = r.wasCompacted(); err != nil {
				return err
			}
		}
		if gap && !r.gaps {
			return r.setAsideFrom(i, fmt.Sprintf("the segments before end at offset %d, and one between is missing", r.end))
		}
		cut, err := r.recoverSegment(s)
		if err != nil {
			return err
		}
		if cut && i+1 < len(r.segments) {
			return r.setAsideFrom(i+1, fmt.Sprintf("the segment before ends at offset %d with bytes that are no batch", r.end))
		}
	}
	return nil
}

// gapsEnd gives the offset up to which a segment need not begin where the one before ends. Where nothing was lost a gap comes
// from compaction, and lies below what that had reached:
//
//   - the recovery point: klamm compacts no record past it, and writes its checkpoint before;
//   - the log's entry in cleaner-offset-checkpoint;
//   - in a log that Apache's broker had when it was killed, the last segment. That broker goes past the recovery point, and
//     writes the checkpoint afterwards. Its mark is that the indexes of the last segment are preallocated, which klamm's
//     never are.
func (r *recoverer) gapsEnd() (int64, error) {
	end := r.o.RecoveryPoint
	if r.o.Compacted {
		end = max(end, r.o.CleanedTo)
	}
	last := r.segments[len(r.segments)-1]
	for _, x := range []*index{&last.offsets, &last.times} {
		if !r.names[filepath.Base(x.file.path)] {
			return end, nil
		}
		if yes, err := x.preallocated(); !yes {
			return end, err
		}
	}
	return last.base, nil
}

// wasCompacted says whether gaps between segments are believed to come from compaction, in a log that was restored without its
// checkpoints: if compaction has left a gap within a segment or a batch, where no crash leaves any. Apache's broker serves such a
// log, and all others with gaps. The log counts as compacted once then.
func (r *recoverer) wasCompacted() (yes bool, err error) {
	if !r.o.NoCheckpoints {
		return false, nil
	}
	for _, s := range r.segments {
		if yes, err = s.showsCompaction(); yes || err != nil {
			break
		}
	}
	if yes {
		r.o.Compacted, r.o.CleanedTo = true, 0
		r.logger.Info("log was restored without its checkpoints and has been compacted before: its gaps are no loss")
	}
	return yes, err
}

// showsCompaction says whether offsets are missing within the segment.
func (s *segment) showsCompaction() (bool, error) {
	f, err := s.log.acquire()
	if err != nil {
		return false, err
	}
	defer s.log.release()
	scan := openFrames(f, 0, s.size.Load(), &lookupBuffers)
	defer scan.close()
	end := s.base
	for err = scan.next(); err == nil; err = scan.next() {
		// Batches of magic 0 and 1 do not tell their first offset.
		if h := &scan.h; h.Magic == batch.Magic && (h.BaseOffset > end || h.Count != h.LastOffsetDelta+1) {
			return true, nil
		}
		end = scan.h.NextOffset()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, errBadFrame) {
		err = nil
	}
	return false, err
}

// trustLastSegment finds the end of a log that was closed cleanly, by the last batches
// to which the index points. ok is false if they are not what they should be: the
// segment has to be read as after a crash then.
func (r *recoverer) trustLastSegment() (ok bool, err error) {
	s := r.segments[len(r.segments)-1]
	missing := !r.names[fileName(s.base, indexSuffix)] || !r.names[fileName(s.base, timeIndexSuffix)]
	if missing && s.size.Load() > 0 {
		return false, nil
	}
	if err := s.load(r.config.IndexIntervalBytes); err != nil {
		return false, err
	}
	f, err := s.log.acquire()
	if err != nil {
		return false, err
	}
	defer s.log.release()
	pos, err := s.position(math.MaxInt64)
	if errors.Is(err, errBadFrame) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	r.end = s.base
	s.sinceIndex = s.size.Load() - pos
	scan := openFrames(f, pos, s.size.Load(), &lookupBuffers)
	defer scan.close()
	for err = scan.next(); err == nil; err = scan.next() {
		if scan.h.BaseOffset < r.end {
			return false, nil
		}
		r.end = scan.h.NextOffset()
	}
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	if errors.Is(err, errBadFrame) {
		r.logger.Warn("log was closed and still does not end with a whole batch", "segment", s.base, "error", err)
		return false, nil
	}
	return false, err
}

// recoverSegment reads a segment, cuts it after its last good batch and writes
// its indexes anew.
func (r *recoverer) recoverSegment(s *segment) (cut bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.resetIndexesLocked(); err != nil {
		return false, err
	}
	s.ready.Store(true)
	f, err := s.log.acquire()
	if err != nil {
		return false, err
	}
	defer s.log.release()
	size := s.size.Load()
	scan := openFrames(f, 0, size, &recoverBuffers)
	defer scan.close()
	r.end = s.base
	valid := int64(0)
	for {
		if err = r.nextGood(&scan, s); errors.Is(err, errBadFrame) && r.end < r.o.RecoveryPoint {
			err = r.passRot(&scan, s, valid, err)
		}
		if err != nil {
			break
		}
		h := &scan.h
		// What is below the log start offset may be of another history than what follows: a follower cannot truncate it.
		if h.Magic == batch.Magic && h.PartitionLeaderEpoch > r.epochs.latest() && h.LastOffset() >= r.o.StartOffset {
			r.epochs.assign(h.PartitionLeaderEpoch, h.BaseOffset)
		}
		if err := s.indexLocked(h, scan.at, r.config.IndexIntervalBytes); err != nil {
			return false, err
		}
		r.end, valid = h.NextOffset(), scan.pos
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, errBadFrame) {
		return false, err
	}
	if valid < size {
		if err := r.keepTail(s, f, valid, size); err != nil {
			return false, err
		}
		r.logger.Warn("log cut after the last whole batch", "segment", s.base, "log_end_offset", r.end, "bytes", size-valid, "error", err)
		if err := errors.Join(f.Truncate(valid), f.Sync()); err != nil {
			return false, err
		}
		s.size.Store(valid)
		s.trusted.Store(valid)
	}
	if r.names[fileName(s.base, txnIndexSuffix)] {
		if err := s.cutTxnIndex(r.end); err != nil {
			return false, err
		}
	}
	r.markUnsynced(s)
	return valid < size, s.finishIndexesLocked()
}

// passRot goes on behind bytes at pos that are no whole batch. They lie below the recovery point, so they are no torn end:
// they were on the disk before the crash, as was what follows.
func (r *recoverer) passRot(scan *frames, s *segment, pos int64, err error) error {
	scan.within(s.base)
	scan.pos, scan.lo = pos, r.end
	defer func() { scan.hi = 0 }() // nextGood looks itself
	if again := scan.resync(); again != nil {
		if errors.Is(again, io.EOF) {
			return err
		}
		return again
	}
	r.tellRot(s, pos, r.end, err)
	return r.nextGood(scan, s)
}

// markUnsynced keeps the recovery point before a sealed segment until its new indexes
// are synced.
func (r *recoverer) markUnsynced(s *segment) {
	if s != r.segments[len(r.segments)-1] {
		r.unsyncedSealed.CompareAndSwap(-1, s.base)
	}
}

// nextGood goes to the next batch if that is whole, intact and continues the log.
func (r *recoverer) nextGood(scan *frames, s *segment) error {
	if err := scan.next(); err != nil {
		return err
	}
	h := &scan.h
	if h.BaseOffset < r.end || h.LastOffset()-s.base > math.MaxInt32 {
		return fmt.Errorf("%w at position %d: offsets %d to %d after %d", errBadFrame, scan.at, h.BaseOffset, h.LastOffset(), r.end)
	}
	return scan.check()
}

// loadProducers brings the producers' state to the end of the log.
func (r *recoverer) loadProducers() error {
	bases := make([]int64, len(r.segments))
	for i, s := range r.segments {
		bases[i] = s.base
	}
	p := &r.producers
	hadSnapshot := len(p.snapshots) > 0
	if err := p.removeStray(r.fs, r.Dir(), bases); err != nil {
		return err
	}
	for _, o := range slices.Clone(p.snapshots) {
		if o > r.end {
			if err := p.dropSnapshot(r.fs, r.Dir(), o); err != nil {
				return err
			}
		}
	}
	trusted := r.end
	if !r.o.Clean {
		// A snapshot past the first segment that was read may be older than what was
		// read, if it was not synced: rebuild from before that.
		v := view{segments: r.segments}
		trusted = r.segments[v.floor(r.RecoveryPoint())].base
	}
	if err := p.load(r.fs, r.Dir(), trusted, bases[0], r.o.NowMs, r.config.ProducerExpirationMs); err != nil {
		return err
	}
	if r.o.Clean && !hadSnapshot {
		// As Apache's broker does: a log closed without one had no producers to tell of.
		p.mapEnd = r.end
		return nil
	}
	if p.mapEnd == r.end {
		return r.recall()
	}
	return r.replay()
}

// How far before the end of a log recall looks: at the least so many bytes, and so many times what follows the last entry of the index, which
// is a large batch or many small ones.
const (
	recallBytes = 64 << 10
	recallTimes = 4 * rememberedBatches
)

// recall adds to the producers' state what a snapshot does not have: the batches before each producer's last one. A client whose answers were
// lost with the process may send any of them again. (Apache Kafka's broker takes such a batch for one out of order, and the client stores it
// once more, in a new epoch of the producer.) It looks at the end of the last segment alone, and there at the heads of batches.
func (r *recoverer) recall() error {
	s := r.segments[len(r.segments)-1]
	if len(r.producers.byID) == 0 || s.size.Load() == 0 {
		return nil
	}
	f, err := s.log.acquire()
	if err != nil {
		return err
	}
	defer s.log.release()
	size := s.size.Load()
	pos, err := s.position(math.MaxInt64)
	if err == nil {
		pos, err = s.boundary(max(0, size-max(recallBytes, recallTimes*(size-pos))))
	}
	recent := map[int64]*producer{}
	if err == nil {
		scan := openFrames(f, pos, size, &lookupBuffers)
		defer scan.close()
		for err = scan.next(); err == nil; err = scan.next() {
			h := &scan.h
			if !h.HasProducerID() || h.Control() {
				continue
			}
			p := recent[h.ProducerID]
			if p == nil {
				p = newProducer()
				recent[h.ProducerID] = p
			}
			p.setEpoch(h.ProducerEpoch)
			p.add(metaOf(h))
		}
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, errBadFrame) { // what is rotten is not recalled
		return err
	}
	for id, found := range recent {
		if p := r.producers.byID[id]; p != nil && p.epoch == found.epoch && p.count == 1 && p.last().lastOffset == found.last().lastOffset && p.last().lastSeq == found.last().lastSeq {
			p.batches, p.count = found.batches, found.count
		}
	}
	return nil
}

// replay reads the producers' state from the batches after the snapshot, and
// writes the snapshots that are missing at the beginnings of segments.
func (r *recoverer) replay() error {
	p := &r.producers
	for i := r.view.floor(p.mapEnd); i < len(r.segments); i++ {
		s := r.segments[i]
		if p.mapEnd = max(p.mapEnd, s.base); p.mapEnd == s.base && i >= len(r.segments)-2 {
			if _, err := p.takeSnapshot(r.fs, r.Dir(), true); err != nil {
				return err
			}
		}
		if err := s.replayProducers(p, s.size.Load(), r.end, r.o.NowMs); err != nil {
			return err
		}
	}
	p.mapEnd = r.end
	p.removeExpired(r.o.NowMs, r.config.ProducerExpirationMs)
	return nil
}

// replayProducers adds to the producers' state the batches from the state's end up to
// end. nowMs counts as the time at which their producers wrote.
func (s *segment) replayProducers(p *producers, size, end, nowMs int64) error {
	f, err := s.log.acquire()
	if err != nil {
		return err
	}
	defer s.log.release()
	var pos int64
	if s.ready.Load() && p.mapEnd > s.base {
		if pos, err = s.position(p.mapEnd); errors.Is(err, errBadFrame) {
			pos, err = 0, nil // the index is built anew when a reader needs it
		}
		if err != nil {
			return err
		}
	}
	scan := openFrames(f, pos, size, &recoverBuffers)
	defer scan.close()
	scan.within(s.base)
	for {
		// What a corrupt batch says of its producer is lost, and no more than that.
		if _, err = scan.skipRot(); err != nil {
			break
		}
		if scan.h.LastOffset() < p.mapEnd || scan.h.BaseOffset >= end {
			continue
		}
		var data []byte
		if scan.h.Control() {
			data, err = scan.body()
			if errors.Is(err, errBadFrame) { // no marker is so large: its length rotted
				scan.pos, scan.lo = scan.at, scan.h.BaseOffset
				if err = scan.resync(); err == nil {
					continue
				}
				break
			}
			if err != nil {
				return err
			}
		}
		p.apply(&scan.h, data)
		p.seen(scan.h.ProducerID, nowMs) // at the latest; its last batch may be sent again right now
		p.mapEnd = scan.h.NextOffset()
	}
	if errors.Is(err, io.EOF) || errors.Is(err, errBadFrame) {
		err = nil
	}
	return err
}
