package logstore

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// kept is a record as the model knows it.
type kept struct {
	offset, ts int64
	key        string
	value      []byte // nil for a tombstone
	header     string
}

// keptBatch is a batch as the model knows it.
type keptBatch struct {
	base, last int64
	horizon    int64 // 0 while it has none
	records    []kept
}

// compacted does to a list what appends and compaction do to a log.
type compacted struct {
	t     *testing.T
	rnd   *rand.Rand
	disk  *vfs.Mem
	o     Options
	l     *Log
	work  *cleanerWork
	nowMs int64

	batches []keptBatch
	start   int64
	seq     map[int64]int32
	keys    int
	logTime bool
	cuts    bool // the log is truncated now and then
	cleaned int  // how many cleanings there were
}

func testWork(mapBytes int64, ioBytes int) *cleanerWork {
	return &cleanerWork{mapBytes: mapBytes, loadFactor: 0.9, ioBytes: ioBytes, read: make([]byte, ioBytes),
		spend: func(int, func() error) error { return nil }}
}

func newCompacted(t *testing.T, seed uint64) *compacted {
	m := &compacted{t: t, rnd: rand.New(rand.NewPCG(seed, 4)), disk: newMemDisk(t), nowMs: testNow, seq: map[int64]int32{}}
	pick := func(values ...int64) int64 { return values[m.rnd.IntN(len(values))] }
	c := DefaultConfig()
	c.Delete, c.Compact = false, true
	c.SegmentBytes = int32(pick(600, 1500, 6000, 1<<20))
	c.IndexIntervalBytes = int32(pick(1, 100, 1000, 4096))
	c.IndexBytes = int32(pick(60, 240, 10<<20))
	c.SegmentMs = pick(200, 5000, 1<<40)
	c.MinCompactionLagMs = pick(0, 0, 100)
	c.DeleteRetentionMs = pick(0, 50, 500, 1<<40)
	c.ProducerExpirationMs = 1 << 50
	m.keys = int(pick(2, 10, 200))
	m.logTime = pick(0, 0, 1) == 1
	m.cuts = pick(0, 1) == 1
	m.work = testWork(pick(leastMapBytes, 12*keySlotSize, 100*keySlotSize, 1<<20), int(pick(64, 1000, 1<<16)))
	m.o = testOptions(m.disk, c)
	m.o.Files = NewFileBudget(int(pick(1, 3, 100)))
	m.l = mustOpen(t, m.o)
	return m
}

// TestCleanerModel compacts logs of random records with random settings and compares
// what is left with a model, record by record.
func TestCleanerModel(t *testing.T) {
	seed, runs := *modelSeed, 40
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	} else {
		runs = 1
	}
	cleaned := 0
	for run := range runs {
		s := seed + uint64(run)
		ok := t.Run(fmt.Sprint(s), func(t *testing.T) {
			m := newCompacted(t, s)
			for range 300 {
				m.step()
			}
			m.compare()
			cleaned += m.cleaned
		})
		if !ok {
			t.Fatalf("again with: go test ./logstore -run TestCleanerModel -model.seed=%d", s)
		}
	}
	if cleaned < runs {
		t.Fatalf("only %d cleanings in %d runs", cleaned, runs)
	}
}

