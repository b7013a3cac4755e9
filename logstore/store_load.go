package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"klamm/protocol"
)

// load opens every log that was found, each directory's with some threads of
// its own, so that a slow disk does not hold up the others.
func (s *Store) load() {
	byDir := map[*logDir][]*partition{}
	for _, p := range s.logs {
		byDir[p.dir] = append(byDir[p.dir], p)
	}
	for _, d := range s.dirs {
		list := byDir[d]
		if len(list) == 0 {
			continue
		}
		if d.err != nil { // it failed while it was taken
			for _, p := range list {
				p.err = d.err
				close(p.ready)
			}
			continue
		}
		if d.clean {
			s.log.Debug("opening logs after a clean stop", "log_dir", d.path, "partitions", len(list))
		} else {
			s.log.Info("no mark of a clean stop: recovering logs", "log_dir", d.path, "partitions", len(list))
		}
		s.loading.Go(func() { each(list, s.o.RecoveryThreads, s.loadPartition) })
	}
}

// loadPartition opens one log and makes it known.
func (s *Store) loadPartition(p *partition) {
	select {
	case <-s.stop:
		p.err = ErrStoreClosed
		close(p.ready)
		return
	default:
	}
	topicID, err := readPartitionMetadata(s.fs, p.path)
	if err == nil {
		p.log, err = s.openLog(p, s.o.ConfigFor(p.tp.Topic), p.dir.clean)
	}
	if err != nil {
		p.log, p.err = nil, err
		s.log.Error("log cannot be opened", "partition", p.tp.String(), "path", p.path, "error", err)
	}
	s.mu.Lock()
	p.topicID = topicID
	s.mu.Unlock()
	close(p.ready)
	if err != nil {
		s.logFailed(p.dir, asDirError(p.path, err))
	}
	if s.o.OnLoaded != nil {
		s.o.OnLoaded(p.tp, p.log, p.err)
	}
}

// asDirError makes an error of the disk a *DirError. Errors about a file's content stay
// as they are: such a file makes its partition unavailable, not the directory.
func asDirError(path string, err error) error {
	var dirErr *DirError
	var malformed *malformedError
	var corrupt *CorruptError
	if errors.As(err, &dirErr) || errors.As(err, &malformed) || errors.As(err, &corrupt) || errors.Is(err, ErrStoreClosed) {
		return err
	}
	return &DirError{Dir: path, Path: path, Op: "open", Err: err}
}

// Create makes the log of a partition that is new to this broker, in the online
// directory with the fewest logs. A log that is already here is given back with
// this configuration; it gets the topic id if it has none.
//
// What is made survives a kill. A crash of the machine it survives from its first
// record on: before that it may be gone, and be made again when its leader is told so.
//
// Errors: *TopicIDError when the log here is of another topic, *DirError when
// no directory takes it (a full one stays online), ErrStoreClosed.
func (s *Store) Create(tp protocol.TopicPartition, topicID protocol.UUID, c Config) (*Log, error) {
	return s.create(tp, topicID, c, false)
}

// GetOrCreate is Create for a partition that this broker should have already. While a
// directory is offline it makes no log, since that directory may have it.
func (s *Store) GetOrCreate(tp protocol.TopicPartition, topicID protocol.UUID, c Config) (*Log, error) {
	return s.create(tp, topicID, c, true)
}

func (s *Store) create(tp protocol.TopicPartition, topicID protocol.UUID, c Config, known bool) (*Log, error) {
	tried := map[*logDir]bool{}
	var lastErr error
	for {
		p, isNew, err := s.reserve(tp, topicID, tried, known)
		if err != nil {
			return nil, errors.Join(lastErr, err)
		}
		if !isNew {
			log, err := s.existing(p, topicID)
			if err == nil {
				log.Configure(c)
				s.want(tp)
			}
			return log, err
		}
		p.log, p.err = s.createIn(p, c)
		s.mu.Lock()
		if p.err != nil {
			s.dropLocked(tp)
		} else {
			delete(s.mover.preferred, tp)
		}
		s.mu.Unlock()
		close(p.ready)
		s.loading.Done()
		if p.err == nil {
			return p.log, nil
		}
		tried[p.dir] = true
		lastErr = p.err
		s.logFailed(p.dir, asDirError(p.path, p.err))
	}
}

