package vfs

import (
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const crashSeeds = 300

// outcomes crashes the disk under many seeds and gives what look says of each.
func outcomes(m *Mem, look func(*Mem) string) map[string]bool {
	seen := map[string]bool{}
	for seed := range uint64(crashSeeds) {
		seen[look(m.CrashClone(seed))] = true
	}
	return seen
}

func contents(path string) func(*Mem) string {
	return func(m *Mem) string {
		b, err := m.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return "missing"
		}
		return string(b)
	}
}

func wantOutcomes(t *testing.T, got map[string]bool, want ...string) {
	t.Helper()
	list := slices.Sorted(maps.Keys(got))
	slices.Sort(want)
	if !slices.Equal(list, want) {
		t.Fatalf("after crashes: %q, want %q", list, want)
	}
}

func TestCrashKeepsWhatWasSynced(t *testing.T) {
	m := NewMem()
	f := must(m.Create("a"))(t)
	wantN(t, 3)(f.WriteAt([]byte("old"), 0))
	check(t, f.Sync())
	wantOutcomes(t, outcomes(m, contents("a")), "missing", "old")
	check(t, m.SyncDir("/"))
	wantOutcomes(t, outcomes(m, contents("a")), "old")

	wantN(t, 3)(f.WriteAt([]byte("new"), 0))
	wantOutcomes(t, outcomes(m, contents("a")), "old", "nld", "ned", "new")
	check(t, f.Sync())
	wantOutcomes(t, outcomes(m, contents("a")), "new")

	check(t, f.Truncate(1))
	wantOutcomes(t, outcomes(m, contents("a")), "new", "n")
}

func TestCrashTearsWritesBySector(t *testing.T) {
	m := NewMem()
	f := must(m.Create("a"))(t)
	check(t, m.SyncDir("."))
	wantN(t, 3*sector)(f.WriteAt([]byte(strings.Repeat("x", 3*sector)), 0))
	hole, tail := false, false
	for got := range outcomes(m, contents("a")) {
		hole = hole || strings.HasPrefix(got, "\x00") && strings.HasSuffix(got, "x")
		tail = tail || len(got)%sector != 0
	}
	if !hole || !tail {
		t.Fatalf("a hole: %v, a torn sector: %v; want both", hole, tail)
	}
}

func TestCrashOfRename(t *testing.T) {
	m := NewMem()
	put(t, m, "a", "old")
	f := must(m.Open("a"))(t)
	check(t, f.Sync())
	put(t, m, "a.tmp", "new")
	f = must(m.Open("a.tmp"))(t)
	check(t, f.Sync())
	check(t, m.SyncDir("/"))
	check(t, m.Rename("a.tmp", "a"))
	both := func(m *Mem) string { return contents("a")(m) + " " + contents("a.tmp")(m) }
	wantOutcomes(t, outcomes(m, both), "old new", "new missing")
	check(t, m.SyncDir("/"))
	wantOutcomes(t, outcomes(m, both), "new missing")

	check(t, m.Rename("a", "b"))
	check(t, m.Rename("b", "c"))
	wantOutcomes(t, outcomes(m, func(m *Mem) string {
		var names []string
		for _, e := range must(m.ReadDir("/"))(t) {
			names = append(names, e.Name())
		}
		return strings.Join(names, " ")
	}), "a", "b", "c")
}

func TestCrashOfRemoveAll(t *testing.T) {
	m := NewMem()
	check(t, m.MkdirAll("d"))
	for _, p := range []string{"d/1", "d/2"} {
		put(t, m, p, p)
		check(t, must(m.Open(p))(t).Sync())
	}
	check(t, m.SyncDir("d"))
	check(t, m.SyncDir("/"))
	check(t, m.RemoveAll("d"))
	wantOutcomes(t, outcomes(m, func(m *Mem) string {
		if _, err := m.Stat("d"); err != nil {
			return "gone"
		}
		return contents("d/1")(m) + " " + contents("d/2")(m)
	}), "gone", "d/1 d/2", "missing d/2", "d/1 missing", "missing missing")
}

