package logstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
	"klamm/protocol"
)

// promise is what was answered about a partition and has to hold after a crash.
type promise struct {
	id      protocol.UUID
	settled bool  // it had a record: before that it may be gone, or without its id
	flushed int64 // records acknowledged as durable
	start   int64 // log start offset acknowledged
}

// promises are the partitions that have to be there and those that may be,
// since their creation or deletion is under way.
type promises struct {
	must map[protocol.TopicPartition]promise
	may  map[protocol.TopicPartition]bool
}

func newPromises() *promises {
	return &promises{must: map[protocol.TopicPartition]promise{}, may: map[protocol.TopicPartition]bool{}}
}

func (p *promises) clone() *promises { return &promises{maps.Clone(p.must), maps.Clone(p.may)} }

// hold says what does not hold in an open store.
func (p *promises) hold(s *Store) error {
	for tp, want := range p.must {
		l, err := s.Get(tp)
		if !want.settled && errors.Is(err, ErrNoLog) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", tp, err)
		}
		if id, _ := s.TopicID(tp); id != want.id && (want.settled || !id.IsZero()) {
			return fmt.Errorf("%s has id %s, want %s", tp, id, want.id)
		}
		start, end := l.Offsets()
		if start != want.start || end < want.flushed {
			return fmt.Errorf("%s has offsets %d to %d, want %d to at least %d", tp, start, end, want.start, want.flushed)
		}
	}
	for _, tp := range s.Partitions() {
		if _, must := p.must[tp]; !must && !p.may[tp] {
			return fmt.Errorf("%s should not be there", tp)
		}
	}
	return nil
}

// life does what a broker does to its directories and keeps account of what it
// may rely on. Errors of the disk are given back.
type life struct {
	o StoreOptions
	s *Store
	p *promises
}

// open also waits for the removal of what was left, so that nothing happens
// beside what l itself does.
func (l *life) open() (err error) {
	if l.s, err = OpenStore(l.o); err == nil {
		removedAll(l.s)
	}
	return err
}

func (l *life) create(tp protocol.TopicPartition, n byte) error {
	if l.p.may[tp] {
		return nil // no controller creates a topic again before it is deleted everywhere
	}
	l.p.may[tp] = true
	if _, err := l.s.Create(tp, topicID(n), l.o.Defaults); err != nil {
		return err
	}
	l.p.must[tp] = promise{id: topicID(n)}
	delete(l.p.may, tp)
	return nil
}

func (l *life) append(tp protocol.TopicPartition, n int) error {
	log, err := l.s.Get(tp)
	p, promised := l.p.must[tp]
	if err == nil && promised && !p.settled {
		log, err = l.s.GetOrCreate(tp, p.id, l.o.Defaults) // as its leader, who knows the id
	}
	if err != nil {
		return err
	}
	if err := appendTo(log, n); err != nil {
		return err
	}
	end := log.EndOffset()
	if promised {
		p.settled = true
		l.p.must[tp] = p
	}
	if err := log.Flush(end); err != nil {
		return err
	}
	if promised {
		p.flushed = end
		l.p.must[tp] = p
	}
	return nil
}

func (l *life) delete(tp protocol.TopicPartition) error {
	delete(l.p.must, tp)
	l.p.may[tp] = true
	if err := l.s.Delete(tp); err != nil {
		return err
	}
	delete(l.p.may, tp)
	return nil
}

func (l *life) close() error {
	return l.s.Close(context.Background())
}

// steps is a life with everything in it that changes the directories.
func (l *life) steps() []func() error {
	a, b, c := tpOf("a", 0), tpOf("b", 1), tpOf("c", 2)
	return []func() error{
		l.open,
		func() error { return l.create(a, 1) },
		func() error { return l.create(b, 2) },
		func() error { return l.append(a, 3) },
		func() error { l.s.Checkpoint(); return nil },
		func() error { return l.create(c, 3) },
		func() error { return l.append(c, 2) },
		l.close,
		l.open,
		func() error { return l.append(b, 2) },
		func() error { return l.delete(a) },
		func() error { return l.create(a, 4) },
		func() error { return l.append(a, 1) },
		func() error { return l.delete(c) },
		func() error { l.s.Checkpoint(); return nil },
		l.close,
		l.open,
		func() error { return l.append(a, 1) },
		l.close,
	}
}

