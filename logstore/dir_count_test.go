package logstore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"klamm/logstore/vfs"
)

// checkCounts holds the number of logs that each directory has been counted to have against what there is.
func checkCounts(t testing.TB, s *Store) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	count := map[*logDir]int{}
	for _, p := range s.logs {
		count[p.dir]++
		if p.move != nil {
			count[p.move.to]++
		}
	}
	for _, d := range s.dirs {
		if d.logs != count[d] {
			t.Fatalf("%s has %d logs, counted as %d", d.path, count[d], d.logs)
		}
	}
}

// TestLogsOfDirectoriesAreCountedAsTheyComeAndGo: for each new log all logs were counted, to find the directory with the fewest. Logs are made, deleted
// and moved in random order, also while the disk fails, and a directory goes offline.
func TestLogsOfDirectoriesAreCountedAsTheyComeAndGo(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			countedAtRandom(t, rand.New(rand.NewPCG(seed, 7)))
		})
	}
}

func countedAtRandom(t *testing.T, random *rand.Rand) {
	disk := vfs.NewMem()
	o := movingOptions(disk)
	s := openStore(t, o)
	errs := []error{syscall.EMFILE, syscall.ENOSPC, syscall.EIO}
	kinds := []vfs.OpKind{vfs.OpOpen, vfs.OpCreate, vfs.OpRename, vfs.OpSyncDir, vfs.OpMkdir, vfs.OpWrite, vfs.OpReadDir}
	for range 300 {
		tp, dir := tpOf("t", random.Int32N(20)), o.Dirs[random.IntN(len(o.Dirs))]
		stop := func() {}
		if random.IntN(3) == 0 {
			err := errs[random.IntN(2)] // the disk is well
			if random.IntN(20) == 0 {
				err = errs[2]
			}
			stop = disk.Fail(vfs.Rule{Kind: kinds[random.IntN(len(kinds))], Path: dir + "/...", On: true, Nth: 1 + random.IntN(3), Err: err})
		}
		var err error
		switch random.IntN(20) {
		case 0:
			stop()
			disk = disk.CrashClone(random.Uint64())
			_ = s.Close(t.Context()) // a directory may be offline
			checkCounts(t, s)
			o.FS = disk
			stop = disk.Fail(vfs.Rule{Kind: vfs.OpOpen, Path: "*.log", Nth: 1 + random.IntN(9), Err: syscall.EMFILE})
			s = openStore(t, o)
		case 1, 2, 3, 4:
			err = s.Delete(tp)
		case 5, 6, 7, 8:
			err = s.MoveTo(tp, dir)
		case 9, 10:
			s.Prefer(tp, dir)
		default:
			_, err = s.GetOrCreate(tp, topicID(1), o.Defaults)
		}
		checkCounts(t, s)
		s.mu.Lock()
		p := s.logs[tp]
		begun := p != nil && p.move != nil && p.move.queued // one that an earlier run began waits until the partition is asked for
		s.mu.Unlock()
		if begun && random.IntN(2) == 0 {
			awaitMove(s, tp)
		}
		stop()
		checkCounts(t, s)
		if err != nil && errors.Is(err, ErrStoreClosed) {
			t.Fatal(err)
		}
	}
	_ = s.Close(t.Context())
	checkCounts(t, s)
}

// A log that could not be opened at first takes the place of an entry that was about to move.
func TestLogThatIsOpenedAgainIsCountedOnce(t *testing.T) {
	m := newMoving(t, nil)
	closeStore(t, m.s)
	must(t, m.disk.MkdirAll("/b/"+FutureDirName(m.tp, uniqueName())))
	stop := m.disk.Fail(vfs.Rule{Kind: vfs.OpOpen, Path: "/a/t-0/*", On: true, Err: syscall.EMFILE})
	s := openStore(t, movingOptions(m.disk))
	if _, err := s.Get(m.tp); !errors.Is(err, syscall.EMFILE) {
		t.Fatalf("opening the log: %v", err)
	}
	checkCounts(t, s)
	stop()
	create(t, s, m.tp, 1)
	closeStore(t, s)
}

// The directory is chosen by the counts.
func TestNewLogGoesWhereTheFewestAreCounted(t *testing.T) {
	s := openStore(t, testStore(vfs.NewMem(), "/a", "/b", "/c"))
	for i := range int32(7) {
		create(t, s, tpOf("t", i), 1)
	}
	must(t, s.Delete(tpOf("t", 4)))
	if got := create(t, s, tpOf("t", 7), 1).Dir(); got != "/b/t-7" {
		t.Errorf("the log is %s", got)
	}
	closeStore(t, s)
}
