package logstore

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"slices"

	"klamm/logstore/vfs"
)

// A .snapshot file holds the producers as of the offset that it is named after
// (ProducerStateManager, version 1), big-endian:
//
//	version int16 = 1, CRC-32C uint32 of all that follows, count int32, then each
//	producer id int64, epoch int16, last sequence int32, last offset int64,
//	offset delta of the last batch int32, timestamp int64,
//	coordinator epoch int32, first offset of the open transaction int64 (-1: none)
//
// The file holds only the last batch of each producer. If the file is missing or corrupt, the log rebuilds the state from its
// records.
const (
	snapshotVersion   = 1
	snapshotHeader    = 2 + 4 + 4
	snapshotEntrySize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8
	snapshotCRCFrom   = 6
)

var crc32c = crc32.MakeTable(crc32.Castagnoli)

// encodeSnapshot gives the content of a snapshot, with the producers ordered by id.
func encodeSnapshot(byID map[int64]*producer) []byte { return copySnapshotEntries(byID).encode() }

// snapshotEntries is the content of a snapshot whose entries are not ordered yet and whose CRC is missing.
type snapshotEntries []byte

// copySnapshotEntries copies the producers' state into the format of the file, in no order.
func copySnapshotEntries(byID map[int64]*producer) snapshotEntries {
	be := binary.BigEndian
	b := make([]byte, 0, snapshotHeader+len(byID)*snapshotEntrySize)
	b = be.AppendUint16(b, snapshotVersion)
	b = be.AppendUint32(b, 0)
	b = be.AppendUint32(b, uint32(len(byID)))
	for id, p := range byID {
		last := p.last()
		b = be.AppendUint64(b, uint64(id))
		b = be.AppendUint16(b, uint16(p.epoch))
		b = be.AppendUint32(b, uint32(last.lastSeq))
		b = be.AppendUint64(b, uint64(last.lastOffset))
		b = be.AppendUint32(b, uint32(last.offsetDelta))
		b = be.AppendUint64(b, uint64(p.snapshotTimestamp()))
		b = be.AppendUint32(b, uint32(p.coordinatorEpoch))
		b = be.AppendUint64(b, uint64(p.txnFirstOffset))
	}
	return b
}

// encode orders the entries by producer id and adds the CRC.
func (b snapshotEntries) encode() []byte {
	entries := slices.Collect(slices.Chunk(b[snapshotHeader:], snapshotEntrySize))
	slices.SortFunc(entries, func(x, y snapshotEntries) int {
		return cmp.Compare(int64(binary.BigEndian.Uint64(x)), int64(binary.BigEndian.Uint64(y)))
	})
	out := slices.Grow([]byte(b[:snapshotHeader:snapshotHeader]), len(b))
	for _, e := range entries {
		out = append(out, e...)
	}
	binary.BigEndian.PutUint32(out[2:], crc32.Checksum(out[snapshotCRCFrom:], crc32c))
	return out
}

// snapshotTimestamp gives the largest timestamp of the producer's last batch, as Apache Kafka writes it. If that timestamp is
// much older than the batch's arrival, it gives the time of the arrival, since a broker that loads the snapshot computes the
// producer's expiration from this value.
func (p *producer) snapshotTimestamp() int64 {
	if p.seenMs-p.lastTimestamp > oldBatchMs {
		return p.seenMs
	}
	return p.lastTimestamp
}

// oldBatchMs is the largest age of a batch's timestamp, at the batch's arrival, with which the snapshot contains the timestamp.
const oldBatchMs = 3_600_000

// decodeSnapshot reads a snapshot that encodeSnapshot or Apache Kafka wrote.
func decodeSnapshot(b []byte) (map[int64]*producer, error) {
	be := binary.BigEndian
	if len(b) < snapshotHeader {
		return nil, fmt.Errorf("%d bytes are too few", len(b))
	}
	if v := be.Uint16(b); v != snapshotVersion {
		return nil, fmt.Errorf("version %d, want %d", v, snapshotVersion)
	}
	if stored, sum := be.Uint32(b[2:]), crc32.Checksum(b[snapshotCRCFrom:], crc32c); stored != sum {
		return nil, fmt.Errorf("the stored CRC is %d and that of the bytes %d", stored, sum)
	}
	count := int64(be.Uint32(b[6:]))
	b = b[snapshotHeader:]
	if int64(len(b)) != count*snapshotEntrySize {
		return nil, fmt.Errorf("%d bytes for %d producers", len(b), count)
	}
	byID := make(map[int64]*producer, count)
	for ; len(b) > 0; b = b[snapshotEntrySize:] {
		p := newProducer()
		p.epoch = int16(be.Uint16(b[8:]))
		timestamp := int64(be.Uint64(b[26:]))
		if lastOffset := int64(be.Uint64(b[14:])); lastOffset >= 0 {
			p.add(batchMeta{
				lastSeq: int32(be.Uint32(b[10:])), lastOffset: lastOffset,
				offsetDelta: int32(be.Uint32(b[22:])), timestamp: timestamp,
			})
		}
		p.lastTimestamp = timestamp
		p.coordinatorEpoch = int32(be.Uint32(b[34:]))
		p.txnFirstOffset = int64(be.Uint64(b[38:]))
		byID[int64(be.Uint64(b))] = p
	}
	return byID, nil
}

