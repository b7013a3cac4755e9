package logstore

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// Each test here is named after what was lost, or came back, before it was written.

// smallSegments rolls after a few batches of 100 bytes or so.
func smallSegments() Config {
	c := DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes, c.FileDeleteDelayMs = 500, 1, 60_000
	return c
}

// compactedDisk has a log that Apache's cleaner went over: the first segment has nothing left,
// the second ends before the third begins.
func compactedDisk(t *testing.T) (disk *vfs.Mem, offsets []int64) {
	t.Helper()
	disk = newMemDisk(t)
	for base, content := range map[int64][]int64{0: nil, 10: {12, 14}, 20: {20, 25}, 30: {30, 31}} {
		var file []byte
		for _, offset := range content {
			data := build(t, spec{size: 5, ts: testNow})
			batch.SetOffsets(data, offset, 0)
			file = append(file, data...)
			offsets = append(offsets, offset)
		}
		if err := writeFile(disk, testDir+"/"+fileName(base, logSuffix), file, true); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(offsets)
	if err := disk.SyncDir(testDir); err != nil {
		t.Fatal(err)
	}
	return disk, offsets
}

func offsetsOf(t *testing.T, l *Log) (offsets []int64) {
	t.Helper()
	b := readAll(t, l, l.StartOffset(), 1<<20)
	for len(b) > 0 {
		h, err := batch.ParseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, h.BaseOffset)
		b = b[h.Size():]
	}
	return offsets
}

func TestReadGoesPastWhatCompactionEmptied(t *testing.T) {
	disk, want := compactedDisk(t)
	o := testOptions(disk, DefaultConfig())
	o.Clean = true
	l := mustOpen(t, o)
	if got := offsetsOf(t, l); !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	for from := range int64(32) {
		r, err := l.Read(from, 1<<20, 32, true)
		if err != nil || r.Len <= 0 || r.Pos < 0 {
			t.Errorf("read from %d: %d bytes at %d, %v", from, r.Len, r.Pos, err)
			continue
		}
		h, err := batch.ParseHeader(readBytes(t, &r))
		i, _ := slices.BinarySearch(want, from)
		if err != nil || h.BaseOffset != want[i] {
			t.Errorf("read from %d gives offset %d, %v", from, h.BaseOffset, err)
		}
		r.Release()
	}
}

func TestCrashedCompactedLogKeepsWhatFollowsAGap(t *testing.T) {
	disk, want := compactedDisk(t)
	if err := writeFile(disk, "/data/"+cleanerCheckpoint, []byte("0\n1\nt 0 30\n"), true); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, testStore(disk, "/data"))
	l, err := s.Get(tpOf("t", 0))
	ok(t, err)
	if got := offsetsOf(t, l); !slices.Equal(got, want) {
		t.Errorf("read %v, want %v", got, want)
	}
	closeStore(t, s)
}

// TestRollThatFailedHidesNoRecords has a roll fail half-way on a full disk, and goes on with
// batches that fit into the old segment.
func TestRollThatFailedHidesNoRecords(t *testing.T) {
	for _, suffix := range []string{logSuffix, indexSuffix, timeIndexSuffix} {
		for _, clean := range []bool{false, true} {
			disk := newMemDisk(t)
			l := mustOpen(t, testOptions(disk, smallSegments()))
			var want []int64
			add := func(size int) error {
				r := appendOne(t, l, build(t, spec{size: size, ts: testNow}), 0, testNow)
				if r.Err == nil {
					want = append(want, r.BaseOffset)
				}
				return r.Err
			}
			ok(t, add(100))
			stop := disk.Fail(vfs.Rule{Kind: vfs.OpCreate, Path: "*" + suffix, Err: syscall.ENOSPC})
			if err := add(300); !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			stop()
			for range 2 {
				ok(t, add(20))
			}
			ok(t, l.Flush(l.EndOffset()))
			o := testOptions(disk.Clone(), smallSegments())
			o.RecoveryPoint = l.RecoveryPoint()
			if o.Clean = clean; clean {
				ok(t, l.Close())
				o.FS = disk.Clone()
			}
			again := mustOpen(t, o)
			if got := offsetsOf(t, again); again.EndOffset() != int64(len(want)) || !slices.Equal(got, want) {
				t.Errorf("%s, clean %t: the log ends at %d and has %v, want %v", suffix, clean, again.EndOffset(), got, want)
			}
		}
	}
}

