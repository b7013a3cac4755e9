package logstore

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// chooseDuplicate decides between two directories of one partition. One of them is
// to be removed when it is superfluous; Apache's broker refuses to start with both:
//
//   - one whose place the other took is what was left when the disk kept a log that
//     moved from being renamed, whatever became of the log since: see moveMark;
//   - one without a record is what was left when a directory failed while the log
//     was made in it, and was then made in another;
//   - one of which the other holds everything may go in any case.
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

// chooseUnmarked decides by what stands in the directories.
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

// isEmptyLog says whether a partition's directory has no record.
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
			return false, nil // it has had records
		}
	}
	return true, nil
}

// chooseByContent finds the one of two directories that holds all of the other.
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

// holdsAll says whether the log in one directory begins with all that is in the
// other, segment by segment, and has all files that are set aside there. Older
// segments may be missing, which retention took.
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
		return false, nil // they have nothing in common to tell by
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

// logFiles gives the segments in a partition's directory with their sizes; nil when
// a compaction was interrupted, so that they are not what counts.
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
