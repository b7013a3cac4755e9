package batch

import (
	"math"
	"strconv"
)

// maxRecordErrors bounds how many records at fault a refusal names.
const maxRecordErrors = 1000

// Rules are what a topic asks of a batch, beyond what is always asked.
type Rules struct {
	// MaxBatchBytes is max.message.bytes, of the batch as it stands; 0 for no bound.
	MaxBatchBytes int64
	// MaxExpandedBytes bounds what compressed records expand to; 0 stands for
	// DefaultMaxExpandedBytes.
	MaxExpandedBytes int64
	// NoZstd refuses zstd: requests before Produce 7.
	NoZstd bool
	// KeyRequired refuses records without a key: the topic is compacted.
	KeyRequired bool
	// LogAppendTime says that message.timestamp.type is LogAppendTime. The
	// timestamps of records do not matter then, and the batch must not claim
	// to have been given its time by a broker.
	LogAppendTime bool
	// NowMs is the time with which the timestamps of records are compared.
	NowMs int64
	// TimestampBeforeMaxMs and TimestampAfterMaxMs are how far a record may lie
	// before and after NowMs (message.timestamp.before.max.ms and .after.max.ms).
	TimestampBeforeMaxMs int64
	TimestampAfterMaxMs  int64
	// Compression is what ValidateBatch and ValidateSet store records in.
	Compression Compression
	// Quit, when closed, ends the waiting for a turn to expand a compressed batch,
	// see BusyError; nil waits on.
	Quit <-chan struct{}
	// Pause is called again and again while a batch is expanded in the long turn. A
	// function that sleeps lets other processes go first too; nil lets the goroutines
	// of this one go first.
	Pause func()
}

// Info is what Validate found out about a batch.
type Info struct {
	Header Header // as the batch has it when Validate is done
	// MaxTimestamp is the highest timestamp of a record, NoTimestamp if none has
	// one, and MaxTimestampDelta the offset delta of the first record with it.
	MaxTimestamp      int64
	MaxTimestampDelta int32
	// ExpandedBytes is the size of the records when they are not compressed.
	ExpandedBytes int64
}

// Validate checks the records that a client wants appended to one partition: b
// must be one whole batch of magic 2 (see CheckForm) that keeps every rule. It reads each record,
// expanding compressed ones as a stream, and believes no count and no length
// before the bytes are there.
//
// As Apache's broker does, it corrects a header whose maximum timestamp is not
// that of its records, CRC included; nothing else is changed, and nothing at all
// when the batch is refused. Time and offsets are set by whoever appends it.
//
// Errors, in the order in which they are looked for: *InvalidError for what is
// no single batch of magic 2; *CodecError for zstd where it is not allowed;
// *InvalidError for a base offset that is not 0; *TooLargeError;
// *CorruptError for a CRC that does not match; *CodecError for a codec that does
// not exist; then *InvalidError, *TimestampError or *TooLargeError for the header's
// counts, a control batch, sequence, and records; or a *BusyError in place of
// what stands in compressed records. The order is that of
// UnifiedLog.append and LogValidator; stricter than these, offset deltas
// that are not 0, 1, 2, ... are refused.
func Validate(b []byte, r Rules) (Info, error) {
	h, err := CheckForm(b, r.NoZstd)
	if err != nil {
		return Info{}, err
	}
	return validate(b, &h, &r)
}

// validate does what Validate does after CheckForm.
func validate(b []byte, h *Header, r *Rules) (Info, error) {
	if err := checkHeader(b, h, r); err != nil {
		return Info{}, err
	}
	info := Info{Header: *h}
	if err := checkRecords(b, r, &info); err != nil {
		return Info{}, err
	}
	if !r.LogAppendTime && (h.MaxTimestamp != info.MaxTimestamp || h.LogAppendTime()) {
		setTimestamp(b, 0, info.MaxTimestamp)
		var err error
		if info.Header, err = ParseHeader(b); err != nil {
			return Info{}, err
		}
	}
	return info, nil
}

