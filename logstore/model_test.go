package logstore

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

var modelSeed = flag.Uint64("model.seed", 0, "seed of TestModel; 0 picks one and prints it")

// model does to a list what a Log does to a disk.
type model struct {
	t    *testing.T
	rnd  *rand.Rand
	disk *vfs.Mem
	o    Options
	l    *Log

	all        []stored // in the log, also below start
	start, end int64
	hw         int64
	flushed    int64
	epoch      int32
	nowMs      int64
	producers  map[int64]*modelProducer
}

type modelProducer struct {
	epoch int16
	next  int32
	last  []stored // newest last, of this epoch
}

// TestModel does random operations with random settings and compares what the
// log tells with the model.
func TestModel(t *testing.T) {
	seed := *modelSeed
	runs := 25
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	} else {
		runs = 1
	}
	for run := range runs {
		s := seed + uint64(run)
		ok := t.Run(fmt.Sprint(s), func(t *testing.T) {
			m := newModel(t, s)
			for range 400 {
				m.step()
			}
			m.compare()
		})
		if !ok {
			t.Fatalf("again with: go test ./logstore -run TestModel -model.seed=%d", s)
		}
	}
}

func newModel(t *testing.T, seed uint64) *model {
	m := &model{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), disk: newMemDisk(t), nowMs: testNow, producers: map[int64]*modelProducer{}}
	pick := func(values ...int64) int64 { return values[m.rnd.IntN(len(values))] }
	c := DefaultConfig()
	c.SegmentBytes = int32(pick(600, 1000, 5000, 1<<20))
	c.IndexIntervalBytes = int32(pick(1, 100, 1000, 4096))
	c.IndexBytes = int32(pick(60, 240, 10<<20))
	c.SegmentMs = pick(50, 1000, 1<<40)
	c.RetentionMs = -1
	c.FlushMessages = pick(1, 10, math.MaxInt64)
	c.ProducerExpirationMs = 1 << 50
	m.o = testOptions(m.disk, c)
	m.o.Files = NewFileBudget(int(pick(1, 3, 100)))
	m.o.Config.Preallocate = pick(0, 1) == 1
	m.l = mustOpen(t, m.o)
	return m
}

func (m *model) step() {
	m.nowMs += m.rnd.Int64N(20)
	switch n := m.rnd.IntN(100); {
	case n < 50:
		m.append()
	case n < 70:
		m.read()
	case n < 76:
		m.flush()
	case n < 80:
		m.hw = m.start + m.rnd.Int64N(m.end-m.start+1)
		if got := m.l.SetHighWatermark(m.hw); got != m.hw {
			m.t.Fatalf("high watermark %d, want %d", got, m.hw)
		}
	case n < 82:
		m.deleteRecords()
	case n < 85:
		m.retain()
	case n < 87:
		m.truncate()
	case n < 89:
		if err := m.l.Roll(m.nowMs); err != nil {
			m.t.Fatal(err)
		}
	case n < 94:
		m.times()
	case n < 98:
		m.reopen()
	default:
		m.compare()
	}
}

// batchOf makes a batch of nobody, of a producer, or one that a producer sent before.
func (m *model) append() {
	sp := spec{count: 1 + m.rnd.IntN(4), size: m.rnd.IntN(90), ts: m.nowMs - m.rnd.Int64N(40), codec: batch.Codec(m.rnd.IntN(5))}
	id := m.rnd.Int64N(6)
	if id < 4 {
		p := m.producers[id]
		if p == nil {
			p = &modelProducer{next: m.rnd.Int32N(3)}
			m.producers[id] = p
		}
		known := len(p.last) > 0 && p.last[len(p.last)-1].h.BaseOffset >= m.start
		if m.rnd.IntN(5) == 0 && known {
			m.appendAgain(id, p)
			return
		}
		if m.rnd.IntN(10) == 0 {
			p.epoch, p.next, p.last = p.epoch+1, 0, nil
		}
		sp.idem, sp.pid, sp.epoch, sp.seq = true, id, p.epoch, p.next
		if m.rnd.IntN(8) == 0 && known {
			sp.seq += 1 + m.rnd.Int32N(5)
			if r := appendOne(m.t, m.l, build(m.t, sp), m.epoch, m.nowMs); !errors.Is(r.Err, ErrOutOfOrderSequence) {
				m.t.Fatalf("gap in the sequence: %+v", r)
			}
			return
		}
		p.next += int32(sp.count)
	}
	if m.rnd.IntN(20) == 0 {
		m.epoch++
	}
	data := build(m.t, sp)
	r := appendOne(m.t, m.l, data, m.epoch, m.nowMs)
	if r.Err != nil || r.BaseOffset != m.end || r.LastOffset != m.end+int64(sp.count)-1 {
		m.t.Fatalf("append at %d: %+v", m.end, r)
	}
	h, _ := batch.ParseHeader(data)
	m.all = append(m.all, stored{h, data})
	m.end = h.NextOffset()
	if sp.idem {
		p := m.producers[id]
		p.last = append(p.last, stored{h, data})
	}
	if m.l.FlushWanted() {
		m.flush()
	}
}

