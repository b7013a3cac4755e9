package logstore

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

var everyFaultStep = flag.Int("everyfault.step", 0, "fail every n-th operation of the script; 0 takes some of them, 1 all")
var everyFaultSeed = flag.Uint64("everyfault.seed", 0, "which of the operations are taken where some are; 0 takes others each time")

// faultMode is one way in which the disk under /d2 fails.
type faultMode struct {
	name string
	err  error
	on   bool // from then on, not once
	only func(vfs.Op) bool
}

// needsRoom are the operations that a full disk refuses.
func needsRoom(op vfs.Op) bool {
	switch op.Kind {
	case vfs.OpCreate, vfs.OpWrite, vfs.OpMkdir, vfs.OpAllocate:
		return true
	case vfs.OpRename:
		// Not those to a shorter name, in whose place there was one before.
		return !strings.HasSuffix(op.Path, deletedSuffix) && !strings.HasSuffix(op.Path, swapSuffix)
	}
	return false
}

var faultModes = []faultMode{
	{"EIO once", syscall.EIO, false, nil},
	{"EIO from then on", syscall.EIO, true, nil},
	{"EROFS from then on", syscall.EROFS, true, func(op vfs.Op) bool { return op.Kind.Changes() && !op.Kind.Syncs() || op.Kind == vfs.OpLock }},
	{"ENOSPC once", syscall.ENOSPC, false, needsRoom},
	{"ENOSPC from then on", syscall.ENOSPC, true, needsRoom},
	{"ENOSPC from a sync", syscall.ENOSPC, false, func(op vfs.Op) bool { return op.Kind.Syncs() }},
}

// faultRun is one run of the script over two directories, of which /d2 fails.
type faultRun struct {
	t     *testing.T
	name  string
	mode  faultMode
	disk  *vfs.Mem
	s     *Store
	logs  map[protocol.TopicPartition]*faultLog
	order []protocol.TopicPartition

	// unsynced says that a sync failed: what was not flushed on that disk before may be lost.
	unsynced atomic.Bool
	made     atomic.Bool // there are logs
}

// faultLog is what was asked of one log, and answered.
type faultLog struct {
	id      byte
	dir     string
	all     []stored // acknowledged, or perhaps stored all the same
	acked   int64    // the offset after the last that was acknowledged
	flushed int64
	start   int64 // the log start that was acknowledged
	asked   int64 // and the one that was asked for
	gone    bool  // its deletion was asked for
}

// TestEveryFault lets each operation on one directory's disk fail, in each mode, under a script that uses all of
// the store. Whatever fails: what was acknowledged is kept, and what was flushed even by a crash of the machine; the other
// directory goes on without an error; errors name a path; a full disk takes nothing offline; and what is opened again on a disk that is
// well takes records.
func TestEveryFault(t *testing.T) {
	seed := *everyFaultSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-everyfault.seed=%d", seed)
	for _, mode := range faultModes {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			step, first := max(*everyFaultStep, 1), 1
			if *everyFaultStep == 0 {
				step, first = 13, 1+int(seed%13)
			}
			for k := first; ; k += step {
				r := &faultRun{t: t, name: fmt.Sprintf("%s, operation %d", mode.name, k), mode: mode, disk: vfs.NewMem(), logs: map[protocol.TopicPartition]*faultLog{}}
				var failed vfs.Op
				seen := 0
				stop := r.disk.Fail(vfs.Rule{Path: "/d2/...", Nth: k, On: mode.on, Err: mode.err, Short: k%2 == 0, Only: func(op vfs.Op) bool {
					if mode.only != nil && !mode.only(op) {
						return false
					}
					if op.Path == "/d2" || strings.HasPrefix(op.Path, "/d2/") {
						if seen++; seen == k {
							failed = op
						}
						if op.Kind.Syncs() && (seen == k || mode.on && seen > k) {
							r.unsynced.Store(true)
						}
					}
					return true
				}})
				r.script(stop)
				if failed.Kind == "" {
					if k == first {
						t.Fatal("nothing failed")
					}
					return // the script is over
				}
				if t.Failed() {
					t.Fatalf("%s: %s %s", r.name, failed.Kind, failed.Path)
				}
			}
		})
	}
}

