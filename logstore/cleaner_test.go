package logstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// keyed appends one record, of a transaction where pid is not below 0.
func keyed(t testing.TB, l *Log, key, value string, pid int64, seq int32) {
	t.Helper()
	b := batch.NewBuilder(batch.None)
	if pid >= 0 {
		b.ProducerID, b.ProducerEpoch, b.BaseSequence, b.Transactional = pid, 0, seq, true
	}
	var v []byte
	if value != "" {
		v = []byte(value)
	}
	b.Add(testNow, []byte(key), v, batch.RecordHeader{Key: "h"})
	data, err := b.Build()
	must(t, err)
	if r := appendOne(t, l, data, 0, testNow); r.Err != nil {
		t.Fatal(r.Err)
	}
}

// endTxn appends the end of a transaction.
func endTxn(t testing.TB, l *Log, pid int64, kind uint16) int64 {
	t.Helper()
	b := batch.NewBuilder(batch.None)
	b.ProducerID, b.ProducerEpoch, b.Transactional, b.Control = pid, 0, true, true
	b.Add(testNow, binary.BigEndian.AppendUint16([]byte{0, 0}, kind), []byte{0, 0, 0, 0, 0, 1})
	data, err := b.Build()
	must(t, err)
	a := []Append{toAppend(t, data)}
	a[0].Origin = FromCoordinator
	l.Append(a, 0, testNow)
	must(t, a[0].Result.Err)
	return a[0].Result.BaseOffset
}

func compactedConfig() Config {
	c := DefaultConfig()
	c.Compact, c.Delete, c.SegmentBytes, c.DeleteRetentionMs, c.ProducerExpirationMs = true, false, 2000, 100, 1<<50
	return c
}

// cleanLog cleans all that is sealed.
func cleanLog(t testing.TB, l *Log, nowMs int64) CleanStats {
	t.Helper()
	l.SetHighWatermark(l.EndOffset())
	must(t, l.Flush(l.EndOffset()))
	c, err := l.cleanable(nowMs)
	must(t, err)
	stats, err := l.clean(&c, testWork(1<<20, 4096), nowMs)
	must(t, err)
	return stats
}

// layout tells the batches of the whole log.
func layout(t testing.TB, l *Log) string {
	t.Helper()
	var out []string
	for data := range batch.Batches(readAll(t, l, l.StartOffset(), 1<<20)) {
		h, _ := batch.ParseHeader(data)
		s := fmt.Sprintf("%d-%d", h.BaseOffset, h.LastOffset())
		if h.Control() {
			s += "c"
		}
		if h.HasDeleteHorizon() {
			s += fmt.Sprintf("@%d", h.BaseTimestamp-testNow)
		}
		out = append(out, fmt.Sprintf("%s:%d", s, h.Count))
	}
	return strings.Join(out, " ")
}

