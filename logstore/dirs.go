package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"klamm/logstore/vfs"
	"klamm/observe"
	"klamm/protocol"
)

// logDir is one log directory.
type logDir struct {
	path string
	fs   vfs.FS // the disk with the reserve
	// reserve is kept for what has to work on a full disk.
	reserve *reserve

	lock    vfs.Lock // nil when it could not be taken
	clean   bool     // was closed cleanly the last time
	bare    bool     // has logs, but no readable recovery-point-offset-checkpoint: they were restored without it
	meta    MetaProperties
	found   bool          // meta was read from the file
	drop    []*partition  // to be renamed as deleted, while the directory is taken
	futures []foundFuture // copies of logs that an earlier run was about to move here
	syncs   sharedSync    // of the directory itself
	starts  sharedSync    // of the start offsets' checkpoint

	shortageSaid time.Time // when the log last said that there is no room; guarded by Store.mu
	// cleaningSaid is when the log last said that a log in here could not be compacted; guarded by Store.mu.
	cleaningSaid time.Time
	// logs is how many logs are in here or on their way here; guarded by Store.mu. See Store.putLocked.
	logs int
	// err is why the directory is offline; guarded by Store.mu. What it answers is
	// the first error, and it stays so until the broker starts again.
	err error

	cpMu        sync.Mutex // guards the checkpoints and orders their writing
	checkpoints map[string]*checkpoint
}

// LockedError says that another process uses a log directory.
type LockedError struct{ Dir string }

func (e *LockedError) Error() string {
	return e.Dir + ": another broker, klamm or Apache Kafka, is using this log directory; " +
		"stop it, or give this one a directory of its own (log.dirs)"
}

// DuplicateLogError says that two directories hold a log of one partition.
type DuplicateLogError struct {
	Partition     protocol.TopicPartition
	First, Second string
}

func (e *DuplicateLogError) Error() string {
	return fmt.Sprintf("%s is both in %s and in %s; remove or move away the one that is out of date",
		e.Partition, e.First, e.Second)
}

// passes says whether an error is for lack of space, of descriptors or of memory, or a
// name that the file system does not take. The disk is well, and may do later what it
// refuses now, so such an error takes no directory offline.
func passes(err error) bool {
	if errors.As(err, new(*syncError)) {
		return false // nobody knows what is on the disk
	}
	return Transient(err) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.EMLINK)
}

// Transient says whether an error is for want of space, of descriptors or of memory: the same call may go well later.
func Transient(err error) bool {
	if errors.As(err, new(*syncError)) {
		return false // it is not known what is on the disk
	}
	return full(err) || tooManyFiles(err) || errors.Is(err, syscall.ENOMEM)
}

// tooManyFiles says whether an error is for lack of file descriptors, which connections
// use too: it says nothing of the disk.
func tooManyFiles(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// takeDirs checks and locks the directories, lists the partitions in them and makes
// missing files. All steps that may refuse a start come before those that change a
// directory.
func (s *Store) takeDirs() error {
	if len(s.o.Dirs) == 0 {
		return errors.New("no log directory is configured (log.dirs)")
	}
	seen := map[string]bool{}
	for _, path := range s.o.Dirs {
		abs, err := filepath.Abs(path)
		if err != nil {
			return err
		}
		if seen[abs] {
			return fmt.Errorf("%s: log directory is given twice (log.dirs)", path)
		}
		seen[abs] = true
		d := &logDir{path: abs, reserve: newReserve(s.fs, abs, s.o.ReserveBytes), checkpoints: map[string]*checkpoint{}}
		d.fs = roomyFS{s.fs, d.reserve}
		s.dirs = append(s.dirs, d)
	}
	for _, step := range []func(*logDir) error{
		s.checkDir, s.lockExisting, s.checkDir, s.listDir, // refuse
		s.makeDir, s.writeMeta, s.readCheckpoints, s.dropMark, s.fillReserve, s.dropDuplicates, s.resumeMoves, // change
	} {
		for _, d := range s.dirs {
			if d.err != nil {
				continue
			}
			if err := step(d); err != nil {
				var dirErr *DirError
				if !errors.As(err, &dirErr) {
					return err
				}
				s.failDir(d, err)
			}
		}
		if err := s.allOffline(); err != nil {
			return err
		}
	}
	return nil
}

// allOffline gives the first directory's error when none is online.
func (s *Store) allOffline() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.dirs {
		if d.err == nil {
			return nil
		}
	}
	return s.dirs[0].err
}