func TestRetentionIsOnTheDiskBeforeItIsSeen(t *testing.T) {
	disk := newMemDisk(t)
	c := smallSegments()
	c.RetentionBytes = 1200
	l := mustOpen(t, testOptions(disk, c))
	var all []stored
	for i := range 40 {
		data := build(t, spec{size: 60, ts: testNow + int64(i)})
		a := []Append{toAppend(t, data)}
		l.Append(a, 0, testNow)
		ok(t, a[0].Result.Err)
		all = append(all, stored{a[0].Header, data})
	}
	ok(t, l.Flush(l.EndOffset()))
	l.SetHighWatermark(l.EndOffset())
	if n, _, err := l.Retain(testNow); n < 3 || err != nil {
		t.Fatal(n, err)
	}
	start := l.StartOffset()
	for seed := range uint64(40) {
		o := testOptions(disk.CrashClone(seed), c)
		o.RecoveryPoint = l.RecoveryPoint()
		again := mustOpen(t, o)
		if again.StartOffset() != start || again.EndOffset() != l.EndOffset() {
			t.Fatalf("seed %d: %d..%d, was %d..%d", seed, again.StartOffset(), again.EndOffset(), start, l.EndOffset())
		}
		ok(t, checkContent(again, all))
	}
}

func TestRetentionLeavesAloneWhatNobodyAskedFor(t *testing.T) {
	disk := vfs.NewMem()
	o := testStore(disk, "/data")
	o.Defaults.SegmentBytes, o.Defaults.RetentionMs = 300, 1000
	s := openStore(t, o)
	ok(t, appendTo(create(t, s, tpOf("kept", 0), 1), 20))
	ok(t, appendTo(create(t, s, tpOf("short", 0), 2), 20))
	closeStore(t, s)
	s = openStore(t, o)
	if _, err := s.GetOrCreate(tpOf("short", 0), topicID(2), o.Defaults); err != nil {
		t.Fatal(err)
	}
	s.retain()
	wantOffsets(t, s, tpOf("kept", 0), 0, 20)
	wantOffsets(t, s, tpOf("short", 0), 20, 20)
	closeStore(t, s)
}

// TestProducerOfOldRecordsIsKnown sends batches whose records are stamped with times long past.
func TestProducerOfOldRecordsIsKnown(t *testing.T) {
	disk := newMemDisk(t)
	l := mustOpen(t, testOptions(disk, DefaultConfig()))
	old := func(seq int32) []byte {
		return build(t, spec{size: 5, ts: 1_000_000, idem: true, pid: 7, seq: seq})
	}
	ok(t, appendOne(t, l, old(0), 0, testNow).Err)
	l.ExpireProducers(testNow + 1000)
	if r := appendOne(t, l, old(0), 0, testNow+1000); !r.Duplicate {
		t.Errorf("sent again after an expiry: %+v", r)
	}
	l = mustOpen(t, testOptions(disk.Clone(), DefaultConfig()))
	if r := appendOne(t, l, old(0), 0, testNow); !r.Duplicate {
		t.Errorf("sent again after a kill: %+v", r)
	}
	l.ExpireProducers(testNow + DefaultConfig().ProducerExpirationMs)
	if n := len(l.ActiveProducers()); n != 0 {
		t.Errorf("%d producers after they were silent for long", n)
	}
}

func TestWantOfDescriptorsTakesNothingOffline(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/data"))
	l := create(t, s, tpOf("t", 0), 1)
	s.files.mu.Lock()
	s.files.max = 1
	s.files.mu.Unlock()
	ok(t, appendTo(create(t, s, tpOf("other", 0), 2), 1)) // its file takes the place
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpOpen, Err: syscall.EMFILE})
	err := appendTo(l, 1)
	if !errors.Is(err, syscall.EMFILE) {
		t.Fatal(err)
	}
	s.ReportFailure(tpOf("t", 0), err)
	stop()
	ok(t, appendTo(l, 1))
	ok(t, appendTo(create(t, s, tpOf("other", 0), 2), 1))
	stop = disk.Fail(vfs.Rule{Kind: vfs.OpOpen, Err: syscall.EMFILE})
	if err := l.Flush(1); !errors.Is(err, syscall.EMFILE) {
		t.Fatal(err)
	}
	stop()
	ok(t, l.Flush(1))
	ok(t, appendTo(l, 1))
	if s.Dirs()[0].Err != nil {
		t.Error(s.Dirs()[0].Err)
	}
	closeStore(t, s)
}

