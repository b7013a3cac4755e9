package logstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"sync"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// errBadFrame says that the bytes at a position of a segment are no whole batch.
var errBadFrame = errors.New("no whole batch")

// frames walks over the batches of a segment's file by their headers. Batches
// of magic 0 and 1, which Apache Kafka may have left in a log, are walked over
// too: their header is filled in as far as it goes, with the only offset that
// they tell, the last.
type frames struct {
	f          vfs.File
	pos, limit int64 // where the next batch begins, and where the file's valid part ends

	at int64        // where the current one begins
	h  batch.Header // and its header
	// intactAt is where the last batch began whose CRC was found right.
	intactAt int64

	// lo and hi bound the offsets that the next batch may have, hi not included; no hi bounds
	// nothing. The CRC is not over the offset: one that goes back or far ahead is the only
	// sign that it rotted.
	lo, hi int64

	buf    *[]byte // the bytes of the file from bufAt on
	have   []byte
	bufAt  int64
	pooled *sync.Pool
}

const (
	lookupChunk  = 4 << 10
	recoverChunk = 256 << 10
)

// Buffers that are read into, used again. Brokers of one process share it: a buffer in it holds nothing of who used it.
var (
	lookupBuffers  = sync.Pool{New: func() any { b := make([]byte, lookupChunk); return &b }}
	recoverBuffers = sync.Pool{New: func() any { b := make([]byte, recoverChunk); return &b }}
)

// openFrames begins at pos; pool says how much is read at once. Call close.
func openFrames(f vfs.File, pos, limit int64, pool *sync.Pool) frames {
	return frames{f: f, pos: pos, limit: limit, intactAt: -1, buf: pool.Get().(*[]byte), pooled: pool}
}

// close gives the buffer back, unless it grew: the next lookup would read as much at once.
func (s *frames) close() {
	most := recoverChunk
	if s.pooled == &lookupBuffers {
		most = lookupChunk
	}
	if cap(*s.buf) <= most {
		s.pooled.Put(s.buf)
	}
	s.buf = nil
}

// next goes to the next batch. It gives io.EOF at the limit, and an error that
// is errBadFrame when what follows is no batch or goes past the limit.
func (s *frames) next() error {
	left := s.limit - s.pos
	if left <= 0 {
		return io.EOF
	}
	b, err := s.bytes(s.pos, min(left, batch.HeaderSize))
	if err != nil {
		return err
	}
	if s.h, err = parseFrame(b); err != nil {
		return fmt.Errorf("%w at position %d: %v", errBadFrame, s.pos, err)
	}
	if int64(s.h.Size()) > left || s.h.LastOffsetDelta < 0 || s.h.BaseOffset < 0 {
		return fmt.Errorf("%w at position %d: offset %d, %d bytes of which %d are there",
			errBadFrame, s.pos, s.h.BaseOffset, s.h.Size(), left)
	}
	if s.hi > 0 {
		if s.h.BaseOffset < s.lo || s.h.LastOffset() >= s.hi {
			return fmt.Errorf("%w at position %d: offsets %d to %d outside of %d to %d", errBadFrame, s.pos, s.h.BaseOffset, s.h.LastOffset(), s.lo, s.hi-1)
		}
		s.lo = s.h.NextOffset()
	}
	s.at = s.pos
	s.pos += int64(s.h.Size())
	return nil
}

// within bounds the offsets by what a segment can hold.
func (s *frames) within(base int64) { s.lo, s.hi = base, base+math.MaxInt32+1 }

// body gives all bytes of the current batch, valid until the next call. The length of a large one is
// believed only once the CRC of so many bytes is right: a rotten one must not size a buffer.
func (s *frames) body() ([]byte, error) {
	if s.large() && s.intactAt != s.at {
		if err := s.check(); err != nil {
			return nil, err
		}
	}
	return s.bytes(s.at, int64(s.h.Size()))
}

// large says whether the current batch is larger than what is read at once.
func (s *frames) large() bool { return s.h.Size() > max(len(*s.buf), recoverChunk) }

// check compares the current batch with its CRC.
func (s *frames) check() error {
	var err error
	switch {
	case s.large():
		err = s.checkInSteps()
	default:
		err = s.checkAtOnce()
	}
	if err == nil {
		s.intactAt = s.at
	}
	return err
}

func (s *frames) checkAtOnce() error {
	b, err := s.bytes(s.at, int64(s.h.Size()))
	if err != nil {
		return err
	}
	return s.matchCRC(frameCRC(&s.h, 0, b[crcFrom(&s.h):]))
}

