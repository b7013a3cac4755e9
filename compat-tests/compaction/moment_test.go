package compaction

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// momentWithin bounds how long a compaction is waited for.
const momentWithin = 2 * time.Minute

// watch tells of the files that appear in some directories.
type watch struct{ events *os.File }

// watchDirs begins to watch.
func watchDirs(dirs ...string) (*watch, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, err
	}
	w := &watch{os.NewFile(uintptr(fd), "inotify")}
	for _, dir := range dirs {
		if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_MOVED_TO); err != nil {
			return nil, errors.Join(fmt.Errorf("watching %s: %w", dir, err), w.close())
		}
	}
	return w, w.events.SetReadDeadline(time.Now().Add(momentWithin))
}

func (w *watch) close() error { return w.events.Close() }

// await waits until count files appeared whose names end in suffix.
func (w *watch) await(suffix string, count int) error {
	buf := make([]byte, 64<<10)
	for {
		n, err := w.events.Read(buf)
		if err != nil {
			return fmt.Errorf("no file ...%s appeared: %w", suffix, err)
		}
		for b := buf[:n]; len(b) > 0; {
			if len(b) < unix.SizeofInotifyEvent {
				return io.ErrUnexpectedEOF
			}
			end := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:])) // the name's length
			name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:end]), "\x00")
			if strings.HasSuffix(name, suffix) {
				if count--; count <= 0 {
					return nil
				}
			}
			b = b[end:]
		}
	}
}

// moment is when to kill: some time after that many files with the suffix appeared.
type moment struct {
	suffix string
	count  int
	after  time.Duration
}

// anyMoment chooses one: while segments are copied, which takes long since the rate is
// bounded, or in the steps by which a copy takes their place, which take some ms.
func anyMoment(rnd *rand.Rand) moment {
	steps := []string{".log.swap", ".timeindex.swap", ".log.deleted", ".timeindex.deleted", ".log", ".log.cleaned"}
	if rnd.IntN(2) == 0 {
		return moment{".log.cleaned", 1 + rnd.IntN(6), time.Duration(rnd.Int64N(int64(200 * time.Millisecond)))}
	}
	return moment{steps[rnd.IntN(len(steps))], 1 + rnd.IntN(6), time.Duration(rnd.Int64N(2) * rnd.Int64N(int64(time.Millisecond)))}
}

func (m moment) String() string {
	return fmt.Sprintf("%v after %s number %d", m.after.Round(time.Microsecond), m.suffix, m.count)
}

// These say what a kill interrupted, by the files that are left.
const (
	betweenTwo = "between two compactions"
	copying    = "while segments were copied"
	renaming   = "while the copy's files became .swap"
	swapping   = "while a copy took its segments' place"
)

// met says what a kill interrupted, in any of the directories.
func met(dirs ...string) (string, error) {
	what := betweenTwo
	for _, dir := range dirs {
		cleaned, err := filepath.Glob(filepath.Join(dir, "*.cleaned"))
		if err != nil {
			return "", err
		}
		swap, err := filepath.Glob(filepath.Join(dir, "*.swap"))
		switch {
		case err != nil:
			return "", err
		case len(swap) > 0 && len(cleaned) > 0:
			return renaming, nil
		case len(swap) > 0:
			return swapping, nil
		case len(cleaned) > 0:
			what = copying
		}
	}
	return what, nil
}
