package limit

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// store has the files of all partitions.
type store struct {
	dir string

	mu         sync.Mutex
	partitions map[string]*partition
}

// partition is a file of batches that all have the same length and the same number of records.
type partition struct {
	file *os.File

	mu    sync.Mutex
	bytes int64 // the length of each batch
	count int64 // the number of records in each batch
	next  int64 // the log end offset
}

// partition gives a partition, and makes its file at the first call.
func (s *store) partition(topic []byte, index int32) (*partition, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := fmt.Sprintf("%s-%d", topic, index)
	if p := s.partitions[name]; p != nil {
		return p, nil
	}
	f, err := os.OpenFile(filepath.Join(s.dir, filepath.Base(name)), os.O_CREATE|os.O_EXCL|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	p := &partition{file: f}
	s.partitions[name] = p
	return p, nil
}

func (s *store) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.partitions {
		p.file.Close()
	}
}

// append writes a batch at the end of the file and gives the batch's offset.
func (p *partition) append(batch []byte) (int64, error) {
	count := int64(binary.BigEndian.Uint32(batch[lastDeltaAt:])) + 1
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bytes == 0 {
		p.bytes, p.count = int64(len(batch)), count
	}
	if p.bytes != int64(len(batch)) || p.count != count {
		return 0, fmt.Errorf("limit: a batch of %d bytes and %d records behind those of %d and %d", len(batch), count, p.bytes, p.count)
	}
	offset := p.next
	binary.BigEndian.PutUint64(batch, uint64(offset))
	if _, err := p.file.Write(batch); err != nil {
		return 0, err
	}
	p.next += count
	return offset, nil
}

// region says where in the file a fetch from offset reads: from at on n bytes, which are whole batches and at
// most most bytes. end is the log end offset.
func (p *partition) region(offset, most int64) (at, n, end int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count == 0 || offset < 0 || offset >= p.next {
		return 0, 0, p.next
	}
	at = offset / p.count * p.bytes
	n = min(most/p.bytes*p.bytes, p.next/p.count*p.bytes-at)
	return at, n, p.next
}
