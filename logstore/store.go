package logstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"sync"
	"time"

	"klamm/logstore/vfs"
	"klamm/observe"
	"klamm/protocol"
)

// StoreOptions say where a Store keeps its logs and how. Intervals are in
// milliseconds; 0 takes Apache Kafka's default.
type StoreOptions struct {
	// Dirs (log.dirs) are the log directories. OpenStore makes those that are missing.
	Dirs []string
	// FS is the disk; nil means the operating system's.
	FS vfs.FS
	// BrokerID and ClusterID have to agree with meta.properties. NoBrokerID and "" mean
	// the values in meta.properties.
	BrokerID  int32
	ClusterID string

	// Defaults is the configuration of a log whose topic has no configuration of its own.
	Defaults Config
	// ConfigFor gives a topic's configuration while logs are loaded; nil means Defaults for every topic.
	ConfigFor func(topic string) Config

	// RecoveryThreads (num.recovery.threads.per.data.dir) is how many logs of a directory
	// the Store loads, recovers and closes at a time. The Store raises a value below 16 to
	// 16, since these tasks wait for the disk most of the time.
	RecoveryThreads int
	// ReserveBytes is how much room the Store keeps in each directory for operations that have
	// to work on a full disk; 0 means 8 MiB, or a fiftieth of a smaller file system.
	ReserveBytes int64
	// MaxOpenFiles bounds the files that the logs keep open; 0 means 4096.
	MaxOpenFiles int
	// ProducersMax (klamm.producer.ids.max) bounds the producers that all logs know together; 0 means no bound.
	ProducersMax int

	RetentionCheckMs int64 // log.retention.check.interval.ms; 5 minutes
	// InitialTaskDelayMs (log.initial.task.delay.ms) is how long after the start retention and
	// the checkpoints of offsets first run; with 0 each first runs after its own interval.
	InitialTaskDelayMs int64
	// FlushCheckMs is log.flush.scheduler.interval.ms. Kafka's default is the largest number,
	// which means never, and then a topic's flush.ms does nothing. klamm takes that number as 1
	// second.
	FlushCheckMs              int64
	RecoveryPointCheckpointMs int64 // log.flush.offset.checkpoint.interval.ms; 1 minute
	StartOffsetCheckpointMs   int64 // log.flush.start.offset.checkpoint.interval.ms; 1 minute
	HighWatermarkCheckpointMs int64 // replica.high.watermark.checkpoint.interval.ms; 5 seconds
	ProducerExpiryCheckMs     int64 // producer.id.expiration.check.interval.ms; 10 minutes

	// Cleaner configures the log cleaner. With the zero value the Store compacts no log.
	Cleaner CleanerOptions

	// MoveThreads (num.replica.alter.log.dirs.threads) is how many logs the Store copies to
	// other directories at a time; 0 means as many as there are directories.
	MoveThreads int
	// MoveBytesPerSecond (replica.alter.log.dirs.io.max.bytes.per.second) bounds the bytes
	// per second of all these copies together; 0 means no bound. See Store.SetMoveRate.
	MoveBytesPerSecond float64

	// OnDirFailure is called once for each directory that goes offline, with the reason
	// and the partitions in the directory, whose logs take no more writes. The Store calls
	// it on a goroutine of its own, possibly before OpenStore has returned. It may call the
	// Store.
	OnDirFailure func(dir string, err error, partitions []protocol.TopicPartition)
	// OnLoaded, if set, makes OpenStore return once the directories are checked, locked and
	// listed. The Store calls it for each log that is ready, or that failed to load with
	// err, on several goroutines. Before that call Get fails with ErrLoading.
	OnLoaded func(tp protocol.TopicPartition, log *Log, err error)

	// Clock tells the time; nil means time.Now.
	Clock func() time.Time
	// Elapsed tells how long the process has been running, by a clock that nobody sets. nil means
	// the difference of two times of Clock, which is that if Clock is time.Now.
	Elapsed func() time.Duration
	// Observer is told of rolls, flushes and directories that fail; nil: nobody observes.
	Observer *observe.Observer
	// Logger gets lines for the operator; nil means slog.Default.
	Logger *slog.Logger
	// RequestLogger gets the lines that a client can cause as often as it likes; nil means Logger.
	RequestLogger *slog.Logger
}

