package logstore

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"klamm/logstore/vfs"
)

// missingFiles are ways in which somebody takes files away under an open log.
var missingFiles = map[string]func(t *testing.T, disk *vfs.Mem, l *Log){
	"a segment's log": func(t *testing.T, disk *vfs.Mem, l *Log) {
		ok(t, disk.Remove(l.snapshot().segments[1].path(logSuffix)))
	},
	"the directory": func(t *testing.T, disk *vfs.Mem, l *Log) { ok(t, disk.RemoveAll(l.Dir())) },
}

// refuseEndless ends the test when files are opened or looked for that often.
func refuseEndless(t *testing.T, disk *vfs.Mem) {
	var looks atomic.Int32
	disk.SetHook(func(op vfs.Op) {
		if op.Kind == vfs.OpOpen || op.Kind == vfs.OpStat {
			looks.Add(1)
		}
		if looks.Load() > 1000 && strings.Contains(op.Path, "/t-0/") {
			disk.SetHook(nil)
			t.Fatalf("%s is looked for again and again", op.Path)
		}
	})
}

// TestMissingFileEndsTheRead has files vanish that retention has not renamed: readers and lookups looked for
// them for ever.
func TestMissingFileEndsTheRead(t *testing.T) {
	for name, takeAway := range missingFiles {
		for what, look := range map[string]func(l *Log) error{
			"Read": func(l *Log) error {
				_, err := l.Read(l.snapshot().segments[1].base, 1<<20, 1<<62, true)
				return err
			},
			"OffsetForTimestamp": func(l *Log) error {
				_, _, err := l.OffsetForTimestamp(testNow + l.snapshot().segments[1].base)
				return err
			},
			"MaxTimestampOffset": func(l *Log) error { _, _, err := l.MaxTimestampOffset(); return err },
			"OffsetsBefore":      func(l *Log) error { _, err := l.OffsetsBefore(0, 1, testNow); return err },
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				disk := vfs.NewMem()
				o := testStore(disk, "/a")
				o.Defaults.SegmentBytes, o.Defaults.IndexIntervalBytes = 300, 1
				s := openStore(t, o)
				l := create(t, s, tpOf("t", 0), 1)
				for i := range 20 {
					ts := testNow + int64(i)
					if i == 19 { // an older one, so that the largest time lies in a sealed segment
						ts = testNow
					}
					ok(t, appendOne(t, l, build(t, spec{size: 60, ts: ts}), 0, testNow).Err)
				}
				closeStore(t, s)
				s = openStore(t, o)
				l, err := s.Get(tpOf("t", 0))
				ok(t, err)
				takeAway(t, disk, l)
				refuseEndless(t, disk)
				if err = look(l); err == nil && what == "MaxTimestampOffset" && name != "the directory" {
					closeStore(t, s)
					return // it need not look there
				}
				var dirErr *DirError
				if !errors.As(err, &dirErr) || !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(dirErr.Path, "/a/t-0/") || errors.Is(err, errRetired) {
					t.Fatalf("it says %v", err)
				}
				s.ReportFailure(tpOf("t", 0), err)
				if s.Dirs()[0].Err == nil {
					t.Error("the directory is not offline")
				}
				disk.SetHook(nil)
				_ = s.Close(t.Context())
			})
		}
	}
}

// TestMissingFileEndsTheMove has a file vanish of a log that is to move: it was looked for again and again, and nobody
// was told.
func TestMissingFileEndsTheMove(t *testing.T) {
	m := newMoving(t, func(o *StoreOptions) { o.MaxOpenFiles = 1 })
	m.write(60)
	ok(t, m.l.Flush(m.l.EndOffset()))
	path := m.l.snapshot().segments[1].path(logSuffix)
	ok(t, m.disk.Remove(path))
	failed := make(chan struct{})
	var looks atomic.Int32
	m.disk.SetHook(func(op vfs.Op) {
		if op.Kind == vfs.OpOpen && op.Path == path {
			if looks.Add(1) == 1000 {
				close(failed)
			}
		}
	})
	m.moveTo("/b")
	moved := make(chan struct{})
	go func() {
		awaitMove(m.s, m.tp)
		close(moved)
	}()
	select {
	case <-moved:
	case <-failed:
		t.Error("the file is looked for again and again")
	}
	if err := m.s.Dirs()[0].Err; !errors.Is(err, fs.ErrNotExist) || filepath.Dir(m.l.Dir()) != "/a" {
		t.Errorf("the log is in %s, the directory that it was in says: %v", m.l.Dir(), err)
	}
	_ = m.s.Close(t.Context())
}
