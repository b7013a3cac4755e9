package logstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"klamm/logstore/vfs"
)

// asidePrefix begins the names of files in a partition's directory that hold batches which recovery could not keep in the
// log, and of which there may be no other copy: klamm-aside-00000000000000004711.log.1. The digits are the first batch's base
// offset; the number at the end tells files of the same offset apart. Neither klamm nor Apache's broker reads such a file:
// Apache's goes by the end of a name, and by the offset that a name begins with.
const asidePrefix = "klamm-aside-"

// isAside says whether a file holds batches that were set aside. One that ends in .tmp is a copy that was interrupted.
func isAside(name string) bool {
	return strings.HasPrefix(name, asidePrefix) && !strings.HasSuffix(name, ".tmp")
}

// newAsidePath gives a path for batches from this base offset on that no file has yet.
func (r *recoverer) newAsidePath(base int64) (string, error) {
	for n := 1; ; n++ {
		path := filepath.Join(r.Dir(), fmt.Sprintf("%s%s.%d", asidePrefix, fileName(base, logSuffix), n))
		_, err := r.fs.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return path, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// setAsideFrom takes the segments from number n on out of the log. Files with batches are renamed, the others removed.
func (r *recoverer) setAsideFrom(n int, why string) error {
	for _, s := range r.segments[n:] {
		if s.size.Load() == 0 {
			continue
		}
		s.retire()
		to, err := r.newAsidePath(s.base)
		if err != nil {
			return err
		}
		end, err := r.endOfFile(s.log.path, s.base)
		if err != nil {
			return err
		}
		if err := r.fs.Rename(s.log.path, to); err != nil {
			return err
		}
		r.sayAside(to, s.base, end, s.size.Load(), why)
	}
	return r.deleteFrom(n)
}

// sayAside tells the operator of batches with offsets from base to before end.
func (r *recoverer) sayAside(path string, base, end, bytes int64, why string) {
	r.logger.Error("records are set aside: they are not part of the log any more, and their bytes are kept in a file; "+
		"see docs/log-directories.md for what to do with it",
		"path", path, "first_offset", base, "last_offset", end-1, "bytes", bytes, "reason", why)
}

// remindOfAside says at each start which files an operator has not dealt with yet.
func (r *recoverer) remindOfAside() {
	for name := range r.names {
		if isAside(name) {
			r.logger.Warn("records that an earlier start set aside are still here; see docs/log-directories.md",
				"path", filepath.Join(r.Dir(), name))
		}
	}
}

// keepTail copies the batches that follow bytes at pos which are no batch, before the segment is cut there: what is merely
// a torn end has none. size is the file's.
func (r *recoverer) keepTail(s *segment, f vfs.File, pos, size int64) error {
	if empty, err := r.preallocatedFrom(f, pos, size); empty || err != nil {
		return err
	}
	scan := openFrames(f, pos, size, &recoverBuffers)
	defer scan.close()
	scan.within(s.base)
	scan.lo = r.end
	err := scan.resync()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	base := scan.h.BaseOffset
	to, err := r.newAsidePath(base)
	if err != nil {
		return err
	}
	// A part of a copy must not be left: nothing would tell it from the whole, and each start would make another.
	tmp := to + ".tmp"
	if err := copyRange(r.fs, tmp, f, scan.pos, size, func(int) error { return nil }); err != nil {
		return errors.Join(err, removeIfExists(r.fs, tmp))
	}
	if err := r.fs.Rename(tmp, to); err != nil {
		return err
	}
	end, err := r.endOfFile(to, base)
	if err != nil {
		return err
	}
	r.sayAside(to, base, end, size-scan.pos, "they follow bytes that are no batch")
	return r.fs.SyncDir(r.Dir())
}

// preallocatedFrom says whether the part of a file from pos on is the room that log.preallocate made. Of that the first
// bytes are looked at only: it may be a GiB.
func (r *recoverer) preallocatedFrom(f vfs.File, pos, size int64) (bool, error) {
	if !r.config.Preallocate {
		return false, nil
	}
	var head [4 << 10]byte
	b := head[:min(int64(len(head)), size-pos)]
	if _, err := f.ReadAt(b, pos); err != nil {
		return false, err
	}
	return len(strings.Trim(string(b), "\x00")) == 0, nil
}

// copyRange makes a file of the bytes from pos to end of another, and syncs it. spend is told of each step's bytes.
func copyRange(disk vfs.FS, path string, from vfs.File, pos, end int64, spend func(bytes int) error) error {
	to, err := disk.Create(path)
	if err != nil {
		return err
	}
	buf := recoverBuffers.Get().(*[]byte)
	defer recoverBuffers.Put(buf)
	for at := int64(0); pos+at < end && err == nil; {
		b := (*buf)[:min(int64(len(*buf)), end-pos-at)]
		if _, err = from.ReadAt(b, pos+at); err == nil {
			_, err = to.WriteAt(b, at)
		}
		if err == nil {
			err = spend(len(b))
		}
		at += int64(len(b))
	}
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// holdsAside says whether one directory has all files that are set aside in the other, in their size.
func (s *Store) holdsAside(all, part string) (bool, error) {
	list, err := s.fs.ReadDir(part)
	if err != nil {
		return false, err
	}
	for _, e := range list {
		if !isAside(e.Name()) {
			continue
		}
		need, err := e.Info()
		if err != nil {
			return false, err
		}
		have, err := s.fs.Stat(filepath.Join(all, e.Name()))
		if errors.Is(err, fs.ErrNotExist) || err == nil && have.Size() != need.Size() {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// copyAside copies the files that were set aside of a log that moves: the log's directory is removed after the move. One that an
// interrupted move copied, as its size tells, is not copied again.
func (c *futureLog) copyAside() error {
	list, err := c.log.fs.ReadDir(c.log.Dir())
	if err != nil {
		return c.log.dirError("list", c.log.Dir(), err)
	}
	for _, e := range list {
		if !isAside(e.Name()) {
			continue
		}
		if err := c.copyAsideFile(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

func (c *futureLog) copyAsideFile(name string) error {
	path := filepath.Join(c.log.Dir(), name)
	from, err := c.log.fs.OpenRead(path)
	if err != nil {
		return c.log.dirError("open", path, err)
	}
	defer from.Close()
	size, err := from.Size()
	if err != nil {
		return c.log.dirError("read", path, err)
	}
	if there, err := c.fs.Stat(c.path(name)); err == nil && there.Size() == size {
		return nil
	}
	tmp := c.path(name) + ".tmp"
	if err := copyRange(c.fs, tmp, from, 0, size, func(n int) error { return c.spend(n, c.alive) }); err != nil {
		return c.diskError("copy", path, err)
	}
	return c.diskError("rename", tmp, c.fs.Rename(tmp, c.path(name)))
}
