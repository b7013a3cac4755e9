package garbage

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/pierrec/lz4/v4"
)

// The codecs, by their numbers in the attributes.
const (
	gzipCodec = iota + 1
	snappyCodec
	lz4Codec
	zstdCodec
)

// batchSpec is a batch of magic 2 field by field, so that each field can lie.
type batchSpec struct {
	base, producer             int64
	length, epoch              int32 // length 0 stands for the right one
	magic                      int8
	attributes, producerEpoch  int16
	lastDelta, sequence, count int32
	wrongCRC                   bool
	records                    []byte
}

func (s *batchSpec) encode() []byte {
	now := time.Now().UnixMilli()
	length := s.length
	if length == 0 {
		length = int32(49 + len(s.records))
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(s.base))
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	b = binary.BigEndian.AppendUint32(b, uint32(s.epoch))
	b = append(b, byte(s.magic), 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(s.attributes))
	b = binary.BigEndian.AppendUint32(b, uint32(s.lastDelta))
	b = binary.BigEndian.AppendUint64(b, uint64(now))
	b = binary.BigEndian.AppendUint64(b, uint64(now))
	b = binary.BigEndian.AppendUint64(b, uint64(s.producer))
	b = binary.BigEndian.AppendUint16(b, uint16(s.producerEpoch))
	b = binary.BigEndian.AppendUint32(b, uint32(s.sequence))
	b = binary.BigEndian.AppendUint32(b, uint32(s.count))
	b = append(b, s.records...)
	crc := crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli))
	if s.wrongCRC {
		crc++
	}
	binary.BigEndian.PutUint32(b[17:], crc)
	return b
}

// record encodes one record whose length, key and value sizes may be lies.
func record(delta int, lengthOff int64, value []byte) []byte {
	body := []byte{0, 0} // attributes, timestamp delta
	body = binary.AppendVarint(body, int64(delta))
	body = append(body, 1) // null key
	body = binary.AppendVarint(body, int64(len(value)))
	body = append(body, value...)
	body = append(body, 0) // headers
	return append(binary.AppendVarint(nil, int64(len(body))+lengthOff), body...)
}

// goodBatch makes a batch that a broker stores.
func goodBatch(rng *rand.Rand) *batchSpec {
	n := 1 + rng.IntN(5)
	s := &batchSpec{magic: 2, producer: -1, producerEpoch: -1, sequence: -1, epoch: -1, lastDelta: int32(n - 1), count: int32(n)}
	for i := range n {
		s.records = append(s.records, record(i, 0, noise(rng, rng.IntN(100)))...)
	}
	return s
}

// brokenBatch makes a batch with something wrong in it.
func brokenBatch(rng *rand.Rand) []byte {
	s := goodBatch(rng)
	number := odd32(rng)
	switch rng.IntN(14) {
	case 0:
		s.wrongCRC = true
	case 1:
		s.count = number
	case 2:
		s.length = number
	case 3:
		s.magic = int8(number)
	case 4:
		s.lastDelta = number
	case 5: // both fields agree, and lie
		s.count = 1 + number&0x7fffffff
		s.lastDelta = s.count - 1
	case 6:
		s.base = int64(number)
	case 7:
		s.attributes = int16(number)
	case 8:
		s.producer, s.producerEpoch, s.sequence = int64(rng.IntN(8)), int16(number), number
	case 9: // a record's own length
		s.records = record(0, int64(number), []byte("x"))
		s.count, s.lastDelta = 1, 0
	case 10: // offset deltas
		s.records = append(record(int(number), 0, nil), record(0, 0, nil)...)
		s.count, s.lastDelta = 2, 1
	case 11: // no such payload
		s.attributes, s.records = int16(1+rng.IntN(4)), noise(rng, rng.IntN(3000))
	case 12: // a codec's first bytes, and noise
		s.attributes = int16(1 + rng.IntN(4))
		p := append([]byte(nil), anyBomb(rng).packed...)
		p = p[:rng.IntN(min(len(p), 4000))]
		s.records = append(p, noise(rng, rng.IntN(200))...)
	case 13:
		return mutate(rng, s.encode())
	}
	return s.encode()
}

// bomb is a payload that expands to much more than its own size.
type bomb struct {
	codec    int16
	packed   []byte
	expanded int64
	zeros    int64 // how many bytes of the one record's value
}

// pack compresses a head and then zeros, until the payload has about size bytes. It
// writes each codec's own form of repetition instead of calling its library: an encoder
// would spend seconds on it.
func pack(codec int16, head []byte, size int) bomb {
	b := bomb{codec: codec}
	var begin, again, end []byte
	var zeros int64
	switch codec {
	case gzipCodec: // one member after the other
		zeros = 1 << 20
		member := func(p []byte) []byte {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			_, _ = w.Write(p) // into memory
			_ = w.Close()
			return out.Bytes()
		}
		begin, again = member(head), member(make([]byte, zeros))
	case snappyCodec: // the blocks of the Java framing
		zeros = 256 << 10
		block := func(p []byte) []byte {
			packed := snappy.Encode(nil, p)
			return append(binary.BigEndian.AppendUint32(nil, uint32(len(packed))), packed...)
		}
		begin = append([]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"), block(head)...)
		again = block(make([]byte, zeros))
	case lz4Codec:
		zeros = 4 << 20
		packed := make([]byte, 64<<10)
		n, _ := new(lz4.Compressor).CompressBlock(make([]byte, zeros), packed)
		begin = []byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73}
		begin = binary.LittleEndian.AppendUint32(begin, uint32(len(head))|1<<31)
		begin = append(begin, head...)
		again = append(binary.LittleEndian.AppendUint32(nil, uint32(n)), packed[:n]...)
		end = []byte{0, 0, 0, 0}
	case zstdCodec: // blocks of one byte, 128 KB times
		zeros = 128 << 10
		begin = []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58} // a window of 2 MB
		begin = append(begin, zstdBlock(0, len(head))...)
		begin = append(begin, head...)
		again = append(zstdBlock(1, int(zeros)), 0)
		end = []byte{1, 0, 0} // the last block, of no bytes
	}
	n := max(1, (size-len(begin))/len(again))
	b.packed = append(append(begin, bytes.Repeat(again, n)...), end...)
	b.zeros = int64(n) * zeros
	b.expanded = int64(len(head)) + b.zeros
	return b
}

