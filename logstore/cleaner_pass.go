package logstore

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// cleaningPass is one cleaning of one log, as Apache Kafka's Cleaner does it:
//
//  1. the dirty part, from the offset up to which the log was cleaned before, is
//     read and the last offset of each key noted, until the map is full;
//  2. all segments up to there are copied without the records that a later one
//     of their key replaces, without tombstones and markers whose time is over,
//     small segments into one;
//  3. each copy takes the place of its segments at once (Log.replaceSegments).
//
// Appends and readers go on. What is read is sealed; if it is deleted or cut off
// meanwhile the pass ends with errCleaningAborted and has changed nothing that it
// must not.
type cleaningPass struct {
	log  *Log
	work *cleanerWork
	view view
	// generation is that of Log.hints: truncations since change it.
	generation uint64
	config     Config
	nowMs      int64
	from, upTo int64 // the dirty part, upTo being a segment's base

	stats CleanStats
	txns  *transactions
	last  map[int64]lastOfProducer
}

// cleanerWork is what one cleaner thread keeps from pass to pass.
type cleanerWork struct {
	keys       keyMap
	filter     batch.Filter
	read, out  []byte
	mapBytes   int64   // log.cleaner.dedupe.buffer.size of this thread
	loadFactor float64 // log.cleaner.io.buffer.load.factor
	ioBytes    int     // log.cleaner.io.buffer.size of this thread, for each way
	// spend is told of every byte read and written, and takes its time where the
	// rate is bounded. It fails when the work is to end, or alive does.
	spend func(bytes int, alive func() error) error

	backoff time.Duration   // for how long a log is left alone that could not be cleaned
	stop    <-chan struct{} // closed when the thread is to end
}

// CleanStats says what a cleaning did. From and To are offsets: the dirty part
// that it took in. Bytes and records are those of the segments copied.
type CleanStats struct {
	From, To                    int64
	BytesRead, BytesWritten     int64
	RecordsRead, RecordsWritten int64
	// NoKey counts records without a key, which a compacted log drops.
	NoKey int64
	// Keys is how many keys were in the map, Full that it did not take all.
	Keys int
	Full bool
}

// lastOfProducer is the last that a producer wrote (UnifiedLog.lastRecordsOfActiveProducers).
type lastOfProducer struct {
	offset int64 // -1 where that is a marker
	epoch  int16
}

// run does the pass. stats.To is where the next one begins.
func (p *cleaningPass) run() error {
	p.stats.From, p.stats.To = p.from, p.from
	if err := p.alive(); err != nil {
		return err
	}
	if err := p.roomLacks(); err != nil {
		return err
	}
	p.log.lacked = lackedRoom{}
	if err := p.mapKeys(); err != nil {
		return err
	}
	end := p.work.keys.latest + 1
	aborted, err := p.abortedIn(0, 0, end)
	if err != nil {
		return err
	}
	p.txns = newTransactions(aborted)
	n := p.below(end)
	for at := 0; at < n; {
		next := p.group(at, n)
		if err := p.copyGroup(at, next); err != nil {
			return err
		}
		at = next
	}
	p.stats.To = max(end, p.from)
	return nil
}

// below gives how many segments begin before an offset.
func (p *cleaningPass) below(offset int64) int {
	n := 0
	for n < len(p.view.segments)-1 && p.view.segments[n].base < offset {
		n++
	}
	return n
}

// alive fails if the cleaning has to end: the log changed, or the disk is full. The room that is
// kept there is for other things.
func (p *cleaningPass) alive() error {
	if p.log.full.Load() {
		return p.log.dirError("compact", p.log.Dir(), errNoRoom)
	}
	return p.unchanged()
}

// unchanged fails if the log is being closed or deleted, was truncated, is moving, or its topic is
// no longer compacted.
func (p *cleaningPass) unchanged() error {
	if p.log.ending.Load() || p.log.moving.Load() || !p.log.compact.Load() || p.log.hints.generation() != p.generation {
		return errCleaningAborted
	}
	return nil
}