// TestCleanerAndTransactions holds what stays of committed and aborted
// transactions, by an index of aborted ones as Apache's broker writes it.
func TestCleanerAndTransactions(t *testing.T) {
	disk := newMemDisk(t)
	l := mustOpen(t, testOptions(disk, compactedConfig()))
	keyed(t, l, "a", "1", -1, 0) // 0
	keyed(t, l, "a", "2", 7, 0)  // 1, aborted
	keyed(t, l, "b", "1", 7, 1)  // 2, aborted
	keyed(t, l, "c", "1", 8, 0)  // 3, committed
	abort := endTxn(t, l, 7, abortMarker)
	endTxn(t, l, 8, commitMarker) // 5
	keyed(t, l, "c", "2", 8, 1)   // 6, another transaction, which ends
	endTxn(t, l, 8, commitMarker) // 7
	entry := binary.BigEndian.AppendUint64([]byte{0, 0}, 7)
	for _, o := range []int64{1, abort, 3} {
		entry = binary.BigEndian.AppendUint64(entry, uint64(o))
	}
	must(t, writeFile(disk, testDir+"/00000000000000000000.txnindex", entry, true))
	must(t, l.Roll(testNow))
	// The aborted records go, and the last of the producer leaves its header: the marker
	// stays as long as that. c=1 is replaced; its marker was read with its batch still there.
	cleanLog(t, l, testNow)
	if got := layout(t, l); got != "0-0:1 2-2:0 4-4c:1 5-5c:1 6-6:1 7-7c:1" {
		t.Fatalf("first cleaning: %s", got)
	}
	if left, _ := disk.ReadFile(testDir + "/00000000000000000000.txnindex"); !bytes.Equal(left, entry) {
		t.Fatalf("index of aborted transactions: %x", left)
	}
	again := func(after int64) string {
		keyed(t, l, fmt.Sprint("more ", after), "x", -1, 0)
		must(t, l.Roll(testNow))
		cleanLog(t, l, testNow+after)
		return strings.SplitN(layout(t, l), " 8-8", 2)[0]
	}
	// Nothing of that transaction was left: its marker gets a horizon, and goes after it.
	if got := again(10); got != "0-0:1 2-2:0 4-4c:1 5-5c@110:1 6-6:1 7-7c:1" {
		t.Fatalf("second cleaning: %s", got)
	}
	if got := again(111); got != "0-0:1 2-2:0 4-4c:1 6-6:1 7-7c:1" {
		t.Fatalf("third cleaning: %s", got)
	}
	if got := l.ActiveProducers(); len(got) != 2 || got[0].LastSequence != 1 || got[1].LastSequence != 1 {
		t.Fatalf("producers %+v", got)
	}
}

// TestCleanerStopsAtAnOpenTransaction holds that nothing past the last stable
// offset is compacted.
func TestCleanerStopsAtAnOpenTransaction(t *testing.T) {
	l := mustOpen(t, testOptions(newMemDisk(t), compactedConfig()))
	keyed(t, l, "a", "1", -1, 0)
	must(t, l.Roll(testNow))
	keyed(t, l, "a", "2", 7, 0)
	must(t, l.Roll(testNow))
	keyed(t, l, "a", "3", -1, 0)
	must(t, l.Roll(testNow))
	l.SetHighWatermark(3)
	must(t, l.Flush(3))
	if c, err := l.cleanable(testNow); err != nil || c.upTo != 1 {
		t.Fatalf("cleanable up to %d: %v", c.upTo, err)
	}
}

// TestCleanableByRatioAndLag holds when a log is worth cleaning.
func TestCleanableByRatioAndLag(t *testing.T) {
	l := mustOpen(t, testOptions(newMemDisk(t), compactedConfig()))
	fill := func() {
		for i := range 10 {
			keyed(t, l, fmt.Sprint(i), strings.Repeat("x", 100), -1, 0)
		}
		must(t, l.Roll(testNow))
	}
	fill()
	l.SetHighWatermark(l.EndOffset())
	must(t, l.Flush(l.EndOffset()))
	look := func(change func(*Config), nowMs int64) bool {
		t.Helper()
		c := compactedConfig()
		change(&c)
		l.Configure(c)
		l.SetHighWatermark(l.EndOffset())
		must(t, l.Flush(l.EndOffset()))
		x, err := l.cleanable(nowMs)
		must(t, err)
		l.Configure(compactedConfig())
		return x.wanted()
	}
	if look(func(c *Config) { c.MinCompactionLagMs = 50 }, testNow+49) || !look(func(c *Config) { c.MinCompactionLagMs = 50 }, testNow+51) {
		t.Error("min.compaction.lag.ms is not heeded")
	}
	cleanLog(t, l, testNow)
	fill()
	if !look(func(c *Config) { c.MinCleanableDirtyRatio = 0.4 }, testNow) || look(func(c *Config) { c.MinCleanableDirtyRatio = 0.6 }, testNow) {
		t.Error("min.cleanable.dirty.ratio is not heeded")
	}
	late := func(c *Config) { c.MinCleanableDirtyRatio, c.MaxCompactionLagMs = 1, 1000 }
	if look(late, testNow+999) || !look(late, testNow+1001) {
		t.Error("max.compaction.lag.ms is not heeded")
	}
}