// reserve gives the partition that is here, or a new one in a directory not
// tried yet; for a new one s.loading counts until it is ready.
func (s *Store) reserve(tp protocol.TopicPartition, topicID protocol.UUID, tried map[*logDir]bool, known bool) (p *partition, isNew bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if s.closed {
			return nil, false, ErrStoreClosed
		}
		p = s.logs[tp]
		if p == nil {
			break
		}
		if p.gone == nil {
			return p, false, nil
		}
		gone := p.gone
		s.mu.Unlock()
		<-gone
		s.mu.Lock()
	}
	d, err := s.chooseDirLocked(tp, tried, known)
	if err != nil {
		return nil, false, err
	}
	p = &partition{tp: tp, dir: d, path: filepath.Join(d.path, DirName(tp)), topicID: topicID, wanted: true, ready: make(chan struct{})}
	s.putLocked(p)
	s.loading.Add(1)
	return p, true, nil
}

// chooseDirLocked gives the directory that was asked for, or else the online one
// with the fewest logs, those included that are on their way there; the first of
// several (LogManager.nextLogDirs).
func (s *Store) chooseDirLocked(tp protocol.TopicPartition, tried map[*logDir]bool, known bool) (*logDir, error) {
	preferred := s.mover.preferred[tp]
	var fit []*logDir
	for _, d := range s.dirs {
		switch {
		case d.err != nil && known:
			return nil, d.err
		case d.err != nil || tried[d] || preferred != nil && preferred != d:
		default:
			fit = append(fit, d)
		}
	}
	if len(fit) == 0 {
		return nil, &DirError{Dir: s.dirs[0].path, Path: s.dirs[0].path, Op: "create log in",
			Err: fmt.Errorf("none of %d log directories takes it", len(s.dirs))}
	}
	return slices.MinFunc(fit, func(a, b *logDir) int { return cmp.Compare(a.logs, b.logs) }), nil
}

// want notes that the partition, whose log is ready, was asked for: its topic is known now.
func (s *Store) want(tp protocol.TopicPartition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.logs[tp]; p != nil && p.usableLocked() {
		s.wantLocked(p)
	}
}

// createIn makes the partition's directory and the files in it.
func (s *Store) createIn(p *partition, c Config) (*Log, error) {
	d := p.dir
	if err := d.check(); err != nil {
		return nil, err
	}
	if d.reserve.spent.Load() && d.reserve.fill() != nil {
		return nil, &DirError{Dir: d.path, Path: p.path, Op: "create log in", Err: errNoRoom}
	}
	if err := s.forget(d, p.tp); err != nil {
		return nil, err
	}
	_, there := s.fs.Stat(p.path)
	log, err := s.makeLog(p, c)
	if err != nil && passes(err) && errors.Is(there, fs.ErrNotExist) {
		_ = s.fs.RemoveAll(p.path) // what is left of it is an empty log, harmless
	}
	return log, err
}

func (s *Store) makeLog(p *partition, c Config) (*Log, error) {
	if err := s.fs.MkdirAll(p.path); err != nil {
		return nil, err
	}
	if !p.topicID.IsZero() {
		if err := writeFile(s.fs, filepath.Join(p.path, partitionMetadataName), encodePartitionMetadata(p.topicID), false); err != nil {
			return nil, err
		}
	}
	return s.openLog(p, c, false)
}

// settle makes the directory of a partition's log durable, with its topic's id: see Options.Settle.
func (s *Store) settle(p *partition) error {
	s.mu.Lock()
	topicID := p.topicID
	s.mu.Unlock()
	if !topicID.IsZero() {
		err := syncFile(s.fs, filepath.Join(p.path, partitionMetadataName))
		if errors.Is(err, fs.ErrNotExist) {
			err = writePartitionMetadata(s.fs, p.path, topicID)
		}
		if err != nil {
			return err
		}
	}
	if err := syncNames(s.fs, p.path); err != nil {
		return err
	}
	return p.dir.syncs.do(func() error { return syncNames(s.fs, p.dir.path) })
}