// scan reads segment i from a position on, batch by batch, each with its CRC.
func (p *cleaningPass) scan(i int, from int64, each func(h *batch.Header, data []byte) error) error {
	s := p.view.segments[i]
	f, err := s.log.acquire()
	if err != nil {
		return p.readError(s, err)
	}
	defer s.log.release()
	scan := frames{f: f, pos: from, limit: s.size.Load(), intactAt: -1, buf: &p.work.read}
	defer func() { // a batch larger than usual had it grow
		if len(p.work.read) > p.work.ioBytes {
			p.work.read = make([]byte, p.work.ioBytes)
		}
	}()
	for {
		if err := p.alive(); err != nil {
			return err
		}
		err := scan.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = scan.check()
		}
		if err != nil {
			return p.readError(s, err)
		}
		data, err := scan.body()
		if err != nil {
			return p.readError(s, err)
		}
		if err := p.work.spend(len(data), p.alive); err != nil {
			return err
		}
		if err := each(&scan.h, data); err != nil {
			return p.contentError(s, scan.at, err)
		}
	}
}

// readError gives the error for a read that failed: the log changed, its bytes are
// corrupt, or the disk failed.
func (p *cleaningPass) readError(s *segment, err error) error {
	p.log.mu.Lock() // a change that is under way ends first
	defer p.log.mu.Unlock()
	switch {
	case p.unchanged() != nil || errors.Is(goneIsRetired(err), errRetired):
		return errCleaningAborted
	case errors.Is(err, errBadFrame):
		return &uncleanableError{s.path(logSuffix), err.Error()}
	}
	return p.log.dirError("read", s.path(logSuffix), err)
}

// contentError adds the position of a batch that cannot be read.
func (p *cleaningPass) contentError(s *segment, at int64, err error) error {
	var corrupt *batch.CorruptError
	var invalid *batch.InvalidError
	var codec *batch.CodecError
	var large *batch.TooLargeError
	if errors.As(err, &corrupt) || errors.As(err, &invalid) || errors.As(err, &codec) || errors.As(err, &large) {
		return &uncleanableError{s.path(logSuffix), fmt.Sprintf("batch at position %d: %v", at, err)}
	}
	return err
}

// expandLimit bounds what a batch may expand to, in bytes: more than the broker
// ever took in, for logs that another wrote.
const expandLimit = math.MaxInt32

// mapKeys notes the last offset of each key in the dirty part.
func (p *cleaningPass) mapKeys() error {
	w := p.work
	w.keys.reset(p.upTo-p.from, w.mapBytes, w.loadFactor)
	first := p.view.floor(p.from)
	aborted, err := p.abortedIn(first, p.from, p.upTo)
	if err != nil {
		return err
	}
	txns := newTransactions(aborted)
	for i := first; i < p.below(p.upTo) && !p.stats.Full; i++ {
		if err := p.mapSegment(i, txns); err != nil {
			return err
		}
		if !p.stats.Full { // to the segment's end, across a gap too
			w.keys.latest = p.view.segments[i+1].base - 1
		}
	}
	p.stats.Keys = w.keys.count
	return nil
}

func (p *cleaningPass) mapSegment(i int, txns *transactions) error {
	s := p.view.segments[i]
	var pos int64
	if s.base < p.from {
		if err := s.load(p.config.IndexIntervalBytes); err != nil {
			return p.readError(s, err)
		}
		var err error
		if pos, err = s.position(p.from); errors.Is(err, errBadFrame) {
			pos, err = 0, nil // a reader that needs the index has it built anew
		}
		if err != nil {
			return p.readError(s, err)
		}
	}
	full := errors.New("the map is full")
	err := p.scan(i, pos, func(h *batch.Header, data []byte) error {
		discard, err := txns.discard(h, data)
		if err != nil || discard || h.Control() {
			return err
		}
		if err := p.mapBatch(h, data); err != nil {
			return err
		}
		if p.stats.Full {
			return full
		}
		if h.LastOffset() >= p.from {
			p.work.keys.latest = h.LastOffset()
		}
		return nil
	})
	if err == full {
		return nil
	}
	return err
}