func (o *StoreOptions) setDefaults() {
	if o.FS == nil {
		o.FS = vfs.OS{}
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Elapsed == nil {
		begun := o.Clock()
		o.Elapsed = func() time.Duration { return o.Clock().Sub(begun) }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.RequestLogger == nil {
		o.RequestLogger = o.Logger
	}
	if o.ConfigFor == nil {
		defaults := o.Defaults
		o.ConfigFor = func(string) Config { return defaults }
	}
	if o.MaxOpenFiles == 0 {
		o.MaxOpenFiles = 4096
	}
	o.RecoveryThreads = max(o.RecoveryThreads, 16)
	if o.MoveThreads <= 0 {
		o.MoveThreads = len(o.Dirs)
	}
	if o.FlushCheckMs == math.MaxInt64 {
		o.FlushCheckMs = 0
	}
	for field, defaultMs := range map[*int64]int64{
		&o.RetentionCheckMs:          300_000,
		&o.FlushCheckMs:              1_000,
		&o.RecoveryPointCheckpointMs: 60_000,
		&o.StartOffsetCheckpointMs:   60_000,
		&o.HighWatermarkCheckpointMs: 5_000,
		&o.ProducerExpiryCheckMs:     600_000,
	} {
		if *field == 0 {
			*field = defaultMs
		}
	}
}

// These errors of the Store do not come from the disk.
var (
	// ErrNoLog says that the log directories have no log of the partition.
	ErrNoLog = errors.New("no log of this partition in the log directories")
	// ErrLoading says that the partition's log is still being recovered.
	ErrLoading = errors.New("log is being recovered")
	// ErrStoreClosed says that the Store was closed.
	ErrStoreClosed = errors.New("log directories are closed")
)

// TopicIDError says that a partition's directory belongs to a topic with the same name
// and another id (INCONSISTENT_TOPIC_ID).
type TopicIDError struct {
	Partition protocol.TopicPartition
	Path      string
	OnDisk    protocol.UUID
	Given     protocol.UUID
}

func (e *TopicIDError) Error() string {
	return fmt.Sprintf("%s: %s holds the topic with id %s, not %s", e.Partition, e.Path, e.OnDisk, e.Given)
}

// Store keeps the log directories of a broker and the logs in them. It corresponds to
// Apache Kafka's LogManager. It is safe for concurrent use.
//
// A goroutine takes locks in this order: retaining, altering, cleaner.set, cleaner.mu, Log.mu,
// logDir.cpMu, Store.mu, the other locks of a Log. No goroutine calls the disk while it holds
// Store.mu.
type Store struct {
	o   StoreOptions
	fs  vfs.FS
	log *slog.Logger

	cleanerLog *slog.Logger // log, for the lines about compaction
	dirs       []*logDir    // in the order of StoreOptions.Dirs
	files      *FileBudget
	// producers bounds the producers that all logs know together.
	producers *ProducerBudget

	mu       sync.Mutex
	defaults Config                                 // guarded by mu
	logs     map[protocol.TopicPartition]*partition // guarded by mu; putLocked and dropLocked change it
	removals []removal                              // guarded by mu; by the time at which each is due
	closed   bool                                   // guarded by mu

	altering    sync.Mutex // held while the Store decides to which directory a log moves
	mover       mover
	steady      steadyTime
	cleaner     cleaner
	notices     notices
	retaining   sync.Mutex    // held while old segments are deleted; taken before all other locks
	stop        chan struct{} // closed to end the background work
	wakeRemoval chan struct{} // capacity 1
	background  sync.WaitGroup
	loading     sync.WaitGroup
}

// partition is one partition's entry in the Store. When the log has moved to another
// directory, the Store replaces the entry by a new one.
type partition struct {
	tp   protocol.TopicPartition
	dir  *logDir
	path string
	// ready is closed when the log was loaded or created, or when that failed. log and err
	// are set before and do not change afterwards.
	ready chan struct{}
	log   *Log
	err   error

	topicID protocol.UUID // guarded by Store.mu; zero when not known
	wanted  bool          // guarded by Store.mu; a caller of Create or GetOrCreate has got the log
	move    *move         // guarded by Store.mu; the move of the log to another directory, nil for none. setMoveLocked changes it
	// gone is not nil while the Store deletes the partition. It is closed when the name of
	// the partition is free again. Guarded by Store.mu.
	gone chan struct{}
}

// OpenStore opens the log directories. It checks that they belong to this broker and locks
// them, and changes nothing before both have succeeded for all directories. Then it loads
// every log, recovers the logs of each directory that was not closed cleanly, and starts
// the background work. A directory whose disk fails goes offline, as long as another
// directory is left.
//
// Errors: *MetaPropertiesError, *LockedError, *DuplicateLogError, *DirError.
func OpenStore(o StoreOptions) (*Store, error) {
	o.setDefaults()
	if err := o.Cleaner.check(); err != nil {
		return nil, err
	}
	files := NewFileBudget(o.MaxOpenFiles)
	s := &Store{
		o: o, fs: frugalFS{o.FS, files}, log: o.Logger, cleanerLog: o.Logger.With("logger", "logstore.cleaner"), defaults: o.Defaults,
		files:       files,
		producers:   NewProducerBudget(o.ProducersMax, o.RequestLogger),
		logs:        map[protocol.TopicPartition]*partition{},
		stop:        make(chan struct{}),
		wakeRemoval: make(chan struct{}, 1),
	}
	s.mover = mover{
		threads: o.MoveThreads, throttle: newThrottle(o.MoveBytesPerSecond, o.Clock, s.stop),
		preferred: map[protocol.TopicPartition]*logDir{},
	}
	s.cleaner = cleaner{s: s, busy: map[*Log]bool{}}
	if err := s.takeDirs(); err != nil {
		s.unlock()
		return nil, err
	}
	s.load()
	if o.OnLoaded == nil {
		s.loading.Wait()
	}
	s.startBackground()
	return s, s.SetCleaner(o.Cleaner)
}

// putLocked makes p the entry of its partition, in place of the one that there was. This, dropLocked and setMoveLocked count the logs of each
// directory. Whoever makes thousands of logs wants the directory with the fewest for each of them, and must not look at all logs for that.
func (s *Store) putLocked(p *partition) {
	s.dropLocked(p.tp)
	s.logs[p.tp] = p
	p.countLocked(1)
}

// dropLocked removes the entry of a partition, if there is one.
func (s *Store) dropLocked(tp protocol.TopicPartition) {
	if p := s.logs[tp]; p != nil {
		delete(s.logs, tp)
		p.countLocked(-1)
	}
}

// setMoveLocked notes to where the log moves of a partition whose entry p is; nil for nowhere.
func (p *partition) setMoveLocked(m *move) {
	p.countLocked(-1)
	p.move = m
	p.countLocked(1)
}

// countLocked adds n to the logs of the directory that the partition's log is in, and of the one that it moves to.
func (p *partition) countLocked(n int) {
	p.dir.logs += n
	if p.move != nil {
		p.move.to.logs += n
	}
}

// Get gives the partition's log. It fails with ErrNoLog, ErrLoading, ErrStoreClosed, with
// *DirError if the log's directory is offline, or with the error of loading the log.
func (s *Store) Get(tp protocol.TopicPartition) (*Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.logs[tp]
	switch {
	case s.closed:
		return nil, ErrStoreClosed
	case p == nil || p.gone != nil:
		return nil, ErrNoLog
	case p.dir.err != nil:
		return nil, p.dir.err
	}
	if !p.isReady() {
		return nil, ErrLoading
	}
	return p.log, p.err
}

// TopicID gives the id of the topic to which the partition's directory belongs. It gives
// the zero id and true when the directory has no topic id, and false when the partition
// has no log here.
func (s *Store) TopicID(tp protocol.TopicPartition) (protocol.UUID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.logs[tp]
	if p == nil || p.gone != nil {
		return protocol.UUID{}, false
	}
	return p.topicID, true
}

// Partitions lists the partitions that have a log here, in no order. It includes those
// whose log is still loading and those whose directory is offline.
func (s *Store) Partitions() []protocol.TopicPartition {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]protocol.TopicPartition, 0, len(s.logs))
	for tp, p := range s.logs {
		if p.gone == nil {
			list = append(list, tp)
		}
	}
	return list
}