func zstdBlock(kind, size int) []byte {
	h := uint32(kind)<<1 | uint32(size)<<3
	return []byte{byte(h), byte(h >> 8), byte(h >> 16)}
}

// bombs makes the bombs once: in each codec, of 30 KB and of nearly a megabyte, with one
// record that states its true size, with one that does not, and with zeros.
var bombs = sync.OnceValue(func() (all []bomb) {
	for _, size := range []int{30 << 10, 1_000_000} {
		for codec := int16(gzipCodec); codec <= zstdCodec; codec++ {
			// A first bomb tells how many zeros fit: every size in its head is a varint
			// of 5 bytes, as in the next one.
			room := pack(codec, recordHead(1<<30), size)
			if room.zeros > math.MaxInt32-100 {
				room.zeros = math.MaxInt32 - 100
			}
			all = append(all, pack(codec, recordHead(room.zeros-1), size))
			all = append(all, pack(codec, recordHead(100_000_000), size), pack(codec, make([]byte, 20), size))
		}
	}
	return all
})

// recordHead is what stands before a value of n bytes in the one record of a
// batch. The byte behind the value says how many headers there are.
func recordHead(n int64) []byte {
	body := binary.AppendVarint([]byte{0, 0, 0, 1}, n)
	return append(binary.AppendVarint(nil, int64(len(body))+n+1), body...)
}

// anyBomb picks a bomb, seldom a large one.
func anyBomb(rng *rand.Rand) *bomb {
	all := bombs()
	if rng.IntN(8) > 0 {
		all = all[:len(all)/2]
	}
	return &all[rng.IntN(len(all))]
}

// bombBatch is a batch around a bomb.
func bombBatch(rng *rand.Rand) []byte {
	b := anyBomb(rng)
	s := &batchSpec{magic: 2, producer: -1, producerEpoch: -1, sequence: -1, epoch: -1, attributes: b.codec, count: 1, records: b.packed}
	if rng.IntN(4) == 0 {
		s.count = 1 + odd32(rng)&0x7fffffff
		s.lastDelta = s.count - 1
	}
	return s.encode()
}

// oldMessage is a message of magic 0 or 1.
func oldMessage(magic int8, attributes byte, value []byte) []byte {
	body := []byte{byte(magic), attributes}
	if magic > 0 {
		body = binary.BigEndian.AppendUint64(body, uint64(time.Now().UnixMilli()))
	}
	body = binary.BigEndian.AppendUint32(body, math.MaxUint32) // null key
	body = binary.BigEndian.AppendUint32(body, uint32(len(value)))
	body = append(body, value...)
	b := make([]byte, 12, 16+len(body))
	binary.BigEndian.PutUint32(b[8:], uint32(4+len(body)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(body))
	return append(b, body...)
}

// oldSet is a message set: a good one, a broken one, one that wraps itself
// several times over, or a bomb.
func oldSet(rng *rand.Rand) []byte {
	magic := int8(rng.IntN(2))
	set := oldMessage(magic, 0, noise(rng, rng.IntN(200)))
	switch rng.IntN(6) {
	case 0:
		return set
	case 1:
		return mutate(rng, set)
	case 2, 3: // zeros where messages should be, or behind one message's head
		b := anyBomb(rng)
		return oldMessage(magic, byte(b.codec), b.packed)
	case 4: // messages in messages in messages
		for range 1 + rng.IntN(6) {
			set = oldMessage(magic, gzipCodec, gzipped(set))
		}
		return set
	}
	b := oldBombs()[rng.IntN(len(oldBombs()))]
	return oldMessage(int8(b.magic), byte(b.codec), b.packed)
}

func gzipped(p []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(p) // into memory
	_ = w.Close()
	return out.Bytes()
}

type oldBomb struct {
	bomb
	magic int
}

// oldBombs wrap one message that states its true size and has a wrong CRC, which a reader
// notices only at the end.
var oldBombs = sync.OnceValue(func() (all []oldBomb) {
	for codec := int16(gzipCodec); codec < zstdCodec; codec++ {
		for magic := range 2 {
			head := oldMessage(int8(magic), 0, nil)
			size := pack(codec, head, 30<<10).zeros
			binary.BigEndian.PutUint32(head[8:], uint32(int64(len(head)-12)+size))
			binary.BigEndian.PutUint32(head[len(head)-4:], uint32(size))
			all = append(all, oldBomb{pack(codec, head, 30<<10), magic})
		}
	}
	return all
})
