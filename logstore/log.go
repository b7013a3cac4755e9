package logstore

import (
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// Log is one partition's log: a directory of segments, each a file of record
// batches with an offset and a time index, the state of idempotent producers
// and the leader epochs. It corresponds to Apache Kafka's UnifiedLog.
//
// All methods are safe for concurrent use. A Log knows three ends:
//
//   - EndOffset, the offset that the next record gets: what is with the kernel;
//   - RecoveryPoint, below which everything is on the disk;
//   - HighWatermark, which its owner sets: deletion of records and retention do
//     not go past it. Readers are bounded by what they pass to Read.
//
// Locks, in the order in which they are taken: mu (one writer), flush.mu,
// pub (what readers see), a segment's mu (its indexes), FileBudget.mu. Waiting
// appends are in queue, whose lock is never held together with another.
// A write or a sync never happens under pub. cleaning is taken before all of them.
// Only when the log moves are locks of the Store taken under mu: see Store.
type Log struct {
	fs         vfs.FS
	dir        atomic.Pointer[string] // changed under mu, flush and pub together
	tp         protocol.TopicPartition
	name       string
	files      *FileBudget
	run        func(func())
	remove     func(paths []string, delayMs int64)
	logger     *slog.Logger
	readFailed func(error)
	notices    *notices     // never nil
	full       *atomic.Bool // Options.Full, never nil; changed with mu and cleaning held, when the log moves
	// cleanedToLowered is Options.CleanedToLowered.
	cleanedToLowered func() error
	// settle is Options.Settle until it was called; guarded by mu.
	settle func() error

	queue appendQueue

	mu sync.Mutex
	// Guarded by mu.
	config    Config
	producers producers
	staged    staged
	closed    bool

	pub sync.RWMutex
	// Guarded by pub; changed with mu held as well.
	view   view
	epochs leaderEpochs

	highWatermark  atomic.Int64
	pendingStart   atomic.Int64 // the log start offset that DeleteExpired will show
	recoveryPoint  atomic.Int64
	bytesAppended  atomic.Int64
	interval       atomic.Int32 // config.IndexIntervalBytes without mu; likewise the next two
	flushMessages  atomic.Int64
	flushMs        atomic.Int64
	failed         atomic.Pointer[DirError] // a sticky failure
	gone           atomic.Bool              // nothing may be synced any more
	unflushedSince atomic.Int64             // ms of the first append since the last flush, -1 without
	unsyncedSealed atomic.Int64             // base of the oldest sealed segment with unsynced indexes, -1 without
	ending         atomic.Bool              // the log is being closed: cleaning ends
	cleanedTo      atomic.Int64             // the log is compacted below this offset, -1 for not at all; changed under mu
	compact        atomic.Bool              // config.Compact without mu
	uncleanable    atomic.Bool              // an error of its content keeps it from being compacted
	moving         atomic.Bool              // it is to be copied to another directory: cleaning ends and waits

	cleaning sync.Mutex // held while the log is cleaned or copied; taken before mu
	lacked   lackedRoom // guarded by cleaning

	flush flushState

	snapshotWrite snapshotWrite

	hints readHints
	tasks sync.WaitGroup // background flushes
}

// view is what readers see of a log, taken at one instant.
type view struct {
	segments []*segment // ascending, never empty; the slice is never changed in place
	start    int64      // log start offset
	end      int64      // log end offset
	last     int64      // valid bytes of the last segment
}

// floor gives the number of the segment that offset lies in, 0 if it lies before all.
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

// Options says where a log is and what is known about it from outside of its
// directory. The zero value of what is optional is stated with it.
type Options struct {
	FS        vfs.FS
	Dir       string // the partition's own directory, which exists
	Partition protocol.TopicPartition
	Config    Config
	// RecoveryPoint and StartOffset come from recovery-point-offset-checkpoint and
	// log-start-offset-checkpoint; 0 when they know nothing of this log.
	RecoveryPoint, StartOffset int64
	// Clean says that the log was closed before, so that its tail is believed.
	Clean bool
	// Compacted says that the log was compacted once, whatever Config says now: gaps
	// between its segments up to CleanedTo are no sign of a loss.
	Compacted bool
	// NowMs is the time, for the expiry of producers and the age of a new segment.
	NowMs int64
	// Files bounds open files; nil makes a budget of the log's own.
	Files *FileBudget
	// Background runs what need not be waited for (the sync after a roll); nil
	// starts a goroutine.
	Background func(func())
	// Producers bounds the producers of all logs of a Store; nil for no bound.
	Producers *ProducerBudget
	// Full says that the room left on the disk is not for records: they are refused
	// with ENOSPC while it is set. nil is never.
	Full *atomic.Bool
	// ReadFailed is called with an error of the disk that no caller of the log gets; nil for none.
	ReadFailed func(error)
	// Remove is handed files that were renamed to .deleted, to be removed after the
	// delay; nil removes at once. It must not call the log.
	Remove func(paths []string, delayMs int64)
	// notices is where the log notes what its Store has to look at; nil for a log without a Store.
	notices *notices
	// Settle makes the log's directory durable, with the files in it that are no segments. It is called
	// before the first record of a log that never had one; the record is refused if it fails. nil for nothing.
	Settle func() error
	// CleanedTo says of a log that is Compacted up to which offset; it comes from
	// cleaner-offset-checkpoint. One that the log does not hold counts as its start.
	CleanedTo int64
	// CleanedToLowered is called before the log is truncated below CleanedTo. On return
	// the lower CleanedTo must be on the disk. It may call the log's methods that give
	// offsets. nil for nothing.
	CleanedToLowered func() error
	// Logger gets what is rare: recovery, cuts, rebuilt indexes; nil for none.
	Logger *slog.Logger
}

func newLog(o Options) *Log {
	l := &Log{
		fs: o.FS, tp: o.Partition, name: o.Partition.String(), files: o.Files,
		run: o.Background, remove: o.Remove, logger: o.Logger, config: o.Config,
		cleanedToLowered: o.CleanedToLowered, full: o.Full, settle: o.Settle, notices: o.notices,
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
				_ = removeIfExists(l.fs, p) // opening the log removes what is left
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
	return l
}

func (l *Log) newSegment(base, nowMs int64) *segment {
	s := newSegment(l.fs, l.files, l.Dir(), base, nowMs)
	if most := min(l.config.SegmentJitterMs, l.config.SegmentMs); most > 0 {
		s.jitterMs = rand.Int64N(most)
	}
	return s
}

// fullSize is how large the file of a new segment is made.
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

// Dir gives the partition's directory, which changes when the log moves to
// another log directory.
func (l *Log) Dir() string { return *l.dir.Load() }

// Partition gives the partition that the log belongs to.
func (l *Log) Partition() protocol.TopicPartition { return l.tp }

// StartOffset gives the log start offset: the first that may be read.
func (l *Log) StartOffset() int64 {
	l.pub.RLock()
	defer l.pub.RUnlock()
	return l.view.start
}

// EndOffset gives the log end offset: what the next record gets.
func (l *Log) EndOffset() int64 {
	l.pub.RLock()
	defer l.pub.RUnlock()
	return l.view.end
}

// Offsets gives start and end as of one instant.
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

// BytesAppended gives how many bytes were appended since the log was opened. It
// only grows; a waiting fetch compares two of its values.
func (l *Log) BytesAppended() int64 { return l.bytesAppended.Load() }

// HighWatermark gives what SetHighWatermark set last; the log start offset
// after opening.
func (l *Log) HighWatermark() int64 { return l.highWatermark.Load() }

// SetHighWatermark sets the high watermark, kept within start and end of the
// log, and gives what it became.
func (l *Log) SetHighWatermark(hw int64) int64 {
	start, end := l.Offsets()
	hw = max(start, min(hw, end))
	if l.highWatermark.Swap(hw) != hw {
		l.notices.highWatermarkMoved()
	}
	return hw
}

// Configure changes the configuration, for what happens from now on.
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

// ActiveProducers lists the producers that are known, by id.
func (l *Log) ActiveProducers() []ProducerState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.producers.active()
}

// ExpireProducers forgets those that have written nothing for longer than
// producer.id.expiration.ms. Their owner calls it now and then.
func (l *Log) ExpireProducers(nowMs int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.producers.removeExpired(nowMs, l.config.ProducerExpirationMs)
}

// AssignLeaderEpoch notes that this leader epoch begins at the log end offset.
// It reaches the disk with the first batch of the epoch: until then nothing
// depends on it.
func (l *Log) AssignLeaderEpoch(epoch int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pub.Lock()
	defer l.pub.Unlock()
	if epoch >= 0 {
		l.epochs.assign(epoch, l.view.end)
	}
}

// LatestEpoch gives the newest leader epoch, -1 when there is none.
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

// EndOffsetForEpoch gives the largest leader epoch that is not above the one
// asked for, and the offset at which it ends (KIP-101, KIP-279). found is false,
// and both are -1, when the log knows nothing of it.
func (l *Log) EndOffsetForEpoch(epoch int32) (foundEpoch int32, endOffset int64, found bool) {
	l.pub.RLock()
	defer l.pub.RUnlock()
	return l.epochs.endOffsetFor(epoch, l.view.end)
}

// writeEpochsLocked brings leader-epoch-checkpoint up to date.
func (l *Log) writeEpochsLocked() error {
	if !l.epochs.dirty {
		return nil
	}
	path := filepath.Join(l.Dir(), leaderEpochFile)
	if err := writeFileAtomically(l.fs, path, encodeLeaderEpochs(l.epochs.entries)); err != nil {
		return l.dirError("write", path, err)
	}
	l.epochs.dirty, l.epochs.urgent = false, false
	return nil
}

// Err gives the failure that stopped the log, nil while there is none.
func (l *Log) Err() error {
	if e := l.failed.Load(); e != nil {
		return e
	}
	return nil
}

// usableLocked says why nothing can be written.
func (l *Log) usableLocked() error {
	if l.closed {
		return ErrClosed
	}
	return l.Err()
}

// dirError wraps an error of the disk in a *DirError. nil, and errors that say what they
// are already, stay as they are.
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

// syncDir makes the names in the log's directory durable. If that fails nobody knows which of
// them are, and the log fails. A lack of descriptors to open the directory with does not count.
func (l *Log) syncDir() error {
	err := syncNames(l.fs, l.Dir())
	if err == nil || passes(err) {
		return l.dirError("sync", l.Dir(), err)
	}
	return l.fail("sync", l.Dir(), err)
}

// fail makes the log refuse writes from now on.
func (l *Log) fail(op, path string, err error) error {
	e := &DirError{Dir: l.Dir(), Path: path, Op: op, Err: err, Sticky: true}
	if l.failed.CompareAndSwap(nil, e) {
		l.notices.look(l)
		l.logger.Error("log stops taking writes", "op", op, "path", path, "err", err)
	}
	return l.failed.Load()
}

// Close writes what a clean stop writes (a snapshot of the producers, trimmed
// indexes, leader epochs), makes everything durable and closes the files. Of a log
// that never had a record nothing is written: see Options.Settle.
// Regions that are still read stay readable. After an error the log counts as
// not cleanly closed.
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
	if l.settle != nil { // it never had a record: nothing is lost with it
		return l.dirError("truncate", active.path(logSuffix), active.trim())
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
	if err := l.writeEpochsLocked(); err != nil {
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

// Discard closes the files of a log whose directory is to be deleted, and writes
// nothing. When it returns, nothing of the log touches the directory any more,
// so that it may be renamed; a Flush that comes later gives ErrClosed.
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