// All gives the logs that are ready and whose directory is online.
func (s *Store) All() map[protocol.TopicPartition]*Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[protocol.TopicPartition]*Log, len(s.logs))
	for tp, p := range s.logs {
		if p.usableLocked() {
			all[tp] = p.log
		}
	}
	return all
}

// usableLocked reports whether the log is loaded and may be used. The caller holds Store.mu.
func (p *partition) usableLocked() bool {
	return p.gone == nil && p.dir.err == nil && p.isReady() && p.log != nil
}

// isReady reports whether log and err are set.
func (p *partition) isReady() bool {
	select {
	case <-p.ready:
		return true
	default:
		return false
	}
}

// ClusterID gives the cluster id that the directories belong to.
func (s *Store) ClusterID() string { return s.o.ClusterID }

// BrokerID gives the broker id that the directories belong to.
func (s *Store) BrokerID() int32 { return s.o.BrokerID }

// CloseIdleFiles closes some of the files that no log uses at the moment, and gives how many. It is for a process that has no file
// descriptor left: a log opens its file again when it needs it.
func (s *Store) CloseIdleFiles() int { return s.files.CloseIdle() }

// SetDefaults changes the configuration from which the Store takes file.delete.delay.ms
// for deleted partitions. It does not change the configuration of a log.
func (s *Store) SetDefaults(c Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.defaults = c
}

