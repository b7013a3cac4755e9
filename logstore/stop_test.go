package logstore

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"klamm/internal/await"
	"klamm/logstore/vfs"
)

// hangingDir has the operations on a directory wait from hang on until release. hung gives how many wait.
type hangingDir struct {
	on      atomic.Bool
	hung    atomic.Int32
	waits   chan struct{}
	release func()
}

func newHangingDir(disk *vfs.Mem, dir string, only func(vfs.Op) bool) *hangingDir {
	h := &hangingDir{waits: make(chan struct{})}
	h.release = sync.OnceFunc(func() { close(h.waits) })
	disk.SetHook(func(op vfs.Op) {
		if h.on.Load() && strings.HasPrefix(op.Path, dir+"/") && only(op) {
			h.hung.Add(1)
			<-h.waits
		}
	})
	return h
}

// TestOneDiskThatHangsDelayedTheMarkOfAnother: Close waited for the background work on all disks before it closed any log.
func TestOneDiskThatHangsDelayedTheMarkOfAnother(t *testing.T) {
	records := func(l *Log) error { return appendTo(l, 5) }
	for name, c := range map[string]struct {
		set  func(*StoreOptions)
		only func(vfs.Op) bool
		fill func(*Log) error
	}{
		"flush": {
			func(o *StoreOptions) { o.FlushCheckMs, o.Defaults.FlushMs = 1, 0 },
			func(op vfs.Op) bool { return op.Kind == vfs.OpSync },
			records,
		},
		"checkpoint": {
			func(o *StoreOptions) { o.HighWatermarkCheckpointMs = 1 },
			func(op vfs.Op) bool { return strings.Contains(op.Path, highWatermarkCheckpoint) },
			records,
		},
		"retention": {
			func(o *StoreOptions) { o.RetentionCheckMs, o.InitialTaskDelayMs, o.Defaults.RetentionMs = 1, 1, 0 },
			func(op vfs.Op) bool { return op.Kind == vfs.OpRename || op.Kind == vfs.OpSync },
			records,
		},
		"compaction": {
			func(o *StoreOptions) {
				o.Defaults = compactedConfig()
				o.Cleaner = CleanerOptions{Threads: 1, DedupeBufferBytes: 1 << 20, LoadFactor: 0.9, IOBufferBytes: 64 << 10, MaxBytesPerSecond: math.MaxFloat64, BackoffMs: 1}
			},
			func(op vfs.Op) bool { return strings.Contains(op.Path, cleanedSuffix) },
			func(l *Log) error { dirty(t, l); return nil },
		},
	} {
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewMem()
			o := testStore(disk, "/a", "/b")
			c.set(&o)
			s := openStore(t, o)
			h := newHangingDir(disk, "/b", c.only)
			defer h.release()
			h.on.Store(true)
			logs := []*Log{create(t, s, tpOf("t", 0), 1), create(t, s, tpOf("t", 1), 1)}
			if logs[0].Dir() != "/a/t-0" || logs[1].Dir() != "/b/t-1" {
				t.Fatalf("the logs are in %s and %s", logs[0].Dir(), logs[1].Dir())
			}
			ok(t, c.fill(logs[0]))
			filled := make(chan error, 1) // it may hang
			go func() { filled <- c.fill(logs[1]) }()
			await.Until(t, "something hangs", func() bool { return h.hung.Load() > 0 })
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			closed := make(chan error)
			go func() { closed <- s.Close(ctx) }()
			await.Until(t, "the directory that works is marked clean", func() bool {
				_, err := disk.Stat("/a/" + cleanShutdownName)
				return err == nil
			})
			h.release()
			ok(t, <-closed)
			if err := <-filled; !errors.Is(err, ErrClosed) {
				ok(t, err)
			}
		})
	}
}