// checkDir reads meta.properties and compares it.
func (s *Store) checkDir(d *logDir) error {
	st, err := s.fs.Stat(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return &DirError{Dir: d.path, Path: d.path, Op: "open", Err: reason(err)}
	}
	if !st.IsDir() {
		return &DirError{Dir: d.path, Path: d.path, Op: "open", Err: syscall.ENOTDIR}
	}
	path := filepath.Join(d.path, metaPropertiesName)
	m, err := ReadMetaProperties(s.fs, d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, syscall.EIO):
		return &DirError{Dir: d.path, Path: path, Op: "read", Err: reason(err)}
	case err != nil:
		return err
	}
	if d.meta, err = m.completed(path, s.o.BrokerID, s.o.ClusterID); err != nil {
		return err
	}
	d.found = m == d.meta
	s.o.BrokerID, s.o.ClusterID = d.meta.BrokerID, d.meta.ClusterID
	return nil
}

func (s *Store) lockExisting(d *logDir) error {
	if _, err := s.fs.Stat(d.path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return s.lockDir(d)
}

const lockName = ".lock"

func (s *Store) lockDir(d *logDir) error {
	path := filepath.Join(d.path, lockName)
	lock, err := s.fs.Lock(path)
	switch {
	case errors.Is(err, vfs.ErrLocked):
		return &LockedError{d.path}
	case err != nil:
		return &DirError{Dir: d.path, Path: path, Op: "lock", Err: reason(err)}
	}
	d.lock = lock
	return nil
}

// LockDirs takes the locks of log directories, which a broker that runs holds, for a program that must not meet one. Each directory has to be there. The
// error is a *LockedError if a broker runs on one of them. unlock gives the locks up.
func LockDirs(disk vfs.FS, dirs []string) (unlock func(), err error) {
	var held []vfs.Lock
	unlock = func() {
		for _, l := range held {
			_ = l.Close() // they end with the process otherwise
		}
	}
	for _, dir := range dirs {
		l, err := disk.Lock(filepath.Join(dir, lockName))
		if errors.Is(err, vfs.ErrLocked) {
			err = &LockedError{dir}
		}
		if err != nil {
			unlock()
			return nil, err
		}
		held = append(held, l)
	}
	return unlock, nil
}

// listDir finds the partitions and what is left of deleted ones.
func (s *Store) listDir(d *logDir) error {
	if d.lock == nil {
		return nil // to be made
	}
	list, err := s.fs.ReadDir(d.path)
	if err != nil {
		return &DirError{Dir: d.path, Path: d.path, Op: "list", Err: reason(err)}
	}
	for _, e := range list {
		if !e.IsDir() {
			continue
		}
		path := filepath.Join(d.path, e.Name())
		tp, kind, ok := ParseDirName(e.Name())
		switch {
		case !ok:
			s.log.Warn("directory holds no partition and is left alone", "path", path)
		case kind == DirDeleted:
			s.removals = append(s.removals, removal{paths: []string{path}, dir: d, due: s.o.Clock()})
		case kind == DirFuture:
			d.futures = append(d.futures, foundFuture{tp, d, path})
		case kind != DirLive:
			s.log.Warn("log of a partition that this broker no longer had (-stray) is left alone", "path", path)
		default:
			p := &partition{tp: tp, dir: d, path: path, ready: make(chan struct{})}
			if other := s.logs[tp]; other != nil {
				if p, err = s.chooseDuplicate(other, p); err != nil {
					return err
				}
			}
			s.putLocked(p) // nobody else knows the Store yet
		}
	}
	return nil
}

// makeDir makes a missing directory, durably, and locks it.
func (s *Store) makeDir(d *logDir) error {
	if d.lock != nil {
		if !d.found {
			s.syncParents(d.path)
		}
		return nil
	}
	if err := makeDirs(s.fs, d.path); err != nil {
		return &DirError{Dir: d.path, Path: d.path, Op: "make", Err: reason(err)}
	}
	return s.lockDir(d)
}

// makeDirs makes a directory and its missing parents, durably.
func makeDirs(disk vfs.FS, path string) error {
	var missing []string
	for at := path; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := disk.Stat(at); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		missing = append(missing, at)
	}
	if err := disk.MkdirAll(path); err != nil {
		return err
	}
	for _, made := range slices.Backward(missing) {
		if err := disk.SyncDir(filepath.Dir(made)); err != nil {
			return err
		}
	}
	return nil
}

