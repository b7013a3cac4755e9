package batch

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// ValidateSet checks what a Produce request before version 3 wants appended to
// one partition, and gives the one batch that is stored for it: a message set of
// magic 0 or 1 is converted, a batch of magic 2, which such a request may hold as
// well, goes through Validate and is given back itself.
//
// A set is either any number of messages that are not compressed, all of one
// magic, or one that wraps the others. The batch has the codec of the set, a
// record for each message in their order, and the timestamps of the messages,
// NoTimestamp for those of magic 0; the offsets in the set do not matter. It holds
// no memory that grows with what a wrapper expands to, and no count and no size
// is believed before the bytes are there.
//
// Errors, in the order in which they are looked for: for each message of the set
// *CorruptError for a size that cannot be, *TooLargeError, *CorruptError for a CRC
// that does not match, *CodecError for a codec that does not exist; *InvalidError
// for a set that is none of the two; then what is wrong inside a wrapper; then
// *InvalidError or *TimestampError for records that the rules refuse; then
// *TooLargeError for the batch; or a *BusyError in place of what is wrong in a
// wrapper. The order is that of UnifiedLog.append and
// LogValidator. Stricter than these, a set that ends within a message is refused,
// and so are messages whose fields do not fill their size.
func ValidateSet(set []byte, r Rules) (one []byte, info Info, err error) {
	if len(set) > magicAt && set[magicAt] == Magic {
		return ValidateBatch(set, r)
	}
	u := upconversion{rules: &r}
	t := turn{limit: r.MaxExpandedBytes}
	if t.limit <= 0 {
		t.limit = DefaultMaxExpandedBytes
	}
	if err := u.survey(set); err != nil {
		return nil, Info{}, err
	}
	u.target = r.Compression.of(u.codec)
	if u.codec == None && u.target.Codec == None {
		return u.convert(set, t)
	}
	err = inTurn(len(set), t.limit, u.target.Codec != None, r.Quit, func(t turn) (err error) {
		again := upconversion{rules: &r, codec: u.codec, target: u.target}
		one, info, err = again.convert(set, t)
		return err
	})
	return one, info, err
}

// upconversion is one message set on its way to a batch.
type upconversion struct {
	rules  *Rules
	turn   turn
	codec  Codec
	target Compression
	pack   *packer
	faults recordFaults

	count         int32
	baseTimestamp int64
	maxTimestamp  int64
	maxDelta      int32 // of the first record with maxTimestamp
	expanded      int64 // bytes of the records
	scratch       []byte
	header        Header // of a batch with the timestamp type of the message
}

// survey checks the messages of a set without expanding any.
func (u *upconversion) survey(set []byte) error {
	messages := 0
	var magic int8
	for rest := set; len(rest) > 0; messages++ {
		one, err := firstMessage(rest)
		if err != nil {
			return err
		}
		if u.rules.MaxBatchBytes > 0 && int64(len(one)) > u.rules.MaxBatchBytes {
			return &TooLargeError{Size: int64(len(one)), Limit: u.rules.MaxBatchBytes}
		}
		m, err := parseMessage(one)
		if err != nil {
			return err
		}
		if !m.codec().Known() {
			return &CodecError{Codec: m.codec()}
		}
		if m.codec() == Zstd {
			return errZstdMessage
		}
		if messages == 0 {
			magic = m.magic
		}
		if m.magic != magic {
			return &InvalidError{Message: "a message set has messages of magic " + itoa(int64(magic)) + " and " + itoa(int64(m.magic))}
		}
		if m.codec() != None {
			u.codec = m.codec()
		}
		rest = rest[len(one):]
	}
	switch {
	case messages == 0:
		return &InvalidError{Message: "the message set is empty"}
	case messages > 1 && u.codec != None:
		return &InvalidError{Message: "a message set has a compressed message and others beside it"}
	case int64(messages) > math.MaxInt32:
		return &TooLargeError{Size: int64(len(set)), Limit: math.MaxInt32}
	}
	return nil
}