// TestWantOfDescriptorsAtTheFirstSync: the directory of a log was opened for its first sync while
// clients had all descriptors, and went offline with all that is in it.
func TestWantOfDescriptorsAtTheFirstSync(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/data"))
	l := create(t, s, tpOf("t", 0), 1)
	refused := func(what string, kind vfs.OpKind, do func() error) {
		t.Helper()
		stop := disk.Fail(vfs.Rule{Kind: kind, Err: syscall.EMFILE})
		err := do()
		stop()
		if !errors.Is(err, syscall.EMFILE) {
			t.Fatalf("%s, %s: %v", what, kind, err)
		}
		s.ReportFailure(tpOf("t", 0), err)
	}
	appendOne := func() error { return appendTo(l, 1) }
	refused("first record", vfs.OpOpen, appendOne) // of the topic's id
	refused("first record", vfs.OpSyncDir, appendOne)
	ok(t, appendOne())
	refused("first flush", vfs.OpSyncDir, func() error { return l.Flush(1) })
	ok(t, l.Flush(1))
	if s.Dirs()[0].Err != nil {
		t.Error(s.Dirs()[0].Err)
	}
	closeStore(t, s)
}

// TestWantOfDescriptorsInRemoval: what was deleted while clients had all descriptors was left on the
// disk until the next start.
func TestWantOfDescriptorsInRemoval(t *testing.T) {
	disk := vfs.NewMem()
	var later atomic.Int64
	o := testStore(disk, "/data")
	o.Defaults.FileDeleteDelayMs = 0
	o.Clock = func() time.Time { return time.UnixMilli(testNow + later.Load()) }
	s := openStore(t, o)
	create(t, s, tpOf("t", 0), 1)
	left := func() int {
		t.Helper()
		all, err := disk.ReadDir("/data")
		ok(t, err)
		return len(slices.DeleteFunc(all, func(e fs.DirEntry) bool { return !strings.HasSuffix(e.Name(), "-delete") }))
	}
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpRemoveAll, Err: syscall.EMFILE})
	ok(t, s.Delete(tpOf("t", 0)))
	removedAll(s)
	stop()
	if s.Dirs()[0].Err != nil || left() != 1 {
		t.Fatalf("%d are left: %v", left(), s.Dirs()[0].Err)
	}
	later.Store(removeAgainMs)
	removedAll(s)
	if left() != 0 {
		t.Error("it is not removed")
	}
	closeStore(t, s)
}

// TestFailedFirstSyncIsNotTriedAgain: a first sync of a log's directory that failed for want of room was
// made again for the next record, and another sync does not tell what the first one lost.
func TestFailedFirstSyncIsNotTriedAgain(t *testing.T) {
	for _, dir := range []string{"/data/t-0", "/data"} {
		disk := vfs.NewMem()
		s := openStore(t, testStore(disk, "/data"))
		l := create(t, s, tpOf("t", 0), 1)
		stop := disk.Fail(vfs.Rule{Kind: vfs.OpSyncDir, Path: dir, Err: syscall.ENOSPC})
		err := appendTo(l, 1)
		stop()
		if !errors.Is(err, syscall.ENOSPC) || appendTo(l, 1) == nil {
			t.Errorf("%s: %v, and then it was appended to", dir, err)
		}
		if err := s.Close(t.Context()); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: closed: %v", dir, err)
		}
	}
}