// syncParents syncs the parents of a directory that has no complete meta.properties: a start may have made the directory,
// with some of its parents, and been killed before it synced them. A parent that cannot be synced was made by somebody
// else, and so were those above it.
func (s *Store) syncParents(path string) {
	for at := path; at != filepath.Dir(at); at = filepath.Dir(at) {
		if err := s.fs.SyncDir(filepath.Dir(at)); err != nil {
			s.log.Debug("parent of a log directory is not synced", "path", filepath.Dir(at), "error", err)
			return
		}
	}
}

// writeMeta writes meta.properties where it is missing or incomplete.
func (s *Store) writeMeta(d *logDir) error {
	want := MetaProperties{BrokerID: s.o.BrokerID, ClusterID: s.o.ClusterID, DirectoryID: d.meta.DirectoryID}
	if d.found && d.meta == want {
		return nil
	}
	d.meta = want
	path := filepath.Join(d.path, metaPropertiesName)
	if err := writeFileAtomically(s.fs, path, want.encode(s.o.Clock())); err != nil {
		return &DirError{Dir: d.path, Path: path, Op: "write", Err: reason(err)}
	}
	return nil
}

// readCheckpoints reads the offsets. One that makes no sense counts as empty, as
// with Apache: everything is scanned then.
func (s *Store) readCheckpoints(d *logDir) error {
	for _, name := range checkpointKinds {
		entries, err := readOffsets(s.fs, d.path, name)
		var malformed *malformedError
		if errors.As(err, &malformed) {
			s.log.Warn("checkpoint is not readable and counts as empty", "error", err)
			entries = nil
		} else if err != nil {
			return &DirError{Dir: d.path, Path: filepath.Join(d.path, name), Op: "read", Err: reason(err)}
		}
		d.checkpoints[name] = &checkpoint{path: filepath.Join(d.path, name), entries: entries, unsure: entries == nil}
	}
	return s.noteBare(d)
}

// noteBare notes whether the logs of a directory were restored without their checkpoints. A directory without logs gets the file at
// once, as Apache's broker makes it, so that its absence tells.
func (s *Store) noteBare(d *logDir) error {
	c := d.checkpoints[recoveryPointCheckpoint]
	_, err := s.fs.Stat(c.path)
	switch {
	case err == nil:
		d.bare = c.unsure
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return &DirError{Dir: d.path, Path: c.path, Op: "read", Err: reason(err)}
	}
	for _, p := range s.logs {
		d.bare = d.bare || p.dir == d
	}
	if !d.bare {
		c.unsure = true
		_ = c.write(d.fs, offsets{}) // without room it is written later; a start must not fail for it
	}
	return nil
}

