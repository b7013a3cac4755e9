package logstore

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"klamm/logstore/vfs"
	"klamm/observe"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// Log is one partition's log: a directory of segments, each a file of record
// batches with an offset and a time index, the state of idempotent producers
// and the leader epochs. It corresponds to Apache Kafka's UnifiedLog.
//
// All methods are safe for concurrent use. A Log has three ends:
//
//   - EndOffset, the offset of the next record: all records below it are written to files;
//   - RecoveryPoint: all records below it are on the disk;
//   - HighWatermark, which the owner of the Log sets: deletion of records and retention do
//     not go past it. It does not bound Read, whose caller passes a bound.
//
// A goroutine takes the locks in this order: cleaning, mu (one writer), flush.mu, epochFile.mu,
// pub (what readers see), a segment's mu (its indexes), FileBudget.mu. Waiting appends are in queue; no
// goroutine holds the lock of queue together with another lock. No goroutine writes or syncs a
// file while it holds pub. Under mu a goroutine takes locks of the Store, as when a truncation lowers
// the checkpoints, or when the log moves: see Store for their place in the order.
type Log struct {
	fs         vfs.FS
	dir        atomic.Pointer[string] // changed under mu, flush and pub together
	tp         protocol.TopicPartition
	observer   *observe.Observer    // nil where nobody observes
	elapsed    func() time.Duration // a clock for the observer
	name       string
	files      *FileBudget
	run        func(func())
	remove     func(paths []string, delayMs int64)
	logger     *slog.Logger
	readFailed func(error)
	notices    *notices     // never nil
	full       *atomic.Bool // Options.Full, never nil; a move of the log changes it with mu and cleaning held
	// offsetsLowered is Options.OffsetsLowered.
	offsetsLowered func() error
	// settle is Options.Settle until it has succeeded, then nil; guarded by mu.
	settle func() error

	queue appendQueue

	mu sync.Mutex
	// Guarded by mu.
	config    Config
	producers producers
	staged    staged
	closed    bool
	cutMs     int64 // the time of a truncation that completeCutLocked has not completed yet, in ms; -1 if there is none

	pub sync.RWMutex
	// Guarded by pub; changed with mu held as well.
	view   view
	epochs leaderEpochs

	epochFile epochFile

	highWatermark  atomic.Int64           // changed with pub held, for reading or for writing
	startMoved     atomic.Pointer[func()] // see NotifyStart; nil for nobody to tell
	pendingStart   atomic.Int64           // the log start offset that DeleteExpired will make visible
	recoveryPoint  atomic.Int64
	bytesAppended  atomic.Int64
	interval       atomic.Int32             // config.IndexIntervalBytes, readable without mu
	flushMessages  atomic.Int64             // config.FlushMessages, readable without mu
	flushMs        atomic.Int64             // config.FlushMs, readable without mu
	failed         atomic.Pointer[DirError] // the failure that stopped the log for good
	gone           atomic.Bool              // no file of the log may be synced any more
	unflushedSince atomic.Int64             // the time, in ms, of the first append since the last flush; -1 for none
	unsyncedSealed atomic.Int64             // the base offset of the oldest sealed segment with unsynced indexes; -1 for none
	ending         atomic.Bool              // the log is being closed: cleaning ends
	cleanedTo      atomic.Int64             // the log is compacted below this offset, -1 if it is not; changed under mu
	compact        atomic.Bool              // config.Compact, readable without mu
	uncleanable    atomic.Bool              // an error in the content keeps the log from being compacted
	moving         atomic.Bool              // the log is to be copied to another directory: cleaning ends and waits

	cleaning sync.Mutex // held while the log is cleaned or copied; taken before mu
	lacked   lackedRoom // guarded by cleaning

	flush flushState

	snapshotWrite snapshotWrite

	hints readHints
	tasks sync.WaitGroup // background flushes
}

// view is what readers see of a log at one instant.
type view struct {
	segments []*segment // ascending, never empty; the slice is never changed in place
	start    int64      // log start offset
	end      int64      // log end offset
	last     int64      // how many bytes of the last segment are valid
}