// takeSnapshot writes a snapshot of the state at mapEnd, unless a snapshot at mapEnd exists.
// Without sync, the caller must sync the file before the recovery point passes mapEnd.
// It gives the file's path, "" when it wrote nothing.
func (s *producers) takeSnapshot(disk vfs.FS, dir string, sync bool) (string, error) {
	if s.mapEnd <= s.snapEnd {
		return "", nil
	}
	path := filepath.Join(dir, fileName(s.mapEnd, snapshotSuffix))
	if err := writeFile(disk, path, encodeSnapshot(s.byID), sync); err != nil {
		return "", err
	}
	s.noteSnapshot()
	return path, nil
}

// noteSnapshot records that there is, or will be, a snapshot of the state at mapEnd.
func (s *producers) noteSnapshot() {
	s.snapEnd = s.mapEnd
	if i, found := slices.BinarySearch(s.snapshots, s.mapEnd); !found {
		s.snapshots = slices.Insert(s.snapshots, i, s.mapEnd)
	}
}

// load sets the state from the newest valid snapshot whose offset is at most atMost, and removes the invalid snapshots that it
// reads. If there is no such snapshot, the state is empty, and mapEnd is first, the base offset of the first segment.
//
// Unlike ProducerStateManager, load also uses a snapshot at or below the log start offset. The snapshot may contain producers
// whose records were deleted. If such a producer sends its last batch again, the batch is still a duplicate (KIP-360).
func (s *producers) load(disk vfs.FS, dir string, atMost, first int64, nowMs, expirationMs int64) error {
	for i := len(s.snapshots) - 1; i >= 0; i-- {
		offset := s.snapshots[i]
		if offset > atMost {
			continue
		}
		data, err := disk.ReadFile(filepath.Join(dir, fileName(offset, snapshotSuffix)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err == nil {
			byID, derr := decodeSnapshot(data)
			if derr == nil {
				s.replace(byID)
				s.mapEnd, s.snapEnd = offset, offset
				s.removeExpired(nowMs, expirationMs)
				return nil
			}
		}
		if err := s.dropSnapshot(disk, dir, offset); err != nil {
			return err
		}
	}
	s.clear(first)
	s.snapEnd = first
	return nil
}

// dropSnapshot removes the snapshot file of an offset.
func (s *producers) dropSnapshot(disk vfs.FS, dir string, offset int64) error {
	if i, found := slices.BinarySearch(s.snapshots, offset); found {
		s.snapshots = slices.Delete(s.snapshots, i, i+1)
	}
	return removeIfExists(disk, filepath.Join(dir, fileName(offset, snapshotSuffix)))
}

// removeStray removes the snapshots at whose offset no segment begins. It keeps the newest
// one if that lies above the last segment's base offset: a clean stop wrote it.
func (s *producers) removeStray(disk vfs.FS, dir string, bases []int64) error {
	last := bases[len(bases)-1]
	newest := s.newest()
	for _, offset := range slices.Clone(s.snapshots) {
		if _, found := slices.BinarySearch(bases, offset); found || offset == newest && offset > last {
			continue
		}
		if err := s.dropSnapshot(disk, dir, offset); err != nil {
			return err
		}
	}
	return nil
}

// hasSnapshot reports whether there is a snapshot of the state at offset.
func (s *producers) hasSnapshot(offset int64) bool {
	_, found := slices.BinarySearch(s.snapshots, offset)
	return found
}

func (s *producers) newest() int64 {
	if len(s.snapshots) == 0 {
		return -1
	}
	return s.snapshots[len(s.snapshots)-1]
}

func readFileIfExists(disk vfs.FS, path string) ([]byte, error) {
	data, err := disk.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func removeIfExists(disk vfs.FS, path string) error {
	if err := disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
