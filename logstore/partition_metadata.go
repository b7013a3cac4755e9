package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// partitionMetadataName is the file in a partition's directory that holds the
// topic's id (KIP-516; org.apache.kafka.storage.internals.checkpoint.PartitionMetadataFile).
const partitionMetadataName = "partition.metadata"

// encodePartitionMetadata gives the file's content; it ends without a newline.
func encodePartitionMetadata(topicID protocol.UUID) []byte {
	return []byte("version: 0\ntopic_id: " + topicID.String())
}

// parsePartitionMetadata reads the topic id. As Apache's broker does, it takes
// any version from 0 on and the second word of each line.
func parsePartitionMetadata(data []byte) (protocol.UUID, error) {
	var none protocol.UUID
	version, rest, _ := strings.Cut(string(data), "\n")
	f := strings.Fields(version)
	if len(f) != 2 {
		return none, fmt.Errorf("line %q is not a version", version)
	}
	if v, err := strconv.Atoi(f[1]); err != nil || v < 0 {
		return none, fmt.Errorf("version %q is not known", f[1])
	}
	line, _, _ := strings.Cut(rest, "\n")
	f = strings.Fields(line)
	if len(f) != 2 {
		return none, fmt.Errorf("line %q is not a topic id", line)
	}
	id, err := protocol.ParseUUID(f[1])
	if err != nil {
		return none, err
	}
	if id.IsZero() {
		return none, errors.New("the topic id is zero")
	}
	return id, nil
}

// readPartitionMetadata gives the topic id of a partition's directory, zero
// when it has none: it was made by a broker older than 2.8, or a crash came
// before the file was on the disk.
func readPartitionMetadata(disk vfs.FS, dir string) (protocol.UUID, error) {
	path := filepath.Join(dir, partitionMetadataName)
	data, err := disk.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return protocol.UUID{}, nil
	}
	if err != nil || isCutShort(data) {
		return protocol.UUID{}, err
	}
	id, err := parsePartitionMetadata(data)
	if err != nil {
		return id, &malformedError{path, err}
	}
	return id, nil
}

// isCutShort says whether a crash may have left the file so: it is the beginning of one, or zeros.
func isCutShort(data []byte) bool {
	whole := encodePartitionMetadata(protocol.UUID{})
	id := len(whole) - len(protocol.UUID{}.String())
	n := min(len(data), id)
	cut := len(data) < len(whole) && bytes.Equal(data[:n], whole[:n]) && !bytes.ContainsRune(data[n:], '\n')
	return cut || len(bytes.Trim(data, "\x00")) == 0
}

// writePartitionMetadata writes the file, durably.
func writePartitionMetadata(disk vfs.FS, dir string, topicID protocol.UUID) error {
	return writeFileAtomically(disk, filepath.Join(dir, partitionMetadataName), encodePartitionMetadata(topicID))
}