// CheckForm checks that b is one batch of magic 2, and none in zstd where that
// is not allowed, before anything else in it is believed. It is the first part
// of Validate, which Apache's broker does before it looks for the partition's log
// (ProduceRequest.validateRecords). Errors: *InvalidError, *CorruptError, *CodecError.
func CheckForm(b []byte, noZstd bool) (Header, error) {
	if len(b) <= magicAt {
		return Header{}, &InvalidError{Message: "a produce request has one record batch per partition and this has none"}
	}
	size := sizeOfBatch(b)
	if size < Overhead+smallestV0Message {
		return Header{}, &CorruptError{Reason: "length " + itoa(size-Overhead) + " is below that of the smallest message"}
	}
	if m := int8(b[magicAt]); m < 0 || m > Magic {
		return Header{}, &CorruptError{Reason: "magic " + itoa(int64(m))}
	}
	if size > int64(len(b)) {
		return Header{}, &InvalidError{Message: "the record batch has " + itoa(int64(len(b))) + " of its " + itoa(size) + " bytes"}
	}
	if b[magicAt] != Magic {
		return Header{}, &InvalidError{Message: "a produce request has record batches of magic 2 only, not " + itoa(int64(b[magicAt]))}
	}
	h, err := ParseHeader(b)
	if err != nil {
		return Header{}, err
	}
	if size < int64(len(b)) {
		return Header{}, &InvalidError{Message: "a produce request has one record batch per partition and this has more"}
	}
	if noZstd && h.Codec() == Zstd {
		return Header{}, &CodecError{Codec: Zstd}
	}
	return h, nil
}

// checkHeader checks all that can be known without reading the records.
func checkHeader(b []byte, h *Header, r *Rules) error {
	if h.BaseOffset != 0 {
		return &InvalidError{Message: "the base offset of a produced batch is 0, not " + itoa(h.BaseOffset)}
	}
	if r.MaxBatchBytes > 0 && int64(len(b)) > r.MaxBatchBytes {
		return &TooLargeError{Size: int64(len(b)), Limit: r.MaxBatchBytes}
	}
	if err := CheckCRC(b); err != nil {
		return err
	}
	if !h.Codec().Known() {
		return &CodecError{Codec: h.Codec()}
	}
	if h.LastOffsetDelta < 0 {
		return &InvalidError{Message: "the batch's last offset delta is " + itoa(int64(h.LastOffsetDelta))}
	}
	if h.Count <= 0 {
		return &InvalidError{Message: "the batch claims " + itoa(int64(h.Count)) + " records"}
	}
	if int64(h.LastOffsetDelta)+1 != int64(h.Count) {
		return &InvalidError{Message: "the batch claims " + itoa(int64(h.Count)) + " records and a last offset delta of " +
			itoa(int64(h.LastOffsetDelta))}
	}
	if h.Control() {
		return &InvalidError{Message: "clients do not write control batches"}
	}
	if h.HasProducerID() && h.BaseSequence < 0 {
		return &InvalidError{Message: "the batch of producer " + itoa(h.ProducerID) + " has sequence " + itoa(int64(h.BaseSequence))}
	}
	return nil
}

// checkRecords reads every record and fills in info, when it is the batch's turn.
func checkRecords(b []byte, r *Rules, info *Info) error {
	return expanding(b, r, &info.Header, false, func(t turn) error { return readRecords(b, r, info, nil, t) })
}

// expanding calls check for the batch when it is its turn: see inTurn. A batch
// that is neither compressed nor packed anew takes none.
func expanding(b []byte, r *Rules, h *Header, pack bool, check func(turn) error) error {
	limit := r.MaxExpandedBytes
	if limit <= 0 {
		limit = DefaultMaxExpandedBytes
	}
	if h.Codec() == None && !pack {
		return check(turn{limit: limit})
	}
	if h.Codec() != None && int64(h.Count)*minRecordSize > limit {
		return &TooLargeError{Size: int64(h.Count) * minRecordSize, Limit: limit, Expanded: true}
	}
	return inTurn(len(b), limit, pack, r.Quit, check)
}

// readRecords reads every record, within what its turn allows. With into, the
// records are packed anew as they are read.
func readRecords(b []byte, r *Rules, info *Info, into *recompression, t turn) error {
	h, wide := &info.Header, wideNone
	if t.long {
		wide = wideOne
	}
	var c cursor
	e, err := c.start(b, h, t.limit, wide)
	if err == errLongTurn {
		return err
	}
	if err != nil {
		return invalid(err)
	}
	if e != nil {
		defer e.release()
	}
	if t.long {
		c.pause = r.pauser()
	}
	info.MaxTimestamp, info.MaxTimestampDelta = NoTimestamp, 0
	var faults recordFaults
	ok := r.allowed(h)
	for i := int32(0); i < h.Count; i++ {
		if into == nil {
			passed := usual(c.win, i, h.Count, ok, run{maxTimestamp: info.MaxTimestamp, maxAt: info.MaxTimestampDelta})
			info.MaxTimestamp, info.MaxTimestampDelta = passed.maxTimestamp, passed.maxAt
			c.win = c.win[passed.size:]
			if i += passed.records; i == h.Count {
				break
			}
		}
		var g glance
		if into == nil {
			g, err = c.glance()
		} else {
			g, err = into.record(&c)
		}
		if err != nil {
			return invalid(err)
		}
		if g.offsetDelta != i {
			return &InvalidError{Message: "record " + itoa(int64(i)) + " of the batch has offset delta " + itoa(int64(g.offsetDelta))}
		}
		timestamp := h.BaseTimestamp + g.timestampDelta
		if h.LogAppendTime() {
			timestamp = h.MaxTimestamp
		}
		switch {
		case r.KeyRequired && g.nullKey:
			faults.add(i, NoKey)
		case into != nil && timestamp < NoTimestamp:
			faults.negative(i, timestamp)
		default:
			faults.checkTimestamp(i, timestamp, h, r)
		}
		if timestamp > info.MaxTimestamp {
			info.MaxTimestamp, info.MaxTimestampDelta = timestamp, i
		}
	}
	if err := c.mustEnd(); err != nil {
		return invalid(err)
	}
	info.ExpandedBytes = c.at()
	return faults.err()
}

