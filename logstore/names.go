package logstore

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"klamm/protocol"
)

// The names of files in a partition's directory, as Apache Kafka's LogFileUtils
// and LocalLog have them: the base offset in 20 digits and one of these.
const (
	logSuffix       = ".log"
	indexSuffix     = ".index"
	timeIndexSuffix = ".timeindex"
	txnIndexSuffix  = ".txnindex"
	snapshotSuffix  = ".snapshot"

	deletedSuffix = ".deleted"
	cleanedSuffix = ".cleaned"
	swapSuffix    = ".swap"

	leaderEpochFile = "leader-epoch-checkpoint"
)

const offsetDigits = 20

// fileName gives the name of a segment's file.
func fileName(offset int64, suffix string) string {
	return fmt.Sprintf("%0*d%s", offsetDigits, offset, suffix)
}

// parseFileName reads the offset that a file's name begins with and gives what
// follows it; ok is false for files that are not named after an offset.
func parseFileName(name string) (offset int64, suffix string, ok bool) {
	dot := strings.IndexByte(name, '.')
	if dot < offsetDigits {
		return 0, "", false
	}
	for _, c := range name[:dot] {
		if c < '0' || c > '9' {
			return 0, "", false
		}
	}
	offset, err := strconv.ParseInt(name[:dot], 10, 64)
	return offset, name[dot:], err == nil
}

// DirKind is the purpose of a partition's directory, which its name tells.
type DirKind int

const (
	// DirLive holds a partition's log: topic-partition.
	DirLive DirKind = iota
	// DirDeleted waits to be removed: topic-partition.unique-delete.
	DirDeleted
	// DirFuture is a copy on its way to another log directory: topic-partition.unique-future.
	DirFuture
	// DirStray belongs to a partition that this broker no longer has: topic-partition.unique-stray.
	DirStray
)

var dirSuffixes = [...]string{DirDeleted: "-delete", DirFuture: "-future", DirStray: "-stray"}

// maxNameLength is what file systems allow for one name.
const maxNameLength = 255

// DirName gives the name of a partition's directory.
func DirName(tp protocol.TopicPartition) string { return tp.String() }

// DeletedDirName gives the name that a deleted partition's directory is renamed
// to. unique is the part that keeps two deletions apart (Apache takes a UUID
// without dashes); the topic is cut where the name would become too long.
func DeletedDirName(tp protocol.TopicPartition, unique string) string {
	tail := "-" + strconv.Itoa(int(tp.Partition)) + "." + unique + dirSuffixes[DirDeleted]
	return tp.Topic[:min(len(tp.Topic), maxNameLength-len(tail))] + tail
}

// FutureDirName gives the name of the directory in which a copy of the partition's log
// is made. It may be longer than a file system allows: see CanMove.
func FutureDirName(tp protocol.TopicPartition, unique string) string {
	return DirName(tp) + "." + unique + dirSuffixes[DirFuture]
}

// CanMove says whether a partition's name is short enough for the name of a copy.
func CanMove(tp protocol.TopicPartition) bool {
	const uniqueLength = 32
	return utf8.RuneCountInString(FutureDirName(tp, "")) <= maxNameLength-uniqueLength
}

// ParseDirName reads the name of a directory below a log directory
// (LocalLog.parseTopicPartitionName). ok is false if it is not a partition's.
func ParseDirName(name string) (tp protocol.TopicPartition, kind DirKind, ok bool) {
	for k := DirDeleted; k <= DirStray; k++ {
		if cut, found := strings.CutSuffix(name, dirSuffixes[k]); found {
			dot := strings.LastIndexByte(cut, '.')
			if dot < 0 {
				return tp, 0, false
			}
			name, kind = cut[:dot], k
			break
		}
	}
	dash := strings.LastIndexByte(name, '-')
	if dash <= 0 {
		return tp, 0, false
	}
	n, err := strconv.ParseInt(name[dash+1:], 10, 32)
	if err != nil || n < 0 {
		return tp, 0, false
	}
	return protocol.TopicPartition{Topic: name[:dash], Partition: int32(n)}, kind, true
}