// TestBusyLookupTakesNothingOffline: a lookup by time that had to wait for too many others, each of
// them expanding a batch that expands like no data does, was taken for an error of the disk.
func TestBusyLookupTakesNothingOffline(t *testing.T) {
	s := openStore(t, testStore(vfs.NewMem(), "/data"))
	tp := tpOf("t", 0)
	l := create(t, s, tp, 1)
	b := batch.NewBuilder(batch.Zstd)
	b.Add(testNow, nil, make([]byte, 4<<20))
	data, err := b.Build()
	ok(t, err)
	a := []Append{toAppend(t, data)}
	l.Append(a, 0, testNow)
	ok(t, a[0].Result.Err)
	var busy, found atomic.Int64
	for tries := 0; busy.Load() == 0 && tries < 20; tries++ {
		var all sync.WaitGroup
		for range 300 {
			all.Go(func() {
				_, there, err := l.OffsetForTimestamp(testNow)
				s.ReportFailure(tp, err)
				switch {
				case err == nil && there:
					found.Add(1)
				case errors.As(err, new(*batch.BusyError)) && !errors.As(err, new(*DirError)):
					busy.Add(1)
				default:
					t.Errorf("found %v: %v", there, err)
				}
			})
		}
		all.Wait()
	}
	if busy.Load() == 0 || found.Load() == 0 {
		t.Errorf("%d lookups were too many, %d found the record", busy.Load(), found.Load())
	}
	if s.Dirs()[0].Err != nil {
		t.Error(s.Dirs()[0].Err)
	}
	closeStore(t, s)
}

// TestNameTooLongTakesNothingOffline: a partition whose directory has a name that is too long for the file
// system was tried in one log directory after the other, and each went offline.
func TestNameTooLongTakesNothingOffline(t *testing.T) {
	s := openStore(t, testStore(nil, t.TempDir(), t.TempDir()))
	if _, err := s.Create(tpOf(strings.Repeat("x", 249), 100_000), topicID(1), s.o.Defaults); !errors.Is(err, syscall.ENAMETOOLONG) {
		t.Fatal(err)
	}
	for _, d := range s.Dirs() {
		if d.Err != nil {
			t.Error(d.Err)
		}
	}
	ok(t, appendTo(create(t, s, tpOf(strings.Repeat("x", 249), 99_999), 1), 1))
	closeStore(t, s)
}

// TestWantOfDescriptorsInRetention: the directory of a log was opened to sync it, in a round of retention
// while clients had all descriptors, and went offline with all that is in it.
func TestWantOfDescriptorsInRetention(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/data"))
	c := smallSegments()
	c.RetentionBytes = 600
	l, err := s.Create(tpOf("t", 0), topicID(1), c)
	ok(t, err)
	for range 10 {
		ok(t, appendTo(l, 3))
	}
	l.SetHighWatermark(l.EndOffset())
	segments := l.Segments()
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpSyncDir, Path: "/data/t-0", Err: syscall.EMFILE})
	s.retain()
	stop()
	if s.Dirs()[0].Err != nil || l.Segments() < segments {
		t.Fatalf("%d of %d segments: %v", l.Segments(), segments, s.Dirs()[0].Err)
	}
	s.retain()
	if s.Dirs()[0].Err != nil || l.Segments() >= segments {
		t.Errorf("%d of %d segments: %v", l.Segments(), segments, s.Dirs()[0].Err)
	}
	ok(t, appendTo(l, 1))
	closeStore(t, s)
}

// TestIndexCutUnderALookup: a lookup by time that read the index while another wrote it anew found its
// end, which was taken for an error of the disk: the log directory went offline.
func TestIndexCutUnderALookup(t *testing.T) {
	for _, suffix := range []string{timeIndexSuffix, indexSuffix} {
		disk := vfs.NewMem()
		s := openStore(t, testStore(disk, "/data"))
		c := smallSegments()
		c.SegmentBytes = 4000
		tp := tpOf("t", 0)
		l, err := s.Create(tp, topicID(1), c)
		ok(t, err)
		for i := range int64(200) {
			a := []Append{toAppend(t, build(t, spec{size: 60, ts: testNow + i}))}
			l.Append(a, 0, testNow)
			ok(t, a[0].Result.Err)
		}
		f, err := disk.Open(l.snapshot().segments[0].path(suffix))
		ok(t, err)
		ok(t, errors.Join(f.Truncate(0), f.Close()))
		found, there, err := l.OffsetForTimestamp(testNow + 5)
		s.ReportFailure(tp, err)
		if err != nil || !there || found.Offset != 5 {
			t.Errorf("%s: %+v, %v, %v", suffix, found, there, err)
		}
		if s.Dirs()[0].Err != nil {
			t.Error(s.Dirs()[0].Err)
		}
		closeStore(t, s)
	}
}

