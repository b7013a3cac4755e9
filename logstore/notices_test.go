package logstore

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"klamm/logstore/vfs"
)

// highWatermarksOf gives what the file of high watermarks holds.
func highWatermarksOf(t *testing.T, disk *vfs.Mem) string {
	t.Helper()
	data, err := disk.ReadFile("/data/" + highWatermarkCheckpoint)
	ok(t, err)
	return string(data)
}

// TestHighWatermarksAreWrittenWheneverThereIsNews goes through what changes the file: a log that
// comes, a record, a failure to write it, a log that goes. In between it is left alone.
func TestHighWatermarksAreWrittenWheneverThereIsNews(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/data"))
	defer closeStore(t, s)
	l := create(t, s, tpOf("a", 0), 1)
	want := func(entries string) {
		t.Helper()
		s.checkpointAll(highWatermarkCheckpoint)
		if got := highWatermarksOf(t, disk); !strings.HasSuffix(got, "\n"+entries) {
			t.Errorf("the file holds %q, want %q", got, entries)
		}
		if s.notices.highWatermarks.Load() {
			t.Error("there is news after the file was written")
		}
	}
	want("1\na 0 0\n")
	ok(t, appendTo(l, 3))
	want("1\na 0 3\n")
	if l.SetHighWatermark(3); s.notices.highWatermarks.Load() {
		t.Error("a high watermark that stays is news")
	}
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpCreate, Path: "*.tmp", Err: syscall.EMFILE})
	ok(t, appendTo(l, 1))
	s.checkpointAll(highWatermarkCheckpoint)
	if got := highWatermarksOf(t, disk); !strings.HasSuffix(got, "a 0 3\n") {
		t.Fatalf("the write was to fail, and the file holds %q", got)
	}
	stop()
	want("1\na 0 4\n")
	ok(t, s.Delete(tpOf("a", 0)))
	want("0\n")
}

// TestFlushMsIsKeptByLogsThatAsk has records flushed when they are due, also where flush.ms was
// set after they came, and asks no log that has nothing to flush.
func TestFlushMsIsKeptByLogsThatAsk(t *testing.T) {
	now := time.UnixMilli(testNow)
	o := testStore(vfs.NewMem(), "/data")
	o.Clock = func() time.Time { return now }
	s := openStore(t, o)
	defer closeStore(t, s)
	l, never := create(t, s, tpOf("a", 0), 1), create(t, s, tpOf("never", 0), 2)
	flushed := func(want int64) {
		t.Helper()
		s.flushDue()
		if got := l.RecoveryPoint(); got != want {
			t.Errorf("flushed up to %d, want %d", got, want)
		}
	}
	add := func() {
		for _, l := range []*Log{l, never} {
			ok(t, appendOne(t, l, build(t, spec{size: 5, ts: testNow}), 0, now.UnixMilli()).Err)
		}
	}
	add()
	if len(s.notices.logs) != 0 {
		t.Error("a log without flush.ms asks to be looked at")
	}
	c := s.o.Defaults
	c.FlushMs = 1000
	l.Configure(c)
	flushed(0)
	now = now.Add(time.Second)
	flushed(1)
	if len(s.notices.logs) != 0 {
		t.Error("a log that was flushed asks to be looked at")
	}
	add()
	now = now.Add(999 * time.Millisecond)
	flushed(1)
	now = now.Add(time.Millisecond)
	flushed(2)
	if never.RecoveryPoint() != 0 {
		t.Error("a log without flush.ms was flushed")
	}
}

// TestCompactedLogsAreListedAsTheirPolicyChanges configures, moves on and deletes logs between looks at the list.
func TestCompactedLogsAreListedAsTheirPolicyChanges(t *testing.T) {
	s := openStore(t, testStore(vfs.NewMem(), "/data"))
	defer closeStore(t, s)
	a, b := create(t, s, tpOf("a", 0), 1), create(t, s, tpOf("b", 0), 2)
	want := func(names ...string) {
		t.Helper()
		got := []string{}
		for _, p := range s.compacted() {
			got = append(got, p.tp.Topic)
		}
		slices.Sort(got)
		if !slices.Equal(got, names) || len(s.notices.compacted()) != len(names) {
			t.Errorf("to be compacted are %q of %d that are kept in mind, want %q", got, len(s.notices.compacted()), names)
		}
	}
	compact, other := s.o.Defaults, s.o.Defaults
	compact.Compact = true
	want()
	a.Configure(compact)
	b.Configure(compact)
	want("a", "b")
	a.Configure(other)
	want("b")
	a.Configure(compact)
	a.Configure(other)
	a.Configure(compact)
	ok(t, s.Delete(tpOf("b", 0)))
	want("a")
	for n := range byte(2) { // of two that are deleted and made again before anybody looks, one counts
		_, err := s.Create(tpOf("b", 0), topicID(3+n), compact)
		ok(t, err)
		if n == 0 {
			ok(t, s.Delete(tpOf("b", 0)))
		}
	}
	want("a", "b")
}
