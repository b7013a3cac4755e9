package logstore

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// LogLook is what the files of a partition's directory say to an onlooker, who opens nothing for writing and changes nothing. A broker may
// use the directory meanwhile: what goes while it is looked at is passed over.
type LogLook struct {
	Partition protocol.TopicPartition
	Kind      DirKind
	// Path is the directory.
	Path string
	// TopicID is the id in partition.metadata, zero if there is none.
	TopicID protocol.UUID
	// Segments is how many segments there are, and Bytes the size of all files.
	Segments int
	Bytes    int64
	// OldFormat is how many segments begin with a message of magic 0 or 1.
	OldFormat int
	// Transactional says that a segment begins with a batch of a transaction, that one is among the first lookBatches of the last
	// segment, or that the log has transactions that were aborted.
	Transactional bool
	// OpenTransactions is how many producers had an open transaction at the newest snapshot.
	OpenTransactions int
	// Ancient says that there are files of Kafka 0.7, which no broker since reads.
	Ancient bool
	// Files are the paths of all files.
	Files []string
	// Problems are the files that could not be read, with the reason.
	Problems []error
}

// lookBatches is how many batches of a log's last segment are looked at.
const lookBatches = 1000

// LookAtLogs looks at the directories of partitions in a log directory. others are the names of directories that are not a partition's.
func LookAtLogs(disk vfs.FS, dir string) (logs []LogLook, others []string, err error) {
	entries, err := disk.ReadDir(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		tp, kind, ok := ParseDirName(e.Name())
		if !ok {
			others = append(others, e.Name())
			continue
		}
		l := LogLook{Partition: tp, Kind: kind, Path: filepath.Join(dir, e.Name())}
		l.look(disk)
		logs = append(logs, l)
	}
	return logs, others, nil
}

func (l *LogLook) look(disk vfs.FS) {
	entries, err := disk.ReadDir(l.Path)
	if err != nil {
		l.problem(err)
		return
	}
	if l.TopicID, err = readPartitionMetadata(disk, l.Path); err != nil {
		l.problem(err)
	}
	var segments, snapshots []string // names sort by their offsets
	for _, e := range entries {
		path := filepath.Join(l.Path, e.Name())
		if e.IsDir() {
			continue
		}
		l.Files = append(l.Files, path)
		info, err := e.Info()
		if err != nil {
			l.problem(err)
			continue
		}
		l.Bytes += info.Size()
		_, suffix, ok := parseFileName(e.Name())
		switch {
		case strings.HasSuffix(e.Name(), ".kafka"):
			l.Ancient = true
		case !ok:
		case suffix == logSuffix:
			segments = append(segments, path)
		case suffix == snapshotSuffix:
			snapshots = append(snapshots, path)
		case suffix == txnIndexSuffix && info.Size() > 0:
			l.Transactional = true
		}
	}
	l.Segments = len(segments)
	for i, path := range segments {
		batches := 1
		if i == len(segments)-1 {
			batches = lookBatches
		}
		l.lookAtSegment(disk, path, batches)
	}
	if len(snapshots) > 0 {
		l.lookAtSnapshot(disk, snapshots[len(snapshots)-1])
	}
}

// problem notes an error, unless it says that a file is gone.
func (l *LogLook) problem(err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.Problems = append(l.Problems, err)
	}
}

// lookAtSegment reads the headers of the first batches.
func (l *LogLook) lookAtSegment(disk vfs.FS, path string, batches int) {
	f, err := disk.OpenRead(path)
	if err != nil {
		l.problem(err)
		return
	}
	defer f.Close()
	at := int64(0)
	for i := range batches {
		var header [batch.HeaderSize]byte
		n, err := f.ReadAt(header[:], at)
		if err != nil && !errors.Is(err, io.EOF) {
			l.problem(err)
			return
		}
		h, err := parseFrame(header[:n])
		if err != nil {
			return // the end, or room that was taken in advance
		}
		switch {
		case h.Magic < batch.Magic && i == 0:
			l.OldFormat++
		case h.Magic == batch.Magic && h.Transactional():
			l.Transactional = true
			return
		}
		at += int64(h.Size())
	}
}

// lookAtSnapshot counts the producers with an open transaction. A snapshot that cannot be read is rebuilt by every broker.
func (l *LogLook) lookAtSnapshot(disk vfs.FS, path string) {
	data, err := disk.ReadFile(path)
	if err != nil {
		l.problem(err)
		return
	}
	byID, err := decodeSnapshot(data)
	if err != nil {
		return
	}
	for _, p := range byID {
		if p.txnFirstOffset >= 0 {
			l.OpenTransactions++
		}
	}
}

// ControlFiles lists the files at the top of a log directory that a broker has to read and write, as far as they are there.
func ControlFiles(disk vfs.FS, dir string) (paths []string) {
	entries, err := disk.ReadDir(dir)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if !e.IsDir() {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(paths)
	return paths
}

// LockFile is the path of the file that a broker locks while it uses a log directory.
func LockFile(dir string) string { return filepath.Join(dir, lockName) }