// logBuffer collects what is logged.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}

// compactedStore makes a store in memory without cleaner threads, with a log that has
// something to compact.
func compactedStore(t *testing.T, disk *vfs.Mem) (*Store, *Log, *logBuffer) {
	t.Helper()
	o := testStore(disk, "/a")
	o.Defaults = compactedConfig()
	said := &logBuffer{}
	o.Logger = slog.New(slog.NewTextHandler(said, nil))
	s := openStore(t, o)
	l := create(t, s, protocol.TopicPartition{Topic: "t"}, 1)
	dirty(t, l)
	return s, l, said
}

// dirty appends two sealed segments of the same keys, and makes them durable with
// their indexes: what is cleaned ends at the recovery point.
func dirty(t *testing.T, l *Log) {
	t.Helper()
	for i := range 20 {
		keyed(t, l, fmt.Sprint(i%5), strings.Repeat("v", 150), -1, 0)
	}
	must(t, l.Roll(testNow))
	l.SetHighWatermark(l.EndOffset())
	must(t, l.flushAll(false))
}

func TestStoreCleansAndRemembers(t *testing.T) {
	disk := vfs.NewMem()
	s, l, _ := compactedStore(t, disk)
	if !s.cleanFilthiest(testWork(1<<20, 4096)) || s.cleanFilthiest(testWork(1<<20, 4096)) {
		t.Fatal("the log was not cleaned once")
	}
	if got, _ := disk.ReadFile("/a/" + cleanerCheckpoint); string(got) != "0\n1\nt 0 20\n" {
		t.Fatalf("checkpoint %q", got)
	}
	must(t, l.TruncateTo(12, testNow))
	if got, _ := disk.ReadFile("/a/" + cleanerCheckpoint); string(got) != "0\n1\nt 0 12\n" {
		t.Fatalf("checkpoint after a cut %q", got)
	}
	closeStore(t, s)
	s = openStore(t, s.o)
	if l, err := s.Get(protocol.TopicPartition{Topic: "t"}); err != nil || l.CleanedTo() < 0 {
		t.Fatalf("opened again: %v", err)
	}
	must(t, s.Delete(protocol.TopicPartition{Topic: "t"}))
	create(t, s, protocol.TopicPartition{Topic: "t"}, 2)
	if got, _ := disk.ReadFile("/a/" + cleanerCheckpoint); string(got) != "0\n0\n" {
		t.Fatalf("checkpoint of a topic made anew %q", got)
	}
	closeStore(t, s)
}

// TestUncleanableLogIsLeftAlone has a byte rot in a sealed segment.
func TestUncleanableLogIsLeftAlone(t *testing.T) {
	disk := vfs.NewMem()
	s, l, said := compactedStore(t, disk)
	f, err := disk.Open(l.snapshot().segments[0].path(logSuffix))
	must(t, err)
	_, err = f.WriteAt([]byte("!"), 100)
	must(t, errors.Join(err, f.Close()))
	for range 3 {
		if s.cleanFilthiest(testWork(1<<20, 4096)) {
			t.Fatal("it was cleaned")
		}
	}
	if said.count("uncleanable") != 1 || said.count("position 0") != 1 {
		t.Fatalf("said %s", said.b.String())
	}
	// Appends go on, and so do the others.
	keyed(t, l, "k", "v", -1, 0)
	other := create(t, s, protocol.TopicPartition{Topic: "u"}, 2)
	dirty(t, other)
	if !s.cleanFilthiest(testWork(1<<20, 4096)) || other.CleanedTo() != 20 {
		t.Fatal("another log is not cleaned")
	}
	closeStore(t, s)
}