// floor gives the index of the segment that contains offset, 0 if offset lies before all segments.
func (v *view) floor(offset int64) int {
	i, found := slices.BinarySearchFunc(v.segments, offset, func(s *segment, o int64) int {
		switch {
		case s.base < o:
			return -1
		case s.base > o:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	return max(i, 0)
}

func (v *view) active() *segment { return v.segments[len(v.segments)-1] }

// size gives how many bytes of segment i are valid in this view.
func (v *view) size(i int) int64 {
	if i == len(v.segments)-1 {
		return v.last
	}
	return v.segments[i].size.Load()
}

// Options says where a log is, and what the files outside its directory say about it. The
// comment of an optional field says what its zero value means.
type Options struct {
	FS        vfs.FS
	Dir       string // the partition's own directory, which exists
	Partition protocol.TopicPartition
	Config    Config
	// RecoveryPoint and StartOffset come from recovery-point-offset-checkpoint and
	// log-start-offset-checkpoint; 0 when the file has no entry for this log.
	RecoveryPoint, StartOffset int64
	// Clean says that the log was closed cleanly, so that opening it does not scan its tail.
	Clean bool
	// Compacted says that the log was compacted once, whatever Config says now. Then gaps
	// between its segments up to CleanedTo are no sign of a loss.
	Compacted bool
	// NoCheckpoints says that there is no recovery-point-offset-checkpoint, since the log was restored without it.
	NoCheckpoints bool
	// NowMs is the present time in ms, for the expiry of producers and the age of a new segment.
	NowMs int64
	// Files bounds the open files; with nil the log makes a budget of its own.
	Files *FileBudget
	// Background runs work that the log does not wait for (the sync after a roll); nil means
	// a new goroutine.
	Background func(func())
	// Producers bounds the producers of all logs of a Store; nil means no bound.
	Producers *ProducerBudget
	// Full says that the room left on the disk is not for records. While it is set, the log
	// refuses records with ENOSPC. nil means that it is never set.
	Full *atomic.Bool
	// ReadFailed is called with an error of the disk that no caller of the log gets; nil means no call.
	ReadFailed func(error)
	// Remove gets files that the log renamed to .deleted, and removes them after the delay in
	// ms. It must not call the log. With nil the log removes the files at once.
	Remove func(paths []string, delayMs int64)
	// Observer is told of rolls and flushes; nil: nobody observes. Elapsed is a clock for it, which only grows.
	Observer *observe.Observer
	Elapsed  func() time.Duration
	// notices tells the Store which logs it has to look at; nil for a log without a Store.
	notices *notices
	// Settle makes the log's directory durable, and the files in it that are not segments. The log calls it before
	// its first record; if Settle fails, the log refuses the record. nil means that there is nothing to do.
	Settle func() error
	// CleanedTo is the offset below which a Compacted log is compacted. It comes from
	// cleaner-offset-checkpoint. An offset that the log does not contain counts as the log start offset.
	CleanedTo int64
	// OffsetsLowered is called while the log is truncated, after its offsets that checkpoints have were lowered: the recovery
	// point, the high watermark, the log start offset and CleanedTo. When it returns, no checkpoint on the disk may have a
	// higher one, or another log start offset. It is called with the log locked, and may call the log's methods that give
	// offsets and no others. nil means that there is nothing to do.
	OffsetsLowered func() error
	// Logger gets rare events: recovery, cuts, rebuilt indexes; nil means no lines.
	Logger *slog.Logger
}

func newLog(o Options) *Log {
	l := &Log{
		fs: o.FS, tp: o.Partition, name: o.Partition.String(), files: o.Files,
		run: o.Background, remove: o.Remove, logger: o.Logger, config: o.Config,
		observer: o.Observer, elapsed: o.Elapsed,
		offsetsLowered: o.OffsetsLowered, full: o.Full, settle: o.Settle, notices: o.notices,
	}
	if l.readFailed = o.ReadFailed; l.readFailed == nil {
		l.readFailed = func(error) {}
	}
	if l.notices == nil {
		l.notices = new(notices)
	}
	if l.full == nil {
		l.full = new(atomic.Bool)
	}
	l.dir.Store(&o.Dir)
	if l.files == nil {
		l.files = NewFileBudget(64)
	}
	if l.run == nil {
		l.run = func(f func()) { go f() }
	}
	if l.remove == nil {
		l.remove = func(paths []string, _ int64) {
			for _, p := range paths {
				_ = removeIfExists(l.fs, p) // the next opening of the log removes the files that are left
			}
		}
	}
	if l.logger == nil {
		l.logger = slog.New(slog.DiscardHandler)
	}
	l.logger = l.logger.With("partition", l.name)
	l.producers.name = l.name
	l.producers.clear(0)
	l.flush.idle = sync.NewCond(&l.flush.mu)
	l.configureLocked(o.Config)
	l.unflushedSince.Store(-1)
	l.unsyncedSealed.Store(-1)
	l.cleanedTo.Store(-1)
	l.cutMs = -1
	return l
}

func (l *Log) newSegment(base, nowMs int64) *segment {
	s := newSegment(l.fs, l.files, l.Dir(), base, nowMs)
	if most := min(l.config.SegmentJitterMs, l.config.SegmentMs); most > 0 {
		s.jitterMs = rand.Int64N(most)
	}
	return s
}

// fullSize gives the size, in bytes, to which the log extends the file of a new segment (preallocate).
func (l *Log) fullSize() int64 {
	if l.config.Preallocate {
		return int64(l.config.SegmentBytes)
	}
	return 0
}

func (l *Log) snapshot() view {
	l.pub.RLock()
	defer l.pub.RUnlock()
	return l.view
}

// Dir gives the path of the partition's directory, which changes when the log moves to
// another log directory.
func (l *Log) Dir() string { return *l.dir.Load() }

// Partition gives the partition that the log belongs to.
func (l *Log) Partition() protocol.TopicPartition { return l.tp }

// StartOffset gives the log start offset: the first offset that a client may read.
func (l *Log) StartOffset() int64 {
	l.pub.RLock()
	defer l.pub.RUnlock()
	return l.view.start
}

// EndOffset gives the log end offset: the offset of the next record.
func (l *Log) EndOffset() int64 {
	l.pub.RLock()
	defer l.pub.RUnlock()
	return l.view.end
}

// Offsets gives the log start offset and the log end offset at one instant.
func (l *Log) Offsets() (start, end int64) {
	l.pub.RLock()
	defer l.pub.RUnlock()
	return l.view.start, l.view.end
}

// SizeBytes gives the size of all segments in bytes, without their indexes.
func (l *Log) SizeBytes() int64 {
	v := l.snapshot()
	var n int64
	for i := range v.segments {
		n += v.size(i)
	}
	return n
}

// Segments gives the number of segments.
func (l *Log) Segments() int { return len(l.snapshot().segments) }

// BytesAppended gives how many bytes were appended since the log was opened. The number
// only grows; a waiting fetch compares two values of it.
func (l *Log) BytesAppended() int64 { return l.bytesAppended.Load() }

// HighWatermark gives the high watermark that SetHighWatermark set last. Before the first
// call it is the log start offset.
func (l *Log) HighWatermark() int64 { return l.highWatermark.Load() }

// SetHighWatermark sets the high watermark to hw, or to the log start or end offset if hw
// lies outside of the two. It gives the high watermark that it set.
func (l *Log) SetHighWatermark(hw int64) int64 {
	l.pub.RLock() // a truncation lowers both ends and the high watermark together
	hw = max(l.view.start, min(hw, l.view.end))
	moved := l.highWatermark.Swap(hw) != hw
	l.pub.RUnlock() // not deferred: each append comes here
	if moved {
		l.notices.highWatermarkMoved()
	}
	return hw
}

// Configure changes the configuration from now on.
func (l *Log) Configure(c Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.configureLocked(c)
}

func (l *Log) configureLocked(c Config) {
	l.config = c
	l.producers.max = c.ProducersMax
	l.interval.Store(c.IndexIntervalBytes)
	l.flushMessages.Store(c.FlushMessages)
	l.flushMs.Store(c.FlushMs)
	if l.flushesByTime() {
		l.notices.look(l)
	}
	if l.compact.Store(c.Compact); c.Compact {
		l.notices.compact(l)
	}
}

// Config gives the configuration.
func (l *Log) Config() Config {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.config
}

// ActiveProducers lists the producers whose state the log holds, in the order of their ids.
func (l *Log) ActiveProducers() []ProducerState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.producers.active()
}

// ExpireProducers forgets the producers that have written nothing for
// producer.id.expiration.ms. The Store calls it every
// producer.id.expiration.check.interval.ms. nowMs is the time in ms.
func (l *Log) ExpireProducers(nowMs int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.producers.removeExpired(nowMs, l.config.ProducerExpirationMs)
}

// AssignLeaderEpoch records that this leader epoch begins at the log end offset. The epoch is on the disk as soon
// as its first batch is: see epochFile. Nothing depends on it before.
func (l *Log) AssignLeaderEpoch(epoch int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pub.Lock()
	defer l.pub.Unlock()
	if epoch >= 0 {
		l.epochs.assign(epoch, l.view.end)
	}
}

// LatestEpoch gives the latest leader epoch, -1 when there is none.
func (l *Log) LatestEpoch() int32 {
	l.pub.RLock()
	defer l.pub.RUnlock()
	return l.epochs.latest()
}

// EpochAt gives the leader epoch that wrote offset, -1 when it is not known.
func (l *Log) EpochAt(offset int64) int32 {
	l.pub.RLock()
	defer l.pub.RUnlock()
	return l.epochs.epochAt(offset)
}

// EndOffsetForEpoch gives the largest leader epoch of the log that is not above epoch, and
// the offset at which that leader epoch ends (KIP-101, KIP-279). When the log knows no such
// epoch, found is false and both are -1.
func (l *Log) EndOffsetForEpoch(epoch int32) (foundEpoch int32, endOffset int64, found bool) {
	l.pub.RLock()
	defer l.pub.RUnlock()
	return l.epochs.endOffsetFor(epoch, l.view.end)
}

// writeEpochs brings leader-epoch-checkpoint up to date. The caller holds mu, or is the one that syncs the log.
func (l *Log) writeEpochs() error {
	file := &l.epochFile
	file.mu.Lock()
	defer file.mu.Unlock()
	l.pub.RLock()
	entries := l.epochs.entries
	l.pub.RUnlock()
	if !file.unsure && slices.Equal(entries, file.written) {
		return nil
	}
	file.unsure = true
	path := filepath.Join(l.Dir(), leaderEpochFile)
	if err := writeFileAtomically(l.fs, path, encodeLeaderEpochs(entries)); err != nil {
		return l.dirError("write", path, err)
	}
	file.written, file.unsure = entries, false
	return nil
}

// Err gives the *DirError that stopped the log for good, nil if there is none.
func (l *Log) Err() error {
	if e := l.failed.Load(); e != nil {
		return e
	}
	return nil
}

// usableLocked gives an error if the log takes no writes.
func (l *Log) usableLocked() error {
	if l.closed {
		return ErrClosed
	}
	return l.Err()
}

// dirError wraps an error of the disk in a *DirError. It does not wrap nil, or an error
// that callers already recognise by its type.
func (l *Log) dirError(op, path string, err error) error {
	var known *DirError
	if err == nil || err == ErrClosed || errors.As(err, &known) || errors.As(err, new(*CorruptError)) || errors.As(err, new(*batch.BusyError)) {
		return err
	}
	if corrupt(err) {
		return &CorruptError{Path: path, Position: -1, Offset: -1, Err: err}
	}
	return &DirError{Dir: l.Dir(), Path: path, Op: op, Err: err}
}

// syncDir makes the names in the log's directory durable. If the sync fails, nobody knows which
// names are durable, and the log takes no more writes. If syncDir only lacks a file descriptor
// to open the directory, the log goes on.
func (l *Log) syncDir() error {
	err := syncNames(l.fs, l.Dir())
	if err == nil || passes(err) {
		return l.dirError("sync", l.Dir(), err)
	}
	return l.fail("sync", l.Dir(), err)
}

// fail makes the log refuse writes from now on, and gives the error of the first failure.
func (l *Log) fail(op, path string, err error) error {
	e := &DirError{Dir: l.Dir(), Path: path, Op: op, Err: err, Sticky: true}
	if l.failed.CompareAndSwap(nil, e) {
		l.notices.look(l)
		l.logger.Error("log stops taking writes", "op", op, "path", path, "error", err)
	}
	return l.failed.Load()
}

// Close writes what a clean stop writes (a snapshot of the producers, trimmed indexes,
// leader epochs), makes everything durable and closes the files. It writes nothing if the
// log never had a record: see Options.Settle. A region that a caller still reads stays
// readable. After an error the log does not count as cleanly closed.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	l.ending.Store(true)
	err := l.Err()
	if err == nil {
		err = l.closeLocked()
	}
	l.producers.leaveBudget()
	l.mu.Unlock()
	l.waitCleaned()
	l.tasks.Wait()
	for _, s := range l.snapshot().segments {
		s.retire()
	}
	return err
}

func (l *Log) closeLocked() error {
	active := l.view.active()
	if l.settle != nil { // the log never had a record, so there is nothing to lose
		return l.dirError("truncate", active.path(logSuffix), active.trim())
	}
	if err := l.completeCutLocked(); err != nil {
		return err
	}
	if err := active.load(l.config.IndexIntervalBytes); err != nil {
		return l.dirError("read", active.path(indexSuffix), err)
	}
	if err := active.finishIndexes(); err != nil {
		return l.dirError("write", active.path(indexSuffix), err)
	}
	if err := active.trim(); err != nil {
		return l.dirError("truncate", active.path(logSuffix), err)
	}
	if err := l.writeEpochs(); err != nil {
		return err
	}
	l.awaitSnapshotLocked()
	l.producers.mapEnd = max(l.producers.mapEnd, l.view.end)
	if _, err := l.producers.takeSnapshot(l.fs, l.Dir(), true); err != nil {
		return l.dirError("write", l.Dir(), err)
	}
	if err := l.flushAll(true); err != nil {
		return err
	}
	return l.dirError("sync", l.Dir(), l.fs.SyncDir(l.Dir()))
}

// Discard closes the files of a log and writes nothing. The Store calls it before it
// deletes the log's directory, and for a log that it does not close cleanly. After Discard
// the log does not touch the directory any more, so that the Store may rename the
// directory; a later Flush gives ErrClosed.
func (l *Log) Discard() {
	l.mu.Lock()
	l.closed = true
	l.producers.leaveBudget()
	l.mu.Unlock()
	l.gone.Store(true)
	l.ending.Store(true)
	l.waitCleaned()
	l.waitFlushIdle()
	l.flushDone()
	l.tasks.Wait()
	for _, s := range l.snapshot().segments {
		s.retire()
	}
}
