package logstore

import (
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// moving is a store with a log in its first directory, and what was written to it.
type moving struct {
	testing.TB
	disk *vfs.Mem
	s    *Store
	l    *Log
	tp   protocol.TopicPartition
	seq  int32

	mu  sync.Mutex
	all []stored // guarded by mu
}

const moveProducer = 42

func moveConfig() Config {
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes, c.ProducerExpirationMs, c.RetentionMs = 2000, 100, 1<<50, -1
	return c
}

// movingOptions are those of a store in /a, /b and /c.
func movingOptions(disk *vfs.Mem) StoreOptions {
	o := testStore(disk, "/a", "/b", "/c")
	o.Defaults = moveConfig()
	return o
}

func newMoving(t testing.TB, change func(*StoreOptions)) *moving {
	t.Helper()
	m := &moving{TB: t, disk: vfs.NewMem(), tp: tpOf("t", 0)}
	o := movingOptions(m.disk)
	if change != nil {
		change(&o)
	}
	m.s = openStore(t, o)
	m.l = create(t, m.s, m.tp, 1)
	if filepath.Dir(m.l.Dir()) != "/a" {
		t.Fatalf("made in %s", m.l.Dir())
	}
	return m
}

// write appends n batches of an idempotent producer.
func (m *moving) write(n int) {
	m.Helper()
	for range n {
		data := build(m, spec{count: 2, size: 60, ts: testNow + int64(m.seq), idem: true, pid: moveProducer, seq: m.seq})
		a := []Append{toAppend(m, data)}
		m.l.Append(a, 3, testNow)
		r := a[0].Result
		if r.Err != nil || r.Duplicate {
			m.Fatalf("sequence %d: %+v", m.seq, r)
		}
		m.seq += 2
		m.mu.Lock()
		m.all = append(m.all, stored{a[0].Header, a[0].Data})
		m.mu.Unlock()
		m.l.SetHighWatermark(m.l.EndOffset())
	}
}

func (m *moving) moveTo(dir string) {
	m.Helper()
	if err := m.s.MoveTo(m.tp, dir); err != nil {
		m.Fatal(err)
	}
}

// awaitMove waits until nobody works on the partition's move any more.
func awaitMove(s *Store, tp protocol.TopicPartition) {
	s.mu.Lock()
	var done chan struct{}
	if p := s.logs[tp]; p != nil && p.move != nil {
		done = p.move.done
	}
	s.mu.Unlock()
	if done != nil {
		<-done
	}
}

// dirNames lists the directories below a log directory, without unique parts.
func dirNames(t testing.TB, disk vfs.FS, dir string) string {
	t.Helper()
	list, err := disk.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range list {
		name := e.Name()
		if !e.IsDir() {
			continue
		}
		if dot := strings.LastIndexByte(name, '.'); dot > 0 {
			name = name[:dot] + name[dot+1+32:]
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

// check holds the log and its place against what was written.
func (m *moving) check(in string) {
	m.Helper()
	if got := filepath.Dir(m.l.Dir()); got != in {
		m.Fatalf("the log is in %s, want %s", got, in)
	}
	if got, err := m.s.Get(m.tp); err != nil || got != m.l {
		m.Fatalf("the store gives another log: %v", err)
	}
	if err := errors.Join(checkContent(m.l, m.all), checkIndexes(m.l)); err != nil {
		m.Fatal(err)
	}
	m.again()
}

// again sends the last batch once more: it is known.
func (m *moving) again() {
	m.Helper()
	last := m.all[len(m.all)-1]
	data := build(m, spec{count: 2, size: 60, ts: testNow + int64(m.seq-2), idem: true, pid: moveProducer, seq: m.seq - 2})
	if r := appendOne(m, m.l, data, 3, testNow); r.Err != nil || !r.Duplicate || r.BaseOffset != last.h.BaseOffset {
		m.Fatalf("the last batch again: %+v", r)
	}
}

// reopen closes the store and opens it again.
func (m *moving) reopen(change func(*StoreOptions)) {
	m.Helper()
	closeStore(m, m.s)
	m.open(m.disk, change)
}

func (m *moving) open(disk *vfs.Mem, change func(*StoreOptions)) {
	m.Helper()
	o := movingOptions(disk)
	if change != nil {
		change(&o)
	}
	m.disk, m.s = disk, openStore(m, o)
	l, err := m.s.GetOrCreate(m.tp, topicID(1), o.Defaults)
	must(m, err)
	m.l = l
	m.l.SetHighWatermark(m.l.EndOffset())
}

func slowly(o *StoreOptions) { o.MoveBytesPerSecond = 1 }

// future gives what Dirs tells of the copy of the partition.
func (m *moving) future() (dir string, info LogInfo) {
	for _, d := range m.s.Dirs() {
		for _, l := range d.Logs {
			if l.Future && l.Partition == m.tp {
				return d.Path, l
			}
		}
	}
	return "", LogInfo{}
}

func TestLogMovesWhileWrittenAndRead(t *testing.T) {
	m := newMoving(t, nil)
	m.write(100)
	must(t, m.l.Flush(m.l.EndOffset()))
	before, err := m.l.Read(0, 1000, 50, true)
	must(t, err)
	was := readBytes(t, &before)
	stop, wrote := make(chan struct{}), make(chan struct{})
	var load sync.WaitGroup
	load.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case wrote <- struct{}{}:
			default:
			}
			m.write(1)
			if i%50 == 0 {
				if err := m.l.Flush(m.l.EndOffset()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	load.Go(func() {
		next := int64(0)
		for {
			select {
			case <-stop:
				return
			default:
			}
			r, err := m.l.Read(next, 500, 1<<62, true)
			if err != nil {
				t.Error(err)
				return
			}
			if r.Len == 0 {
				next = 0
				continue
			}
			b := make([]byte, r.Len)
			if _, err := r.ReadAt(b, 0); err != nil {
				t.Error(err)
			}
			r.Release()
			for data := range batch.Batches(b) {
				h, err := batch.ParseHeader(data)
				if err != nil || h.BaseOffset != next || batch.CheckCRC(data) != nil {
					t.Errorf("batch at %d where %d is due: %v", h.BaseOffset, next, err)
				}
				next = h.NextOffset()
			}
			if _, _, err := m.l.OffsetForTimestamp(testNow + next); err != nil {
				t.Error(err)
			}
		}
	})
	for _, dir := range []string{"/b", "/c", "/a", "/b"} {
		for range 50 {
			<-wrote
		}
		m.moveTo(dir)
		awaitMove(m.s, m.tp)
		if got := filepath.Dir(m.l.Dir()); got != dir {
			t.Errorf("the log is in %s, want %s", got, dir)
		}
	}
	close(stop)
	load.Wait()
	if now := readBytes(t, &before); string(now) != string(was) {
		t.Error("what a reader held changed")
	}
	before.Release()
	m.check("/b")
	if got := dirNames(t, m.disk, "/b"); got != "t-0 t-0-delete" && got != "t-0-delete t-0" {
		t.Errorf("in /b: %s", got)
	}
	m.reopen(nil)
	m.check("/b")
	if m.l.LatestEpoch() != 3 {
		t.Errorf("epoch %d", m.l.LatestEpoch())
	}
	closeStore(t, m.s)
}

// TestMoveIsShownCancelledAndChanged holds what asking again does.
func TestMoveIsShownCancelledAndChanged(t *testing.T) {
	m := newMoving(t, func(o *StoreOptions) { slowly(o); o.Defaults.FileDeleteDelayMs = 0 })
	m.write(20)
	if err := m.s.MoveTo(m.tp, "/nowhere"); !errors.As(err, new(*UnknownDirError)) {
		t.Errorf("a move to nowhere: %v", err)
	}
	if err := m.s.MoveTo(tpOf("none", 0), "/b"); !errors.Is(err, ErrNoLog) {
		t.Errorf("a move of nothing: %v", err)
	}
	m.moveTo("/a")
	if dir, _ := m.future(); dir != "" {
		t.Errorf("a move to where it is: a copy in %s", dir)
	}
	m.moveTo("/b")
	if dir, info := m.future(); dir != "/b" || info.OffsetLag != m.l.EndOffset() && info.OffsetLag <= 0 {
		t.Errorf("moving: %s %+v", dir, info)
	}
	m.moveTo("/b")
	if got := dirNames(t, m.disk, "/b"); got != "t-0-future" {
		t.Errorf("asked twice: %s", got)
	}
	m.moveTo("/c")
	if dir, _ := m.future(); dir != "/c" {
		t.Errorf("moving on: a copy in %s", dir)
	}
	m.moveTo("/a")
	if dir, _ := m.future(); dir != "" || m.l.moving.Load() {
		t.Errorf("cancelled: a copy in %s", dir)
	}
	m.check("/a")
	m.moveTo("/b")
	m.s.SetMoveRate(0) // who waits by the old rate goes on
	awaitMove(m.s, m.tp)
	m.check("/b")
	removedAll(m.s)
	for dir, want := range map[string]string{"/a": "", "/b": "t-0", "/c": ""} {
		if got := dirNames(t, m.disk, dir); got != want {
			t.Errorf("in %s: %s", dir, got)
		}
	}
	closeStore(t, m.s)
}

// TestMoveGoesOnAfterAStart holds that what is copied is kept, and that what does
// not agree with the log any more is not.
func TestMoveGoesOnAfterAStart(t *testing.T) {
	m := newMoving(t, nil)
	m.write(60)
	must(t, m.l.Flush(m.l.EndOffset()))
	release := m.hold() // it has copied all, and does not count yet
	other := m.disk.Clone()
	release()
	closeStore(t, m.s)

	var wrote atomic.Int64
	count := func(o *StoreOptions) {
		other.SetHook(func(op vfs.Op) {
			if op.Kind == vfs.OpWrite && strings.Contains(op.Path, "-future/") && strings.HasSuffix(op.Path, logSuffix) {
				wrote.Add(1)
			}
		})
	}
	m.open(other.Clone(), slowly)
	if dir, info := m.future(); dir != "/b" || info.SizeBytes != m.l.SizeBytes() {
		t.Errorf("after the start: %s %+v of %d bytes", dir, info, m.l.SizeBytes())
	}
	must(t, m.l.TruncateTo(100, testNow))
	m.seq, m.all = 100, m.all[:50]
	must(t, appendTo(m.l, 3)) // other records at the same offsets
	closeStore(t, m.s)
	changed := m.disk

	m.open(other, count)
	awaitMove(m.s, m.tp)
	other.SetHook(nil)
	if n := wrote.Load(); n != 0 {
		t.Errorf("%d writes to segments that were copied", n)
	}
	closeStore(t, m.s)

	m.open(changed, nil)
	awaitMove(m.s, m.tp)
	if got := filepath.Dir(m.l.Dir()); got != "/b" || m.l.EndOffset() != 103 {
		t.Fatalf("in %s up to %d", got, m.l.EndOffset())
	}
	must(t, checkIndexes(m.l))
	for data := range batch.Batches(readAll(t, m.l, 100, 1<<20)) {
		if h, _ := batch.ParseHeader(data); h.Count != 1 {
			t.Fatalf("batch at %d is the one that was cut off", h.BaseOffset)
		}
	}
	closeStore(t, m.s)
	changed.SetHook(nil)
}

// hold makes the move stop where its copy is synced for the first time, until
// release is called; the store is not held up by it.
func (m *moving) hold() (release func()) { return m.holdAt("-future/" + leaderEpochFile) }

// holdAt is that where a file is made whose path contains this.
func (m *moving) holdAt(path string) (release func()) {
	held, let := make(chan struct{}), make(chan struct{})
	var once sync.Once
	m.disk.SetHook(func(op vfs.Op) {
		if op.Kind == vfs.OpCreate && strings.Contains(op.Path, path) {
			once.Do(func() { close(held); <-let })
		}
	})
	m.moveTo("/b")
	<-held
	m.disk.SetHook(nil)
	return func() { close(let); awaitMove(m.s, m.tp) }
}

func TestLogChangesWhileItMoves(t *testing.T) {
	for name, change := range map[string]func(m *moving){
		"roll": func(m *moving) { must(m, m.l.Roll(testNow)); m.write(1) },
		"more": func(m *moving) { m.write(80) },
		"delete records": func(m *moving) {
			_, err := m.l.DeleteRecordsBefore(33)
			must(m, errors.Join(err, m.s.CheckpointStartOffsets(m.tp)[0]))
		},
		"retention": func(m *moving) {
			c := m.l.Config()
			c.RetentionBytes = 3000
			m.l.Configure(c)
			m.s.retain()
			if m.l.StartOffset() == 0 {
				m.Fatal("nothing was deleted")
			}
		},
		"retention of all": func(m *moving) {
			c := m.l.Config()
			c.RetentionBytes = 0
			m.l.Configure(c)
			m.s.retain()
			m.write(1)
		},
		"truncation": func(m *moving) {
			must(m, m.l.TruncateTo(40, testNow))
			m.seq, m.all = 40, m.all[:20]
			m.write(2)
		},
		"truncation of all": func(m *moving) {
			must(m, m.l.TruncateTo(0, testNow))
			m.seq, m.all = 0, nil
			m.write(2)
		},
		"epoch":      func(m *moving) { m.l.AssignLeaderEpoch(3) },
		"checkpoint": func(m *moving) { m.s.Checkpoint() },
		"another comes": func(m *moving) {
			create(m, m.s, tpOf("u", 0), 2)
			create(m, m.s, tpOf("u", 1), 2)
			m.s.Checkpoint()
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMoving(t, nil)
			m.write(60)
			release := m.hold()
			change(m)
			start := m.l.StartOffset()
			release()
			m.check("/b")
			// A power loss right now, a kill, and a clean stop.
			for i, disk := range []*vfs.Mem{m.disk.CrashClone(1), m.disk.Clone(), m.disk} {
				if i == 2 {
					closeStore(t, m.s)
				}
				again := &moving{TB: t, tp: m.tp, seq: m.seq, all: m.all}
				again.open(disk, nil)
				if again.l.StartOffset() != start || again.l.EndOffset() != m.l.EndOffset() {
					t.Fatalf("opened again as %d..%d, was %d..%d", again.l.StartOffset(), again.l.EndOffset(), start, m.l.EndOffset())
				}
				again.check("/b")
				closeStore(t, again.s)
			}
		})
	}
}

// TestRecordsDeletedRightBeforeTheSwap has records deleted when the new directory's
// checkpoint has the old start already.
func TestRecordsDeletedRightBeforeTheSwap(t *testing.T) {
	m := newMoving(t, nil)
	m.write(60)
	release := m.holdAt("/b/" + highWatermarkCheckpoint)
	_, err := m.l.DeleteRecordsBefore(33)
	must(t, errors.Join(err, m.s.CheckpointStartOffsets(m.tp)[0]))
	release()
	m.check("/b")
	again := &moving{TB: t, tp: m.tp, seq: m.seq, all: m.all}
	again.open(m.disk.CrashClone(1), nil)
	if got := again.l.StartOffset(); got != 33 {
		t.Errorf("begins at %d after a crash, want 33", got)
	}
	closeStore(t, again.s)
	closeStore(t, m.s)
}

func TestMovingLogIsDeleted(t *testing.T) {
	m := newMoving(t, slowly)
	m.write(10)
	m.moveTo("/b")
	must(t, m.s.Delete(m.tp))
	s := openStore(t, movingOptions(m.disk.CrashClone(3)))
	if len(s.Partitions()) != 0 {
		t.Error("it came back")
	}
	removedAll(s)
	if got := dirNames(t, s.fs, "/a") + dirNames(t, s.fs, "/b"); got != "" {
		t.Errorf("left: %s", got)
	}
	closeStore(t, s)
	create(t, m.s, m.tp, 2)
	wantOffsets(t, m.s, m.tp, 0, 0)
	closeStore(t, m.s)
}

// TestCompactionWaitsForTheMove holds that cleaning pauses, and goes on in the new
// place, where the log is known to have gaps.
func TestCompactionWaitsForTheMove(t *testing.T) {
	disk := vfs.NewMem()
	o := testStore(disk, "/a", "/b")
	o.Defaults, o.MoveBytesPerSecond = compactedConfig(), 1
	s := openStore(t, o)
	tp := tpOf("t", 0)
	l := create(t, s, tp, 1)
	dirty(t, l)
	if !s.cleanFilthiest(testWork(1<<20, 4096)) {
		t.Fatal("not cleaned")
	}
	dirty(t, l)
	was, err := recordsOf(l)
	must(t, err)
	must(t, s.MoveTo(tp, "/b"))
	if s.cleanFilthiest(testWork(1<<20, 4096)) {
		t.Fatal("cleaned while it moves")
	}
	s.SetMoveRate(0)
	awaitMove(s, tp)
	for _, left := range []*vfs.Mem{disk.CrashClone(1), disk.CrashClone(2)} {
		o.FS = left
		again := openStore(t, o)
		l, err := again.Get(tp)
		must(t, err)
		if got, err := recordsOf(l); err != nil || !slices.EqualFunc(got, was, sameRecord) || l.CleanedTo() != 20 {
			t.Fatalf("after a crash: %d records of %d, compacted up to %d: %v", len(got), len(was), l.CleanedTo(), err)
		}
		closeStore(t, again)
	}
	if !s.cleanFilthiest(testWork(1<<20, 4096)) {
		t.Fatal("not cleaned after the move")
	}
	if got, _ := disk.ReadFile("/b/" + cleanerCheckpoint); string(got) != "0\n1\nt 0 40\n" {
		t.Fatalf("checkpoint %q", got)
	}
	must(t, l.TruncateTo(30, testNow))
	if got, _ := disk.ReadFile("/b/" + cleanerCheckpoint); string(got) != "0\n1\nt 0 30\n" {
		t.Fatalf("checkpoint after a cut %q", got)
	}
	closeStore(t, s)
}

// TestRottenLogDoesNotMove holds that what is corrupt is not copied.
func TestRottenLogDoesNotMove(t *testing.T) {
	m := newMoving(t, nil)
	m.write(40)
	f, err := m.disk.Open(filepath.Join(m.l.Dir(), fileName(0, logSuffix)))
	must(t, err)
	_, err = f.WriteAt([]byte("rotten"), 300)
	must(t, errors.Join(err, f.Close()))
	m.moveTo("/b")
	awaitMove(m.s, m.tp)
	m.write(1)
	removedAll(m.s)
	if got := dirNames(t, m.disk, "/b"); got != "" || filepath.Dir(m.l.Dir()) != "/a" || m.l.moving.Load() {
		t.Errorf("in /b: %s; the log is in %s", got, m.l.Dir())
	}
	closeStore(t, m.s)
}

// TestMovesCountWhereLogsAreMade holds the choice of a directory for a new log.
func TestMovesCountWhereLogsAreMade(t *testing.T) {
	m := newMoving(t, slowly)
	m.write(5)
	m.moveTo("/b") // one in /a, one on its way to /b
	in := func(tp protocol.TopicPartition, want string) {
		t.Helper()
		if l := create(t, m.s, tp, 2); filepath.Dir(l.Dir()) != want {
			t.Errorf("%s is in %s, want %s", tp, l.Dir(), want)
		}
	}
	in(tpOf("u", 0), "/c")
	in(tpOf("u", 1), "/a")
	in(tpOf("u", 2), "/b")
	m.s.Prefer(tpOf("u", 3), "/b")
	in(tpOf("u", 3), "/b")
	m.s.Prefer(tpOf("u", 4), "/a")
	m.s.Prefer(tpOf("u", 4), "/c")
	in(tpOf("u", 4), "/c")
	must(t, m.s.Delete(tpOf("u", 3)))
	in(tpOf("u", 3), "/a") // it was preferred once
	closeStore(t, m.s)
}

// TestNoMoveWhileADirectoryIsOffline holds that the partition may be in there.
func TestNoMoveWhileADirectoryIsOffline(t *testing.T) {
	m := newMoving(t, nil)
	m.write(5)
	m.s.failDir(m.s.dirs[2], &DirError{Dir: "/c", Path: "/c", Op: "use", Err: syscall.EIO})
	for _, dir := range []string{"/b", "/c"} {
		if err := m.s.MoveTo(m.tp, dir); !errors.As(err, new(*DirError)) {
			t.Errorf("to %s: %v", dir, err)
		}
	}
	m.s.Prefer(tpOf("u", 0), "/c")
	if _, err := m.s.Create(tpOf("u", 0), topicID(2), moveConfig()); !errors.As(err, new(*DirError)) {
		t.Errorf("a log that is to be in there: %v", err)
	}
	closeStore(t, m.s)
}

// TestStaleLogOfAMoveIsRemoved has the directory that a log left fail before the
// old log could be renamed, and come back with it.
func TestStaleLogOfAMoveIsRemoved(t *testing.T) {
	m := newMoving(t, nil)
	m.write(30)
	stop := m.disk.Fail(vfs.Rule{Kind: vfs.OpRename, Path: "/a/t-0", Err: syscall.EIO})
	m.moveTo("/b")
	awaitMove(m.s, m.tp)
	stop()
	m.write(30)
	m.check("/b")
	if m.s.Dirs()[0].Err == nil {
		t.Error("/a is still online")
	}
	closeStore(t, m.s)
	if got := dirNames(t, m.disk, "/a"); got != "t-0" {
		t.Fatalf("in /a: %s", got)
	}
	stale := m.disk.Clone()
	m.open(m.disk, nil)
	removedAll(m.s)
	m.check("/b")
	if got := dirNames(t, m.disk, "/a"); got != "" {
		t.Errorf("left in /a: %s", got)
	}
	closeStore(t, m.s)
	// Without a mark it goes by what stands in them, and with something else in the one nobody knows which is right.
	must(t, stale.Remove("/b/t-0/"+moveMarkName))
	unmarked := stale.Clone()
	m.open(unmarked, nil)
	m.check("/b")
	closeStore(t, m.s)
	f, err := stale.Open("/a/t-0/" + fileName(0, logSuffix))
	must(t, err)
	_, err = f.WriteAt([]byte{1}, 200)
	must(t, errors.Join(err, f.Close()))
	if _, err := OpenStore(movingOptions(stale)); !errors.As(err, new(*DuplicateLogError)) {
		t.Errorf("two logs that differ: %v", err)
	}
}

// TestCopiesOfUnknownLogsAreLeftAlone holds what becomes of copies whose log is not here, and
// of superfluous ones.
func TestCopiesOfUnknownLogsAreLeftAlone(t *testing.T) {
	m := newMoving(t, nil)
	m.write(5)
	closeStore(t, m.s)
	future := func(dir string, tp protocol.TopicPartition) string {
		path := filepath.Join(dir, FutureDirName(tp, uniqueName()))
		must(t, errors.Join(m.disk.MkdirAll(path), m.disk.SyncDir(dir)))
		return path
	}
	kept := future("/b", tpOf("u", 0))
	gone := future("/a", m.tp)
	m.open(m.disk, nil)
	awaitMove(m.s, m.tp)
	removedAll(m.s)
	if _, err := m.disk.Stat(kept); err != nil {
		t.Error(err)
	}
	if _, err := m.disk.Stat(gone); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a copy beside its log: %v", err)
	}
	m.check("/a")
	closeStore(t, m.s)
}