// TestCrashAtEachChange crashes before each operation that changes the disk,
// reopens, and holds the store against what was promised until then.
func TestCrashAtEachChange(t *testing.T) {
	disk := vfs.NewMem()
	l := &life{o: testStore(disk, "/d1", "/d2"), p: newPromises()}
	type crashed struct {
		at   string
		seed uint64
		disk *vfs.Mem
		want *promises
	}
	var mu sync.Mutex // logs are loaded side by side
	var all []crashed
	point := uint64(0)
	disk.SetHook(func(op vfs.Op) {
		if !op.Kind.Changes() {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		point++
		for seed := point * 100; seed < point*100+3; seed++ {
			all = append(all, crashed{fmt.Sprintf("%d, %s %s", point, op.Kind, op.Path), seed, disk.CrashClone(seed), l.p.clone()})
		}
	})
	for i, step := range l.steps() {
		if err := step(); err != nil {
			t.Fatalf("step %d: %v", i, err)
		}
	}
	disk.SetHook(nil)
	if point < 80 {
		t.Fatalf("only %d points", point)
	}
	for _, c := range all {
		o := testStore(c.disk, "/d1", "/d2")
		for round := range 2 { // the second after a clean stop of the first
			s, err := OpenStore(o)
			if err == nil {
				err = errors.Join(c.want.hold(s), s.Close(context.Background()))
			}
			if err != nil {
				t.Fatalf("crash at %s with seed %d, opening %d: %v", c.at, c.seed, round, err)
			}
		}
	}
}

// TestFailureOfEachOperation lets the disk fail for the first directory, by each
// kind of operation and at each of its occurrences, and then for good. What was
// promised is there once the disk is well again, and the other directory goes on.
func TestFailureOfEachOperation(t *testing.T) {
	for _, kind := range []vfs.OpKind{
		vfs.OpOpen, vfs.OpCreate, vfs.OpRead, vfs.OpWrite, vfs.OpTruncate, vfs.OpSync, vfs.OpSyncDir,
		vfs.OpRename, vfs.OpRemove, vfs.OpRemoveAll, vfs.OpMkdir, vfs.OpReadDir, vfs.OpStat, vfs.OpLock,
	} {
		for _, cause := range []error{syscall.EIO, syscall.ENOSPC} {
			t.Run(fmt.Sprintf("%s %v", kind, cause), func(t *testing.T) {
				occurrences := int64(1)
				for nth := int64(1); nth <= occurrences; nth++ {
					occurrences = max(occurrences, failOnce(t, kind, cause, int(nth)))
				}
			})
		}
	}
}

// failOnce lives a life in which the nth operation of a kind below /d1 fails and
// gives how many there were.
func failOnce(t *testing.T, kind vfs.OpKind, cause error, nth int) int64 {
	disk := vfs.NewMem()
	l := &life{o: testStore(disk, "/d1", "/d2"), p: newPromises()}
	var seen atomic.Int64
	l.o.OnDirFailure = func(dir string, err error, _ []protocol.TopicPartition) {
		if dir != "/d1" || err == nil {
			t.Errorf("%s nth %d: told of %s: %v", kind, nth, dir, err)
		}
	}
	disk.SetHook(func(op vfs.Op) {
		if op.Kind == kind && strings.HasPrefix(op.Path, "/d1") {
			seen.Add(1)
		}
	})
	stop := disk.Fail(vfs.Rule{Kind: kind, Path: "/d1/...", Nth: nth, Err: cause})
	for i, step := range l.steps() {
		err := step()
		if err == nil {
			continue
		}
		if !errors.Is(err, cause) && !errors.Is(err, ErrNoLog) && !errors.Is(err, ErrClosed) {
			t.Fatalf("%s nth %d, step %d: %v", kind, nth, i, err)
		}
		if l.s == nil {
			break
		}
	}
	stop()
	disk.SetHook(nil)
	if l.s != nil {
		_ = l.close()
	}
	after := disk.CrashClone(uint64(nth))
	if kind == vfs.OpSync {
		// What a failed sync left in the kernel's cache is read by the next start and
		// taken for written, though a crash of the machine may still lose it.
		after = disk.Clone()
	}
	s, err := OpenStore(testStore(after, "/d1", "/d2"))
	if err == nil {
		err = errors.Join(l.p.hold(s), s.Close(context.Background()))
	}
	if err != nil {
		t.Fatalf("%s nth %d of %d: %v", kind, nth, seen.Load(), err)
	}
	return seen.Load()
}

func TestFailingDirectoryGoesOfflineAlone(t *testing.T) {
	disk := vfs.NewMem()
	o := testStore(disk, "/d1", "/d2")
	type failure struct {
		dir  string
		with []protocol.TopicPartition
	}
	told := make(chan failure, 3)
	o.OnDirFailure = func(dir string, err error, partitions []protocol.TopicPartition) { told <- failure{dir, partitions} }
	s := openStore(t, o)
	here, there := tpOf("t", 0), tpOf("t", 1)
	l1, l2 := create(t, s, here, 1), create(t, s, there, 1)
	ok(t, appendTo(l1, 2))
	ok(t, l1.Flush(2))
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpSync, Path: "/d1/t-0/*", Err: syscall.EIO})
	ok(t, appendTo(l1, 1))
	err := l1.Flush(3)
	if !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	s.ReportFailure(here, err)
	s.ReportFailure(here, err)
	s.ReportFailure(there, ErrOutOfOrderSequence)
	if f := <-told; f.dir != "/d1" || len(f.with) != 1 || f.with[0] != here {
		t.Errorf("told of %v", f)
	}
	var dirErr *DirError
	if _, err := s.Get(here); !errors.As(err, &dirErr) || !errors.Is(err, syscall.EIO) {
		t.Errorf("a log there: %v", err)
	}
	if err := s.Delete(here); !errors.As(err, &dirErr) {
		t.Errorf("deleting it: %v", err)
	}
	if _, err := s.Create(here, topicID(1), o.Defaults); !errors.As(err, &dirErr) {
		t.Errorf("creating it: %v", err)
	}
	if _, err := s.GetOrCreate(tpOf("u", 0), topicID(2), o.Defaults); !errors.As(err, &dirErr) {
		t.Errorf("creating one that may be in there: %v", err)
	}
	if l := create(t, s, tpOf("u", 0), 2); filepath.Dir(l.Dir()) != "/d2" {
		t.Errorf("a new one in %s", l.Dir())
	}
	ok(t, appendTo(l2, 4))
	infos := s.Dirs()
	if infos[0].Err == nil || len(infos[0].Logs) != 0 || infos[1].Err != nil || len(infos[1].Logs) != 2 {
		t.Errorf("%+v", infos)
	}
	closeStore(t, s)
	if len(told) != 0 {
		t.Error("told again")
	}
	stop()
	s = openStore(t, testStore(disk, "/d1", "/d2"))
	wantOffsets(t, s, there, 0, 4)
	if l, err := s.Get(here); err != nil || l.EndOffset() < 2 {
		t.Error("the log of the repaired directory:", err)
	}
	closeStore(t, s)
}

func TestFullDiskTakesNothingOffline(t *testing.T) {
	disk := vfs.NewMem()
	o := testStore(disk, "/d1")
	o.OnDirFailure = func(dir string, err error, _ []protocol.TopicPartition) { t.Errorf("%s: %v", dir, err) }
	s := openStore(t, o)
	l := create(t, s, tpOf("t", 0), 1)
	ok(t, appendTo(l, 5))
	disk.SetCapacity(1)
	if _, err := s.Create(tpOf("u", 0), topicID(2), o.Defaults); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("creating: %v", err)
	}
	s.Checkpoint()
	wantOffsets(t, s, tpOf("t", 0), 0, 5)
	if _, err := l.Read(0, 100, 5, true); err != nil {
		t.Error(err)
	}
	ok(t, s.Delete(tpOf("t", 0)))
	disk.SetCapacity(0)
	create(t, s, tpOf("u", 0), 2)
	s.Checkpoint()
	closeStore(t, s)
	s = openStore(t, testStore(disk.CrashClone(1), "/d1"))
	wantOffsets(t, s, tpOf("u", 0), 0, 0)
	closeStore(t, s)
}
