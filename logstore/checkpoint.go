package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// The checkpoint files at the top of a log directory, each with an offset per
// partition (kafka.server.checkpoints.OffsetCheckpointFile):
//
//	0                      version
//	2                      number of entries
//	orders 0 4711          topic, partition, offset
//	orders 1 12
//
// Apache's broker makes them empty and fills them later.
const (
	recoveryPointCheckpoint = "recovery-point-offset-checkpoint"
	startOffsetCheckpoint   = "log-start-offset-checkpoint"
	highWatermarkCheckpoint = "replication-offset-checkpoint"
	// cleanerCheckpoint says how far a log is compacted. One that is in it may have gaps.
	cleanerCheckpoint = "cleaner-offset-checkpoint"
)

// offsets is the content of a checkpoint.
type offsets map[protocol.TopicPartition]int64

// encode sorts by topic and partition, so that equal content is equal bytes.
func (o offsets) encode() []byte {
	keys := slices.SortedFunc(maps.Keys(o), func(a, b protocol.TopicPartition) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	b := fmt.Appendf(nil, "0\n%d\n", len(o))
	for _, tp := range keys {
		b = append(append(b, tp.Topic...), ' ')
		b = append(strconv.AppendInt(b, int64(tp.Partition), 10), ' ')
		b = append(strconv.AppendInt(b, o[tp], 10), '\n')
	}
	return b
}

// parseOffsets reads a checkpoint; an empty file has no entries.
func parseOffsets(data []byte) (offsets, error) {
	o := offsets{}
	if len(data) == 0 {
		return o, nil
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if lines[0] != "0" {
		return nil, fmt.Errorf("version %q is not 0", lines[0])
	}
	if len(lines) < 2 {
		return o, nil
	}
	count, err := strconv.Atoi(lines[1])
	if err != nil || count != len(lines)-2 {
		return nil, fmt.Errorf("%d entries where %q are announced", len(lines)-2, lines[1])
	}
	for _, line := range lines[2:] {
		f := strings.Fields(line)
		if len(f) != 3 {
			return nil, fmt.Errorf("entry %q is not a topic, a partition and an offset", line)
		}
		partition, err1 := strconv.ParseInt(f[1], 10, 32)
		offset, err2 := strconv.ParseInt(f[2], 10, 64)
		if err1 != nil || err2 != nil {
			return nil, fmt.Errorf("entry %q is not a topic, a partition and an offset", line)
		}
		o[protocol.TopicPartition{Topic: f[0], Partition: int32(partition)}] = offset
	}
	return o, nil
}

// malformedError is a file that was read and makes no sense, other than one
// that could not be read.
type malformedError struct {
	path string
	err  error
}

func (e *malformedError) Error() string { return e.path + ": " + e.err.Error() }

// readOffsets reads a checkpoint of a log directory; a missing one is empty. A
// *malformedError comes with no entries: doing without costs time, not data.
func readOffsets(disk vfs.FS, dir, name string) (offsets, error) {
	path := filepath.Join(dir, name)
	data, err := disk.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return offsets{}, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := parseOffsets(data)
	if err != nil {
		return offsets{}, &malformedError{path, err}
	}
	return o, nil
}

// checkpoint is one checkpoint file of a log directory and what is in it. The
// owner's lock guards it.
type checkpoint struct {
	path string
	// entries is what the file holds, or should.
	entries offsets
	// unsure says that the file may hold something else: it could not be read, or
	// writing it failed half-way.
	unsure bool
}

// write puts the entries in place of the file's unless they are equal, so that
// an idle broker syncs nothing. It survives a crash at any point: the file then
// has the old or the new entries.
func (c *checkpoint) write(disk vfs.FS, entries offsets) error {
	if !c.unsure && maps.Equal(c.entries, entries) {
		return nil
	}
	c.unsure = true
	if err := writeFileAtomically(disk, c.path, entries.encode()); err != nil {
		return err
	}
	c.entries, c.unsure = entries, false
	return nil
}

// The mark of a clean stop (CleanShutdownFileHandler): while it exists every
// log of the directory is whole and nothing needs to be scanned.
const cleanShutdownName = ".kafka_cleanshutdown"

// cleanShutdownContent is what Apache's broker with ZooKeeper writes: it has no
// broker epoch to tell. Only the file's existence counts.
const cleanShutdownContent = `{"version":0,"brokerEpoch":-1}`

// writeCleanShutdown makes the mark, durably. Its existence counts, so it needs
// no rename; a torn one marks as well.
func writeCleanShutdown(disk vfs.FS, dir string) error {
	if err := writeFile(disk, filepath.Join(dir, cleanShutdownName), []byte(cleanShutdownContent), true); err != nil {
		return err
	}
	return disk.SyncDir(dir)
}

func hasCleanShutdown(disk vfs.FS, dir string) (bool, error) {
	_, err := disk.Stat(filepath.Join(dir, cleanShutdownName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// removeCleanShutdown removes the mark, durably: were it to come back after a
// crash, what this run left unsynced would be taken for whole.
func removeCleanShutdown(disk vfs.FS, dir string) error {
	if err := disk.Remove(filepath.Join(dir, cleanShutdownName)); err != nil {
		return err
	}
	return disk.SyncDir(dir)
}
