package logstore

// Producers gives how many idempotent producers all logs remember.
func (s *Store) Producers() int { return s.producers.Known() }

// Space describes the log directories as Dirs does, without their logs.
func (s *Store) Space() []DirInfo {
	infos := make([]DirInfo, len(s.dirs))
	s.mu.Lock()
	for i, d := range s.dirs {
		infos[i] = DirInfo{Path: d.path, Err: d.err, Total: -1, Usable: -1}
	}
	s.mu.Unlock()
	for i := range infos {
		if infos[i].Err != nil {
			continue
		}
		if total, usable, err := s.fs.Space(infos[i].Path); err == nil {
			infos[i].Total, infos[i].Usable = total, usable
		}
	}
	return infos
}

// Cleaning is what compaction does at one moment, for metrics (kafka.log.LogCleanerManager).
type Cleaning struct {
	Busy        int // logs that are compacted
	Uncleanable int // logs that could not be, and are left alone for some time
}

// Cleaning gives what compaction does.
func (s *Store) Cleaning() Cleaning {
	s.cleaner.mu.Lock()
	defer s.cleaner.mu.Unlock()
	return Cleaning{Busy: len(s.cleaner.busy), Uncleanable: len(s.cleaner.later)}
}