// TestTopicIDRemovedBeforeTheFirstRecord: the partition's directory was taken for one that
// fails when there was no partition.metadata to sync.
func TestTopicIDRemovedBeforeTheFirstRecord(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/data"))
	l := create(t, s, tpOf("t", 0), 1)
	ok(t, disk.Remove("/data/t-0/"+partitionMetadataName))
	ok(t, appendTo(l, 1))
	closeStore(t, s)
	s = openStore(t, testStore(disk, "/data"))
	if id, _ := s.TopicID(tpOf("t", 0)); id != topicID(1) {
		t.Errorf("id %v", id)
	}
	closeStore(t, s)
}

// TestSegmentDeletedWhileItIsOpened lets retention rename a segment between the look whether it
// is there and the opening of its file, for a flush and for a reader.
func TestSegmentDeletedWhileItIsOpened(t *testing.T) {
	for _, what := range []string{"flush", "read"} {
		for _, suffix := range []string{logSuffix, indexSuffix} {
			disk := newMemDisk(t)
			o := testOptions(disk, smallSegments())
			o.Background = func(func()) {} // the sync after a roll comes too late
			o.Files = NewFileBudget(1)
			l := mustOpen(t, o)
			for range 12 {
				ok(t, appendOne(t, l, build(t, spec{size: 60, ts: testNow}), 0, testNow).Err)
			}
			l.tasks.Add(-(l.Segments() - 1)) // those that Background left out
			l.SetHighWatermark(l.EndOffset())
			l.Configure(func() Config { c := smallSegments(); c.RetentionBytes = 600; return c }())
			hit := false
			disk.SetHook(func(op vfs.Op) {
				if hit || op.Kind != vfs.OpOpen || !strings.HasSuffix(op.Path, fileName(0, suffix)) {
					return
				}
				hit = true
				if n, _, err := l.Retain(testNow); n == 0 || err != nil {
					t.Errorf("retention: %d, %v", n, err)
				}
			})
			var err error
			if what == "flush" {
				err = l.Flush(l.EndOffset())
			} else {
				var r Region
				if r, err = l.Read(1, 1<<20, l.EndOffset(), true); errors.As(err, new(*OffsetOutOfRangeError)) {
					err = nil
				}
				r.Release()
			}
			if err != nil || !hit || l.Err() != nil {
				t.Errorf("%s, %s: opened %t, %v, %v", what, suffix, hit, err, l.Err())
			}
			for name := range strings.FieldsSeq(memNames(t, disk, testDir)) {
				if strings.HasPrefix(name, fileName(0, "")) && !strings.HasSuffix(name, deletedSuffix) {
					t.Errorf("%s, %s: %s came back", what, suffix, name)
				}
			}
		}
	}
}

func TestFlushMsGoesOnAfterTheClockWasSetBack(t *testing.T) {
	c := DefaultConfig()
	c.FlushMs = 1000
	l := mustOpen(t, testOptions(newMemDisk(t), c))
	ok(t, appendOne(t, l, build(t, spec{size: 5, ts: testNow}), 0, testNow).Err)
	if l.FlushDue(testNow+10) || !l.FlushDue(testNow-3_600_000) || !l.FlushDue(testNow+1000) {
		t.Error("flush.ms is not kept")
	}
}

// TestFailedCheckpointKeepsWhatItKnewOfLogsThatAreNotLoaded has a partition that cannot be
// opened, and checkpoints that cannot be written for a while.
func TestFailedCheckpointKeepsWhatItKnewOfLogsThatAreNotLoaded(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/data"))
	broken := create(t, s, tpOf("broken", 0), 1)
	create(t, s, tpOf("other", 0), 2)
	ok(t, appendTo(broken, 10))
	if _, err := broken.DeleteRecordsBefore(5); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	const path = "/data/broken-0/" + partitionMetadataName
	good, err := disk.ReadFile(path)
	ok(t, err)
	ok(t, writeFile(disk, path, []byte("nonsense"), true))
	s = openStore(t, testStore(disk, "/data"))
	other, err := s.Get(tpOf("other", 0))
	ok(t, err)
	ok(t, appendTo(other, 4))
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpCreate, Path: "*.tmp", Err: syscall.ENOSPC})
	s.Checkpoint()
	stop()
	if _, err := other.DeleteRecordsBefore(2); err != nil {
		t.Fatal(err)
	}
	s.Checkpoint()
	closeStore(t, s)
	ok(t, writeFile(disk, path, good, true))
	s = openStore(t, testStore(disk, "/data"))
	wantOffsets(t, s, tpOf("broken", 0), 5, 10)
	closeStore(t, s)
}

