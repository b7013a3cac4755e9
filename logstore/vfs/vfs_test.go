package vfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Each disk passes the same table, so that what holds in the tests on Mem
// holds on the real disk.
var behaviour = []struct {
	name string
	run  func(t *testing.T, fs FS, dir string)
}{
	{"write and read", func(t *testing.T, d FS, dir string) {
		f := must(d.Create(dir + "/a"))(t)
		wantN(t, 5)(f.WriteAt([]byte("hello"), 0))
		wantN(t, 1)(f.WriteAt([]byte("!"), 7))
		wantFile(t, d, dir+"/a", "hello\x00\x00!")
		p := make([]byte, 4)
		wantN(t, 4)(f.ReadAt(p, 1))
		if n, err := f.ReadAt(p, 6); n != 2 || err != io.EOF {
			t.Fatalf("reading over the end: %d, %v", n, err)
		}
		if n, err := f.ReadAt(p, 100); n != 0 || err != io.EOF {
			t.Fatalf("reading behind the end: %d, %v", n, err)
		}
		if size := must(f.Size())(t); size != 8 {
			t.Fatalf("size %d", size)
		}
		check(t, f.Sync())
		check(t, f.Close())
		if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, fs.ErrClosed) {
			t.Fatalf("writing a closed file: %v", err)
		}
		if err := f.Close(); !errors.Is(err, fs.ErrClosed) {
			t.Fatalf("closing twice: %v", err)
		}
	}},
	{"write many buffers at once", func(t *testing.T, d FS, dir string) {
		f := must(d.Create(dir + "/a"))(t)
		defer f.Close()
		var bufs [][]byte
		for i := range 2500 { // more than one pwritev takes
			bufs = append(bufs, bytes.Repeat([]byte{byte(i)}, i%7))
		}
		all := bytes.Join(bufs, nil)
		if n, err := f.WritevAt(bufs, 3); n != int64(len(all)) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		wantFile(t, d, dir+"/a", "\x00\x00\x00"+string(all))
		if n, err := f.WritevAt([][]byte{nil, {}}, 0); n != 0 || err != nil {
			t.Fatalf("nothing: %d, %v", n, err)
		}
	}},
	{"truncate", func(t *testing.T, d FS, dir string) {
		f := must(d.Create(dir + "/a"))(t)
		defer f.Close()
		wantN(t, 5)(f.WriteAt([]byte("hello"), 0))
		check(t, f.Truncate(2))
		check(t, f.Truncate(4))
		wantFile(t, d, dir+"/a", "he\x00\x00")
	}},
	{"allocate", func(t *testing.T, d FS, dir string) {
		f := must(d.Create(dir + "/a"))(t)
		defer f.Close()
		wantN(t, 5)(f.WriteAt([]byte("hello"), 0))
		check(t, f.Allocate(3))
		check(t, f.Allocate(7))
		wantFile(t, d, dir+"/a", "hello\x00\x00")
	}},
	{"a lock knows its file", func(t *testing.T, d FS, dir string) {
		check(t, d.MkdirAll(dir+"/here"))
		l := must(d.Lock(dir + "/here/.lock"))(t)
		defer l.Close()
		check(t, l.Check())
		check(t, d.Rename(dir+"/here", dir+"/there"))
		if err := l.Check(); !errors.Is(err, ErrMoved) {
			t.Fatalf("with its directory gone: %v", err)
		}
		check(t, d.MkdirAll(dir+"/here"))
		put(t, d, dir+"/here/.lock", "")
		if err := l.Check(); !errors.Is(err, ErrMoved) {
			t.Fatalf("with another in its place: %v", err)
		}
	}},
	{"create truncates, open does not", func(t *testing.T, d FS, dir string) {
		put(t, d, dir+"/a", "one")
		f := must(d.Open(dir + "/a"))(t)
		wantN(t, 1)(f.WriteAt([]byte("O"), 0))
		check(t, f.Close())
		wantFile(t, d, dir+"/a", "One")
		check(t, must(d.Create(dir+"/a"))(t).Close())
		wantFile(t, d, dir+"/a", "")
	}},
	{"open for reading", func(t *testing.T, d FS, dir string) {
		put(t, d, dir+"/a", "one")
		f := must(d.OpenRead(dir + "/a"))(t)
		defer f.Close()
		if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, syscall.EBADF) {
			t.Fatalf("writing: %v", err)
		}
		wantFile(t, d, dir+"/a", "one")
	}},
	{"what is missing", func(t *testing.T, d FS, dir string) {
		for op, f := range map[string]func(string) error{
			"open":    func(p string) error { _, err := d.Open(p); return err },
			"read":    func(p string) error { _, err := d.OpenRead(p); return err },
			"create":  func(p string) error { _, err := d.Create(p + "/x"); return err },
			"file":    func(p string) error { _, err := d.ReadFile(p); return err },
			"stat":    func(p string) error { _, err := d.Stat(p); return err },
			"readdir": func(p string) error { _, err := d.ReadDir(p); return err },
			"rename":  func(p string) error { return d.Rename(p, p+"2") },
			"remove":  d.Remove,
			"syncdir": d.SyncDir,
			"lock":    func(p string) error { _, err := d.Lock(p + "/x"); return err },
			"space":   func(p string) error { _, _, err := d.Space(p); return err },
		} {
			if err := f(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", op, err)
			}
		}
		check(t, d.RemoveAll(dir+"/none"))
		check(t, d.RemoveAll(dir+"/none/none"))
	}},
	{"rename", func(t *testing.T, d FS, dir string) {
		put(t, d, dir+"/a", "a")
		put(t, d, dir+"/b", "b")
		f := must(d.OpenRead(dir + "/b"))(t)
		defer f.Close()
		check(t, d.Rename(dir+"/a", dir+"/b"))
		wantNames(t, d, dir, "b")
		wantFile(t, d, dir+"/b", "a")
		p := make([]byte, 1)
		if f.ReadAt(p, 0); string(p) != "b" {
			t.Fatalf("the replaced file reads %q", p)
		}
		check(t, d.MkdirAll(dir+"/x/y"))
		check(t, d.MkdirAll(dir+"/full/z"))
		check(t, d.Rename(dir+"/x", dir+"/w"))
		wantNames(t, d, dir+"/w", "y")
		if err := d.Rename(dir+"/w", dir+"/full"); !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, fs.ErrExist) {
			t.Fatalf("over a full directory: %v", err)
		}
		if err := d.Rename(dir+"/w", dir+"/b"); !errors.Is(err, syscall.ENOTDIR) {
			t.Fatalf("directory over file: %v", err)
		}
		if err := d.Rename(dir+"/b", dir+"/w"); !errors.Is(err, fs.ErrExist) {
			t.Fatalf("file over directory: %v", err)
		}
		check(t, d.Rename(dir+"/b", dir+"/w/b"))
		wantNames(t, d, dir, "full", "w")
		wantNames(t, d, dir+"/w", "b", "y")
	}},
	{"remove", func(t *testing.T, d FS, dir string) {
		check(t, d.MkdirAll(dir+"/x/y"))
		put(t, d, dir+"/x/f", "1")
		if err := d.Remove(dir + "/x"); !errors.Is(err, syscall.ENOTEMPTY) {
			t.Fatalf("a full directory: %v", err)
		}
		f := must(d.Open(dir + "/x/f"))(t)
		defer f.Close()
		check(t, d.Remove(dir+"/x/f"))
		wantN(t, 1)(f.WriteAt([]byte("2"), 0))
		check(t, d.Remove(dir+"/x/y"))
		wantNames(t, d, dir+"/x")
		put(t, d, dir+"/x/g", "1")
		check(t, d.RemoveAll(dir+"/x"))
		wantNames(t, d, dir)
	}},
	{"directories", func(t *testing.T, d FS, dir string) {
		check(t, d.MkdirAll(dir+"/x"))
		check(t, d.MkdirAll(dir+"/x"))
		put(t, d, dir+"/f", "12")
		if err := d.MkdirAll(dir + "/f/x"); !errors.Is(err, syscall.ENOTDIR) {
			t.Fatalf("below a file: %v", err)
		}
		if _, err := d.Open(dir + "/x"); !errors.Is(err, syscall.EISDIR) {
			t.Fatalf("open a directory: %v", err)
		}
		if _, err := d.ReadFile(dir + "/x"); !errors.Is(err, syscall.EISDIR) {
			t.Fatalf("read a directory: %v", err)
		}
		if _, err := d.ReadDir(dir + "/f"); !errors.Is(err, syscall.ENOTDIR) {
			t.Fatalf("list a file: %v", err)
		}
		check(t, d.SyncDir(dir))
		wantNames(t, d, dir, "f", "x")
		f := must(d.Open(dir + "/f"))(t)
		defer f.Close()
		st, at := must(d.Stat(dir+"/f"))(t), must(f.ModTime())(t)
		if !at.Equal(st.ModTime()) {
			t.Fatalf("modified %v, says the file; %v, says its path", at, st.ModTime())
		}
		for start := time.Now(); !at.Before(must(f.ModTime())(t)); { // the clock of such times ticks slowly
			if time.Since(start) > 10*time.Second {
				t.Fatal("the file does not say that it was written into")
			}
			wantN(t, 1)(f.WriteAt([]byte("x"), 0))
		}
		if st.Size() != 2 || st.IsDir() || st.Name() != "f" || st.ModTime().IsZero() {
			t.Fatalf("stat %v", st)
		}
		if !must(d.Stat(dir + "/x"))(t).IsDir() {
			t.Fatal("x is no directory")
		}
		if list := must(d.ReadDir(dir))(t); list[0].IsDir() || !list[1].IsDir() {
			t.Fatalf("list %v", list)
		}
	}},
	{"lock", func(t *testing.T, d FS, dir string) {
		l := must(d.Lock(dir + "/.lock"))(t)
		if _, err := d.Lock(dir + "/.lock"); !errors.Is(err, ErrLocked) {
			t.Fatalf("locking twice: %v", err)
		}
		other := must(d.Lock(dir + "/.lock2"))(t)
		check(t, other.Close())
		check(t, l.Close())
		wantNames(t, d, dir, ".lock", ".lock2")
		check(t, must(d.Lock(dir+"/.lock"))(t).Close())
	}},
	{"space", func(t *testing.T, d FS, dir string) {
		total, usable, err := d.Space(dir)
		if err != nil || total <= 0 || usable < 0 || usable > total {
			t.Fatalf("%d of %d, %v", usable, total, err)
		}
	}},
}