// dropMark notes whether there is the mark of a clean stop, and removes it: from here on
// a crash leaves logs that have to be recovered. Without the mark, the last process may
// have been killed before it synced the names of partitions that have records.
func (s *Store) dropMark(d *logDir) (err error) {
	if d.clean, err = hasCleanShutdown(s.fs, d.path); err == nil {
		if d.clean {
			err = removeCleanShutdown(s.fs, d.path)
		} else {
			err = s.fs.SyncDir(d.path)
		}
	}
	if err != nil {
		return &DirError{Dir: d.path, Path: filepath.Join(d.path, cleanShutdownName), Op: "remove", Err: reason(err)}
	}
	return nil
}

// fillReserve makes the reserve whole. That there is no room for it is no error:
// the directory takes no records then until there is.
func (s *Store) fillReserve(d *logDir) error {
	err := d.reserve.fill()
	switch {
	case err == nil:
	case passes(err):
		s.warnOfShortage(d, err)
	default:
		return &DirError{Dir: d.path, Path: d.reserve.path, Op: "keep room in", Err: reason(err)}
	}
	return nil
}

// check fails if the path no longer leads to the directory that was locked. Otherwise
// logs would be made anew in an empty mount point, on the wrong disk.
func (d *logDir) check() error {
	if err := d.lock.Check(); err != nil {
		return &DirError{Dir: d.path, Path: d.path, Op: "use", Err: reason(err)}
	}
	return nil
}

// dropDuplicates renames what chooseDuplicate found superfluous.
func (s *Store) dropDuplicates(d *logDir) error {
	for _, p := range d.drop {
		renamed, err := s.renameDeleted(p)
		if err != nil {
			return err
		}
		s.removals = append(s.removals, removal{paths: []string{renamed}, dir: d, due: s.o.Clock()})
	}
	return nil
}

// unlock gives all directories up.
func (s *Store) unlock() {
	for _, d := range s.dirs {
		if d.lock != nil {
			_ = d.lock.Close() // closing is all that unlocking is
		}
	}
}

// failDir takes a directory offline: its logs fail with err from now on. The other
// directories go on.
func (s *Store) failDir(d *logDir, err error) {
	s.mu.Lock()
	if d.err != nil || s.closed {
		s.mu.Unlock()
		return
	}
	var dirErr *DirError
	if !errors.As(err, &dirErr) {
		err = &DirError{Dir: d.path, Path: d.path, Op: "use", Err: err}
	}
	d.err = err
	var gone []protocol.TopicPartition
	for tp, p := range s.logs {
		if m := p.move; m != nil && (m.to == d || p.dir == d) {
			m.stop()
			if m.to == d {
				p.dropMoveLocked()
			}
		}
		if p.dir != d || p.move != nil && p.move.swapping {
			continue // one that is leaving right now fails if it stays after all: see endSwap
		}
		gone = append(gone, tp)
		if p.isReady() && p.log != nil {
			p.log.failWith(err)
		}
	}
	s.mu.Unlock()
	s.o.Observer.Tell(s.log, observe.DirectoryFailed{Dir: d.path, Partitions: len(gone), Err: err})
	if s.o.OnDirFailure != nil {
		// Whoever met the failure may hold locks that the owner's answer to it takes.
		go s.o.OnDirFailure(d.path, err, gone)
	}
}

// failWith has a log that did not fail itself fail every write with the error of its
// directory.
func (l *Log) failWith(err error) {
	e := &DirError{Dir: l.Dir(), Path: l.Dir(), Op: "write", Sticky: true, Err: err}
	var dirErr *DirError
	if errors.As(err, &dirErr) {
		e.Path, e.Op, e.Err = dirErr.Path, dirErr.Op, dirErr.Err
	}
	if l.failed.CompareAndSwap(nil, e) {
		l.notices.look(l)
	}
}

// ReportFailure is for a caller that got an error from a Log. An error of the disk takes
// the log directory offline; any other is ignored.
func (s *Store) ReportFailure(tp protocol.TopicPartition, err error) {
	s.mu.Lock()
	p := s.logs[tp]
	s.mu.Unlock()
	if p != nil {
		s.logFailed(p.dir, err)
	}
}