// TestKilledAmidEverything kills the process at random moments of work with small segments and
// retention, some of it on a full disk, and holds each next life against all that was acknowledged.
func TestKilledAmidEverything(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 1))
		disk := newMemDisk(t)
		c := smallSegments()
		c.RetentionBytes = 4000
		var all []stored
		start, seq, pid := int64(0), int32(0), int64(seed)
		for range 12 {
			o := testOptions(disk, c)
			o.StartOffset = start
			l := mustOpen(t, o)
			end := int64(0)
			if n := len(all); n > 0 {
				end = all[n-1].h.NextOffset()
			}
			if l.StartOffset() < start || l.EndOffset() != end {
				t.Fatalf("seed %d: %d..%d, want %d..%d", seed, l.StartOffset(), l.EndOffset(), start, end)
			}
			if err := checkContent(l, all); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for range r.IntN(30) {
				data := build(t, spec{size: r.IntN(300), ts: testNow, idem: true, pid: pid, seq: seq})
				var stop func()
				if r.IntN(4) == 0 {
					rule := vfs.Rule{Nth: 1 + r.IntN(3), Err: syscall.ENOSPC, Short: true}
					kinds := []vfs.OpKind{vfs.OpWrite, vfs.OpCreate, vfs.OpRename, vfs.OpOpen}
					if rule.Kind = kinds[r.IntN(len(kinds))]; rule.Kind == vfs.OpOpen {
						rule.Err = syscall.EMFILE
					}
					stop = disk.Fail(rule)
				}
				a := []Append{toAppend(t, data)}
				l.Append(a, 0, testNow)
				if stop != nil {
					stop()
				}
				if a[0].Result.Err == nil && !a[0].Result.Duplicate {
					all = append(all, stored{a[0].Header, data})
					seq++
				}
				l.SetHighWatermark(l.EndOffset())
				if r.IntN(10) == 0 {
					if _, _, err := l.Retain(testNow); err != nil {
						t.Fatal(err)
					}
				}
			}
			if n := len(all); n > 0 {
				if res := appendOne(t, l, slices.Clone(all[n-1].data), 0, testNow); res.Err != nil || !res.Duplicate && l.StartOffset() < l.EndOffset()-1 {
					t.Fatalf("seed %d: the last batch again: %+v", seed, res)
				} else if !res.Duplicate {
					t.Fatalf("seed %d: stored twice: %+v", seed, res)
				}
			}
			start = l.StartOffset()
			disk = disk.Clone()
		}
	}
}

// TestCrashAmidAnotherBrokersFirstCompaction holds that gaps are no loss in a log that Apache's
// broker had when it was killed: it writes cleaner-offset-checkpoint after it compacted.
func TestCrashAmidAnotherBrokersFirstCompaction(t *testing.T) {
	for _, preallocated := range []bool{false, true} {
		disk, all := compactedDisk(t)
		if preallocated { // as Apache's broker makes them
			must(t, writeFile(disk, testDir+"/"+fileName(30, indexSuffix), make([]byte, 8*100), true))
			must(t, writeFile(disk, testDir+"/"+fileName(30, timeIndexSuffix), make([]byte, 12*66), true))
		} else {
			all = nil // of klamm's own log it was the disk that lost something
		}
		l := mustOpen(t, testOptions(disk, DefaultConfig()))
		if got := offsetsOf(t, l); !slices.Equal(got, all) {
			t.Errorf("preallocated %v: %v are left, want %v", preallocated, got, all)
		}
		must(t, checkIndexes(l))
	}
}