func (m *compacted) step() {
	m.nowMs += m.rnd.Int64N(30)
	switch n := m.rnd.IntN(100); {
	case n < 75:
		m.append()
	case n < 80:
		must(m.t, m.l.Roll(m.nowMs))
	case n < 90:
		m.clean()
	case n < 92:
		m.deleteRecords()
	case n < 93 && m.cuts:
		m.truncate()
	case n < 96:
		m.reopen()
	case n < 98:
		m.rebuildProducers()
	default:
		m.compare()
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (m *compacted) append() {
	b := batch.NewBuilder(batch.Codec(m.rnd.IntN(5)))
	base := m.l.EndOffset()
	k := keptBatch{base: base}
	for i := range 1 + m.rnd.IntN(5) {
		r := kept{offset: base + int64(i), ts: m.nowMs - m.rnd.Int64N(50), key: fmt.Sprintf("key-%d", m.rnd.IntN(m.keys)), header: fmt.Sprint("h", i)}
		if m.rnd.IntN(4) > 0 {
			r.value = bytes.Repeat([]byte{byte('a' + r.offset%26)}, m.rnd.IntN(80))
		}
		b.Add(r.ts, []byte(r.key), r.value, batch.RecordHeader{Key: r.header, Value: []byte{1}})
		k.records = append(k.records, r)
	}
	if id := m.rnd.Int64N(6); id < 4 {
		b.ProducerID, b.ProducerEpoch, b.BaseSequence = id, 0, m.seq[id]
		m.seq[id] += int32(len(k.records))
	}
	data, err := b.Build()
	must(m.t, err)
	a := []Append{toAppend(m.t, data)}
	a[0].LogAppendTime = m.logTime
	m.l.Append(a, 0, m.nowMs)
	if r := a[0].Result; r.Err != nil || r.BaseOffset != base {
		m.t.Fatalf("append at %d: %+v", base, r)
	}
	k.last = a[0].Result.LastOffset
	if m.logTime {
		for i := range k.records {
			k.records[i].ts = m.nowMs
		}
	}
	m.batches = append(m.batches, k)
}

// clean compacts, and has the model do the same with what it was told: how far
// the map went. That it went far enough is checked as well.
func (m *compacted) clean() {
	m.l.SetHighWatermark(m.l.EndOffset() - m.rnd.Int64N(4)*m.rnd.Int64N(20))
	must(m.t, m.l.Flush(m.l.EndOffset()))
	c, err := m.l.cleanable(m.nowMs)
	must(m.t, err)
	if c.upTo <= c.from {
		return
	}
	m.work.read = make([]byte, m.work.ioBytes)
	stats, err := m.l.clean(&c, m.work, m.nowMs)
	must(m.t, err)
	m.cleaned++
	if stats.To <= stats.From || stats.To > c.upTo || !stats.Full && stats.To != c.upTo || m.l.CleanedTo() != stats.To {
		m.t.Fatalf("cleaned %+v of %d..%d, now at %d", stats, c.from, c.upTo, m.l.CleanedTo())
	}
	if stats.Full && stats.Keys < int(float64(m.work.mapBytes/keySlotSize)*0.9) {
		m.t.Fatalf("the map was full with %+v", stats)
	}
	copied := c.view.segments[len(c.view.segments)-1].base
	for _, s := range c.view.segments {
		if s.base >= stats.To {
			copied = s.base
			break
		}
	}
	m.forget(stats.From, stats.To, copied)
	m.compare()
	if err := checkIndexes(m.l); err != nil {
		m.t.Fatal(err)
	}
}

// forget does in the model what a cleaning that mapped from..to and copied what
// is below copied does.
func (m *compacted) forget(from, to, copied int64) {
	last := map[string]int64{}
	for _, b := range m.batches {
		for _, r := range b.records {
			if r.offset >= from && r.offset < to {
				last[r.key] = r.offset
			}
		}
	}
	for i := range m.batches {
		b := &m.batches[i]
		if b.base >= copied {
			continue
		}
		tombstones := false
		b.records = slices.DeleteFunc(slices.Clone(b.records), func(r kept) bool {
			if r.offset < to {
				if later, ok := last[r.key]; ok && r.offset < later {
					return true
				}
				if r.value == nil && b.horizon != 0 && m.nowMs >= b.horizon {
					return true
				}
			}
			tombstones = tombstones || r.value == nil
			return false
		})
		if tombstones && b.horizon == 0 {
			b.horizon = m.nowMs + m.o.Config.DeleteRetentionMs
		}
	}
}

func (m *compacted) deleteRecords() {
	m.l.SetHighWatermark(m.l.EndOffset())
	m.start += m.rnd.Int64N(m.l.EndOffset()-m.start+1) / 4
	_, err := m.l.DeleteRecordsBefore(m.start)
	must(m.t, err)
	_, _, err = m.l.Retain(m.nowMs)
	must(m.t, err)
}

// truncate cuts at a batch of the active segment or, at times, in what was compacted.
func (m *compacted) truncate() {
	if len(m.batches) == 0 {
		return
	}
	back := 1 + m.rnd.IntN(min(len(m.batches), 3+m.rnd.IntN(20)))
	at := m.batches[len(m.batches)-back].base
	if at <= m.start {
		return
	}
	must(m.t, m.l.TruncateTo(at, m.nowMs))
	m.batches = m.batches[:len(m.batches)-back]
	if m.l.CleanedTo() > at {
		m.t.Fatalf("cut to %d, still cleaned to %d", at, m.l.CleanedTo())
	}
	m.resume()
}

// resume has the producers go on from what the log knows of them: what is gone is not to be continued.
func (m *compacted) resume() {
	clear(m.seq)
	for _, p := range m.l.ActiveProducers() {
		m.seq[p.ProducerID] = p.LastSequence + 1
	}
}

func (m *compacted) reopen() {
	cleanedTo, end := m.l.CleanedTo(), m.l.EndOffset()
	must(m.t, m.l.Close())
	m.o.StartOffset, m.o.CleanedTo, m.o.Compacted, m.o.Clean = m.start, cleanedTo, true, true
	m.l = mustOpen(m.t, m.o)
	if cleanedTo > m.l.EndOffset() {
		cleanedTo = m.start // cut off where compaction had left nothing, and the end is the last batch's
	}
	if m.l.EndOffset() < end {
		m.resume() // after a cut there: the snapshot of the end that was is not that of the last batch
	}
	if cleanedTo > m.start && m.l.CleanedTo() != cleanedTo {
		m.t.Fatalf("cleaned to %d after opening, was %d", m.l.CleanedTo(), cleanedTo)
	}
}

// rebuildProducers holds that the log alone still tells each producer's sequence.
// Not where it was cut: a snapshot may tell more of what was compacted before.
func (m *compacted) rebuildProducers() {
	if m.cuts {
		return
	}
	must(m.t, m.l.Flush(m.l.EndOffset()))
	want := m.l.ActiveProducers()
	disk := m.disk.Clone()
	entries, err := disk.ReadDir(testDir)
	must(m.t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), snapshotSuffix) {
			must(m.t, disk.Remove(filepath.Join(testDir, e.Name())))
		}
	}
	o := m.o
	o.FS, o.Files, o.StartOffset, o.Clean = disk, nil, m.start, false
	o.Compacted, o.CleanedTo = true, m.l.EndOffset() // gaps anywhere are compaction's
	l := mustOpen(m.t, o)
	got := map[int64]ProducerState{}
	for _, p := range l.ActiveProducers() {
		got[p.ProducerID] = p
	}
	for _, p := range want {
		g, ok := got[p.ProducerID]
		if !ok && m.start > 0 {
			continue // its batches were deleted
		}
		if g.LastSequence != p.LastSequence || g.ProducerEpoch != p.ProducerEpoch {
			m.t.Fatalf("producer rebuilt as %+v, was %+v", g, p)
		}
	}
}