func (r *faultRun) errorf(format string, args ...any) {
	r.t.Helper()
	r.t.Errorf("%s: %s", r.name, fmt.Sprintf(format, args...))
}

func (r *faultRun) options(disk vfs.FS) StoreOptions {
	o := testStore(disk, "/d1", "/d2")
	o.Defaults.SegmentBytes, o.Defaults.IndexIntervalBytes, o.Defaults.FileDeleteDelayMs = 500, 1, 0
	o.Defaults.RetentionMs = -1
	o.OnDirFailure = func(dir string, err error, _ []protocol.TopicPartition) {
		// A full disk takes nothing offline, but a directory that is new, or one whose sync failed.
		if dir != "/d2" || full(r.mode.err) && r.made.Load() && !r.unsynced.Load() {
			r.errorf("%s goes offline: %v", dir, err)
		}
	}
	return o
}

// script uses the store; stop heals the disk.
func (r *faultRun) script(stop func()) {
	if !r.open() {
		return
	}
	if full(r.mode.err) && len(r.s.online()) < 2 {
		return // a directory that is new and cannot be made
	}
	for i, topic := range []string{"a", "a", "b", "b", "c", "c", "gone", "gone"} {
		r.create(tpOf(topic, int32(i)), byte(i+1))
	}
	r.appendAll(6)
	r.flushAll()
	r.deleteRecords("a", 3)
	r.appendAll(6)
	r.retention()
	r.s.Checkpoint()
	r.compaction()
	r.move("b")
	for _, tp := range r.order {
		if tp.Topic == "gone" {
			r.deleteLog(tp)
		}
	}
	r.create(tpOf("late", 0), 20)
	r.readAll()
	r.s.flushDue()
	r.s.checkDirs()
	r.appendAll(2)
	if full(r.mode.err) && r.mode.on {
		stop()
		r.s.checkDirs()
		r.takesRecords(r.s)
	}
	r.crashed()
	r.closeStore()
	if !r.open() {
		return
	}
	r.appendAll(3)
	r.flushAll()
	r.deleteRecords("a", 5)
	r.readAll()
	r.crashed()
	r.killed()
	r.closeStore()
	r.killed()
}

func (r *faultRun) open() bool {
	s, err := OpenStore(r.options(r.disk))
	if r.s = s; err != nil {
		r.errorf("one directory fails, and the store does not open: %v", err)
		return false
	}
	for _, tp := range r.order {
		// What a failed sync lost is another record's place. (In a log that is compacted it leaves a gap, which
		// cannot be told from what compaction leaves.)
		if l, err := s.Get(tp); err == nil && r.unsynced.Load() {
			of := r.logs[tp]
			of.all = slices.DeleteFunc(of.all, func(b stored) bool {
				return b.h.BaseOffset >= of.flushed && checkKept(l, &faultLog{all: []stored{b}}, math.MaxInt64) != nil
			})
			of.acked = min(of.acked, max(l.EndOffset(), of.flushed))
		}
	}
	return true
}

// closeStore closes; what stands in the way of a clean stop may be an error.
func (r *faultRun) closeStore() {
	r.check(nil, "close", r.s.Close(context.Background()))
}

// check looks at an error: none may come from the first directory, and those of the second name it.
func (r *faultRun) check(l *faultLog, what string, err error) {
	r.t.Helper()
	switch {
	case err == nil:
	case l != nil && l.dir == "/d1":
		r.errorf("%s in the directory that is well: %v", what, err)
	case errors.Is(err, ErrNoLog) && l != nil:
		r.errorf("%s: %v", what, err)
	case !errors.As(err, new(*DirError)) || !strings.Contains(err.Error(), "/d2"):
		r.errorf("%s: the error does not name a path: %v", what, err)
	}
}

