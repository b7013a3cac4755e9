package logstore

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"klamm/logstore/vfs"
)

// epochEntry says at which offset a leader epoch began.
type epochEntry struct {
	epoch       int32
	startOffset int64
}

// leaderEpochs knows which leader epoch wrote which offsets (Apache Kafka's
// LeaderEpochFileCache, KIP-101). Entries grow in both fields. It is kept in
// leader-epoch-checkpoint: the lines "0", the count, then "epoch offset" each.
//
// It has no lock: Log.pub guards entries, Log.mu whoever changes them.
type leaderEpochs struct {
	entries []epochEntry // never changed in place
	// cut says that the file may have entries that were removed since, with epochs that the next batches may
	// have again. It must be written before the next batch is. Log.mu guards cut.
	cut bool
}

// epochFile is leader-epoch-checkpoint on the disk.
//
// The file may lack epochs that began past the recovery point: a start after a crash reads the batches there, and finds
// the epochs in them. So the file is written before the recovery point passes the beginning of an epoch, and a new epoch
// costs no sync of its own. It must not have entries that contradict the batches past the recovery point (leaderEpochs.cut).
// What was cut off at the start of the log may stay in the file, since a start cuts it off again.
type epochFile struct {
	mu sync.Mutex // taken before Log.pub
	// Guarded by mu: the entries in the file, unless unsure.
	written []epochEntry
	unsure  bool
}

// latest gives the epoch written to last, -1 when there is none.
func (c *leaderEpochs) latest() int32 {
	if len(c.entries) == 0 {
		return -1
	}
	return c.entries[len(c.entries)-1].epoch
}

// assign notes that epoch begins at startOffset, unless it is the current one.
// What contradicts it is removed. Reports whether anything changed.
func (c *leaderEpochs) assign(epoch int32, startOffset int64) bool {
	n := len(c.entries)
	if n > 0 {
		last := c.entries[n-1]
		if last.epoch == epoch && last.startOffset <= startOffset {
			return false
		}
	}
	for n > 0 && (c.entries[n-1].epoch >= epoch || c.entries[n-1].startOffset >= startOffset) {
		n--
		c.cut = true
	}
	// A fresh slice: readers may hold the old one.
	c.entries = append(slices.Clone(c.entries[:n]), epochEntry{epoch, startOffset})
	return true
}

// truncateFromEnd removes the epochs that begin at endOffset or later.
func (c *leaderEpochs) truncateFromEnd(endOffset int64) {
	n := len(c.entries)
	for n > 0 && c.entries[n-1].startOffset >= endOffset {
		n--
	}
	if n < len(c.entries) {
		c.entries = slices.Clone(c.entries[:n])
		c.cut = true
	}
}

// truncateFromStart lets the log begin at startOffset: older epochs go, and the
// one that startOffset lies in begins there.
func (c *leaderEpochs) truncateFromStart(startOffset int64) {
	n := 0
	for n < len(c.entries) && c.entries[n].startOffset <= startOffset {
		n++
	}
	if n == 0 || n == 1 && c.entries[0].startOffset == startOffset {
		return
	}
	c.entries = slices.Clone(c.entries[n-1:])
	c.entries[0].startOffset = startOffset
}

// endOffsetFor gives the largest epoch not above the one asked for and where it
// ends (LeaderEpochFileCache.endOffsetFor); found is false when nothing is known.
func (c *leaderEpochs) endOffsetFor(epoch int32, logEnd int64) (found int32, endOffset int64, ok bool) {
	if epoch < 0 || len(c.entries) == 0 {
		return -1, -1, false
	}
	if c.latest() == epoch {
		return epoch, logEnd, true
	}
	higher := 0
	for higher < len(c.entries) && c.entries[higher].epoch <= epoch {
		higher++
	}
	switch higher {
	case len(c.entries):
		return -1, -1, false
	case 0:
		return epoch, c.entries[0].startOffset, true
	}
	return c.entries[higher-1].epoch, c.entries[higher].startOffset, true
}

// epochAt gives the epoch that wrote offset, -1 when that is not known.
func (c *leaderEpochs) epochAt(offset int64) int32 {
	epoch := int32(-1)
	for _, e := range c.entries {
		if e.startOffset > offset {
			break
		}
		epoch = e.epoch
	}
	return epoch
}

func encodeLeaderEpochs(entries []epochEntry) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "0\n%d\n", len(entries))
	for _, e := range entries {
		fmt.Fprintf(&b, "%d %d\n", e.epoch, e.startOffset)
	}
	return b.Bytes()
}

// decodeLeaderEpochs reads what encodeLeaderEpochs writes. An empty file is one
// that was just made and has no entries.
func decodeLeaderEpochs(data []byte) ([]epochEntry, error) {
	if len(data) == 0 {
		return nil, nil
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if strings.TrimSpace(lines[0]) != "0" {
		return nil, fmt.Errorf("version %q, want 0", lines[0])
	}
	if len(lines) < 2 {
		return nil, nil
	}
	count, err := strconv.Atoi(strings.TrimSpace(lines[1]))
	if err != nil || count != len(lines)-2 {
		return nil, fmt.Errorf("count %q, found %d entries", lines[1], len(lines)-2)
	}
	var c leaderEpochs
	for _, line := range lines[2:] {
		epoch, offset, _ := strings.Cut(strings.TrimSpace(line), " ")
		e, err1 := strconv.ParseInt(epoch, 10, 32)
		o, err2 := strconv.ParseInt(offset, 10, 64)
		if err1 != nil || err2 != nil || e < 0 || o < 0 {
			return nil, fmt.Errorf("entry %q is not an epoch and an offset", line)
		}
		c.assign(int32(e), o)
	}
	return c.entries, nil
}

// readLeaderEpochs reads the checkpoint; none is an empty one.
func readLeaderEpochs(fs vfs.FS, dir string) ([]epochEntry, error) {
	data, err := readFileIfExists(fs, filepath.Join(dir, leaderEpochFile))
	if err != nil {
		return nil, err
	}
	return decodeLeaderEpochs(data)
}

// writeFileAtomically puts data in place of path so that a crash leaves the old
// or the new content, and makes it durable.
func writeFileAtomically(fs vfs.FS, path string, data []byte) error {
	tmp := path + ".tmp"
	if err := writeFile(fs, tmp, data, true); err != nil {
		return err
	}
	if err := fs.Rename(tmp, path); err != nil {
		return err
	}
	return fs.SyncDir(filepath.Dir(path))
}

// writeFile makes the file with this content.
func writeFile(fs vfs.FS, path string, data []byte, sync bool) error {
	f, err := fs.Create(path)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(data, 0); err == nil && sync {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