// mapBatch notes the keys of a batch, until the map is full.
func (p *cleaningPass) mapBatch(h *batch.Header, data []byte) error {
	keys := &p.work.keys
	note := func(r *batch.Seen) bool {
		if r.Key == nil || r.Offset < p.from {
			return true
		}
		if p.stats.Full = keys.full(); p.stats.Full {
			return false
		}
		keys.put(r.Key, r.Offset)
		return true
	}
	if h.Magic < batch.Magic {
		return oldRecords(data, func(s *batch.Seen, _ *batch.Record) bool { return note(s) })
	}
	return p.work.filter.Keys(data, expandLimit, note)
}

// group gives the end of the group of segments that begins with number at: as
// many of those below n as fit into one (Cleaner.groupSegmentsBySize).
func (p *cleaningPass) group(at, n int) int {
	segs := p.view.segments
	base := segs[at].base
	bytes, indexes := segs[at].size.Load(), p.indexBytes(segs[at])
	next := at + 1
	for ; next < n; next++ {
		size := segs[next].size.Load()
		bytes += size
		indexes += p.indexBytes(segs[next])
		last := segs[next+1].base - 1
		if bytes > int64(p.config.SegmentBytes) || indexes > int64(p.config.IndexBytes) || size > 0 && last-base > math.MaxInt32 {
			break
		}
	}
	return next
}

