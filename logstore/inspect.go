package logstore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// Severity says how bad a finding is.
type Severity int8

const (
	// Note is something that a start tidies up, and that costs nothing.
	Note Severity = iota
	// Problem is something that is lost, not served, or not what was written.
	Problem
)

// Finding is one thing that Inspect found.
type Finding struct {
	Severity Severity
	Path     string
	// Partition is zero for a file that belongs to no partition.
	Partition protocol.TopicPartition
	// Offset is the offset in the log, and Position the place in the file in bytes; -1 where there is none.
	Offset, Position int64
	// What says what is there, and Then what a start of a broker does about it.
	What, Then string
}

// Inspected counts what Inspect has read.
type Inspected struct {
	Partitions, Segments int
	Batches, Bytes       int64
}

// Inspect reads everything in a log directory whose broker is stopped: each batch of each segment with its CRC, the indexes against the
// segments, and the files of the directory. It opens nothing for writing and changes nothing. It calls found for each thing that is not as
// it should be, partition by partition, and read after each segment with what was read of it since. The error says that the directory cannot
// be listed; a file that cannot be read is a finding.
func Inspect(disk vfs.FS, dir string, found func(Finding), read func(Inspected)) error {
	entries, err := disk.ReadDir(dir)
	if err != nil {
		return err
	}
	in := &inspection{fs: disk, dir: dir, found: found, read: read, checkpoints: map[string]offsets{}}
	in.inspectTop()
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		tp, kind, ok := ParseDirName(e.Name())
		switch {
		case !ok:
			in.note(path, "the directory is no partition's", "a start leaves it alone")
		case kind == DirDeleted:
			in.note(path, "the partition was deleted", "a start removes the directory")
		case kind == DirFuture:
			in.note(path, "a move of the partition to this log directory is not finished", "a start goes on with it, or removes it if the move was given up")
		case kind == DirStray:
			in.note(path, "the broker no longer had the partition", "a start leaves it alone")
		default:
			in.inspectPartition(tp, path)
		}
	}
	return nil
}

// inspection is one run of Inspect.
type inspection struct {
	fs    vfs.FS
	dir   string
	found func(Finding)
	read  func(Inspected)

	checkpoints map[string]offsets
	clean       bool // the mark of a clean stop is there
}

func (in *inspection) note(path, what, then string) {
	in.found(Finding{Severity: Note, Path: path, Offset: -1, Position: -1, What: what, Then: then})
}

func (in *inspection) problem(path, then, format string, args ...any) {
	what := strings.TrimPrefix(fmt.Sprintf(format, args...), path+": ") // some errors name their file
	in.found(Finding{Severity: Problem, Path: path, Offset: -1, Position: -1, What: what, Then: then})
}

// inspectTop looks at the files at the top of the directory.
func (in *inspection) inspectTop() {
	path := filepath.Join(in.dir, metaPropertiesName)
	switch _, err := ReadMetaProperties(in.fs, in.dir); {
	case errors.Is(err, fs.ErrNotExist):
		in.note(path, "there is none: no broker has used the directory, or a crash came first", "a start writes it")
	case err != nil:
		in.problem(path, "no broker starts with it", "%v", err)
	}
	for _, name := range []string{recoveryPointCheckpoint, startOffsetCheckpoint, highWatermarkCheckpoint, cleanerCheckpoint} {
		o, err := readOffsets(in.fs, in.dir, name)
		in.checkpoints[name] = o
		if err == nil {
			continue
		}
		then := map[string]string{
			recoveryPointCheckpoint: "a start scans all logs of the directory", startOffsetCheckpoint: "records that were deleted may come back, as far as their segments are there",
			highWatermarkCheckpoint: "a start begins with the log start offsets, and learns the rest from the replicas", cleanerCheckpoint: "compaction begins anew",
		}[name]
		in.problem(filepath.Join(in.dir, name), then, "%v", err)
	}
	var err error
	if in.clean, err = hasCleanShutdown(in.fs, in.dir); err != nil {
		in.problem(filepath.Join(in.dir, cleanShutdownName), "a start fails", "%v", err)
	}
	if !in.clean {
		in.note(filepath.Join(in.dir, cleanShutdownName), "there is no mark of a clean stop", "a start scans each log from its recovery point on")
	}
}

// partitionInspection is the look at one partition.
type partitionInspection struct {
	*inspection
	tp       protocol.TopicPartition
	path     string
	recovery int64 // the recovery point
	start    int64 // the log start offset of the checkpoint
	// compacted says that the log was compacted once, so that offsets may be missing.
	compacted bool
	epochs    []epochEntry
	noEpochs  bool // the leader epochs cannot be read
	last      int64
	end       int64 // the offset after the last good batch
	epoch     int32 // of the last good batch
	cut       bool  // a start cuts the log at end
}

