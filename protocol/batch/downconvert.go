package batch

import (
	"encoding/binary"
	"iter"
)

// A message that is made of a compressed record is held in memory as a whole. It may
// have maxMessageBytes, or maxMessageRatio times the bytes of its batch if that is more.
// Records of text have less, and it bounds what a few bytes can expand to.
const (
	maxMessageBytes = 8 << 20
	maxMessageRatio = 8
)

// Downconversion converts batches to the message formats before magic 2, for Fetch
// before version 4.
type Downconversion struct {
	// Magic is 0 (Fetch 0 and 1) or 1 (2 and 3).
	Magic int8
	// From is the first offset that is wanted. Records before it are left out of
	// batches that are not compressed; librdkafka relies on that.
	From int64
	// MaxExpandedBytes bounds what a packed batch expands to; 0 stands for
	// DefaultMaxExpandedBytes.
	MaxExpandedBytes int64
}

// Append converts the one batch that b holds, or the one message or wrapper, and
// appends it to dst. A batch that is not packed becomes a message for each record;
// a packed one becomes one wrapper with the same codec. Offsets, with their gaps,
// timestamps (in magic 1) and their type stay. Headers and producer ids are lost;
// a control batch, which these formats do not have, gives nothing. dst comes back
// as it was with an error: *CodecError for zstd, which these formats do not
// have either, *TooLargeError for a batch that expands to too much, *CorruptError,
// *InvalidError.
//
// The rules are those of Apache Kafka's RecordsUtil.downConvert. A timestamp below
// NoTimestamp, which it stumbles over, becomes NoTimestamp.
func (d *Downconversion) Append(dst, b []byte) ([]byte, error) {
	if IsMessageSet(b) {
		return d.appendOld(dst, b)
	}
	b, h, err := whole(b)
	if err != nil {
		return dst, err
	}
	switch {
	case h.Control():
		return dst, nil
	case h.Codec() == Zstd || !h.Codec().Known():
		return dst, &CodecError{Codec: h.Codec()}
	}
	return d.rewrite(dst, h.Codec(), h.LogAppendTime(), h.MaxTimestamp, d.records(b, &h))
}

// appendOld copies messages whose magic is low enough, and converts magic 1 to magic 0.
func (d *Downconversion) appendOld(dst, b []byte) ([]byte, error) {
	one, err := firstMessage(b)
	if err != nil {
		return dst, err
	}
	if int8(one[magicAt]) <= d.Magic {
		return append(dst, one...), nil
	}
	m, err := parseMessage(one)
	if err != nil {
		return dst, err
	}
	return d.rewrite(dst, m.codec(), m.logAppendTime(), m.timestamp, Messages(one, d.MaxExpandedBytes))
}

// records gives the records of a batch, up to one that is too large.
func (d *Downconversion) records(b []byte, h *Header) iter.Seq2[Record, error] {
	limit := d.MaxExpandedBytes
	if limit <= 0 {
		limit = DefaultMaxExpandedBytes
	}
	return func(yield func(Record, error) bool) {
		if h.Count == 0 {
			return
		}
		var c cursor
		e, err := c.start(b, h, limit, wideOne)
		if err != nil {
			yield(Record{}, err)
			return
		}
		if e != nil {
			defer e.release()
		}
		c.largest = max(maxMessageBytes, maxMessageRatio*int64(len(b)))
		for range h.Count {
			r, err := c.readRecord(h)
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// rewrite appends the records as messages, inside a wrapper if codec packs them.
// Where the timestamps are logAppendTime, atMs is that time.
func (d *Downconversion) rewrite(dst []byte, codec Codec, logAppendTime bool, atMs int64, records iter.Seq2[Record, error]) ([]byte, error) {
	w := messageWriter{magic: d.Magic, codec: codec, maxTimestamp: NoTimestamp}
	if logAppendTime && d.Magic > 0 {
		w.attributes = logAppendTimeBit
	}
	out := dst
	for r, err := range records {
		if err != nil {
			w.discard()
			return dst, invalid(err)
		}
		if codec == None && r.Offset < d.From {
			continue
		}
		if out, err = w.add(out, &r); err != nil {
			w.discard()
			return dst, invalid(err)
		}
	}
	out, err := w.finish(out, logAppendTime, atMs)
	if err != nil {
		return dst, invalid(err)
	}
	return out, nil
}

// messageWriter writes messages, or packs them into one wrapper.
type messageWriter struct {
	magic      int8
	codec      Codec
	attributes int8    // of every message
	pack       *packer // once there is a message to pack
	start      int     // where the wrapper begins

	scratch      []byte
	base, last   int64 // offsets
	maxTimestamp int64
}

func (w *messageWriter) add(dst []byte, r *Record) ([]byte, error) {
	m := message{offset: r.Offset, magic: w.magic, attributes: w.attributes, timestamp: max(r.Timestamp, NoTimestamp), key: r.Key, value: r.Value}
	if w.codec == None {
		return appendMessage(dst, &m), nil
	}
	if w.pack == nil {
		w.base, w.start = m.offset, len(dst)
		outer := message{magic: w.magic, attributes: w.attributes | int8(w.codec)} // the rest is known in the end
		head := binary.BigEndian.AppendUint32(appendMessageField(beginMessage(dst, &outer), nil), 0)
		var err error
		if w.pack, err = newPacker(as(w.codec), head, 0); err != nil {
			return dst, err
		}
	}
	w.last, w.maxTimestamp = m.offset, max(w.maxTimestamp, m.timestamp)
	if w.magic > 0 {
		m.offset -= w.base
	}
	w.scratch = appendMessageHead(w.scratch[:0], &m)
	_, err := w.pack.Write(w.scratch)
	if err == nil {
		_, err = w.pack.Write(m.value) // not copied first: it may be large
	}
	return dst, err
}

// finish completes the wrapper, if there is one.
func (w *messageWriter) finish(dst []byte, logAppendTime bool, atMs int64) ([]byte, error) {
	if w.pack == nil {
		return dst, nil
	}
	defer w.discard()
	if err := w.pack.close(); err != nil {
		return dst, err
	}
	b := w.pack.out[w.start:]
	be := binary.BigEndian
	be.PutUint64(b, uint64(w.last))
	valueAt := Overhead + int(messageOverhead(w.magic))
	be.PutUint32(b[valueAt-4:], uint32(len(b)-valueAt))
	if w.magic > 0 {
		if !logAppendTime {
			atMs = w.maxTimestamp
		}
		be.PutUint64(b[messageTimestampAt:], uint64(atMs))
	} else if w.codec == LZ4 {
		breakLZ4Header(b[valueAt:])
	}
	endMessage(b)
	return w.pack.out, nil
}

func (w *messageWriter) discard() {
	if w.pack != nil {
		w.pack.release()
		w.pack = nil
	}
}