// appendAgain sends one of the last batches once more.
func (m *model) appendAgain(id int64, p *modelProducer) {
	back := 1 + m.rnd.IntN(min(len(p.last), 7))
	b := p.last[len(p.last)-back]
	r := appendOne(m.t, m.l, bytes.Clone(b.data), m.epoch, m.nowMs)
	known := back <= rememberedBatches
	switch {
	case r.Duplicate && r.BaseOffset == b.h.BaseOffset && r.LastOffset == b.h.LastOffset() && known:
	// After a restart only the newest are known for sure; then it is out of order.
	case errors.Is(r.Err, ErrOutOfOrderSequence) && back > 1:
	default:
		m.t.Fatalf("batch %d sent again (%d back): %+v", b.h.BaseOffset, back, r)
	}
}

func (m *model) read() {
	from := m.start + m.rnd.Int64N(m.end-m.start+1)
	upTo := from + m.rnd.Int64N(40)
	maxBytes, atLeastOne := m.rnd.IntN(700), m.rnd.IntN(2) == 0
	region, err := m.l.Read(from, maxBytes, upTo, atLeastOne)
	if err != nil {
		m.t.Fatal(err)
	}
	got := readBytes(m.t, &region)
	region.Release()
	// It must be a run of the batches from the one that holds from on.
	var want []byte
	n := 0
	for _, b := range m.all {
		if b.h.LastOffset() < from || b.h.LastOffset() >= min(upTo, m.end) {
			continue
		}
		if len(want)+len(b.data) > maxBytes && !(atLeastOne && n == 0) || len(want) >= len(got) && n > 0 {
			break
		}
		want = append(want, b.data...)
		n++
	}
	if !bytes.Equal(got, want) {
		m.t.Fatalf("read from %d, %d bytes up to %d, at least one %v: %d bytes, want %d", from, maxBytes, upTo, atLeastOne, len(got), len(want))
	}
	for _, wrong := range []int64{m.start - 1, m.end + 1} {
		var out *OffsetOutOfRangeError
		if _, err := m.l.Read(wrong, 1, 1<<62, true); !errors.As(err, &out) || out.Start != m.start || out.End != m.end {
			m.t.Fatalf("read from %d: %v", wrong, err)
		}
	}
}

func (m *model) flush() {
	if err := m.l.Flush(m.end); err != nil {
		m.t.Fatal(err)
	}
	if p := m.l.RecoveryPoint(); p > m.end {
		m.t.Fatalf("recovery point %d, end %d", p, m.end)
	}
	m.flushed = m.end
}

func (m *model) deleteRecords() {
	before := m.start + m.rnd.Int64N(m.end-m.start+2)
	start, err := m.l.DeleteRecordsBefore(before)
	var out *OffsetOutOfRangeError
	if before > m.hw {
		if !errors.As(err, &out) {
			m.t.Fatalf("deletion before %d with high watermark %d: %v", before, m.hw, err)
		}
		return
	}
	m.start = max(m.start, before)
	if err != nil || start != m.start {
		m.t.Fatalf("deletion before %d: start %d, %v", before, start, err)
	}
}