// Close ends the background work, flushes and closes every log, and writes the
// checkpoints. At last it writes the mark of a clean stop into each directory where all of
// that succeeded, and unlocks the directories in any case. ctx bounds how long it waits for
// the background work: when one disk hangs, the logs on the others are closed all the
// same. Close itself returns when everything has ended.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.cleaner.close()
		s.background.Wait()
		s.loading.Wait() // not for long: after stop is closed, no further log is loaded
	}()
	calm := true
	select {
	case <-ended:
	case <-ctx.Done():
		calm = false
		s.log.Warn("background work on the log directories does not end, closing the logs beside it")
	}

	var wg sync.WaitGroup
	errs := make([]error, len(s.dirs))
	for i, d := range s.dirs {
		wg.Go(func() { errs[i] = s.closeDir(d, calm) })
	}
	wg.Wait()
	<-ended
	s.unlock()
	return errors.Join(errs...)
}

// closeDir closes a directory's logs and marks it clean. Without calm, background work may go on meanwhile.
func (s *Store) closeDir(d *logDir, calm bool) error {
	s.mu.Lock()
	var open []*partition
	clean := true
	for _, p := range s.logs {
		if m := p.move; m != nil && m.to == d && !calm {
			clean = false // the move may end at any moment, and bring a log here that nobody closes
		}
		switch {
		case p.dir != d:
		case !p.isReady() || p.log == nil || p.gone != nil:
			clean = false // it is being made or deleted, or could not be recovered: the next start has to look at it
		default:
			open = append(open, p)
		}
	}
	offline := d.err != nil
	s.mu.Unlock()
	if offline {
		for _, p := range open {
			p.log.Discard()
		}
		return nil
	}

	var mu sync.Mutex
	var failed []error
	each(open, s.o.RecoveryThreads, func(p *partition) {
		if err := p.log.Close(); err != nil {
			mu.Lock()
			failed = append(failed, fmt.Errorf("%s: %w", p.tp, err))
			mu.Unlock()
		}
	})
	if !clean || len(failed) > 0 {
		return errors.Join(failed...)
	}
	if err := d.check(); err != nil {
		return err
	}
	for _, c := range checkpointKinds {
		if err := s.writeCheckpoint(d, c); err != nil {
			return err
		}
	}
	if err := writeCleanShutdown(d.fs, d.path); err != nil {
		return &DirError{Dir: d.path, Path: filepath.Join(d.path, cleanShutdownName), Op: "mark clean", Err: err}
	}
	return nil
}

// each calls f for every item, n at a time, and waits until all calls have returned.
func each[T any](items []T, n int, f func(T)) {
	var wg sync.WaitGroup
	next := make(chan T)
	for range min(n, len(items)) {
		wg.Go(func() {
			for item := range next {
				f(item)
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	wg.Wait()
}
