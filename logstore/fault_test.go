package logstore

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
)

// TestFullDisk lets each kind of write fail for lack of space: the append gets
// the error, nothing of it is visible, and with space the log goes on.
func TestFullDisk(t *testing.T) {
	for _, path := range []string{"*.log", "*.snapshot", "*.index", "*.timeindex", "leader-epoch-checkpoint.tmp"} {
		for _, kind := range []vfs.OpKind{vfs.OpWrite, vfs.OpCreate} {
			t.Run(fmt.Sprintf("%s %s", kind, path), func(t *testing.T) {
				disk := newMemDisk(t)
				c := DefaultConfig()
				c.SegmentBytes, c.IndexIntervalBytes = 700, 1
				l := mustOpen(t, testOptions(disk, c))
				var all []stored
				refused := 0
				for i := range 60 {
					if i == 20 {
						stop := disk.Fail(vfs.Rule{Kind: kind, Path: path, Err: syscall.ENOSPC, Short: i%2 == 0})
						defer stop()
					}
					data := build(t, spec{size: 60, ts: testNow + int64(i), idem: true, pid: 1, seq: int32(len(all))})
					a := toAppend(t, data)
					batches := []Append{a}
					end := l.EndOffset()
					l.Append(batches, int32(i/10), testNow)
					r := batches[0].Result
					if r.Err == nil {
						all = append(all, stored{batches[0].Header, data})
						continue
					}
					refused++
					var dir *DirError
					if !errors.As(r.Err, &dir) || dir.Sticky || !errors.Is(r.Err, syscall.ENOSPC) || l.EndOffset() != end {
						t.Fatalf("append %d: %+v, end %d, before %d", i, r, l.EndOffset(), end)
					}
					if err := checkContent(l, all); err != nil {
						t.Fatal(err)
					}
				}
				if refused == 0 && kind == vfs.OpWrite && (path == "*.log" || path == "*.snapshot") {
					t.Error("no append was refused")
				}
				checkGoesOn(t, disk, l, all)
			})
		}
	}
}

// checkGoesOn frees the disk, appends, kills the process and opens the log again.
func checkGoesOn(t *testing.T, disk *vfs.Mem, l *Log, all []stored) {
	t.Helper()
	free := disk.Clone()
	o := testOptions(free, l.Config())
	o.Config.ProducerExpirationMs = 1 << 50
	l = mustOpen(t, o)
	for range 20 {
		data := build(t, spec{size: 60, ts: testNow, idem: true, pid: 1, seq: int32(len(all))})
		a := []Append{toAppend(t, data)}
		l.Append(a, 9, testNow)
		if a[0].Result.Err != nil {
			t.Fatal(a[0].Result.Err)
		}
		all = append(all, stored{a[0].Header, data})
	}
	if err := errors.Join(checkContent(l, all), checkIndexes(l)); err != nil {
		t.Fatal(err)
	}
}

// TestFullDiskIsFreed is the same log going on without being opened again.
func TestFullDiskIsFreed(t *testing.T) {
	disk := newMemDisk(t)
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes = 700, 1
	l := mustOpen(t, testOptions(disk, c))
	var all []stored
	for i := range 400 {
		if i%40 == 10 {
			_, usable, _ := disk.Space(testDir)
			disk.SetCapacity(int64(1<<40) - usable + int64(i*3)) // what is used, and a little
		}
		if i%40 == 30 {
			disk.SetCapacity(0)
		}
		data := build(t, spec{size: 60, ts: testNow + int64(i)})
		a := []Append{toAppend(t, data)}
		l.Append(a, int32(i/100), testNow)
		if err := a[0].Result.Err; err == nil {
			all = append(all, stored{a[0].Header, data})
		} else if i%40 < 10 || i%40 >= 30 {
			t.Fatalf("append %d: %v", i, err)
		}
	}
	if err := errors.Join(checkContent(l, all), checkIndexes(l), l.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestFailedSyncStops has a sync fail: what is on the disk is not known then, so
// nothing more is written, while reading goes on.
func TestFailedSyncStops(t *testing.T) {
	for _, rule := range []vfs.Rule{
		{Kind: vfs.OpSync, Path: "*.log", Err: syscall.EIO},
		{Kind: vfs.OpSyncDir, Path: testDir, Nth: 1, Err: syscall.EIO},
	} {
		disk := newMemDisk(t)
		disk.Fail(rule)
		l := mustOpen(t, testOptions(disk, DefaultConfig()))
		data := build(t, spec{count: 3})
		if r := appendOne(t, l, data, 0, testNow); r.Err != nil {
			t.Fatal(r.Err)
		}
		for range 2 {
			var dir *DirError
			if err := l.Flush(3); !errors.As(err, &dir) || !dir.Sticky || !errors.Is(err, syscall.EIO) {
				t.Fatalf("flush: %v", err)
			}
		}
		if l.RecoveryPoint() != 0 || l.Err() == nil {
			t.Errorf("recovery point %d, error %v", l.RecoveryPoint(), l.Err())
		}
		if r := appendOne(t, l, build(t, spec{}), 0, testNow); !errors.Is(r.Err, syscall.EIO) {
			t.Errorf("append after a failed sync: %+v", r)
		}
		r, err := l.Read(0, 1000, 3, true)
		if lost := rule.Kind == vfs.OpSync; lost != (err != nil) || !lost && r.Len != len(data) {
			t.Errorf("read after a failed sync: %d bytes, %v", r.Len, err)
		}
		r.Release()
		if err := l.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("close after a failed sync: %v", err)
		}
	}
}

// TestFailedCutStops has the write fail and the cut that follows too.
func TestFailedCutStops(t *testing.T) {
	disk := newMemDisk(t)
	l := mustOpen(t, testOptions(disk, DefaultConfig()))
	if r := appendOne(t, l, build(t, spec{}), 0, testNow); r.Err != nil {
		t.Fatal(r.Err)
	}
	disk.Fail(vfs.Rule{Kind: vfs.OpWrite, Path: "*.log", Err: syscall.ENOSPC, Short: true})
	disk.Fail(vfs.Rule{Kind: vfs.OpTruncate, Path: "*.log", Err: syscall.EIO})
	var dir *DirError
	if r := appendOne(t, l, build(t, spec{}), 0, testNow); !errors.As(r.Err, &dir) || !dir.Sticky {
		t.Fatalf("append: %+v", r)
	}
	if l.Err() == nil || l.EndOffset() != 1 {
		t.Errorf("error %v, end %d", l.Err(), l.EndOffset())
	}
}