func (m *model) retain() {
	c := m.o.Config
	c.RetentionBytes = m.rnd.Int64N(3000)
	m.l.Configure(c)
	_, _, err := m.l.Retain(m.nowMs)
	start := m.l.StartOffset()
	if err != nil || start < m.start || start > max(m.hw, m.start) {
		m.t.Fatalf("retention: start %d, before %d, high watermark %d: %v", start, m.start, m.hw, err)
	}
	m.start = start
}

// truncate cuts at a batch's boundary, as replication does.
func (m *model) truncate() {
	if len(m.all) == 0 {
		return
	}
	i := max(0, len(m.all)-1-m.rnd.IntN(8))
	to := m.all[i].h.BaseOffset
	if to < m.start {
		return
	}
	if err := m.l.TruncateTo(to, m.nowMs); err != nil {
		m.t.Fatal(err)
	}
	m.all = m.all[:i]
	m.end, m.hw, m.flushed = to, min(m.hw, to), min(m.flushed, to)
	m.epoch++ // as after an election
	m.forget()
}

// forget makes the model's producers what the log's batches tell.
func (m *model) forget() {
	for id, p := range m.producers {
		p.last = nil
		for _, b := range m.all {
			if b.h.ProducerID == id {
				if b.h.ProducerEpoch != p.epoch || len(p.last) == 0 {
					p.last = nil
				}
				p.epoch, p.next = b.h.ProducerEpoch, b.h.LastSequence()+1
				p.last = append(p.last, b)
			}
		}
		if p.last == nil {
			delete(m.producers, id)
		}
	}
}

func (m *model) times() {
	ts := m.nowMs - m.rnd.Int64N(500)
	at, found, err := m.l.OffsetForTimestamp(ts)
	if err != nil {
		m.t.Fatal(err)
	}
	for _, b := range m.all {
		for r, err := range batch.Records(b.data, 0) {
			if err != nil {
				m.t.Fatal(err)
			}
			if r.Offset >= m.start && r.Timestamp >= ts {
				if !found || at != (TimestampOffset{r.Offset, r.Timestamp, b.h.PartitionLeaderEpoch}) {
					m.t.Fatalf("time %d: %+v %v, want %+v", ts, at, found, r.Offset)
				}
				return
			}
		}
	}
	if found {
		m.t.Fatalf("time %d: %+v, want nothing", ts, at)
	}
}

// reopen stops the log cleanly, kills the process or crashes the machine.
func (m *model) reopen() {
	m.o.RecoveryPoint, m.o.StartOffset, m.o.Clean, m.o.NowMs = m.l.RecoveryPoint(), m.start, false, m.nowMs
	kind := m.rnd.IntN(3)
	if kind == 0 {
		if err := m.l.Close(); err != nil {
			m.t.Fatal(err)
		}
		m.o.Clean = true
		if n := m.o.Files.Open(); n != 0 {
			m.t.Fatalf("%d files are open", n)
		}
	} else {
		m.l.Discard()
	}
	if kind == 2 {
		m.disk = m.disk.CrashClone(m.rnd.Uint64())
	} else {
		m.disk = m.disk.Clone()
	}
	m.o.FS = m.disk
	m.l = mustOpen(m.t, m.o)
	start, end := m.l.Offsets()
	if start != m.start || end > m.end || kind < 2 && end != m.end || end < m.flushed {
		m.t.Fatalf("reopened (%d): %d..%d, want %d..%d, flushed %d", kind, start, end, m.start, m.end, m.flushed)
	}
	// A batch is there as a whole or not at all, also one in whose midst the log starts, and then ends.
	for len(m.all) > 0 && m.all[len(m.all)-1].h.LastOffset() >= end {
		m.all = m.all[:len(m.all)-1]
	}
	if end < m.end {
		m.epoch++
	}
	m.end, m.flushed = end, min(m.flushed, end)
	m.hw = m.l.SetHighWatermark(m.hw)
	m.forget()
	m.compare()
}

func (m *model) compare() {
	m.t.Helper()
	if start, end := m.l.Offsets(); start != m.start || end != m.end {
		m.t.Fatalf("offsets %d..%d, want %d..%d", start, end, m.start, m.end)
	}
	if err := checkContent(m.l, m.all); err != nil {
		m.t.Fatal(err)
	}
	if err := checkIndexes(m.l); err != nil {
		m.t.Fatal(err)
	}
}
