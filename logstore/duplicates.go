package logstore

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// chooseDuplicate decides which of two directories of one partition the Store keeps. It
// removes the other one if nothing is lost with it, since Apache Kafka's broker refuses to
// start with both. It removes a directory
//
//   - whose place the other one took, as a mark says: the log moved, and the disk refused
//     to rename this directory (see moveMark). The moved log may have changed since;
//   - without a record: the directory failed while the Store made the log in it, and the
//     Store then made the log in another;
//   - whose whole content is in the other one too.
func (s *Store) chooseDuplicate(a, b *partition) (keep *partition, err error) {
	keep, drop, err := s.chooseByMark(a, b)
	if err == nil && keep == nil {
		keep, drop, err = s.chooseUnmarked(a, b)
	}
	if err != nil {
		return nil, err
	}
	s.log.Warn("partition is in two directories; the one that has nothing more is removed", "keep", keep.path, "remove", drop.path)
	drop.dir.drop = append(drop.dir.drop, drop)
	return keep, nil
}

// chooseUnmarked decides by the content of the directories.
func (s *Store) chooseUnmarked(a, b *partition) (keep, drop *partition, err error) {
	emptyA, err := s.isEmptyLog(a.path)
	if err != nil {
		return nil, nil, &DirError{Dir: a.path, Path: a.path, Op: "list", Err: reason(err)}
	}
	emptyB, err := s.isEmptyLog(b.path)
	if err != nil {
		return nil, nil, &DirError{Dir: b.path, Path: b.path, Op: "list", Err: reason(err)}
	}
	switch {
	case emptyB:
		return a, b, nil
	case emptyA:
		return b, a, nil
	}
	return s.chooseByContent(a, b)
}

// isEmptyLog reports whether a partition's directory has no record and never had one.
func (s *Store) isEmptyLog(path string) (bool, error) {
	list, err := s.fs.ReadDir(path)
	if err != nil {
		return false, err
	}
	for _, e := range list {
		if strings.Contains(e.Name(), logSuffix) { // .log.deleted and .log.swap too
			info, err := e.Info()
			if err != nil || info.Size() > 0 {
				return false, err
			}
		}
		if _, _, numbered := parseFileName(e.Name()); numbered && !strings.HasPrefix(e.Name(), fileName(0, "")) {
			return false, nil // a file with an offset above 0 in its name: the log has had records
		}
	}
	return true, nil
}

// chooseByContent keeps the directory that contains everything of the other one. It fails with
// *DuplicateLogError if neither does.
func (s *Store) chooseByContent(a, b *partition) (keep, drop *partition, err error) {
	for range 2 {
		all, err := s.holdsAll(a.path, b.path)
		if err != nil {
			return nil, nil, &DirError{Dir: b.path, Path: b.path, Op: "compare", Err: reason(err)}
		}
		if all {
			return a, b, nil
		}
		a, b = b, a
	}
	return nil, nil, &DuplicateLogError{a.tp, a.path, b.path}
}

// holdsAll reports whether the directory all contains everything of the directory part: the
// bytes of each segment, and the files that are set aside. Segments of part below the first
// of all do not count, since retention may have deleted them from all.
func (s *Store) holdsAll(all, part string) (bool, error) {
	if aside, err := s.holdsAside(all, part); !aside || err != nil {
		return false, err
	}
	have, err := s.logFiles(all)
	if err != nil || have == nil {
		return false, err
	}
	need, err := s.logFiles(part)
	if err != nil || need == nil {
		return false, err
	}
	first := slices.Min(slices.Collect(maps.Keys(have)))
	last := slices.Max(slices.Collect(maps.Keys(need)))
	if last < first {
		return false, nil // the two logs have no segment in common to compare
	}
	for base, size := range need {
		if base < first {
			continue
		}
		there, ok := have[base]
		if !ok || size > there || size < there && base != last {
			return false, nil
		}
		name := "/" + fileName(base, logSuffix)
		if same, err := s.sameBytes(all+name, part+name, size); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// logFiles gives the sizes in bytes of the segments in a partition's directory, by base
// offset. It gives nil if there is no segment, or if a compaction was interrupted: recovery
// would replace segments then.
func (s *Store) logFiles(path string) (map[int64]int64, error) {
	list, err := s.fs.ReadDir(path)
	if err != nil {
		return nil, err
	}
	sizes := map[int64]int64{}
	for _, e := range list {
		base, suffix, ok := parseFileName(e.Name())
		switch {
		case ok && strings.HasSuffix(suffix, swapSuffix):
			return nil, nil
		case ok && suffix == logSuffix:
			info, err := e.Info()
			if err != nil {
				return nil, err
			}
			sizes[base] = info.Size()
		}
	}
	if len(sizes) == 0 {
		return nil, nil
	}
	return sizes, nil
}

// sameBytes compares the first n bytes of two files.
func (s *Store) sameBytes(a, b string, n int64) (bool, error) {
	fa, err := s.fs.OpenRead(a)
	if err != nil {
		return false, err
	}
	defer fa.Close()
	fb, err := s.fs.OpenRead(b)
	if err != nil {
		return false, err
	}
	defer fb.Close()
	bufA, bufB := make([]byte, recoverChunk), make([]byte, recoverChunk)
	for at := int64(0); at < n; {
		k := min(n-at, recoverChunk)
		if _, err := fa.ReadAt(bufA[:k], at); err != nil {
			return false, err
		}
		if _, err := fb.ReadAt(bufB[:k], at); err != nil {
			return false, err
		}
		if !bytes.Equal(bufA[:k], bufB[:k]) {
			return false, nil
		}
		at += k
	}
	return true, nil
}