func TestCrashIsRepeatable(t *testing.T) {
	m := NewMem()
	for _, p := range []string{"a", "b", "c", "d"} {
		put(t, m, p, strings.Repeat(p, 2000))
	}
	look := func(m *Mem) string {
		return contents("a")(m) + contents("b")(m) + contents("c")(m) + contents("d")(m)
	}
	for seed := range uint64(20) {
		first, second := look(m.CrashClone(seed)), look(m.CrashClone(seed))
		if first != second {
			t.Fatalf("seed %d gives two outcomes", seed)
		}
	}
}

func TestClone(t *testing.T) {
	m := NewMem()
	lock := must(m.Lock(".lock"))(t)
	defer lock.Close()
	put(t, m, "a", "one")
	c := m.Clone()
	put(t, m, "a", "two")
	wantFile(t, c, "a", "one")
	wantOutcomes(t, outcomes(c, contents("a")), "one")
	check(t, must(c.Lock(".lock"))(t).Close())
}

func TestFailedSyncLosesTheData(t *testing.T) {
	m := NewMem()
	f := must(m.Create("dir.log"))(t)
	check(t, m.SyncDir("/"))
	m.Fail(Rule{Kind: OpSync, Path: "*.log", Nth: 1, Err: syscall.EIO})
	wantN(t, 1)(f.WriteAt([]byte("a"), 0))
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Fatal(err)
	}
	check(t, f.Sync())
	wantFile(t, m, "dir.log", "a")
	wantOutcomes(t, outcomes(m, contents("dir.log")), "")
}

func TestRules(t *testing.T) {
	m := NewMem()
	check(t, m.MkdirAll("x"))
	stop := m.Fail(Rule{Kind: OpCreate, Path: "x/*", Nth: 2, Err: syscall.EIO})
	create := func(path string) error { _, err := m.Create(path); return err }
	for i, want := range []error{nil, syscall.EIO, nil} {
		check(t, create("other"))
		if err := create("x/f"); !errors.Is(err, want) {
			t.Fatalf("creation %d: %v, want %v", i, err, want)
		}
	}
	stop()
	stop = m.Fail(Rule{Path: "f", Err: syscall.EROFS})
	if err := m.Remove("x/f"); !errors.Is(err, syscall.EROFS) {
		t.Fatal(err)
	}
	stop()
	f := must(m.Open("x/f"))(t)
	stop = m.Fail(Rule{Kind: OpWrite, Err: syscall.ENOSPC, Short: true})
	if n, err := f.WriteAt([]byte("abcd"), 0); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%d, %v", n, err)
	}
	stop()
	wantFile(t, m, "x/f", "ab")
	stop = m.Fail(Rule{Path: "x/...", Err: syscall.EIO})
	defer stop()
	for path, want := range map[string]error{"x": syscall.EIO, "x/f": syscall.EIO, "xy": syscall.ENOENT} {
		if _, err := m.Stat(path); !errors.Is(err, want) {
			t.Fatalf("%s: %v, want %v", path, err, want)
		}
	}
}

func TestCapacity(t *testing.T) {
	m := NewMem()
	m.SetCapacity(10)
	put(t, m, "a", "12345678")
	f := must(m.Create("b"))(t)
	if n, err := f.WriteAt([]byte("abcd"), 0); n != 2 || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("%d, %v", n, err)
	}
	if total, usable, _ := m.Space("/"); total != 10 || usable != 0 {
		t.Fatalf("%d of %d", usable, total)
	}
	check(t, m.Remove("a"))
	wantN(t, 4)(f.WriteAt([]byte("abcd"), 0))
	if _, usable, _ := m.Space("/"); usable != 6 {
		t.Fatalf("%d usable", usable)
	}
}

func TestHookSeesEachChangeAndMayCrash(t *testing.T) {
	m := NewMem()
	var seen []string
	m.SetHook(func(op Op) {
		if op.Kind.Changes() {
			m.CrashClone(1)
			seen = append(seen, string(op.Kind)+" "+op.Path)
		}
	})
	put(t, m, "a", "x")
	check(t, must(m.Open("a"))(t).Sync())
	check(t, m.Rename("a", "b"))
	check(t, m.SyncDir("/"))
	want := "create a, write a, sync a, rename a, syncdir /"
	if got := strings.Join(seen, ", "); got != want {
		t.Fatalf("saw %s", got)
	}
}