// TestWantOfDescriptorsMakesNoLogUncleanable: a log whose index of aborted transactions could not be opened for
// lack of descriptors became uncleanable.
func TestWantOfDescriptorsMakesNoLogUncleanable(t *testing.T) {
	disk := vfs.NewMem()
	s, l, said := compactedStore(t, disk)
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpRead, Err: syscall.EMFILE}) // of a whole file: only those indexes are read so
	if s.cleanFilthiest(testWork(1<<20, 4096)) {
		t.Fatal("it was cleaned")
	}
	stop()
	if s.Dirs()[0].Err != nil || said.count("uncleanable") != 0 {
		t.Fatalf("%v, said %s", s.Dirs()[0].Err, said.b.String())
	}
	if !s.cleanFilthiest(testWork(1<<20, 4096)) || l.CleanedTo() <= 0 {
		t.Fatal("it is not cleaned when there are descriptors again")
	}
	closeStore(t, s)
}

// TestCleaningOnAFullDisk has each operation of a cleaning fail for want of space, and
// holds that the log stays as it was and is cleaned when there is room again.
func TestCleaningOnAFullDisk(t *testing.T) {
	for nth := 1; ; nth++ {
		disk := newMemDisk(t)
		m := newCompacted(t, 5)
		m.disk, m.o.FS = disk, disk
		m.o.Config.SegmentBytes, m.o.Config.MinCompactionLagMs = 900, 0
		m.l = mustOpen(t, m.o)
		for range 40 {
			m.append()
		}
		l := m.l
		l.SetHighWatermark(l.EndOffset())
		must(t, l.Flush(l.EndOffset()))
		before, err := recordsOf(l)
		must(t, err)
		c, err := l.cleanable(m.nowMs)
		must(t, err)
		stop := disk.Fail(vfs.Rule{Kind: vfs.OpRename, Nth: nth, Err: syscall.ENOSPC})
		_, err = l.clean(&c, testWork(1<<20, 1000), m.nowMs)
		stop()
		if err == nil {
			if nth < 10 {
				t.Fatalf("only %d renames", nth)
			}
			return
		}
		if l.Err() == nil { // else the directory goes offline and is opened again
			got, err := recordsOf(l)
			must(t, err)
			must(t, sameLastValues(got, before))
			cleanLog(t, l, m.nowMs)
		}
		o := m.o
		o.FS, o.Files, o.Compacted, o.RecoveryPoint = disk.CrashClone(uint64(nth)), nil, true, l.RecoveryPoint()
		again := mustOpen(t, o)
		got, err := recordsOf(again)
		must(t, err)
		if err := sameLastValues(got, before); err != nil {
			t.Fatalf("rename %d: %v", nth, err)
		}
	}
}

