package logstore

import (
	"maps"
	"path/filepath"
	"slices"
)

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

// Uncleanable are the logs of a directory that could not be compacted, and are left alone for some time (kafka.log.LogCleanerManager).
type Uncleanable struct {
	Logs  int
	Bytes int64
}

// Uncleanable gives the logs that could not be compacted, by their directory in log.dirs.
func (s *Store) Uncleanable() map[string]Uncleanable {
	s.cleaner.mu.Lock()
	logs := slices.Collect(maps.Keys(s.cleaner.later))
	s.cleaner.mu.Unlock()
	found := map[string]Uncleanable{}
	for _, l := range logs {
		dir := filepath.Dir(l.Dir())
		u := found[dir]
		u.Logs++
		u.Bytes += l.SizeBytes()
		found[dir] = u
	}
	return found
}

// MovesLag gives how many records the copies of logs that move to other directories lack at most.
func (s *Store) MovesLag() (most int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.logs {
		if m := p.move; m != nil {
			most = max(most, m.lagLocked())
		}
	}
	return most
}
