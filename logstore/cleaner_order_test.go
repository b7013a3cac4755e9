package logstore

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"klamm/logstore/vfs"
)

// twoDirty is a store with x in /a, the filthiest log, and y in /b, of which a part is clean.
type twoDirty struct {
	*Store
	disk *vfs.Mem
	x, y *Log
	ms   atomic.Int64 // how much time has passed
}

func newTwoDirty(t *testing.T) *twoDirty {
	t.Helper()
	w := &twoDirty{disk: vfs.NewMem()}
	o := testStore(w.disk, "/a", "/b")
	o.Defaults = compactedConfig()
	o.Clock = func() time.Time { return time.UnixMilli(testNow + w.ms.Load()) }
	w.Store = openStore(t, o)
	w.x = create(t, w.Store, tpOf("x", 0), 1)
	w.y = create(t, w.Store, tpOf("y", 0), 2)
	if !strings.HasPrefix(w.x.Dir(), "/a/") || !strings.HasPrefix(w.y.Dir(), "/b/") {
		t.Fatalf("the logs are in %s and %s", w.x.Dir(), w.y.Dir())
	}
	dirty(t, w.y)
	if !w.cleanFilthiest(testWork(1<<20, 4096)) {
		t.Fatal("y was not cleaned")
	}
	dirty(t, w.y)
	dirty(t, w.x)
	return w
}

// TestLogThatCannotBeCleanedHoldsUpNoOther has the filthiest log's cleaning fail for what passes: it was chosen again each
// time, and no other log was compacted.
func TestLogThatCannotBeCleanedHoldsUpNoOther(t *testing.T) {
	w := newTwoDirty(t)
	work := testWork(1<<20, 4096)
	work.backoff = time.Minute
	tries := 0
	stop := w.disk.Fail(vfs.Rule{Kind: vfs.OpCreate, Err: syscall.ENOSPC, Only: func(op vfs.Op) bool {
		if strings.HasPrefix(op.Path, "/a/x-0/") && strings.HasSuffix(op.Path, cleanedSuffix) {
			tries++
			return true
		}
		return false
	}})
	if !w.cleanFilthiest(work) || w.y.CleanedTo() != 40 || tries != 1 {
		t.Fatalf("y is cleaned up to %d, x was tried %d times", w.y.CleanedTo(), tries)
	}
	w.ms.Store(59_999)
	if w.cleanFilthiest(work) || tries != 1 {
		t.Errorf("x was tried %d times within the backoff", tries)
	}
	w.ms.Store(60_000)
	if w.cleanFilthiest(work) || tries != 2 {
		t.Errorf("x was tried %d times after the backoff", tries)
	}
	stop()
	w.ms.Store(120_000)
	if !w.cleanFilthiest(work) || w.x.CleanedTo() != 20 {
		t.Errorf("with room x is cleaned up to %d", w.x.CleanedTo())
	}
	closeStore(t, w.Store)
}

// TestCleaningThatIsGivenUpHoldsUpNoOther has the filthiest log change each time it is cleaned.
func TestCleaningThatIsGivenUpHoldsUpNoOther(t *testing.T) {
	w := newTwoDirty(t)
	work := testWork(1<<20, 4096)
	w.disk.SetHook(func(op vfs.Op) {
		if op.Kind == vfs.OpCreate && strings.HasPrefix(op.Path, "/a/x-0/") && strings.HasSuffix(op.Path, cleanedSuffix) {
			w.x.hints.clear() // as a cut does
		}
	})
	if !w.cleanFilthiest(work) || w.y.CleanedTo() != 40 {
		t.Errorf("y is cleaned up to %d", w.y.CleanedTo())
	}
	w.disk.SetHook(nil)
	closeStore(t, w.Store)
}

// TestThreadThatEndsPutsNothingOff has the threads told to end while they clean: the next ones begin with that log.
func TestThreadThatEndsPutsNothingOff(t *testing.T) {
	w := newTwoDirty(t)
	work := testWork(1<<20, 4096)
	stop := make(chan struct{})
	work.backoff, work.stop = time.Hour, stop
	work.spend = func(int, func() error) error { return errCleaningAborted }
	close(stop)
	if w.cleanFilthiest(work) {
		t.Fatal("it was cleaned")
	}
	if !w.cleanFilthiest(testWork(1<<20, 4096)) || w.x.CleanedTo() != 20 {
		t.Errorf("x is cleaned up to %d", w.x.CleanedTo())
	}
	closeStore(t, w.Store)
}

// TestCleanedLogIsInTheCheckpointOfItsDirectory has a log move between being listed and being cleaned: what says that it may
// have gaps was written into the directory that it had left, and a crash took them for a loss.
func TestCleanedLogIsInTheCheckpointOfItsDirectory(t *testing.T) {
	w := newTwoDirty(t)
	listed := w.compacted()
	must(t, w.MoveTo(tpOf("x", 0), "/b"))
	awaitMove(w.Store, tpOf("x", 0))
	if !strings.HasPrefix(w.x.Dir(), "/b/") {
		t.Fatalf("x is in %s", w.x.Dir())
	}
	p, c := w.grabFilthiest(listed, testNow, nil)
	if p == nil || c.log != w.x {
		t.Fatal("x was not chosen")
	}
	if err := w.cleanGrabbed(testWork(1<<20, 4096), p, c, testNow); !errors.Is(err, errCleaningAborted) {
		t.Errorf("it was cleaned for the directory that it had left: %v", err)
	}
	w.cleaner.release(w.x)
	if !w.cleanFilthiest(testWork(1<<20, 4096)) || w.x.CleanedTo() != 20 {
		t.Errorf("x is cleaned up to %d", w.x.CleanedTo())
	}
	if got, _ := w.disk.ReadFile("/b/" + cleanerCheckpoint); !strings.Contains(string(got), "x 0 20\n") {
		t.Errorf("checkpoint %q", got)
	}
	closeStore(t, w.Store)
}