// existing waits for a log that is here, and compares the topic id with that of its
// directory.
func (s *Store) existing(p *partition, topicID protocol.UUID) (*Log, error) {
	<-p.ready
	s.mu.Lock()
	onDisk, dirErr := p.topicID, p.dir.err
	s.mu.Unlock()
	switch {
	case dirErr != nil:
		return nil, dirErr
	case p.err != nil && Transient(p.err):
		return s.openAgain(p, topicID)
	case p.err != nil:
		return nil, p.err
	case topicID.IsZero() || topicID == onDisk:
		return p.log, nil
	case !onDisk.IsZero():
		return nil, &TopicIDError{Partition: p.tp, Path: p.path, OnDisk: onDisk, Given: topicID}
	}
	if err := writePartitionMetadata(s.fs, p.path, topicID); err != nil {
		s.mu.Lock()
		now := s.logs[p.tp]
		s.mu.Unlock()
		if now != nil && now != p && now.gone == nil { // it moved
			return s.existing(now, topicID)
		}
		err = asDirError(p.path, err)
		s.logFailed(p.dir, err)
		return nil, err
	}
	s.mu.Lock()
	p.topicID = topicID
	s.mu.Unlock()
	return p.log, nil
}

// openAgain opens a log once more that could not be opened for want of something, such as file descriptors.
func (s *Store) openAgain(p *partition, topicID protocol.UUID) (*Log, error) {
	s.mu.Lock()
	now := s.logs[p.tp]
	if s.closed || now != p || p.gone != nil {
		s.mu.Unlock()
		return nil, p.err
	}
	again := &partition{tp: p.tp, dir: p.dir, path: p.path, wanted: p.wanted, ready: make(chan struct{})}
	s.putLocked(again)
	s.loading.Add(1)
	s.mu.Unlock()
	s.loadPartition(again)
	s.loading.Done()
	if again.err != nil {
		return nil, again.err
	}
	return s.existing(again, topicID)
}

// openLog opens or makes the partition's log with what the checkpoints know.
func (s *Store) openLog(p *partition, c Config, clean bool) (*Log, error) {
	d := p.dir
	d.cpMu.Lock()
	recoveryPoint := d.checkpoints[recoveryPointCheckpoint].entries[p.tp]
	startOffset := d.checkpoints[startOffsetCheckpoint].entries[p.tp]
	highWatermark, known := d.checkpoints[highWatermarkCheckpoint].entries[p.tp]
	cleanedTo, compacted := d.checkpoints[cleanerCheckpoint].entries[p.tp]
	d.cpMu.Unlock()
	l, err := OpenLog(Options{
		FS: d.fs, Full: &d.reserve.spent, Dir: p.path, Partition: p.tp, Config: c, Settle: func() error { return s.settle(p) },
		RecoveryPoint: recoveryPoint, StartOffset: startOffset, Clean: clean, Compacted: compacted, CleanedTo: cleanedTo, NoCheckpoints: d.bare,
		OffsetsLowered: func() error { return s.lowerCheckpoints(p.tp) },
		NowMs:          s.o.Clock().UnixMilli(), Files: s.files, Producers: s.producers, notices: &s.notices, Logger: s.log,
		Observer: s.o.Observer, Elapsed: s.o.Elapsed,
		ReadFailed: func(err error) { s.logFailed(d, err) },
		Remove: func(paths []string, delayMs int64) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.addRemovalLocked(s.dirOf(paths[0], d), paths, delayMs)
		},
	})
	if err != nil {
		return nil, err
	}
	start, end := l.Offsets()
	l.highWatermark.Store(max(start, min(highWatermark, end)))
	if !known || l.HighWatermark() != highWatermark {
		s.notices.highWatermarkMoved()
	}
	return l, nil
}
