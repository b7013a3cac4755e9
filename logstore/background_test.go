package logstore

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// pass lets time go by in the bubble and waits for what it sets off.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func memNames(t *testing.T, disk *vfs.Mem, dir string) string {
	t.Helper()
	list, err := disk.ReadDir(dir)
	ok(t, err)
	var all []string
	for _, e := range list {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestCheckpointsAreWrittenByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		s := openStore(t, testStore(disk, "/d"))
		defer closeStore(t, s)
		tp := tpOf("t", 0)
		l := create(t, s, tp, 1)
		ok(t, appendTo(l, 10))
		if _, err := l.DeleteRecordsBefore(4); err != nil {
			t.Fatal(err)
		}
		ok(t, l.Flush(10))
		content := func() (got [3]string) {
			for i, name := range []string{highWatermarkCheckpoint, recoveryPointCheckpoint, startOffsetCheckpoint} {
				data, _ := disk.ReadFile("/d/" + name)
				got[i] = string(data)
			}
			return got
		}
		pass(4 * time.Second)
		if got := content(); got != [3]string{"", "0\n0\n", ""} {
			t.Errorf("after 4 s: %q", got)
		}
		pass(2 * time.Second)
		if got := content(); got != [3]string{"0\n1\nt 0 10\n", "0\n0\n", ""} {
			t.Errorf("after 6 s: %q", got)
		}
		pass(55 * time.Second)
		if got := content(); got != [3]string{"0\n1\nt 0 10\n", "0\n1\nt 0 10\n", "0\n1\nt 0 4\n"} {
			t.Errorf("after 61 s: %q", got)
		}
		disk.SetHook(func(op vfs.Op) {
			if op.Kind.Changes() {
				t.Errorf("an idle store changes the disk: %v", op)
			}
		})
		pass(3 * time.Minute)
		disk.SetHook(nil)
	})
}

func TestFlushMsIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testStore(vfs.NewMem(), "/d")
		s := openStore(t, o)
		defer closeStore(t, s)
		never := create(t, s, tpOf("never", 0), 1)
		o.Defaults.FlushMs = 2000
		soon, err := s.Create(tpOf("soon", 0), topicID(2), o.Defaults)
		ok(t, err)
		for _, l := range []*Log{never, soon} {
			b := batch.NewBuilder(batch.None)
			b.Add(1, nil, []byte("x"))
			data, _ := b.Build()
			h, _ := batch.ParseHeader(data)
			l.Append([]Append{{Data: data, Header: h}}, 0, time.Now().UnixMilli())
		}
		pass(1500 * time.Millisecond)
		if soon.RecoveryPoint() != 0 {
			t.Error("flushed before flush.ms")
		}
		pass(2 * time.Second)
		if soon.RecoveryPoint() != 1 || never.RecoveryPoint() != 0 {
			t.Errorf("recovery points %d and %d, want 1 and 0", soon.RecoveryPoint(), never.RecoveryPoint())
		}
	})
}

func TestRetentionByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		s := openStore(t, testStore(disk, "/d"))
		defer closeStore(t, s)
		tp := tpOf("t", 0)
		ok(t, appendTo(create(t, s, tp, 1), 5)) // of 1970
		pass(4 * time.Minute)
		wantOffsets(t, s, tp, 0, 5)
		pass(70 * time.Second)
		wantOffsets(t, s, tp, 5, 5)
		if got := memNames(t, disk, "/d/t-0"); !strings.Contains(got, "00000000000000000000.log.deleted") {
			t.Errorf("the segment is not renamed: %s", got)
		}
		pass(time.Minute)
		if got := memNames(t, disk, "/d/t-0"); strings.Contains(got, ".deleted") {
			t.Errorf("the segment is not removed: %s", got)
		}
	})
}

// The first retention after a start comes sooner than the next ones.
func TestFirstRetentionComesAfterTheInitialDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testStore(vfs.NewMem(), "/d")
		o.InitialTaskDelayMs = 30_000
		s := openStore(t, o)
		defer closeStore(t, s)
		tp := tpOf("t", 0)
		ok(t, appendTo(create(t, s, tp, 1), 5)) // of 1970
		pass(29 * time.Second)
		wantOffsets(t, s, tp, 0, 5)
		pass(2 * time.Second)
		wantOffsets(t, s, tp, 5, 5)
		ok(t, appendTo(create(t, s, tp, 1), 5))
		pass(4 * time.Minute)
		wantOffsets(t, s, tp, 5, 10)
		pass(time.Minute)
		wantOffsets(t, s, tp, 10, 10)
	})
}

func TestDeletedPartitionIsRemovedAfterTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		s := openStore(t, testStore(disk, "/d"))
		defer closeStore(t, s)
		create(t, s, tpOf("a", 0), 1)
		create(t, s, tpOf("b", 0), 2)
		ok(t, s.Delete(tpOf("a", 0)))
		pass(30 * time.Second)
		c := DefaultConfig()
		c.FileDeleteDelayMs = 1000
		s.SetDefaults(c)
		ok(t, s.Delete(tpOf("b", 0)))
		pass(2 * time.Second)
		if got := memNames(t, disk, "/d"); !strings.Contains(got, "a-0.") || strings.Contains(got, "b-0.") {
			t.Errorf("after 32 s: %s", got)
		}
		pass(30 * time.Second)
		if got := memNames(t, disk, "/d"); strings.Contains(got, "-delete") {
			t.Errorf("after 62 s: %s", got)
		}
	})
}

func TestFailedLogIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		o := testStore(disk, "/d1", "/d2")
		told := make(chan string, 2)
		o.OnDirFailure = func(dir string, _ error, _ []protocol.TopicPartition) { told <- dir }
		s := openStore(t, o)
		defer closeStore(t, s)
		l := create(t, s, tpOf("t", 0), 1)
		ok(t, appendTo(l, 1))
		disk.Fail(vfs.Rule{Kind: vfs.OpSync, Path: "/d1/...", Err: syscall.EIO})
		if err := l.Flush(1); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		pass(2 * time.Second)
		if len(told) != 1 || <-told != "/d1" {
			t.Error("the owner was not told, once, of the directory")
		}
	})
}

func TestProducersExpireByTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testStore(vfs.NewMem(), "/d")
		o.Defaults.ProducerExpirationMs = 3_600_000
		s := openStore(t, o)
		defer closeStore(t, s)
		l, err := s.Create(tpOf("t", 0), topicID(1), o.Defaults)
		ok(t, err)
		b := batch.NewBuilder(batch.None)
		b.ProducerID, b.ProducerEpoch, b.BaseSequence = 7, 0, 0
		now := time.Now().UnixMilli()
		b.Add(now, nil, []byte("x"))
		data, err := b.Build()
		ok(t, err)
		h, err := batch.ParseHeader(data)
		ok(t, err)
		a := []Append{{Data: data, Header: h}}
		l.Append(a, 0, now)
		ok(t, a[0].Result.Err)
		pass(50 * time.Minute)
		if n := len(l.ActiveProducers()); n != 1 {
			t.Errorf("%d producers after 50 minutes", n)
		}
		pass(25 * time.Minute)
		if n := len(l.ActiveProducers()); n != 0 {
			t.Errorf("%d producers after 75 minutes", n)
		}
	})
}
