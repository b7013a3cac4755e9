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
	"klamm/protocol"
)

// StoreOptions say where a Store keeps its logs and how. Intervals are in
// milliseconds; 0 takes Apache Kafka's default.
type StoreOptions struct {
	// Dirs (log.dirs) are the log directories; they are made when missing.
	Dirs []string
	// FS is the disk; nil is the real one.
	FS vfs.FS
	// BrokerID and ClusterID have to agree with meta.properties. NoBrokerID and ""
	// take what stands there.
	BrokerID  int32
	ClusterID string

	// Defaults is the configuration of a log whose topic has none of its own.
	Defaults Config
	// ConfigFor gives a topic's configuration while logs are loaded; nil gives Defaults.
	ConfigFor func(topic string) Config

	// RecoveryThreads (num.recovery.threads.per.data.dir) is how many logs of a
	// directory are at least loaded, recovered and closed at a time. Since they
	// wait for the disk most of the time, never fewer than 16 are.
	RecoveryThreads int
	// ReserveBytes is how much room is kept in each directory for operations that have to
	// work on a full disk; 0 is 8 MiB, or a fiftieth of a smaller file system.
	ReserveBytes int64
	// MaxOpenFiles bounds the files that the logs keep open; 0 is 4096.
	MaxOpenFiles int
	// ProducersMax (klamm.producer.ids.max) bounds the producers that all logs know together; 0 for no bound.
	ProducersMax int

	RetentionCheckMs int64 // log.retention.check.interval.ms; 5 minutes
	// InitialTaskDelayMs (log.initial.task.delay.ms) is how long after the start
	// retention and checkpoints of offsets run first; 0 waits for one interval of each.
	InitialTaskDelayMs int64
	// FlushCheckMs is log.flush.scheduler.interval.ms. Kafka's default, the largest
	// number, is never, and a topic's flush.ms then does nothing; here it is 1 second.
	FlushCheckMs              int64
	RecoveryPointCheckpointMs int64 // log.flush.offset.checkpoint.interval.ms; 1 minute
	StartOffsetCheckpointMs   int64 // log.flush.start.offset.checkpoint.interval.ms; 1 minute
	HighWatermarkCheckpointMs int64 // replica.high.watermark.checkpoint.interval.ms; 5 seconds
	ProducerExpiryCheckMs     int64 // producer.id.expiration.check.interval.ms; 10 minutes

	// Cleaner says how compacted logs are compacted; the zero value does not.
	Cleaner CleanerOptions

	// MoveThreads (num.replica.alter.log.dirs.threads) is how many logs are copied to
	// other directories at a time; 0 is as many as there are directories.
	MoveThreads int
	// MoveBytesPerSecond (replica.alter.log.dirs.io.max.bytes.per.second) bounds what
	// they copy together; 0 for no bound. See Store.SetMoveRate.
	MoveBytesPerSecond float64

	// OnDirFailure is called once for each directory that goes offline, with the reason
	// and the partitions in it, whose logs take no more writes. It is called on a
	// goroutine of its own, possibly before OpenStore has returned, and may call the
	// Store.
	OnDirFailure func(dir string, err error, partitions []protocol.TopicPartition)
	// OnLoaded, if set, has OpenStore return once the directories are checked, locked
	// and listed. It is called for each log that is ready, or with the error, on
	// several goroutines; until then Get fails with ErrLoading.
	OnLoaded func(tp protocol.TopicPartition, log *Log, err error)

	// Clock tells the time; nil is time.Now.
	Clock func() time.Time
	// Elapsed tells how long the process has been running, by a clock that nobody sets; nil
	// asks Clock, whose times know that too if they are time.Now's.
	Elapsed func() time.Duration
	// Logger gets lines for the operator; nil is slog.Default.
	Logger *slog.Logger
	// RequestLogger gets lines about what clients ask for, however often they ask; nil is Logger.
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

// Errors of the Store that are not the disk's.
var (
	// ErrNoLog says that no log of the partition is here.
	ErrNoLog = errors.New("no log of this partition in the log directories")
	// ErrLoading says that the partition's log is still being recovered.
	ErrLoading = errors.New("log is being recovered")
	// ErrStoreClosed says that the Store was closed.
	ErrStoreClosed = errors.New("log directories are closed")
)

// TopicIDError says that a partition's directory belongs to another topic of
// the same name (INCONSISTENT_TOPIC_ID).
type TopicIDError struct {
	Partition protocol.TopicPartition
	Path      string
	OnDisk    protocol.UUID
	Given     protocol.UUID
}

func (e *TopicIDError) Error() string {
	return fmt.Sprintf("%s: %s holds the topic with id %s, not %s", e.Partition, e.Path, e.OnDisk, e.Given)
}

// Store is the log directories of a broker and the logs in them, as Apache
// Kafka's LogManager keeps them. It is safe for concurrent use.
//
// Locks are taken in this order: altering, cleaner.set, cleaner.mu, Log.mu, logDir.cpMu,
// Store.mu, the others of a Log. Store.mu is never held over a call to the disk.
type Store struct {
	o     StoreOptions
	fs    vfs.FS
	log   *slog.Logger
	dirs  []*logDir // in the order of StoreOptions.Dirs
	files *FileBudget
	// producers bounds what Log.ActiveProducers gives for all logs together.
	producers *ProducerBudget

	mu       sync.Mutex
	defaults Config                                 // guarded by mu
	logs     map[protocol.TopicPartition]*partition // guarded by mu
	removals []removal                              // guarded by mu; in the order of due
	closed   bool                                   // guarded by mu

	altering    sync.Mutex // held while it is decided where a log is to move
	mover       mover
	steady      steadyTime
	cleaner     cleaner
	notices     notices
	retaining   sync.Mutex    // held by who deletes old segments; before all other locks
	stop        chan struct{} // closed to end the background
	wakeRemoval chan struct{} // capacity 1
	background  sync.WaitGroup
	loading     sync.WaitGroup
}

// partition is one partition's place in the Store. When its log has moved to
// another directory there is a new one for it.
type partition struct {
	tp   protocol.TopicPartition
	dir  *logDir
	path string
	// ready is closed when the log is loaded or created, or that failed. log and
	// err are set before and not changed after.
	ready chan struct{}
	log   *Log
	err   error

	topicID protocol.UUID // guarded by Store.mu; zero when not known
	wanted  bool          // guarded by Store.mu; Create or GetOrCreate gave it to somebody
	move    *move         // guarded by Store.mu; the log is on its way to another directory
	// gone, when not nil, says that the partition is being deleted; it is closed
	// when its name is free again. Guarded by Store.mu.
	gone chan struct{}
}

// OpenStore opens the log directories. It checks to which broker they belong and locks
// them, and changes nothing before both have succeeded for all of them. Then it loads
// every log in them, recovering those of a directory that was not closed cleanly, and
// starts the background work. A directory whose disk fails is offline, as long as there
// is another.
//
// Errors: *MetaPropertiesError, *LockedError, *DuplicateLogError, *DirError.
func OpenStore(o StoreOptions) (*Store, error) {
	o.setDefaults()
	if err := o.Cleaner.check(); err != nil {
		return nil, err
	}
	s := &Store{
		o: o, fs: o.FS, log: o.Logger, defaults: o.Defaults,
		files:       NewFileBudget(o.MaxOpenFiles),
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

// Get gives the partition's log. It fails with ErrNoLog, ErrLoading, ErrStoreClosed, with
// *DirError if its directory is offline, or with the error of loading the log.
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

// TopicID gives the id of the topic that the partition's directory was made
// for; zero and true when the directory does not say.
func (s *Store) TopicID(tp protocol.TopicPartition) (protocol.UUID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.logs[tp]
	if p == nil || p.gone != nil {
		return protocol.UUID{}, false
	}
	return p.topicID, true
}

// Partitions lists the partitions that have a log here, those included that are
// still loading or whose directory is offline, in no order.
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

// usableLocked says whether the log is there and may be used.
func (p *partition) usableLocked() bool {
	return p.gone == nil && p.dir.err == nil && p.isReady() && p.log != nil
}

// isReady says whether log and err may be looked at.
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

// SetDefaults changes the configuration that file.delete.delay.ms of deleted
// partitions is taken from. Logs have configurations of their own.
func (s *Store) SetDefaults(c Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.defaults = c
}

// Close ends the background work, flushes and closes every log, writes the
// checkpoints, and last the mark of a clean stop into each directory where all
// of that succeeded. The directories are unlocked in any case. When ctx ends
// first, what is not closed yet is left to recovery and ctx's error returned.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	close(s.stop)
	s.cleaner.close()
	s.background.Wait()
	s.loading.Wait() // what was not begun when stop closed is skipped

	var wg sync.WaitGroup
	errs := make([]error, len(s.dirs))
	for i, d := range s.dirs {
		wg.Go(func() { errs[i] = s.closeDir(ctx, d) })
	}
	wg.Wait()
	s.unlock()
	return errors.Join(append(errs, ctx.Err())...)
}

// closeDir closes a directory's logs and marks it clean.
func (s *Store) closeDir(ctx context.Context, d *logDir) error {
	s.mu.Lock()
	var open []*partition
	clean := true
	for _, p := range s.logs {
		if p.dir != d {
			continue
		}
		if p.log != nil {
			open = append(open, p)
		} else {
			clean = false // it could not be recovered, so the next start has to try again
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
		err := ctx.Err()
		if err == nil {
			err = p.log.Close()
		} else {
			p.log.Discard()
		}
		if err != nil {
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

// each calls f for every item, n at a time, and waits for all.
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
