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

// The checkpoint files stand at the top of a log directory. Each holds one offset per
// partition (kafka.server.checkpoints.OffsetCheckpointFile):
//
//	0                      version
//	2                      number of entries
//	orders 0 4711          topic, partition, offset
//	orders 1 12
//
// Apache Kafka's broker creates the files empty and fills them later.
const (
	recoveryPointCheckpoint = "recovery-point-offset-checkpoint"
	startOffsetCheckpoint   = "log-start-offset-checkpoint"
	highWatermarkCheckpoint = "replication-offset-checkpoint"
	// cleanerCheckpoint says below which offset a log is compacted. A log that has an entry may
	// have gaps between its offsets.
	cleanerCheckpoint = "cleaner-offset-checkpoint"
)

// offsets is the content of a checkpoint: an offset for each partition.
type offsets map[protocol.TopicPartition]int64

// encode gives the file's bytes. It sorts by topic and partition, so that equal contents
// give equal bytes.
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

// malformedError says that a file could be read, but that its content is not valid.
type malformedError struct {
	path string
	err  error
}

func (e *malformedError) Error() string { return e.path + ": " + e.err.Error() }

// readOffsets reads a checkpoint of a log directory. A missing file has no entries. With
// *malformedError it gives no entries either, and the caller can go on: without a
// checkpoint the start takes longer, but no data is lost.
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

// checkpoint is one checkpoint file of a log directory and its content. logDir.cpMu guards it.
type checkpoint struct {
	path string
	// entries are the entries of the file, unless unsure.
	entries offsets
	// unsure says that the file may hold other entries, since a read or a write of it failed.
	unsure bool
}

// write replaces the entries of the file. It does not write if they are equal, so that an
// idle broker syncs nothing. After a crash at any point the file has either the old or the
// new entries.
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

// cleanShutdownName is the file that marks a clean stop (CleanShutdownFileHandler). While it
// exists, every log of the directory is whole, and a start does not scan the logs.
const cleanShutdownName = ".kafka_cleanshutdown"

// cleanShutdownContent is what Apache Kafka's broker with ZooKeeper writes into the file,
// since it has no broker epoch there. Only the existence of the file counts.
const cleanShutdownContent = `{"version":0,"brokerEpoch":-1}`

// writeCleanShutdown writes the mark of a clean stop and makes it durable. It needs no
// rename, since a mark with partial content counts too.
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

// removeCleanShutdown removes the mark and makes the removal durable. If the mark came back
// after a crash, the next start would take logs for whole that were not synced.
func removeCleanShutdown(disk vfs.FS, dir string) error {
	if err := disk.Remove(filepath.Join(dir, cleanShutdownName)); err != nil {
		return err
	}
	return disk.SyncDir(dir)
}