func (r *faultRun) create(tp protocol.TopicPartition, id byte) {
	c := r.s.o.Defaults
	if tp.Topic == "c" {
		c.Compact, c.Delete, c.MinCleanableDirtyRatio = true, false, 0.01
	}
	l, err := r.s.Create(tp, topicID(id), c)
	if err != nil {
		r.check(nil, "create "+tp.String(), err)
		return
	}
	r.made.Store(true)
	r.order = append(r.order, tp)
	r.logs[tp] = &faultLog{id: id, dir: l.Dir()[:len("/d1")]}
}

// each calls f with every log that should be there.
func (r *faultRun) each(what string, f func(l *Log, of *faultLog) error) {
	for _, tp := range r.order {
		of := r.logs[tp]
		if of.gone {
			continue
		}
		l, err := r.s.GetOrCreate(tp, topicID(of.id), r.configOf(tp))
		if err == nil {
			err = f(l, of)
		}
		r.check(of, what+" "+tp.String(), err)
	}
}

func (r *faultRun) configOf(tp protocol.TopicPartition) Config {
	if l, err := r.s.Get(tp); err == nil {
		return l.Config()
	}
	return r.s.o.Defaults
}

func (r *faultRun) appendAll(n int) {
	for range n {
		r.each("append to", r.append)
	}
}

func (r *faultRun) append(l *Log, of *faultLog) error {
	b := batch.NewBuilder(batch.None)
	name := fmt.Appendf(nil, "record %d of %d", len(of.all), of.id)
	b.Add(testNow+int64(len(of.all)), name, name)
	data, err := b.Build()
	if err != nil {
		return err
	}
	a := []Append{toAppend(r.t, data)}
	l.Append(a, 0, testNow)
	if err := a[0].Result.Err; err != nil {
		return err
	}
	of.all = append(of.all, stored{a[0].Header, data})
	of.acked = a[0].Result.LastOffset + 1
	l.SetHighWatermark(l.EndOffset())
	return nil
}

func (r *faultRun) flushAll() {
	r.each("flush", func(l *Log, of *faultLog) error {
		end := l.EndOffset()
		err := l.Flush(end)
		if err == nil {
			of.flushed = end
		} else {
			r.s.ReportFailure(l.Partition(), err)
			if again := l.Flush(end); again == nil && errors.As(err, new(*syncError)) {
				r.errorf("a sync failed, and then did not: %v", err)
			}
		}
		return err
	})
}

func (r *faultRun) deleteRecords(topic string, before int64) {
	r.each("delete records of", func(l *Log, of *faultLog) error {
		if l.Partition().Topic != topic || of.acked < before {
			return nil
		}
		of.asked = before
		_, err := l.DeleteRecordsBefore(before)
		if err == nil {
			err = r.s.CheckpointStartOffsets(l.Partition())[0]
		}
		if err == nil {
			of.start = before
		}
		return err
	})
}

// retention has the b logs keep two segments or so.
func (r *faultRun) retention() {
	r.each("configure", func(l *Log, of *faultLog) error {
		if c := l.Config(); l.Partition().Topic == "b" {
			c.RetentionBytes = 900
			l.Configure(c)
			of.asked = 1 << 40
		}
		return nil
	})
	r.s.retain()
}

func (r *faultRun) compaction() {
	for range 4 {
		r.s.cleanFilthiest(testWork(1<<20, 4096))
	}
}

// move has the logs of a topic move to the other directory, as far as that goes.
func (r *faultRun) move(topic string) {
	r.each("move", func(l *Log, of *faultLog) error {
		if l.Partition().Topic != topic {
			return nil
		}
		to := map[string]string{"/d1": "/d2", "/d2": "/d1"}[of.dir]
		r.check(nil, "move to "+to, r.s.MoveTo(l.Partition(), to))
		awaitMove(r.s, l.Partition())
		of.dir = filepath.Dir(l.Dir())
		return nil
	})
}