// firstMessage cuts the first message from a set.
func firstMessage(set []byte) ([]byte, error) {
	if len(set) < Overhead {
		return nil, &CorruptError{Reason: "a message set ends within a message"}
	}
	size := sizeOfBatch(set)
	switch {
	case size < Overhead+messageOverhead0:
		return nil, &CorruptError{Reason: "length " + itoa(size-Overhead) + " is below that of the smallest message"}
	case size > int64(len(set)):
		return nil, &CorruptError{Reason: "a message set ends within a message"}
	case int8(set[magicAt]) < 0 || set[magicAt] > Magic:
		return nil, &CorruptError{Reason: "magic " + itoa(int64(int8(set[magicAt])))}
	case set[magicAt] == Magic:
		return nil, &InvalidError{Message: "a record batch stands in a message set"}
	}
	return set[:size], nil
}

// convert makes the batch of a set that survey accepted, within what its turn allows.
func (u *upconversion) convert(set []byte, t turn) (one []byte, info Info, err error) {
	u.turn = t
	limit := 0
	if u.rules.MaxBatchBytes > 0 {
		limit = int(min(u.rules.MaxBatchBytes, math.MaxInt32))
	}
	room := HeaderSize + len(set) + len(set)/8
	if limit > 0 {
		room = min(room, HeaderSize+limit)
	}
	if u.pack, err = newPacker(u.target, make([]byte, HeaderSize, room), limit); err != nil {
		return nil, Info{}, err
	}
	defer func() { u.pack.release() }()
	u.maxTimestamp = NoTimestamp
	var m message // one for all: it is pointed to
	for len(set) > 0 {
		size := sizeOfBatch(set)
		if m, err = parseMessage(set[:size]); err != nil {
			return nil, Info{}, err
		}
		if m.codec() == None {
			err = u.add(&m)
		} else {
			err = u.unwrap(&m)
		}
		if err != nil {
			return nil, Info{}, invalid(err)
		}
		set = set[size:]
	}
	if err := u.faults.err(); err != nil {
		return nil, Info{}, err
	}
	if err := u.pack.close(); err != nil {
		return nil, Info{}, invalid(err)
	}
	return u.finish(u.pack.out)
}

// finish writes the header of the batch whose records b holds.
func (u *upconversion) finish(b []byte) ([]byte, Info, error) {
	if len(b) > math.MaxInt32 {
		return nil, Info{}, &TooLargeError{Size: int64(len(b)), Limit: math.MaxInt32}
	}
	h := Header{Length: int32(len(b) - Overhead), PartitionLeaderEpoch: -1, Magic: Magic, Attributes: int16(u.target.Codec),
		LastOffsetDelta: u.count - 1, BaseTimestamp: u.baseTimestamp, MaxTimestamp: u.maxTimestamp,
		ProducerID: -1, ProducerEpoch: -1, BaseSequence: -1, Count: u.count}
	h.put(b)
	updateCRC(b)
	h.CRC = binary.BigEndian.Uint32(b[crcAt:])
	return b, Info{Header: h, MaxTimestamp: u.maxTimestamp, MaxTimestampDelta: u.maxDelta, ExpandedBytes: u.expanded}, nil
}

// unwrap converts the messages inside of m.
func (u *upconversion) unwrap(m *message) error {
	w, err := openWrapper(m, u.turn.limit)
	if err != nil {
		return err
	}
	defer w.close()
	if u.turn.long {
		w.pause = u.rules.pauser()
	}
	last := int64(-1)
	write := func(piece []byte) error {
		_, err := u.pack.Write(piece)
		return err
	}
	for {
		err := w.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		last = w.offset
		if err := u.addStreamed(w, write); err != nil {
			return err
		}
	}
	switch {
	case u.count == 0:
		return &InvalidError{Message: "a compressed message holds none"}
	case m.magic > 0 && m.offset != 0 && m.offset < last:
		// Some versions of librdkafka leave the wrapper's offset 0.
		return &InvalidError{Message: "a compressed message has offset " + itoa(m.offset) + ", below that of the last one inside, " + itoa(last)}
	}
	return nil
}

