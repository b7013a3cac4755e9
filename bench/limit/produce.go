package limit

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errRequest = errors.New("limit: not a request as the benchmark sends it")

// These are positions in a batch of magic 2, in bytes from its start. batchHead is the length of its header.
const (
	crcAt       = 17
	crcBegins   = 21
	lastDeltaAt = 23
	batchHead   = 61
)

// produce appends the batch of a Produce 7 and encodes the answer.
func produce(answer []byte, s *store, r *reader, correlation int32) ([]byte, error) {
	r.text()       // transactional id
	r.bytes(2 + 4) // acks and timeout
	topics := r.int32()
	topic := r.text()
	partitions := r.int32()
	index := r.int32()
	batch := r.bytes(int(r.int32()))
	if r.short || topics != 1 || partitions != 1 || len(batch) < batchHead {
		return nil, errRequest
	}
	if crc32.Checksum(batch[crcBegins:], castagnoli) != binary.BigEndian.Uint32(batch[crcAt:]) {
		return nil, errors.New("limit: the batch's CRC-32C is not that of its bytes")
	}
	p, err := s.partition(topic, index)
	if err != nil {
		return nil, err
	}
	offset, err := p.append(batch)
	if err != nil {
		return nil, err
	}
	answer = append(answer, 0, 0, 0, 0)
	answer = binary.BigEndian.AppendUint32(answer, uint32(correlation))
	answer = binary.BigEndian.AppendUint32(answer, 1)
	answer = binary.BigEndian.AppendUint16(answer, uint16(len(topic)))
	answer = append(answer, topic...)
	answer = binary.BigEndian.AppendUint32(answer, 1)
	answer = binary.BigEndian.AppendUint32(answer, uint32(index))
	answer = binary.BigEndian.AppendUint16(answer, 0)
	answer = binary.BigEndian.AppendUint64(answer, uint64(offset))
	answer = binary.BigEndian.AppendUint64(answer, ^uint64(0)) // no time of appending
	answer = binary.BigEndian.AppendUint64(answer, 0)          // the log's start
	answer = binary.BigEndian.AppendUint32(answer, 0)          // throttle time
	binary.BigEndian.PutUint32(answer, uint32(len(answer)-4))
	return answer, nil
}