func (r *faultRun) deleteLog(tp protocol.TopicPartition) {
	of := r.logs[tp]
	of.gone = true
	r.check(of, "delete "+tp.String(), r.s.Delete(tp))
}

func (r *faultRun) readAll() {
	r.each("read", func(l *Log, of *faultLog) error {
		if err := checkContent(l, of.all); errors.As(err, new(*DirError)) || of.dir == "/d1" {
			r.s.ReportFailure(l.Partition(), err)
			return err
		}
		_, _, err := l.OffsetForTimestamp(testNow + 4)
		return err
	})
}

// takesRecords appends to every log; all have to be there.
func (r *faultRun) takesRecords(s *Store) {
	for _, tp := range r.order {
		of := r.logs[tp]
		if of.gone {
			continue
		}
		l, err := s.Get(tp)
		if err == nil {
			err = r.append(l, of)
		}
		if err != nil {
			r.errorf("%s takes no records on a disk that is well again: %v", tp, err)
		}
	}
}

// killed opens what a kill of the process leaves, on a disk that is well.
func (r *faultRun) killed() {
	r.reopen(r.disk.Clone(), false, func(of *faultLog) int64 {
		if of.dir == "/d2" && r.unsynced.Load() {
			return of.flushed
		}
		return of.acked
	})
}

// crashed opens what a crash of the machine leaves.
func (r *faultRun) crashed() {
	r.reopen(r.disk.CrashClone(uint64(len(r.name))), true, func(of *faultLog) int64 { return of.flushed })
}

// reopen holds that every log has all that lies below an offset, and takes records. After a crash
// of the machine one that never had a record may be gone.
func (r *faultRun) reopen(disk *vfs.Mem, crash bool, kept func(*faultLog) int64) {
	r.t.Helper()
	s, err := OpenStore(r.options(disk))
	if err != nil {
		r.errorf("on a disk that is well it does not open: %v", err)
		return
	}
	for _, tp := range r.order {
		of := r.logs[tp]
		if of.gone {
			continue
		}
		l, err := s.Get(tp)
		if crash && len(of.all) == 0 && errors.Is(err, ErrNoLog) {
			continue
		}
		if err != nil {
			r.errorf("%s, reopened: %v", tp, err)
			continue
		}
		start, end := l.Offsets()
		if end < kept(of) || start < of.start || start > max(of.asked, of.start) {
			r.errorf("%s, reopened, has offsets %d to %d; below %d all should be kept, and %d to %d be the start", tp, start, end, kept(of), of.start, of.asked)
		}
		if err := errors.Join(checkKept(l, of, kept(of)), checkIndexes(l)); err != nil {
			r.errorf("%s, reopened: %v", tp, err)
		}
		var own faultLog // what is appended here is not in the other disk
		if err := r.append(l, &own); err != nil {
			r.errorf("%s, reopened, takes no record: %v", tp, err)
		}
	}
	if err := s.Close(context.Background()); err != nil {
		r.errorf("closing what was reopened: %v", err)
	}
}

// checkKept compares what lies below an offset; above it there may be what was not acknowledged.
func checkKept(l *Log, of *faultLog, below int64) error {
	start := l.StartOffset()
	for _, b := range of.all {
		if b.h.BaseOffset < start || b.h.BaseOffset >= below {
			continue
		}
		got, err := l.Read(b.h.BaseOffset, 1, below, true)
		if err != nil {
			return err
		}
		data := make([]byte, got.Len)
		_, _ = got.ReadAt(data, 0)
		got.Release()
		if string(data) != string(b.data) {
			return fmt.Errorf("the batch at offset %d is not what was stored: %d bytes, not %d", b.h.BaseOffset, len(data), len(b.data))
		}
	}
	return nil
}
