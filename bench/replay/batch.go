package replay

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Codec is the compression of a batch, as the lowest bits of its attributes name it.
type Codec int16

// These are the codecs that loads use.
const (
	Plain Codec = 0
	Zstd  Codec = 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Batch encodes one record batch of magic 2: records of valueBytes each without a
// key, of text that compresses about as logs do. Its timestamps are now, so that no
// broker takes it for old.
func Batch(records, valueBytes int, codec Codec, now time.Time) ([]byte, error) {
	var body []byte
	text := words(records * valueBytes)
	for i := range records {
		body = appendRecord(body, int32(i), text[i*valueBytes:(i+1)*valueBytes])
	}
	switch codec {
	case Plain:
	case Zstd:
		w, err := zstd.NewWriter(nil)
		if err != nil {
			return nil, err
		}
		body = w.EncodeAll(body, nil)
	default:
		return nil, fmt.Errorf("replay: no load uses codec %d", codec)
	}
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, Attributes: int16(codec), LastOffsetDelta: int32(records - 1),
		FirstTimestamp: now.UnixMilli(), MaxTimestamp: now.UnixMilli(),
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, NumRecords: int32(records), Records: body,
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli))
	return raw, nil
}

// appendRecord encodes a record behind its length.
func appendRecord(to []byte, delta int32, value []byte) []byte {
	r := kmsg.Record{OffsetDelta: delta, Value: value}
	// A length of 0 is one byte long, so what follows is as long as the rest.
	r.Length = int32(len(r.AppendTo(nil)) - 1)
	return r.AppendTo(to)
}

// words is n bytes of text, the same ones each time.
func words(n int) []byte {
	vocabulary := []string{"broker", "offset", "partition", "leader", "epoch", "segment", "GET", "POST", "/index", "200", "404",
		"latency", "user", "session", "token", "error", "retry", "timeout", "connection", "closed"}
	rng := rand.New(rand.NewPCG(1, 2))
	var text []byte
	for len(text) < n {
		text = append(text, vocabulary[rng.IntN(len(vocabulary))]...)
		text = fmt.Appendf(text, "=%x ", rng.Uint32())
	}
	return text[:n]
}