// allowed gives the range of timestamps with which a record needs no further look. A record
// outside of it, one without a timestamp, and each record of a batch that has its time of
// append are checked one by one.
func (r *Rules) allowed(h *Header) allowed {
	ok := allowed{base: h.BaseTimestamp, keyRequired: r.KeyRequired}
	switch {
	case h.LogAppendTime():
		ok.from, ok.to = 1, 0
	case r.LogAppendTime:
		ok.from, ok.to = NoTimestamp+1, math.MaxInt64
	default:
		ok.from, ok.to = r.NowMs-r.TimestampBeforeMaxMs, r.NowMs+r.TimestampAfterMaxMs
		if ok.from > r.NowMs {
			ok.from = NoTimestamp + 1
		}
		if ok.to < r.NowMs {
			ok.to = math.MaxInt64
		}
		ok.from = max(ok.from, NoTimestamp+1)
	}
	return ok
}

// glance passes over the next record and gives what Validate needs to know of it.
func (c *cursor) glance() (glance, error) {
	g, size := quick(c.win)
	if size > 0 {
		c.win = c.win[size:]
		return g, nil
	}
	f, err := c.readFields()
	if err != nil {
		return g, err
	}
	g = glance{timestampDelta: f.timestampDelta, offsetDelta: f.offsetDelta}
	if g.nullKey, err = c.skipField(f.end); err != nil {
		return g, err
	}
	if _, err = c.skipField(f.end); err != nil {
		return g, err
	}
	return g, c.skipHeaders(f.end)
}

// recordFaults gathers the records that a topic refuses.
type recordFaults struct {
	count     int
	timestamp bool // one at least is about a timestamp
	records   []RecordError
}

func (f *recordFaults) add(index int32, message string) {
	f.count++
	if len(f.records) < maxRecordErrors {
		f.records = append(f.records, RecordError{Index: index, Message: message})
	}
}

// negative names a record that cannot be written anew: there is no time before 1970.
func (f *recordFaults) negative(index int32, timestamp int64) {
	f.timestamp = true
	f.add(index, "timestamp "+itoa(timestamp)+" is negative")
}

// checkTimestamp compares a record's timestamp with the rules.
func (f *recordFaults) checkTimestamp(index int32, timestamp int64, h *Header, r *Rules) {
	if !r.LogAppendTime && timestamp != NoTimestamp {
		if tooFar(r.NowMs, timestamp, r.TimestampBeforeMaxMs) || tooFar(timestamp, r.NowMs, r.TimestampAfterMaxMs) {
			f.timestamp = true
			f.add(index, outOfRange(timestamp, r))
		}
		return
	}
	if h.LogAppendTime() {
		f.timestamp = true
		f.add(index, "a producer's record has timestamp type LogAppendTime, which is for brokers to set")
	}
}

// tooFar reports whether a lies more than most after b, without overflow.
func tooFar(a, b, most int64) bool {
	d := a - b
	if (a > b) != (d > 0) && a != b { // overflowed
		return a > b && most < math.MaxInt64
	}
	return d > most
}

func outOfRange(timestamp int64, r *Rules) string {
	from, to := r.NowMs-r.TimestampBeforeMaxMs, r.NowMs+r.TimestampAfterMaxMs
	if to < r.NowMs {
		to = math.MaxInt64
	}
	return "timestamp " + strconv.FormatInt(timestamp, 10) + " is not within [" + itoa(from) + ", " + itoa(to) + "]"
}

// badTimestamps is the message of Apache's broker, which clients compare.
const badTimestamps = "One or more records have been rejected due to invalid timestamp"

func (f *recordFaults) err() error {
	if f.count == 0 {
		return nil
	}
	if f.timestamp {
		return &TimestampError{Message: badTimestamps, Records: f.records}
	}
	return &InvalidError{Message: itoa(int64(f.count)) + " records break a rule of the topic", Records: f.records}
}