// at reports something at a place of a file.
func (p *partitionInspection) at(s Severity, path string, offset, position int64, then, format string, args ...any) {
	what := strings.TrimPrefix(fmt.Sprintf(format, args...), path+": ") // some errors name their file
	p.found(Finding{Severity: s, Path: path, Partition: p.tp, Offset: offset, Position: position, What: what, Then: then})
}

// inspectPartition looks at all files of a partition.
func (in *inspection) inspectPartition(tp protocol.TopicPartition, path string) {
	p := &partitionInspection{inspection: in, tp: tp, path: path, recovery: in.checkpoints[recoveryPointCheckpoint][tp],
		start: in.checkpoints[startOffsetCheckpoint][tp], end: -1, epoch: -1}
	_, p.compacted = in.checkpoints[cleanerCheckpoint][tp]
	entries, err := in.fs.ReadDir(path)
	if err != nil {
		p.at(Problem, path, -1, -1, "a start does not serve the partition", "%v", err)
		return
	}
	if _, err := readPartitionMetadata(in.fs, path); err != nil {
		p.at(Problem, filepath.Join(path, partitionMetadataName), -1, -1, "a start does not serve the partition", "%v", err)
	}
	if p.epochs, err = readLeaderEpochs(in.fs, path); err != nil {
		p.noEpochs = true
		p.at(Problem, filepath.Join(path, leaderEpochFile), -1, -1, "a start begins it anew, from the segments that it scans", "%v", err)
	}
	names := map[string]bool{}
	var bases []int64
	for _, e := range entries {
		names[e.Name()] = true
		base, suffix, ok := parseFileName(e.Name())
		switch {
		case ok && suffix == logSuffix:
			bases = append(bases, base)
		case ok && suffix == snapshotSuffix:
			p.inspectSnapshot(e.Name())
		case slices.Contains([]string{deletedSuffix, cleanedSuffix, swapSuffix}, filepath.Ext(e.Name())):
			p.at(Note, filepath.Join(path, e.Name()), -1, -1, "a start removes or finishes it", "it is left of a deletion or a compaction")
		}
	}
	slices.Sort(bases)
	for i, base := range bases {
		p.last = bases[len(bases)-1]
		p.inspectSegment(base, i > 0, names)
	}
	p.inspectEnd(bases)
	in.read(Inspected{Partitions: 1})
}

// inspectEnd compares the files of the directory with where the log ends.
func (p *partitionInspection) inspectEnd(bases []int64) {
	if len(bases) == 0 {
		return
	}
	if p.start > p.end {
		p.at(Problem, filepath.Join(p.dir, startOffsetCheckpoint), p.start, -1, "a start empties the log, which begins at that offset then", "the log start offset is %d, and the log ends at %d", p.start, p.end)
	}
	if p.recovery > p.end && !p.cut {
		p.at(Problem, filepath.Join(p.dir, recoveryPointCheckpoint), p.recovery, -1, "a start takes the end for the recovery point: what was behind it is lost",
			"the recovery point is %d, and the log ends at %d", p.recovery, p.end)
	}
	for i := 1; i < len(p.epochs); i++ {
		if a, b := p.epochs[i-1], p.epochs[i]; b.epoch <= a.epoch || b.startOffset < a.startOffset {
			p.at(Problem, filepath.Join(p.path, leaderEpochFile), b.startOffset, -1, "a start takes it as it is, and followers may be truncated wrongly",
				"leader epoch %d begins at offset %d, after epoch %d at %d", b.epoch, b.startOffset, a.epoch, a.startOffset)
		}
	}
	if n := len(p.epochs); n > 0 && p.epochs[n-1].startOffset > p.end {
		p.at(Note, filepath.Join(p.path, leaderEpochFile), p.epochs[n-1].startOffset, -1, "a start removes the entry", "leader epoch %d begins behind the end of the log, %d",
			p.epochs[n-1].epoch, p.end)
	}
	for _, name := range p.snapshotsBehind() {
		p.at(Note, filepath.Join(p.path, name), -1, -1, "a start removes it", "the snapshot lies behind the end of the log, %d", p.end)
	}
}

// snapshotsBehind are the snapshots of producers above the log end offset.
func (p *partitionInspection) snapshotsBehind() (names []string) {
	entries, err := p.fs.ReadDir(p.path)
	if err != nil {
		return nil
	}
	for _, e := range entries {
		if offset, suffix, ok := parseFileName(e.Name()); ok && suffix == snapshotSuffix && offset > p.end {
			names = append(names, e.Name())
		}
	}
	return names
}

// inspectSnapshot reads a snapshot of producers.
func (p *partitionInspection) inspectSnapshot(name string) {
	path := filepath.Join(p.path, name)
	data, err := p.fs.ReadFile(path)
	if err == nil {
		_, err = decodeSnapshot(data)
	}
	if err != nil {
		p.at(Problem, path, -1, -1, "a start removes it, and reads the producers from the records instead", "%v", err)
	}
}
