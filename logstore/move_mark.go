package logstore

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"klamm/logstore/vfs"
)

// moveMarkName is a file in the directory of a log that moved. It says whose place
// the log took, for a start that finds both directories: by then they may have nothing
// left in common. Apache's broker passes over it.
const moveMarkName = "klamm-moved"

// maxReplaced bounds how many moves back a mark reaches.
const maxReplaced = 16

// moveMark is that file's content:
//
//	0                         version
//	2                         which of the log's moves it is of
//	4600 1993 4711 0 9f86d0…  a log that this one replaced: see logState. One line each, the last move's last
//
// A directory in exactly that state is out of date. One that a broker has written to
// since is not.
type moveMark struct {
	number   int
	replaced []string
}

// after gives the mark of a log that takes the place of one in this state, whose mark is m.
func (m moveMark) after(state string) moveMark {
	replaced := append(slices.Clone(m.replaced), state)
	return moveMark{m.number + 1, replaced[max(0, len(replaced)-maxReplaced):]}
}

func (m moveMark) encode() []byte {
	return fmt.Appendf(nil, "0\n%d\n%s\n", m.number, strings.Join(m.replaced, "\n"))
}

func parseMoveMark(data []byte) (m moveMark, err error) {
	lines := strings.Split(string(data), "\n")
	if len(lines) < 4 || lines[0] != "0" || lines[len(lines)-1] != "" {
		return m, errors.New("is not whole, or of a version that is not known")
	}
	if m.number, err = strconv.Atoi(lines[1]); err != nil {
		return m, err
	}
	m.replaced = lines[2 : len(lines)-1]
	return m, nil
}

// moveMarkOf gives the mark in a partition's directory. Without one that makes sense it is zero.
func (s *Store) moveMarkOf(dir string) (moveMark, error) {
	path := filepath.Join(dir, moveMarkName)
	data, err := s.fs.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return moveMark{}, nil
	}
	if err != nil {
		return moveMark{}, &DirError{Dir: dir, Path: path, Op: "read", Err: reason(err)}
	}
	m, err := parseMoveMark(data)
	if err != nil {
		s.log.Warn("mark of a move makes no sense and counts as none", "path", path, "error", err)
		return moveMark{}, nil
	}
	return m, nil
}

// writeMoveMark writes it, durably.
func writeMoveMark(disk vfs.FS, dir string, m moveMark) error {
	path := filepath.Join(dir, moveMarkName)
	if err := writeFileAtomically(disk, path, m.encode()); err != nil {
		return &DirError{Dir: dir, Path: path, Op: "write", Err: reason(err)}
	}
	return nil
}

// markCopy writes into the directory of a log's copy, which is whole, that it takes the log's place.
func (s *Store) markCopy(c *futureLog) (moveMark, error) {
	from := c.log.Dir()
	mark, err := s.moveMarkOf(from)
	if err != nil {
		return mark, err
	}
	state, err := s.logState(from)
	if err != nil {
		return mark, &DirError{Dir: from, Path: from, Op: "read", Err: reason(err)}
	}
	mark = mark.after(state)
	return mark, writeMoveMark(c.fs, c.dir, mark)
}

// overturned gives the mark of a log that a copy with mark m did not replace after all.
func (m moveMark) overturned() moveMark { return m.after(m.replaced[len(m.replaced)-1]) }

// stateTail is how much of a log's end tells it from others.
const stateTail = 64 << 10

// logState identifies the present state of the log in a partition's directory: the base
// and size of the last segment with records, those of the last segment, and the SHA-256
// of the last bytes. Appends and truncations change it, retention does not. It is "" if
// the directory has no log.
func (s *Store) logState(dir string) (string, error) {
	sizes, err := s.logFiles(dir)
	if err != nil || sizes == nil {
		return "", err
	}
	bases := slices.Sorted(maps.Keys(sizes))
	last := bases[len(bases)-1]
	base := last
	for _, b := range bases {
		if sizes[b] > 0 {
			base = b
		}
	}
	tail := make([]byte, min(sizes[base], stateTail))
	f, err := s.fs.OpenRead(filepath.Join(dir, fileName(base, logSuffix)))
	if err != nil {
		return "", err
	}
	defer f.Close()
	if len(tail) > 0 {
		if _, err := f.ReadAt(tail, sizes[base]-int64(len(tail))); err != nil {
			return "", err
		}
	}
	sum := sha256.Sum256(tail)
	return fmt.Sprintf("%d %d %d %d %s", base, sizes[base], last, sizes[last], hex.EncodeToString(sum[:])), nil
}

// chooseByMark finds the one of two directories whose mark says that it took the
// other's place; keep is nil when none does.
func (s *Store) chooseByMark(a, b *partition) (keep, drop *partition, err error) {
	number := 0
	for range 2 {
		mark, err := s.markOver(a.path, b.path)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case mark.number > number:
			keep, drop, number = a, b, mark.number
		case mark.number == number:
			keep, drop = nil, nil
		}
		a, b = b, a
	}
	return keep, drop, nil
}

// markOver gives the mark of a log if it says that the log took the other's place.
func (s *Store) markOver(dir, other string) (moveMark, error) {
	mark, err := s.moveMarkOf(dir)
	if err != nil || mark.number == 0 {
		return mark, err
	}
	state, err := s.logState(other)
	if err != nil {
		return mark, &DirError{Dir: other, Path: other, Op: "compare", Err: reason(err)}
	}
	if state == "" || !slices.Contains(mark.replaced, state) {
		return moveMark{}, nil
	}
	return mark, nil
}