// checkInSteps is check without a buffer for the whole batch.
func (s *frames) checkInSteps() error {
	var sum uint32
	for pos, end := s.at+crcFrom(&s.h), s.at+int64(s.h.Size()); pos < end; {
		n := min(recoverChunk, end-pos)
		if from := pos - s.bufAt; from >= 0 && from < int64(len(s.have)) {
			n = min(int64(len(s.have))-from, end-pos) // what was read with the header
		}
		b, err := s.bytes(pos, n)
		if err != nil {
			return err
		}
		sum = frameCRC(&s.h, sum, b)
		pos += int64(len(b))
	}
	return s.matchCRC(sum)
}

// Where the CRC of a message of magic 0 or 1 stands, and the bytes that it covers begin.
const (
	oldCRCAt   = 12
	oldCRCFrom = 16
)

// crcFrom is where in a batch the bytes begin that its CRC covers.
func crcFrom(h *batch.Header) int64 {
	if h.Magic < batch.Magic {
		return oldCRCFrom
	}
	return batch.CRCFrom
}

// frameCRC adds bytes of a batch to its CRC.
func frameCRC(h *batch.Header, sum uint32, b []byte) uint32 {
	if h.Magic < batch.Magic {
		return crc32.Update(sum, crc32.IEEETable, b)
	}
	return crc32.Update(sum, crc32c, b)
}

// matchFrameCRC compares the CRC of a batch's bytes with the one in its header. The error is a *batch.CorruptError.
func matchFrameCRC(h *batch.Header, sum uint32) error {
	if h.Magic == batch.Magic {
		return h.MatchCRC(sum)
	}
	if sum != h.CRC {
		return &batch.CorruptError{Reason: "CRC of an old message is wrong"}
	}
	return nil
}

func (s *frames) matchCRC(sum uint32) error {
	if err := matchFrameCRC(&s.h, sum); err != nil {
		return fmt.Errorf("%w at position %d: %v", errBadFrame, s.at, err)
	}
	return nil
}

// bytes gives n bytes from pos on, which lie before the limit. The buffer grows to n: n is at most
// recoverChunk, or the size of a batch whose CRC is right.
func (s *frames) bytes(pos, n int64) ([]byte, error) {
	from := pos - s.bufAt
	if from >= 0 && from+n <= int64(len(s.have)) {
		return s.have[from : from+n], nil
	}
	want := min(max(n, s.chunk()), s.limit-pos)
	if int64(len(*s.buf)) < want {
		*s.buf = make([]byte, want)
	}
	s.have = nil
	got, err := s.f.ReadAt((*s.buf)[:want], pos)
	if int64(got) < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = fmt.Errorf("%w at position %d: the file ends", errBadFrame, pos)
		}
		return nil, err
	}
	s.have, s.bufAt = (*s.buf)[:got], pos
	return s.have[:n], nil
}

// chunk is how much is read at once. Who looks for a place among large batches needs their headers alone: all
// else that is read then is brought from memory for nothing.
func (s *frames) chunk() int64 {
	chunk := int64(len(*s.buf))
	if s.pooled == &lookupBuffers && (s.h.Length == 0 || int64(s.h.Size()) >= chunk) {
		return batch.HeaderSize
	}
	return chunk
}

// parseFrame reads the header of a batch of any magic.
func parseFrame(b []byte) (batch.Header, error) {
	if len(b) > 16 && b[16] < batch.Magic {
		return parseOldFrame(b)
	}
	return batch.ParseHeader(b)
}

// parseOldFrame reads a message of magic 0 or 1: offset int64, size int32, CRC
// uint32, magic int8, attributes int8, and for magic 1 a timestamp int64.
func parseOldFrame(b []byte) (batch.Header, error) {
	be := binary.BigEndian
	h := batch.Header{
		BaseOffset: int64(be.Uint64(b)), Length: int32(be.Uint32(b[8:])), PartitionLeaderEpoch: -1, Magic: int8(b[16]), CRC: be.Uint32(b[oldCRCAt:]),
		MaxTimestamp: batch.NoTimestamp, ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, Count: 1,
	}
	smallest := int32(14 + 8*int32(h.Magic))
	if h.Magic < 0 || h.Length < smallest || len(b) < int(smallest)+batch.Overhead {
		return h, &batch.CorruptError{Reason: "not a message of magic 0 or 1"}
	}
	if h.Magic == 1 {
		h.MaxTimestamp = int64(be.Uint64(b[18:]))
	}
	return h, nil
}