func TestBehaviour(t *testing.T) {
	for _, b := range behaviour {
		t.Run("OS/"+b.name, func(t *testing.T) { b.run(t, OS{}, t.TempDir()) })
		t.Run("Mem/"+b.name, func(t *testing.T) {
			m := NewMem()
			check(t, m.MkdirAll("/data/dir"))
			b.run(t, m, "/data/dir")
		})
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantN(t testing.TB, want int) func(int, error) {
	return func(n int, err error) {
		t.Helper()
		if n != want || err != nil {
			t.Fatalf("%d, %v; want %d", n, err, want)
		}
	}
}

func wantFile(t testing.TB, d FS, path, want string) {
	t.Helper()
	if got := string(must(d.ReadFile(path))(t)); got != want {
		t.Fatalf("%s holds %q, want %q", filepath.Base(path), got, want)
	}
}

func wantNames(t testing.TB, d FS, dir string, want ...string) {
	t.Helper()
	var got []string
	for _, e := range must(d.ReadDir(dir))(t) {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("%s holds %v, want %v", dir, got, want)
	}
}

func put(t testing.TB, d FS, path, content string) {
	t.Helper()
	f := must(d.Create(path))(t)
	wantN(t, len(content))(f.WriteAt([]byte(content), 0))
	check(t, f.Close())
}

// TestWantOfDescriptorsAtSyncDir: a deletion, a round of retention or a compaction that had renamed its files
// could not sync their directory while clients had all descriptors.
func TestWantOfDescriptorsAtSyncDir(t *testing.T) {
	dir := t.TempDir()
	check(t, OS{}.SyncDir(dir))
	var was syscall.Rlimit
	check(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was))
	t.Cleanup(func() { check(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was)) })
	var taken []*os.File
	take := func() error {
		f, err := os.Open(os.DevNull)
		if err == nil {
			taken = append(taken, f)
		}
		return err
	}
	t.Cleanup(func() {
		for _, f := range taken {
			_ = f.Close()
		}
	})
	check(t, take())
	check(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(taken[0].Fd()) + 50, Max: was.Max}))
	var err error
	for err == nil {
		err = take()
	}
	if !errors.Is(err, syscall.EMFILE) {
		t.Fatal(err)
	}
	for range 3 {
		check(t, OS{}.SyncDir(dir))
	}
	if err := (OS{}).SyncDir(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a directory that is not there: %v", err)
	}
	check(t, OS{}.SyncDir(dir))
	if err := take(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("the spare descriptor was left: %v", err)
	}
}