// compare holds the whole log, read as a consumer does, against the model.
func (m *compacted) compare() {
	m.t.Helper()
	var want []kept
	for _, b := range m.batches {
		for _, r := range b.records {
			if r.offset >= m.start {
				want = append(want, r)
			}
		}
	}
	got, err := recordsOf(m.l)
	must(m.t, err)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !sameRecord(got[i], want[i]) {
			var g, w any
			if i < len(got) {
				g = got[i]
			}
			if i < len(want) {
				w = want[i]
			}
			m.t.Fatalf("record %d of %d is %+v, want %+v (of %d)", i, len(got), g, w, len(want))
		}
	}
}

func sameRecord(a, b kept) bool {
	return a.offset == b.offset && a.ts == b.ts && a.key == b.key && a.header == b.header &&
		bytes.Equal(a.value, b.value) && (a.value == nil) == (b.value == nil)
}

// recordsOf reads a log from its start to its end.
func recordsOf(l *Log) ([]kept, error) {
	start, end := l.Offsets()
	var list []kept
	for at := start; at < end; {
		r, err := l.Read(at, 700, end, true)
		if err != nil {
			return nil, err
		}
		if r.Len == 0 {
			return list, nil // the rest was compacted away
		}
		data := make([]byte, r.Len)
		if _, err := r.ReadAt(data, 0); err != nil {
			return nil, err
		}
		r.Release()
		for one, err := range batch.Batches(data) {
			if err != nil {
				return nil, err
			}
			if err := batch.CheckCRC(one); err != nil {
				return nil, err
			}
			h, _ := batch.ParseHeader(one)
			for r, err := range batch.Records(one, 0) {
				if err != nil {
					return nil, err
				}
				if r.Offset >= start {
					list = append(list, kept{r.Offset, r.Timestamp, string(r.Key), r.Value, r.Headers[0].Key})
				}
			}
			if h.NextOffset() <= at {
				return nil, fmt.Errorf("batch %d..%d comes after offset %d", h.BaseOffset, h.LastOffset(), at)
			}
			at = h.NextOffset()
		}
	}
	return list, nil
}