// logFailed takes the log directory offline in which the error's path lies, since a log
// may have moved meanwhile; d if the error has no path. Errors that say nothing of the
// disk are only logged: see passes.
func (s *Store) logFailed(d *logDir, err error) {
	var dirErr *DirError
	if errors.As(err, &dirErr) {
		d = s.dirOf(dirErr.Path, d)
	}
	switch {
	case dirErr == nil:
	case passes(err):
		s.warnOfShortage(d, err)
	default:
		s.failDir(d, err)
	}
}

// shortageInterval is how often the log says at most that a directory is full.
const shortageInterval = time.Minute

// warnOfShortage logs now and then that a write found no room on the disk, or no file descriptor. Clients are told each
// time.
func (s *Store) warnOfShortage(d *logDir, err error) {
	if s.dueToSay(&d.shortageSaid) {
		s.log.Error("the disk or the process lacks room for a write, which is refused; everything else goes on", "log_dir", d.path, "error", err)
	}
}

// dueToSay says whether a line was not logged within shortageInterval, and notes that it is now.
func (s *Store) dueToSay(said *time.Time) bool {
	now := s.o.Clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if since := now.Sub(*said); since >= 0 && since < shortageInterval {
		return false
	}
	*said = now
	return true
}

// LogInfo is one log in DirInfo.
type LogInfo struct {
	Partition protocol.TopicPartition
	SizeBytes int64
	// OffsetLag is how far the log is behind, in offsets; 0 for a present log, and -1
	// for a copy whose log is out of reach.
	OffsetLag int64
	// Future says that the log is a copy on its way to another directory.
	Future bool
}

// DirInfo is a log directory as DescribeLogDirs tells it.
type DirInfo struct {
	Path string
	// Err is why the directory is offline, or nil.
	Err error
	// Total and Usable are the file system's bytes, -1 when they are not known.
	Total, Usable int64
	Logs          []LogInfo
}

// Dirs describes the log directories, in their order in log.dirs. An offline
// one has no logs.
func (s *Store) Dirs() []DirInfo {
	infos := make([]DirInfo, len(s.dirs))
	logs := make([]map[protocol.TopicPartition]*Log, len(s.dirs))
	s.mu.Lock()
	for i, d := range s.dirs {
		infos[i] = DirInfo{Path: d.path, Err: d.err, Total: -1, Usable: -1}
		logs[i] = map[protocol.TopicPartition]*Log{}
		for tp, p := range s.logs {
			if p.dir == d && p.usableLocked() {
				logs[i][tp] = p.log
			}
			if m := p.move; m != nil && m.to == d {
				infos[i].Logs = append(infos[i].Logs, LogInfo{Partition: tp, SizeBytes: m.copy.size.Load(), OffsetLag: m.lagLocked(), Future: true})
			}
		}
	}
	s.mu.Unlock()
	for i := range infos {
		if infos[i].Err != nil {
			infos[i].Logs = nil
			continue
		}
		if total, usable, err := s.fs.Space(infos[i].Path); err == nil {
			infos[i].Total, infos[i].Usable = total, usable
		}
		for tp, l := range logs[i] {
			infos[i].Logs = append(infos[i].Logs, LogInfo{Partition: tp, SizeBytes: l.SizeBytes()})
		}
	}
	return infos
}

// sharedSync lets those who wait for the same sync share one: a caller that
// comes while one is under way waits for the next.
type sharedSync struct {
	running sync.Mutex
	mu      sync.Mutex
	next    *syncRound // guarded by mu
}

type syncRound struct {
	done chan struct{}
	err  error
}

func (g *sharedSync) do(f func() error) error {
	g.mu.Lock()
	r, first := g.next, g.next == nil
	if first {
		r = &syncRound{done: make(chan struct{})}
		g.next = r
	}
	g.mu.Unlock()
	if !first {
		<-r.done
		return r.err
	}
	g.running.Lock()
	g.mu.Lock()
	g.next = nil
	g.mu.Unlock()
	r.err = f()
	g.running.Unlock()
	close(r.done)
	return r.err
}
