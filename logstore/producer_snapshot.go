package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
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
// Only the last batch of each producer is kept. The file is rebuilt from the log
// where it is missing or wrong.
const (
	snapshotVersion   = 1
	snapshotHeader    = 2 + 4 + 4
	snapshotEntrySize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8
	snapshotCRCFrom   = 6
)

var crc32c = crc32.MakeTable(crc32.Castagnoli)

// encodeSnapshot writes the producers ordered by id.
func encodeSnapshot(byID map[int64]*producer) []byte {
	be := binary.BigEndian
	b := make([]byte, 0, snapshotHeader+len(byID)*snapshotEntrySize)
	b = be.AppendUint16(b, snapshotVersion)
	b = be.AppendUint32(b, 0)
	b = be.AppendUint32(b, uint32(len(byID)))
	for _, id := range slices.Sorted(maps.Keys(byID)) {
		p := byID[id]
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
	be.PutUint32(b[2:], crc32.Checksum(b[snapshotCRCFrom:], crc32c))
	return b
}

// snapshotTimestamp is the last batch's largest timestamp, as Apache Kafka writes it, unless that is long before
// the batch came: whoever loads the snapshot goes by it, and would take the producer for one that is silent.
func (p *producer) snapshotTimestamp() int64 {
	if p.seenMs-p.lastTimestamp > oldBatchMs {
		return p.seenMs
	}
	return p.lastTimestamp
}

// oldBatchMs is how much older than its arrival a batch may be to count as stamped when it was sent.
const oldBatchMs = 3_600_000

// decodeSnapshot reads what encodeSnapshot or Apache Kafka wrote.
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

// takeSnapshot writes the state as of mapEnd, unless that is written already.
// Without sync the file must be synced before the recovery point passes it.
// Reports the path, "" when nothing was written.
func (s *producers) takeSnapshot(disk vfs.FS, dir string, sync bool) (string, error) {
	if s.mapEnd <= s.snapEnd {
		return "", nil
	}
	path := filepath.Join(dir, fileName(s.mapEnd, snapshotSuffix))
	if err := writeFile(disk, path, encodeSnapshot(s.byID), sync); err != nil {
		return "", err
	}
	s.snapEnd = s.mapEnd
	if i, found := slices.BinarySearch(s.snapshots, s.mapEnd); !found {
		s.snapshots = slices.Insert(s.snapshots, i, s.mapEnd)
	}
	return path, nil
}

// load takes the newest good snapshot that is not past atMost; broken ones are
// removed on the way. Without any the state is empty as of first, where the first segment begins.
//
// A snapshot may lie at the log start offset or before it, unlike in ProducerStateManager: the records of the producers
// that it knows were deleted, and one that is sent again is still a duplicate (KIP-360).
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
				s.byID, s.mapEnd, s.snapEnd = byID, offset, offset
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

// dropSnapshot removes one snapshot file.
func (s *producers) dropSnapshot(disk vfs.FS, dir string, offset int64) error {
	if i, found := slices.BinarySearch(s.snapshots, offset); found {
		s.snapshots = slices.Delete(s.snapshots, i, i+1)
	}
	return removeIfExists(disk, filepath.Join(dir, fileName(offset, snapshotSuffix)))
}

// removeStray removes the snapshots that no segment begins at, but the newest
// one when it lies past the last segment's base: a clean stop wrote that.
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
