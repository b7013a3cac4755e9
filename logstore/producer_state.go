package logstore

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"klamm/protocol/batch"
)

// Origin says who appends. It decides which checks against the producer's
// state apply (Apache Kafka's AppendOrigin).
type Origin int8

const (
	// FromClient is a Produce request: epoch and sequence are checked.
	FromClient Origin = iota
	// FromCoordinator is a coordinator's own append: its batches may carry a producer epoch,
	// but no sequence.
	FromCoordinator
)

// rememberedBatches is how many of a producer's last batches its state describes, so that the
// log recognises a batch that the producer sends again
// (ProducerStateEntry.NUM_BATCHES_TO_RETAIN).
const rememberedBatches = 5

// batchMeta describes a producer's batch in the log (BatchMetadata).
type batchMeta struct {
	lastOffset  int64
	timestamp   int64 // the largest timestamp of the batch, in ms
	lastSeq     int32
	offsetDelta int32
}

func metaOf(h *batch.Header) batchMeta {
	return batchMeta{lastSeq: h.LastSequence(), lastOffset: h.LastOffset(), offsetDelta: h.LastOffsetDelta, timestamp: h.MaxTimestamp}
}

func (m batchMeta) firstOffset() int64 { return m.lastOffset - int64(m.offsetDelta) }

// firstSeq gives the batch's first sequence; sequences wrap from 2^31-1 to 0.
func (m batchMeta) firstSeq() int32 {
	if m.lastSeq < m.offsetDelta {
		return math.MaxInt32 - (m.offsetDelta - m.lastSeq) + 1
	}
	return m.lastSeq - m.offsetDelta
}

// producer is the state of one producer id (ProducerStateEntry).
type producer struct {
	lastTimestamp int64
	// seenMs is the time at which the producer's last batch arrived; 0 if none arrived since the process started. The
	// expiration depends on it as well as on lastTimestamp, since a client may give its records any timestamp.
	seenMs           int64
	txnFirstOffset   int64 // the first offset of the open transaction, -1 when there is none
	coordinatorEpoch int32
	epoch            int16
	count            int8
	batches          [rememberedBatches]batchMeta // the first count elements are used, oldest batch first
}

func newProducer() *producer {
	return &producer{epoch: -1, coordinatorEpoch: -1, lastTimestamp: batch.NoTimestamp, txnFirstOffset: -1}
}

func (p *producer) last() batchMeta {
	if p.count == 0 {
		return batchMeta{lastSeq: -1, lastOffset: -1}
	}
	return p.batches[p.count-1]
}

func (p *producer) setEpoch(epoch int16) {
	if p.epoch != epoch {
		p.epoch, p.count = epoch, 0
	}
}

func (p *producer) add(m batchMeta) {
	if p.count == rememberedBatches {
		copy(p.batches[:], p.batches[1:])
		p.count--
	}
	p.batches[p.count] = m
	p.count++
	p.lastTimestamp = m.timestamp
}

// producers is the state of all producers of a log, up to the offset mapEnd (ProducerStateManager). Log.mu guards it.
type producers struct {
	// byID has the producers by id. Only keep, forget and replace add or remove producers.
	byID map[int64]*producer
	// max bounds the size of byID, 0 means no bound. budget bounds the producers of all logs together, nil means no bound.
	max    int
	budget *ProducerBudget
	name   string // the partition's name, for log lines
	// mapEnd is the offset after the last batch that the state contains.
	mapEnd int64
	// snapshots are the offsets of the .snapshot files, ascending. snapEnd is the offset of the
	// newest snapshot that belongs to this state (lastSnapOffset in Apache Kafka).
	snapshots []int64
	snapEnd   int64
}

// ProducerState is what DescribeProducers answers about a producer (KIP-664). An epoch, a
// sequence or an offset is -1 when there is none.
type ProducerState struct {
	ProducerID            int64
	ProducerEpoch         int16
	LastSequence          int32
	LastTimestampMs       int64
	CoordinatorEpoch      int32
	CurrentTxnStartOffset int64
}

// check checks a batch before it is appended, in the order of
// UnifiedLog.analyzeAndValidateProducerState and ProducerAppendInfo: first whether it is a duplicate,
// then its epoch, then its sequence. For a duplicate it gives the batch that is in the log.
func (s *producers) check(h *batch.Header, origin Origin) (dup batchMeta, isDup bool, err error) {
	p := s.byID[h.ProducerID]
	if p == nil {
		// The producer is new, or it was forgotten: its first batch may have any sequence.
		return dup, false, nil
	}
	if origin == FromClient && p.epoch == h.ProducerEpoch {
		for _, m := range p.batches[:p.count] {
			if m.firstSeq() == h.BaseSequence && m.lastSeq == h.LastSequence() {
				return m, true, nil
			}
		}
	}
	if h.ProducerEpoch < p.epoch {
		return dup, false, fmt.Errorf("%w: producer %d sent epoch %d, the last is %d",
			ErrInvalidProducerEpoch, h.ProducerID, h.ProducerEpoch, p.epoch)
	}
	if origin == FromClient && !h.Control() {
		if err := p.checkSequence(h); err != nil {
			return dup, false, err
		}
	}
	if p.txnFirstOffset >= 0 && !h.Transactional() {
		return dup, false, fmt.Errorf("%w: producer %d", ErrInvalidTxnState, h.ProducerID)
	}
	return dup, false, nil
}