// indexBytes gives how large the larger index of a segment is. One that cannot
// be read counts as full, so that the segment stays by itself.
func (p *cleaningPass) indexBytes(s *segment) int64 {
	if s.load(p.config.IndexIntervalBytes) != nil {
		return int64(p.config.IndexBytes)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return int64(max(s.offsets.count*offsetEntrySize, s.times.count*timeEntrySize))
}

// copyGroup copies the segments from number at to before next, and puts the copy
// in their place.
func (p *cleaningPass) copyGroup(at, next int) error {
	p.last = p.log.lastOfProducers()
	p.txns.kept = nil
	w := newCleanedSegment(p, p.view.segments[at].base)
	err := w.create()
	for i := at; i < next && err == nil; i++ {
		err = p.scan(i, 0, w.take)
	}
	if err == nil {
		err = w.finish()
	}
	if err == nil {
		err = p.log.replaceSegments(p, at, next, w)
	}
	if err != nil {
		return errors.Join(err, w.discard())
	}
	return nil
}

// retain says whether a record stays (Cleaner.shouldRetainRecord).
func (p *cleaningPass) retain(h *batch.Header, r *batch.Seen) bool {
	if r.Offset > p.work.keys.latest {
		return true
	}
	if r.Key == nil {
		p.stats.NoKey++
		return false
	}
	if r.Offset < p.work.keys.get(r.Key) {
		return false
	}
	return !r.Tombstone || !h.HasDeleteHorizon() || p.nowMs < h.BaseTimestamp
}

// retention says what becomes of a batch (the RecordFilter of Cleaner.cleanInto).
func (p *cleaningPass) retention(h *batch.Header, discard bool) (drop bool, r batch.Retention) {
	records := discard
	if h.Control() {
		// A marker outlives its transaction's records by delete.retention.ms, as tombstones do.
		records = discard && h.HasDeleteHorizon() && h.BaseTimestamp <= p.nowMs
	}
	if h.HasProducerID() {
		if last, ok := p.last[h.ProducerID]; ok {
			// The last batch carries the producer's sequence, its last marker the epoch.
			r.RetainEmpty = last.offset == h.LastOffset() || last.offset < 0 && h.Control() && last.epoch == h.ProducerEpoch
		}
	}
	r.HorizonMs = saturatingAdd(p.nowMs, p.config.DeleteRetentionMs)
	r.Mark = discard && h.Control()
	r.Limit = expandLimit
	r.Keep = func(s *batch.Seen) bool {
		if records {
			return false
		}
		return h.Control() || p.retain(h, s)
	}
	return records && !r.RetainEmpty, r
}

func saturatingAdd(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// cleanedSegment is the copy that a group of segments becomes, in files whose
// names end in .cleaned.
type cleanedSegment struct {
	p    *cleaningPass
	disk vfs.FS   // without what is kept on it for a full one: a copy must not take that
	s    *segment // with the names of the .cleaned files
	pos  int64    // where the bytes in work.out belong
}

func newCleanedSegment(p *cleaningPass, base int64) *cleanedSegment {
	disk := p.log.fs
	if roomy, ok := disk.(roomyFS); ok {
		disk = roomy.FS
	}
	w := &cleanedSegment{p: p, disk: disk, s: newSegment(disk, p.log.files, p.log.Dir(), base, 0)}
	for _, c := range []*cachedFile{&w.s.log, &w.s.offsets.file, &w.s.times.file} {
		c.path += cleanedSuffix
	}
	return w
}

// create makes the files, empty.
func (w *cleanedSegment) create() error {
	w.p.work.out = w.p.work.out[:0]
	if err := w.room(0); err != nil {
		return err
	}
	for _, path := range []string{w.s.log.path, w.s.offsets.file.path, w.s.times.file.path} {
		if err := createFile(w.disk, path, 0); err != nil {
			return w.p.log.dirError("create", path, err)
		}
	}
	w.s.ready.Store(true)
	return nil
}

// room fails if so many bytes would leave less room on the disk than the reserve has. Otherwise
// records would be refused because of a copy that may not even fit.
func (w *cleanedSegment) room(bytes int64) error {
	roomy, ok := w.p.log.fs.(roomyFS)
	if !ok {
		return nil
	}
	err := roomy.spare(w.p.log.Dir(), bytes)
	if full(err) && w.pos+bytes > 0 {
		w.p.log.lacked = lackedRoom{w.s.base, w.pos + bytes}
	}
	return w.p.log.dirError("compact", w.p.log.Dir(), err)
}

// lackedRoom is what the copy that begins at base needed at least when there was no room for it. Until there is so
// much, the next cleaning does not even begin.
type lackedRoom struct{ base, bytes int64 }

// roomLacks fails if a copy did not fit the last time, and would not fit now.
func (p *cleaningPass) roomLacks() error {
	roomy, ok := p.log.fs.(roomyFS)
	lacked := p.log.lacked
	if !ok || lacked.bytes == 0 || p.view.segments[p.view.floor(lacked.base)].base != lacked.base {
		return nil
	}
	return p.log.dirError("compact", p.log.Dir(), roomy.spare(p.log.Dir(), lacked.bytes))
}

// take copies what is to stay of a batch.
func (w *cleanedSegment) take(h *batch.Header, data []byte) error {
	p := w.p
	discard, err := p.txns.discard(h, data)
	if err != nil {
		return err
	}
	p.stats.BytesRead += int64(len(data))
	drop, rules := p.retention(h, discard)
	if drop {
		p.stats.RecordsRead += int64(h.Count)
		return nil
	}
	before := len(p.work.out)
	var out []byte
	var read, kept int
	if h.Magic < batch.Magic {
		out, read, kept, err = p.convertOld(p.work.out, data, h)
	} else {
		out, read, kept, err = p.work.filter.Append(p.work.out, data, &rules)
	}
	p.work.out = out
	p.stats.RecordsRead += int64(read)
	p.stats.RecordsWritten += int64(kept)
	if err != nil || len(out) == before {
		return err
	}
	stored, err := batch.ParseHeader(out[before:])
	if err != nil {
		return err
	}
	at := w.pos + int64(before)
	if at > math.MaxInt32 || h.LastOffset()-w.s.base > math.MaxInt32 {
		return &uncleanableError{w.s.path(logSuffix), "offsets or positions do not fit into one segment"}
	}
	// Nobody else knows the segment, so that its lock is only for the form.
	w.s.mu.Lock()
	err = w.s.indexLocked(&stored, at, p.config.IndexIntervalBytes)
	w.s.mu.Unlock()
	if err != nil {
		return p.log.dirError("write", w.s.offsets.file.path, err)
	}
	if len(out) >= p.work.ioBytes {
		return w.flush()
	}
	return nil
}

// flush writes what was gathered.
func (w *cleanedSegment) flush() error {
	out := w.p.work.out
	if len(out) == 0 {
		return nil
	}
	if err := w.p.work.spend(len(out), w.p.alive); err != nil {
		return err
	}
	if err := w.room(int64(len(out))); err != nil {
		return err
	}
	f, err := w.s.log.acquire()
	if err == nil {
		_, err = f.WriteAt(out, w.pos)
		w.s.log.release()
	}
	if err != nil {
		return w.p.log.dirError("write", w.s.log.path, err)
	}
	w.pos += int64(len(out))
	w.p.stats.BytesWritten += int64(len(out))
	if w.p.work.out = out[:0]; cap(out) > 4*w.p.work.ioBytes {
		w.p.work.out = nil
	}
	return nil
}

// finish makes the files whole and durable, under their names.
func (w *cleanedSegment) finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	l := w.p.log
	w.s.size.Store(w.pos)
	if err := w.s.finishIndexes(); err != nil {
		return l.dirError("write", w.s.offsets.file.path, err)
	}
	txns := w.s.path(txnIndexSuffix) + cleanedSuffix
	if err := writeTxnIndex(w.disk, txns, w.p.txns.kept); err != nil {
		return l.dirError("write", txns, err)
	}
	for _, c := range []*cachedFile{&w.s.log, &w.s.offsets.file, &w.s.times.file} {
		f, err := c.acquire()
		if err == nil {
			err = f.Sync()
			c.release()
		}
		if err != nil {
			return l.dirError("sync", c.path, err)
		}
	}
	w.s.retire()
	return l.dirError("sync", l.Dir(), l.fs.SyncDir(l.Dir()))
}

// discard removes the files of a copy that is not to be used. What it leaves
// behind goes when the log is opened.
func (w *cleanedSegment) discard() error {
	w.s.retire()
	for _, suffix := range segmentSuffixes {
		if err := removeIfExists(w.disk, w.s.path(suffix)+cleanedSuffix); err != nil {
			return w.p.log.dirError("remove", w.s.path(suffix)+cleanedSuffix, err)
		}
	}
	return nil
}

// segmentSuffixes are the files of a segment, in the order in which Apache's
// broker renames them.
var segmentSuffixes = []string{logSuffix, indexSuffix, timeIndexSuffix, txnIndexSuffix}

// oldRecords shows the messages of a set of magic 0 or 1, as Filter.Keys shows records.
func oldRecords(data []byte, visit func(*batch.Seen, *batch.Record) bool) error {
	for r, err := range batch.Messages(data, 0) {
		if err != nil {
			return err
		}
		if !visit(&batch.Seen{Offset: r.Offset, Key: r.Key, Tombstone: r.Value == nil}, &r) {
			return nil
		}
	}
	return nil
}

// convertOld appends what is to stay of a message set of magic 0 or 1, as a batch of magic 2
// in its codec, so that tombstones in it get a horizon too. Apache's cleaner leaves the
// magic as it is, and goes by the segment's age. A wrapper's messages are expanded as a whole.
func (p *cleaningPass) convertOld(dst, data []byte, h *batch.Header) (out []byte, read, kept int, err error) {
	attributes := int8(data[oldAttributesAt])
	b := batch.NewBuilder(batch.Codec(attributes & 7))
	b.LogAppendTime = h.Magic > 0 && attributes&8 != 0
	err = oldRecords(data, func(s *batch.Seen, r *batch.Record) bool {
		read++
		if p.retain(h, s) {
			if b.Count() == 0 {
				b.BaseOffset = r.Offset
			}
			b.AddAt(int32(r.Offset-b.BaseOffset), r.Timestamp, r.Key, r.Value)
		}
		return true
	})
	if kept = b.Count(); err != nil || kept == 0 {
		return dst, read, kept, err
	}
	data, err = b.Build()
	if err != nil {
		return dst, read, kept, err
	}
	rules := batch.Retention{Keep: func(*batch.Seen) bool { return true }, HorizonMs: saturatingAdd(p.nowMs, p.config.DeleteRetentionMs)}
	out, _, _, err = p.work.filter.Append(dst, data, &rules)
	return out, read, kept, err
}

// oldAttributesAt is where the attributes of a message of magic 0 or 1 stand.
const oldAttributesAt = 17