// TestCleanerThreads has two threads clean several logs while they are appended
// to, read, cut short and deleted.
func TestCleanerThreads(t *testing.T) {
	o := testStore(nil, t.TempDir())
	o.Defaults = compactedConfig()
	o.Defaults.MinCleanableDirtyRatio = 0
	o.Cleaner = CleanerOptions{Threads: 2, DedupeBufferBytes: 1 << 20, LoadFactor: 0.9, IOBufferBytes: 1 << 14, BackoffMs: 1}
	s := openStore(t, o)
	var wg sync.WaitGroup
	for n := range 4 {
		tp := protocol.TopicPartition{Topic: "t", Partition: int32(n)}
		wg.Go(func() {
			l, err := s.Create(tp, topicID(byte(n+1)), o.Defaults)
			if err != nil {
				t.Error(err)
				return
			}
			last := map[string]string{}
			for i := range 600 {
				key, value := fmt.Sprint(i%7), fmt.Sprint("value ", i)
				keyed(t, l, key, value, -1, 0)
				last[key] = value
				l.SetHighWatermark(l.EndOffset())
				if i%50 == 49 {
					checkTable(t, l, last)
				}
				if i%200 == 199 {
					if err := s.SetCleaner(o.Cleaner); err != nil {
						t.Error(err)
					}
				}
			}
			for v := l.snapshot(); l.CleanedTo() < v.active().base && !t.Failed(); {
				checkTable(t, l, last)
			}
			if n == 0 {
				if err := s.Delete(tp); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	closeStore(t, s)
}

func checkTable(t *testing.T, l *Log, want map[string]string) {
	t.Helper()
	list, err := recordsOf(l)
	if err != nil {
		t.Error(err)
		return
	}
	got := map[string]string{}
	for _, r := range list {
		got[r.key] = string(r.value)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("key %s is %q, want %q", k, got[k], v)
		}
	}
}

func TestCleanerOptionsThatCannotWork(t *testing.T) {
	for _, o := range []CleanerOptions{
		{Threads: 1, DedupeBufferBytes: 20, LoadFactor: 0.9},
		{Threads: 100, DedupeBufferBytes: 2000, LoadFactor: 0.9},
		{Threads: 1, DedupeBufferBytes: 1 << 20, LoadFactor: 0},
	} {
		if o.check() == nil {
			t.Errorf("%+v was taken", o)
		}
	}
	if o := DefaultCleanerOptions(); o.check() != nil {
		t.Error("the defaults are refused")
	}
}

func TestThrottle(t *testing.T) {
	now := time.Unix(1000, 0)
	th := newThrottle(1000, time.Now, make(chan struct{}))
	if w, _ := th.take(500, now); w != 500*time.Millisecond {
		t.Errorf("half a second's bytes wait %v", w)
	}
	if w, _ := th.take(1000, now); w != 1500*time.Millisecond {
		t.Errorf("and a second's more %v", w)
	}
	if w, _ := th.take(1, now.Add(time.Hour)); w != time.Millisecond {
		t.Errorf("after an hour one byte waits %v", w)
	}
	given := errors.New("given up")
	if err := th.spend(1<<40, func() error { return given }); err != given {
		t.Errorf("a log that goes waits: %v", err)
	}
	stop := make(chan struct{})
	close(stop)
	if err := newThrottle(0, time.Now, stop).spend(1, nil); err != errCleaningAborted {
		t.Errorf("a thread that ends goes on: %v", err)
	}
}

func TestKeyMap(t *testing.T) {
	var m keyMap
	m.reset(1000, 1<<20, 0.9)
	for i := range 900 {
		m.put(fmt.Appendf(nil, "key %d", i%300), int64(i))
	}
	if m.count != 300 || m.full() || m.latest != 899 {
		t.Fatalf("%d keys, latest %d", m.count, m.latest)
	}
	for i := range 300 {
		if got := m.get(fmt.Appendf(nil, "key %d", i)); got != int64(600+i) {
			t.Fatalf("key %d at %d", i, got)
		}
	}
	if m.get([]byte("none")) != -1 {
		t.Error("a key that was not put")
	}
	m.reset(1<<40, 24*keySlotSize, 0.5)
	for i := 0; !m.full(); i++ {
		m.put([]byte{byte(i)}, int64(i))
	}
	if m.count != 12 {
		t.Errorf("full with %d keys", m.count)
	}
}

func BenchmarkClean(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		disk := vfs.NewMem()
		must(b, errors.Join(disk.MkdirAll(testDir), disk.SyncDir("/"), disk.SyncDir("/data")))
		c := compactedConfig()
		c.SegmentBytes = 1 << 20
		l := mustOpen(b, testOptions(disk, c))
		var bytes int64
		for i := range 400 {
			bd := batch.NewBuilder(batch.None)
			for k := range 100 {
				bd.Add(testNow, fmt.Appendf(nil, "key %d", (i*37+k*11)%5000), make([]byte, 100))
			}
			data, err := bd.Build()
			must(b, err)
			bytes += int64(len(data))
			appendOne(b, l, data, 0, testNow)
		}
		must(b, l.Roll(testNow))
		b.SetBytes(bytes)
		b.StartTimer()
		cleanLog(b, l, testNow)
	}
}

// TestCleanerConvertsOldMessages compacts a segment that Apache Kafka 0.10 wrote: plain
// messages of magic 0 and wrappers of magic 1.
func TestCleanerConvertsOldMessages(t *testing.T) {
	for _, magic := range []int8{0, 1} {
		for _, codec := range []batch.Codec{batch.None, batch.Gzip, batch.LZ4} {
			disk := newMemDisk(t)
			var file []byte
			for i := range 10 {
				b := batch.NewBuilder(codec)
				b.BaseOffset = int64(3 * i)
				b.Add(testNow+int64(i), []byte("a"), fmt.Append(nil, i))
				b.Add(testNow+int64(i), []byte("b"), nil)
				b.Add(testNow+int64(i), fmt.Appendf(nil, "own %d", i), []byte("x"))
				data, err := b.Build()
				must(t, err)
				down := batch.Downconversion{Magic: magic}
				file, err = down.Append(file, data)
				must(t, err)
			}
			must(t, writeFile(disk, testDir+"/00000000000000000000.log", file, true))
			l := mustOpen(t, testOptions(disk, compactedConfig()))
			if l.EndOffset() != 30 {
				t.Fatalf("magic %d %v: the log ends at %d", magic, codec, l.EndOffset())
			}
			must(t, l.Roll(testNow))
			cleanLog(t, l, testNow)
			var got []string
			for data := range batch.Batches(readAll(t, l, 0, 1<<20)) {
				h, _ := batch.ParseHeader(data)
				for r, err := range batch.Records(data, 0) {
					must(t, err)
					if ts := testNow + r.Offset/3; magic == 1 && r.Timestamp != ts || magic == 0 && r.Timestamp != batch.NoTimestamp || h.Codec() != codec {
						t.Fatalf("magic %d %v: offset %d at %d in %v", magic, codec, r.Offset, r.Timestamp, h.Codec())
					}
					if h.HasDeleteHorizon() != (r.Offset >= 27 && (codec != batch.None || r.Value == nil)) {
						t.Fatalf("magic %d %v: offset %d is in %+v", magic, codec, r.Offset, h)
					}
					got = append(got, fmt.Sprintf("%d:%s=%s", r.Offset, r.Key, r.Value))
				}
			}
			want := "2:own 0=x 5:own 1=x 8:own 2=x 11:own 3=x 14:own 4=x 17:own 5=x 20:own 6=x 23:own 7=x 26:own 8=x 27:a=9 28:b= 29:own 9=x"
			if strings.Join(got, " ") != want {
				t.Fatalf("magic %d %v: %v", magic, codec, got)
			}
		}
	}
}

// TestCleanerLeavesWhatIsNotSynced holds that a record which a power loss may take
// does not replace one that is on the disk.
func TestCleanerLeavesWhatIsNotSynced(t *testing.T) {
	o := testOptions(newMemDisk(t), compactedConfig())
	o.Background = func(func()) {} // a disk that does not get to syncing
	l := mustOpen(t, o)
	keyed(t, l, "a", "1", -1, 0)
	must(t, l.Roll(testNow))
	keyed(t, l, "a", "2", -1, 0)
	must(t, l.Roll(testNow))
	l.SetHighWatermark(l.EndOffset())
	if c, err := l.cleanable(testNow); err != nil || c.upTo > 0 {
		t.Fatalf("cleanable up to %d: %v", c.upTo, err)
	}
}

// TestALogThatACrashLeftIsCompacted holds that what recovery read is synced and
// compacted, also when nobody writes to the log again.
func TestALogThatACrashLeftIsCompacted(t *testing.T) {
	disk := newMemDisk(t)
	o := testOptions(disk, compactedConfig())
	l := mustOpen(t, o)
	for i := range 3 {
		keyed(t, l, "a", fmt.Sprint(i), -1, 0)
		must(t, l.Roll(testNow))
	}
	o.FS = disk.Clone() // kill -9: the checkpoint knows of nothing
	l = mustOpen(t, o)
	l.SetHighWatermark(l.EndOffset())
	l.tasks.Wait()
	if c, err := l.cleanable(testNow); err != nil || c.upTo != 3 {
		t.Fatalf("cleanable up to %d: %v", c.upTo, err)
	}
}