// record counts a record and checks it against the rules. It reports whether to
// write the record: after one that the rules refuse nothing is written.
func (u *upconversion) record(timestamp int64, nullKey, logAppendTime bool) (write bool, err error) {
	if u.count == math.MaxInt32 {
		return false, &TooLargeError{Size: u.expanded, Limit: u.expanded, Expanded: true}
	}
	index := u.count
	switch {
	case nullKey && u.rules.KeyRequired:
		u.faults.add(index, NoKey)
	case timestamp < NoTimestamp:
		u.faults.negative(index, timestamp)
	default:
		u.header.Attributes = 0
		if logAppendTime {
			u.header.Attributes = logAppendTimeBit
		}
		u.faults.checkTimestamp(index, timestamp, &u.header, u.rules)
	}
	if index == 0 {
		u.baseTimestamp = timestamp
	}
	if timestamp > u.maxTimestamp {
		u.maxTimestamp, u.maxDelta = timestamp, index
	}
	u.count++
	return u.faults.count == 0, nil
}

// head begins a record: all that stands before its key, and the key's size. A
// negative size is that of a null.
func (u *upconversion) head(timestamp int64, keySize, valueSize int32) []byte {
	delta, offset := timestamp-u.baseTimestamp, int64(u.count-1)
	size := int64(1+varintSize(delta)+varintSize(offset)+varintSize(int64(max(keySize, -1)))+
		varintSize(int64(max(valueSize, -1)))+varintSize(0)) + int64(max(keySize, 0)) + int64(max(valueSize, 0))
	b := binary.AppendVarint(u.scratch[:0], size)
	u.expanded += int64(len(b)) + size
	b = append(b, 0) // attributes: none are defined
	b = binary.AppendVarint(b, delta)
	b = binary.AppendVarint(b, offset)
	u.scratch = binary.AppendVarint(b, int64(max(keySize, -1)))
	return u.scratch
}

// add writes a message that stands in the set itself.
func (u *upconversion) add(m *message) error {
	write, err := u.record(m.timestamp, m.key == nil, m.logAppendTime())
	if err != nil || !write {
		return err
	}
	b := u.head(m.timestamp, sizeOfField(m.key), sizeOfField(m.value))
	b = append(b, m.key...)
	b = appendField(b, m.value)
	u.scratch = append(b, 0) // headers: none
	_, err = u.pack.Write(u.scratch)
	return err
}

// drop takes pieces that nobody wants.
func drop([]byte) error { return nil }

func sizeOfField(field []byte) int32 {
	if field == nil {
		return -1
	}
	return int32(len(field))
}

// addStreamed writes the message that w has begun, piece by piece.
func (u *upconversion) addStreamed(w *wrapper, to func([]byte) error) error {
	write, err := u.record(w.timestamp, w.keySize < 0, w.outer.logAppendTime())
	if err != nil {
		return err
	}
	if !write {
		to = drop
	}
	// The size of a null is as long as that of an empty value, so that the value's
	// own size, which comes behind the key, is not needed yet.
	rest := w.fieldsSize() - int64(max(w.keySize, 0))
	if rest > math.MaxInt32 {
		return errMessageSize
	}
	if err := to(u.head(w.timestamp, w.keySize, int32(rest))); err != nil {
		return err
	}
	if err := w.key(to); err != nil {
		return err
	}
	if err := w.valueHead(); err != nil {
		return err
	}
	u.scratch = binary.AppendVarint(u.scratch[:0], int64(max(w.valueSize, -1)))
	if err := to(u.scratch); err != nil {
		return err
	}
	if err := w.value(to); err != nil {
		return err
	}
	u.scratch = append(u.scratch[:0], 0) // headers: none
	return to(u.scratch)
}