// TestCrashWhileCleaning stops the machine before each operation on the disk of
// several cleanings, and holds that no key has another last value than before.
func TestCrashWhileCleaning(t *testing.T) {
	for seed := range 4 {
		m := newCompacted(t, uint64(seed))
		c := &m.o.Config
		c.SegmentBytes, c.SegmentMs, c.IndexIntervalBytes, c.IndexBytes = 900, 1<<40, 100, 10<<20
		c.MinCompactionLagMs, c.DeleteRetentionMs = 0, 100
		m.keys = 12
		m.work.mapBytes = []int64{6 * keySlotSize, 1 << 20}[seed%2]
		m.l.Configure(*c)
		n := 0
		var all []kept // whatever was appended
		cleanedTo := int64(0)
		for range 3 {
			for range 25 {
				m.append()
				all = append(all, m.batches[len(m.batches)-1].records...)
			}
			m.nowMs += 101
			must(t, m.l.Flush(m.l.EndOffset()))
			point, end := m.l.RecoveryPoint(), m.l.EndOffset()
			m.disk.SetHook(func(op vfs.Op) {
				if !op.Kind.Changes() {
					return
				}
				n++
				what := fmt.Sprintf("seed %d, before change %d: %s %s", seed, n, op.Kind, op.Path)
				checkCrashedCleaning(t, m, m.disk.CrashClone(uint64(seed*100000+n)), all, point, end, cleanedTo, what)
				if n%5 == 0 {
					checkCrashedCleaning(t, m, m.disk.Clone(), all, point, end, 0, what+" (kill -9)")
				}
			})
			m.clean()
			m.disk.SetHook(nil)
			cleanedTo = m.l.CleanedTo()
		}
		if n < 50 {
			t.Fatalf("only %d points", n)
		}
	}
}

// checkCrashedCleaning opens what a crash left and compacts it, and compares the
// last values with those of all that was appended both times.
func checkCrashedCleaning(t *testing.T, m *compacted, disk *vfs.Mem, all []kept, point, end, cleanedTo int64, what string) {
	t.Helper()
	o := m.o
	o.FS, o.Files, o.RecoveryPoint, o.CleanedTo, o.Compacted = disk, nil, point, cleanedTo, true
	l, err := OpenLog(o)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	check := func(when string) {
		t.Helper()
		if l.EndOffset() != end {
			t.Fatalf("%s%s: ends at %d, want %d", what, when, l.EndOffset(), end)
		}
		got, err := recordsOf(l)
		if err == nil {
			err = checkIndexes(l)
		}
		if err == nil {
			err = noOverlap(l)
		}
		if err == nil {
			err = sameLastValues(got, all)
		}
		if err != nil {
			t.Fatalf("%s%s: %v", what, when, err)
		}
	}
	check("")
	l.SetHighWatermark(end)
	must(t, l.Flush(end))
	for range 3 {
		c, err := l.cleanable(m.nowMs)
		must(t, err)
		work := testWork(1<<20, 1000)
		if c.upTo <= c.from {
			break
		}
		if _, err := l.clean(&c, work, m.nowMs); err != nil {
			t.Fatalf("%s: cleaning: %v", what, err)
		}
	}
	check(", cleaned")
	must(t, l.Close())
	entries, err := disk.ReadDir(testDir)
	must(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), cleanedSuffix) || strings.HasSuffix(e.Name(), swapSuffix) {
			t.Fatalf("%s: %s is left", what, e.Name())
		}
	}
}

// noOverlap holds that no segment reaches into the next.
func noOverlap(l *Log) error {
	v := l.snapshot()
	for i, s := range v.segments[:len(v.segments)-1] {
		f, err := s.log.acquire()
		if err != nil {
			return err
		}
		scan := openFrames(f, 0, v.size(i), &lookupBuffers)
		for scan.next() == nil {
			if scan.h.LastOffset() >= v.segments[i+1].base {
				err = fmt.Errorf("segment %d has offset %d, the next begins at %d", s.base, scan.h.LastOffset(), v.segments[i+1].base)
			}
		}
		scan.close()
		s.log.release()
		if err != nil {
			return err
		}
	}
	return nil
}

// sameLastValues compares the last values of keys; a deleted key may or may not have a
// tombstone. What is there must be what was appended.
func sameLastValues(got, all []kept) error {
	byOffset, want := map[int64]kept{}, map[string]kept{}
	for _, r := range all {
		byOffset[r.offset], want[r.key] = r, r
	}
	have := map[string]kept{}
	next := int64(0)
	for _, r := range got {
		if !sameRecord(r, byOffset[r.offset]) || r.offset < next {
			return fmt.Errorf("record %+v is not %+v, after %d", r, byOffset[r.offset], next)
		}
		next = r.offset + 1
		have[r.key] = r
	}
	maps.DeleteFunc(want, func(_ string, r kept) bool { return r.value == nil })
	maps.DeleteFunc(have, func(_ string, r kept) bool { return r.value == nil })
	if !maps.EqualFunc(want, have, sameRecord) {
		return fmt.Errorf("last values are %v, want %v", have, want)
	}
	return nil
}