func (p *producer) checkSequence(h *batch.Header) error {
	if p.epoch < 0 {
		return nil
	}
	if h.ProducerEpoch != p.epoch {
		if h.BaseSequence != 0 {
			return fmt.Errorf("%w: producer %d begins epoch %d (after %d) with sequence %d",
				ErrOutOfOrderSequence, h.ProducerID, h.ProducerEpoch, p.epoch, h.BaseSequence)
		}
		return nil
	}
	last := p.last().lastSeq
	if int64(h.BaseSequence) == int64(last)+1 || h.BaseSequence == 0 && last == math.MaxInt32 {
		return nil
	}
	return fmt.Errorf("%w: producer %d sent sequence %d after %d",
		ErrOutOfOrderSequence, h.ProducerID, h.BaseSequence, last)
}

// apply adds a batch of the log to the state. data is the batch's bytes, which are only read for
// control batches. apply checks nothing, since the batch is in the log already.
func (s *producers) apply(h *batch.Header, data []byte) {
	if !h.HasProducerID() {
		return
	}
	p := s.byID[h.ProducerID]
	if p == nil {
		p = s.keep(h.ProducerID)
	}
	p.setEpoch(h.ProducerEpoch)
	if h.Control() {
		p.txnFirstOffset, p.lastTimestamp = -1, h.MaxTimestamp
		if epoch, ok := markerCoordinatorEpoch(data); ok {
			p.coordinatorEpoch = epoch
		}
		return
	}
	p.add(metaOf(h))
	if h.Transactional() && p.txnFirstOffset < 0 {
		p.txnFirstOffset = h.BaseOffset
	}
}

// markerCoordinatorEpoch reads the coordinator's epoch out of the one record of
// a control batch (EndTxnMarker: version int16, coordinatorEpoch int32).
func markerCoordinatorEpoch(data []byte) (int32, bool) {
	for r, err := range batch.Records(data, controlRecordLimit) {
		if err != nil || len(r.Value) < 6 {
			return 0, false
		}
		return int32(binary.BigEndian.Uint32(r.Value[2:])), true
	}
	return 0, false
}

// controlRecordLimit bounds the size of an expanded control batch, in bytes. The
// record of a control batch has a few dozen.
const controlRecordLimit = 1 << 16

// seen records when a producer's batch arrived.
func (s *producers) seen(id, nowMs int64) {
	if p := s.byID[id]; p != nil {
		p.seenMs = nowMs
	}
}

// expired reports whether a producer without an open transaction has written nothing for expirationMs. A time ahead of nowMs,
// from when the clock was wrong, does not keep a producer for ever.
func (p *producer) expired(nowMs, expirationMs int64) bool {
	p.seenMs = min(p.seenMs, nowMs)
	last := p.seenMs
	switch {
	case p.lastTimestamp <= nowMs:
		last = max(last, p.lastTimestamp)
	case last == 0: // the producer was read from a snapshot, with a time ahead of nowMs: its time counts from now on
		p.seenMs, last = nowMs, nowMs
	}
	return p.txnFirstOffset < 0 && nowMs-last >= expirationMs
}

func (s *producers) removeExpired(nowMs, expirationMs int64) {
	for id, p := range s.byID {
		if p.expired(nowMs, expirationMs) {
			s.forget(id)
		}
	}
}

// clear forgets all producers and sets mapEnd to offset.
func (s *producers) clear(offset int64) {
	s.replace(map[int64]*producer{})
	s.mapEnd = offset
}

// active lists the producers by id.
func (s *producers) active() []ProducerState {
	list := make([]ProducerState, 0, len(s.byID))
	for id, p := range s.byID {
		list = append(list, ProducerState{
			ProducerID: id, ProducerEpoch: p.epoch, LastSequence: p.last().lastSeq, LastTimestampMs: p.lastTimestamp,
			CoordinatorEpoch: p.coordinatorEpoch, CurrentTxnStartOffset: p.txnFirstOffset,
		})
	}
	slices.SortFunc(list, func(a, b ProducerState) int { return cmp.Compare(a.ProducerID, b.ProducerID) })
	return list
}
