package logstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// testStore gives options for a store in dirs on disk; the real one for nil.
func testStore(disk vfs.FS, dirs ...string) StoreOptions {
	c := DefaultConfig()
	c.FileDeleteDelayMs = 60_000
	return StoreOptions{Dirs: dirs, FS: disk, BrokerID: 1, ClusterID: "test-cluster", Defaults: c,
		MaxOpenFiles: 64, ReserveBytes: 1 << 10, Logger: slog.New(slog.DiscardHandler)}
}

func openStore(t testing.TB, o StoreOptions) *Store {
	t.Helper()
	s, err := OpenStore(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	checkCounts(t, s)
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func topicID(n byte) protocol.UUID { return protocol.UUID{0: 0xab, 15: n} }

func create(t testing.TB, s *Store, tp protocol.TopicPartition, n byte) *Log {
	t.Helper()
	l, err := s.Create(tp, topicID(n), s.o.Defaults)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// appendTo appends n batches of one record and raises the high watermark.
func appendTo(l *Log, n int) error {
	for i := range n {
		b := batch.NewBuilder(batch.None)
		b.Add(int64(i)+1, nil, fmt.Appendf(nil, "record %d", i))
		data, err := b.Build()
		if err != nil {
			return err
		}
		h, err := batch.ParseHeader(data)
		if err != nil {
			return err
		}
		a := []Append{{Data: data, Header: h}}
		l.Append(a, 0, int64(i)+1)
		if err := a[0].Result.Err; err != nil {
			return err
		}
	}
	l.SetHighWatermark(l.EndOffset())
	return nil
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantOffsets(t testing.TB, s *Store, tp protocol.TopicPartition, start, end int64) {
	t.Helper()
	l, err := s.Get(tp)
	if err != nil {
		t.Fatal(tp, err)
	}
	if gotStart, gotEnd := l.Offsets(); gotStart != start || gotEnd != end {
		t.Fatalf("%s has offsets %d to %d, want %d to %d", tp, gotStart, gotEnd, start, end)
	}
}

// tree lists every file below dir with its content.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			fmt.Fprintf(&b, "%s/\n", path)
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %q\n", path, data)
		return err
	})
	ok(t, err)
	return b.String()
}

func names(t testing.TB, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	ok(t, err)
	var all []string
	for _, e := range list {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestStoreKeepsLogsAcrossACleanStop(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "data")
	a, b := tpOf("orders", 0), tpOf("with-dash.and_more", 12)
	s := openStore(t, testStore(nil, dir))
	ok(t, appendTo(create(t, s, a, 1), 3))
	ok(t, appendTo(create(t, s, b, 2), 1))
	l, _ := s.Get(a)
	if _, err := l.DeleteRecordsBefore(2); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); got != ".lock klamm-reserve meta.properties orders-0 recovery-point-offset-checkpoint with-dash.and_more-12" {
		t.Errorf("a new directory holds %s", got)
	}
	closeStore(t, s)
	if got := names(t, dir); got != ".kafka_cleanshutdown .lock klamm-reserve log-start-offset-checkpoint meta.properties orders-0 "+
		"recovery-point-offset-checkpoint replication-offset-checkpoint with-dash.and_more-12" {
		t.Errorf("after closing it holds %s", got)
	}
	for name, want := range map[string]string{
		recoveryPointCheckpoint:             "0\n2\norders 0 3\nwith-dash.and_more 12 1\n",
		highWatermarkCheckpoint:             "0\n2\norders 0 3\nwith-dash.and_more 12 1\n",
		startOffsetCheckpoint:               "0\n1\norders 0 2\n",
		"orders-0/" + partitionMetadataName: "version: 0\ntopic_id: " + topicID(1).String(),
	} {
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s holds %q, want %q", name, got, want)
		}
	}

	o := testStore(nil, dir)
	o.BrokerID, o.ClusterID = NoBrokerID, ""
	s = openStore(t, o)
	if s.BrokerID() != 1 || s.ClusterID() != "test-cluster" {
		t.Errorf("taken over: %d, %q", s.BrokerID(), s.ClusterID())
	}
	if strings.Contains(names(t, dir), cleanShutdownName) {
		t.Error("the mark of a clean stop is still there")
	}
	wantOffsets(t, s, a, 2, 3)
	wantOffsets(t, s, b, 0, 1)
	if l, _ := s.Get(a); l.HighWatermark() != 3 {
		t.Errorf("high watermark %d", l.HighWatermark())
	}
	if id, here := s.TopicID(b); !here || id != topicID(2) {
		t.Errorf("topic id %v", id)
	}
	if len(s.All()) != 2 || len(s.Partitions()) != 2 {
		t.Errorf("%d logs, %d partitions", len(s.All()), len(s.Partitions()))
	}
	closeStore(t, s)
	if _, err := s.Get(a); !errors.Is(err, ErrStoreClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := s.Create(tpOf("x", 0), topicID(9), s.o.Defaults); !errors.Is(err, ErrStoreClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := s.Delete(a); !errors.Is(err, ErrStoreClosed) {
		t.Errorf("closed: %v", err)
	}
	closeStore(t, s)
}

func TestStoreExcludesAnother(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	s := openStore(t, testStore(nil, dirs[1]))
	before := tree(t, dirs[0])
	_, err := OpenStore(testStore(nil, dirs...))
	var locked *LockedError
	if !errors.As(err, &locked) || locked.Dir != dirs[1] || !strings.Contains(err.Error(), "log.dirs") {
		t.Fatalf("%v", err)
	}
	if after := tree(t, dirs[0]); after != strings.Replace(before, "\n", "\n"+dirs[0]+"/.lock \"\"\n", 1) {
		t.Errorf("the free directory changed:\n%s", after)
	}
	closeStore(t, s)
	closeStore(t, openStore(t, testStore(nil, dirs...)))
}

func TestStoreRefusesForeignDirectories(t *testing.T) {
	for _, c := range []struct{ name, meta, want string }{
		{"broker", "version=0\nbroker.id=2\ncluster.id=test-cluster\n", "meta.properties: broker.id is 2, but this broker's is 1"},
		{"cluster", "broker.id=1\ncluster.id=other\n", "meta.properties: cluster.id is other, but this broker's is test-cluster"},
		{"kraft", "version=1\nnode.id=1\ncluster.id=test-cluster\n", `meta.properties: version: "1" is not 0`},
		{"garbage", "broker.id=\\u1\n", "meta.properties: not a properties file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			empty, dir := t.TempDir(), t.TempDir()
			ok(t, os.WriteFile(filepath.Join(dir, metaPropertiesName), []byte(c.meta), 0o644))
			ok(t, os.WriteFile(filepath.Join(dir, cleanShutdownName), nil, 0o644))
			ok(t, os.Mkdir(filepath.Join(dir, "t-0"), 0o755))
			missing := filepath.Join(empty, "not", "made")
			before := tree(t, dir)
			_, err := OpenStore(testStore(nil, missing, dir))
			var me *MetaPropertiesError
			if !errors.As(err, &me) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
			if after := tree(t, dir); after != before {
				t.Errorf("changed from\n%s\nto\n%s", before, after)
			}
			if names(t, empty) != "" {
				t.Error("a directory was made")
			}
		})
	}
}

func TestStoreCompletesMetaProperties(t *testing.T) {
	dir := t.TempDir()
	id := topicID(7)
	ok(t, os.WriteFile(filepath.Join(dir, metaPropertiesName), []byte("broker.id=1\ndirectory.id="+id.String()+"\n"), 0o644))
	closeStore(t, openStore(t, testStore(nil, dir)))
	m, err := ReadMetaProperties(vfs.OS{}, dir)
	if want := (MetaProperties{BrokerID: 1, ClusterID: "test-cluster", DirectoryID: id}); err != nil || m != want {
		t.Errorf("%+v, %v", m, err)
	}
	before, _ := os.ReadFile(filepath.Join(dir, metaPropertiesName))
	closeStore(t, openStore(t, testStore(nil, dir)))
	if after, _ := os.ReadFile(filepath.Join(dir, metaPropertiesName)); !bytes.Equal(before, after) {
		t.Error("written again though nothing changed")
	}
}

func TestStoreRefusesWhatItCannotUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	ok(t, os.WriteFile(file, nil, 0o644))
	_, err := OpenStore(testStore(nil, file))
	var dirErr *DirError
	if !errors.As(err, &dirErr) {
		t.Errorf("a file: %v", err)
	}
	if _, err := OpenStore(testStore(nil)); err == nil {
		t.Error("no directory")
	}
	dir := t.TempDir()
	if _, err := OpenStore(testStore(nil, dir, dir+"/x/..")); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a directory twice: %v", err)
	}
	// With another directory the broker goes on.
	s := openStore(t, testStore(nil, file, dir))
	defer closeStore(t, s)
	if l := create(t, s, tpOf("t", 0), 1); filepath.Dir(l.Dir()) != dir {
		t.Errorf("created in %s", l.Dir())
	}
	if infos := s.Dirs(); infos[0].Err == nil || infos[0].Total != -1 || infos[1].Err != nil || len(infos[1].Logs) != 1 {
		t.Errorf("%+v", infos)
	}
}

func TestStoreRefusesALogInTwoDirectories(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	for i, d := range dirs {
		s := openStore(t, testStore(nil, d))
		l := create(t, s, tpOf("t", 3), 1)
		if r := appendOne(t, l, build(t, spec{payload: dirs[i]}), 0, testNow); r.Err != nil {
			t.Fatal(r.Err)
		}
		closeStore(t, s)
	}
	_, err := OpenStore(testStore(nil, dirs...))
	var dup *DuplicateLogError
	if !errors.As(err, &dup) || dup.Partition != tpOf("t", 3) || dup.First != dirs[0]+"/t-3" || dup.Second != dirs[1]+"/t-3" {
		t.Fatalf("%v", err)
	}
	for _, d := range dirs {
		if !strings.Contains(names(t, d), cleanShutdownName) {
			t.Errorf("%s lost its mark of a clean stop", d)
		}
	}
}

func TestStoreKeepsTheDuplicateThatHasRecords(t *testing.T) {
	for full := range 2 {
		dirs := []string{t.TempDir(), t.TempDir()}
		for i, d := range dirs {
			s := openStore(t, testStore(nil, d))
			l := create(t, s, tpOf("t", 3), 1)
			if i == full {
				ok(t, appendTo(l, 2))
			}
			closeStore(t, s)
		}
		o := testStore(nil, dirs...)
		o.Defaults.FileDeleteDelayMs = 0
		s := openStore(t, o)
		wantOffsets(t, s, tpOf("t", 3), 0, 2)
		ok(t, s.Delete(tpOf("t", 3)))
		create(t, s, tpOf("t", 3), 2)
		removedAll(s)
		wantOffsets(t, s, tpOf("t", 3), 0, 0)
		closeStore(t, s)
	}
}

func TestStoreLeavesAloneWhatIsNoLog(t *testing.T) {
	dir := t.TempDir()
	odd := []string{"lost+found", "t-0.0123456789abcdef0123456789abcdef-future", "t-1.0123456789abcdef0123456789abcdef-stray", "snapshots-old"}
	for _, name := range odd {
		ok(t, os.Mkdir(filepath.Join(dir, name), 0o755))
	}
	ok(t, os.WriteFile(filepath.Join(dir, "t-2"), []byte("a file"), 0o644))
	s := openStore(t, testStore(nil, dir))
	if n := len(s.Partitions()); n != 0 {
		t.Errorf("%d partitions", n)
	}
	closeStore(t, s)
	for _, name := range odd {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestStorePlacesLogsWhereFewestAre(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	s := openStore(t, testStore(nil, dirs...))
	defer closeStore(t, s)
	for i := range int32(7) {
		create(t, s, tpOf("t", i), 1)
	}
	for i, want := range []int{3, 2, 2} {
		if got := len(s.Dirs()[i].Logs); got != want {
			t.Errorf("directory %d has %d logs, want %d", i, got, want)
		}
	}
	ok(t, s.Delete(tpOf("t", 1)))
	if l := create(t, s, tpOf("u", 0), 2); filepath.Dir(l.Dir()) != dirs[1] {
		t.Errorf("placed in %s", l.Dir())
	}
}

func TestStoreHoldsTopicIDs(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, testStore(nil, dir))
	tp := tpOf("t", 0)
	l := create(t, s, tp, 1)
	if again := create(t, s, tp, 1); again != l {
		t.Error("another log")
	}
	_, err := s.Create(tp, topicID(2), s.o.Defaults)
	var ide *TopicIDError
	if !errors.As(err, &ide) || ide.OnDisk != topicID(1) || ide.Given != topicID(2) {
		t.Errorf("another id: %v", err)
	}
	closeStore(t, s)

	ok(t, os.Remove(filepath.Join(dir, "t-0", partitionMetadataName)))
	s = openStore(t, testStore(nil, dir))
	if id, here := s.TopicID(tp); !here || !id.IsZero() {
		t.Errorf("id %v, %v", id, here)
	}
	create(t, s, tp, 3)
	closeStore(t, s)
	s = openStore(t, testStore(nil, dir))
	if id, _ := s.TopicID(tp); id != topicID(3) {
		t.Errorf("id %v", id)
	}
	closeStore(t, s)

	ok(t, os.WriteFile(filepath.Join(dir, "t-0", partitionMetadataName), []byte("nonsense"), 0o644))
	s = openStore(t, testStore(nil, dir))
	if _, err := s.Get(tp); err == nil {
		t.Error("a log without a readable id is served")
	}
	create(t, s, tpOf("t", 1), 3)
	closeStore(t, s)
	if strings.Contains(names(t, dir), cleanShutdownName) {
		t.Error("marked clean with a log that was not recovered")
	}
}

var deletedName = regexp.MustCompile(`^(.+)-(\d+)\.[0-9a-f]{32}-delete$`)

func TestStoreDeletes(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, testStore(nil, dir))
	tp := tpOf("t", 0)
	ok(t, appendTo(create(t, s, tp, 1), 5))
	l, _ := s.Get(tp)
	region, err := l.Read(0, 1<<20, 5, true)
	ok(t, err)
	ok(t, s.Delete(tp))
	if _, err := s.Get(tp); !errors.Is(err, ErrNoLog) {
		t.Errorf("deleted: %v", err)
	}
	if err := s.Delete(tp); !errors.Is(err, ErrNoLog) {
		t.Errorf("deleted twice: %v", err)
	}
	if p := make([]byte, 8); region.Len < 8 {
		t.Errorf("region of %d bytes", region.Len)
	} else if _, err := region.ReadAt(p, 0); err != nil {
		t.Errorf("a region read before: %v", err)
	}
	region.Release()
	var deleted string
	for _, name := range strings.Fields(names(t, dir)) {
		if m := deletedName.FindStringSubmatch(name); m != nil && m[1] == "t" && m[2] == "0" {
			deleted = name
		}
	}
	if deleted == "" || strings.Contains(names(t, dir), "t-0 ") {
		t.Fatalf("after deletion: %s", names(t, dir))
	}
	create(t, s, tp, 2) // the name is free at once
	wantOffsets(t, s, tp, 0, 0)
	closeStore(t, s)
	if !strings.Contains(names(t, dir), deleted) {
		t.Errorf("removed before its time: %s", names(t, dir))
	}

	// What a stop left is removed by the next start.
	s = openStore(t, testStore(nil, dir))
	removedAll(s)
	if strings.Contains(names(t, dir), "-delete") {
		t.Errorf("left after a restart: %s", names(t, dir))
	}
	wantOffsets(t, s, tp, 0, 0)
	closeStore(t, s)
}

// removedAll does what the background does with what is due, until nothing is.
func removedAll(s *Store) {
	for {
		s.mu.Lock()
		due := len(s.removals) > 0 && !s.removals[0].due.After(s.o.Clock())
		s.mu.Unlock()
		if !due {
			break
		}
		s.removeDue()
	}
	// The background may have taken the last one and still be at it.
	close(s.stop)
	s.background.Wait()
	s.stop = make(chan struct{})
}

func TestDeletedNameFitsTheFileSystem(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, testStore(nil, dir))
	defer closeStore(t, s)
	tp := tpOf(strings.Repeat("x", 249), 12345)
	create(t, s, tp, 1)
	ok(t, s.Delete(tp))
	for _, name := range strings.Fields(names(t, dir)) {
		if strings.HasPrefix(name, "xxx") && (len(name) != 255 || !deletedName.MatchString(name)) {
			t.Errorf("%d characters: %s", len(name), name)
		}
	}
}

func TestRecreatedLogKnowsNothingOfTheDeletedOne(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/data"))
	tp, other := tpOf("t", 0), tpOf("other", 0)
	ok(t, appendTo(create(t, s, other, 9), 2))
	l := create(t, s, tp, 1)
	ok(t, appendTo(l, 10))
	ok(t, l.Flush(10))
	if _, err := l.DeleteRecordsBefore(5); err != nil {
		t.Fatal(err)
	}
	s.Checkpoint()
	ok(t, s.Delete(tp))
	l = create(t, s, tp, 2)
	ok(t, appendTo(l, 3))
	ok(t, l.Flush(3))
	for seed := range uint64(20) {
		again := openStore(t, testStore(disk.CrashClone(seed), "/data"))
		wantOffsets(t, again, tp, 0, 3)
		if id, _ := again.TopicID(tp); id != topicID(2) {
			t.Errorf("id %v", id)
		}
		closeStore(t, again)
	}
	closeStore(t, s)
}

func TestStartOffsetSurvivesACrashOnceCheckpointed(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/data"))
	tp := tpOf("t", 0)
	l := create(t, s, tp, 1)
	ok(t, appendTo(l, 10))
	ok(t, l.Flush(10))
	if _, err := l.DeleteRecordsBefore(5); err != nil {
		t.Fatal(err)
	}
	ok(t, s.CheckpointStartOffsets(tp)[0])
	for seed := range uint64(20) {
		again := openStore(t, testStore(disk.CrashClone(seed), "/data"))
		wantOffsets(t, again, tp, 5, 10)
		closeStore(t, again)
	}
	closeStore(t, s)
}

func TestOnLoadedTellsOfEachLog(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, testStore(nil, dir))
	for i := range int32(5) {
		ok(t, appendTo(create(t, s, tpOf("t", i), 1), int(i)))
	}
	closeStore(t, s)
	type told struct {
		tp  protocol.TopicPartition
		end int64
		err error
	}
	all := make(chan told, 5)
	gate := make(chan struct{})
	o := testStore(nil, dir)
	o.ConfigFor = func(string) Config { <-gate; return o.Defaults }
	o.OnLoaded = func(tp protocol.TopicPartition, l *Log, err error) { all <- told{tp, l.EndOffset(), err} }
	s = openStore(t, o)
	if _, err := s.Get(tpOf("t", 0)); !errors.Is(err, ErrLoading) {
		t.Errorf("while loading: %v", err)
	}
	if len(s.All()) != 0 || len(s.Partitions()) != 5 {
		t.Errorf("%d logs, %d partitions", len(s.All()), len(s.Partitions()))
	}
	close(gate)
	for range 5 {
		if got := <-all; got.err != nil || got.end != int64(got.tp.Partition) {
			t.Errorf("%+v", got)
		}
	}
	wantOffsets(t, s, tpOf("t", 4), 0, 4)
	closeStore(t, s)
}

// TestStoreOpensApachesDirectory opens a directory of Apache's broker, as it was
// stopped and as if it had been killed, goes on in it and opens it again.
func TestStoreOpensApachesDirectory(t *testing.T) {
	for _, clean := range []bool{true, false} {
		dir := t.TempDir()
		ok(t, os.CopyFS(dir, os.DirFS(goldenDir)))
		if !clean {
			ok(t, os.Remove(filepath.Join(dir, cleanShutdownName)))
		}
		o := testStore(nil, dir)
		o.ClusterID = "" // of the file
		meta, err := os.ReadFile(filepath.Join(dir, metaPropertiesName))
		ok(t, err)
		more := int64(0)
		for range 2 {
			s := openStore(t, o)
			wantOffsets(t, s, tpOf("golden", 0), 0, 0)
			wantOffsets(t, s, tpOf("golden", 1), 0, 0)
			wantOffsets(t, s, tpOf("golden", 2), 0, 9+more)
			wantOffsets(t, s, tpOf("golden.a-1", 0), 2, 4)
			if id, _ := s.TopicID(tpOf("golden", 1)); id.String() != "_bADVol4SVuEDMSvTgxcNQ" {
				t.Errorf("topic id %s", id)
			}
			l, err := s.Get(tpOf("golden", 2))
			ok(t, err)
			if hw := l.HighWatermark(); hw != 9+more {
				t.Errorf("high watermark %d", hw)
			}
			ok(t, appendTo(l, 3))
			more += 3
			closeStore(t, s)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, metaPropertiesName)); !bytes.Equal(got, meta) {
			t.Errorf("meta.properties became %s", got)
		}
		if got, _ := os.ReadFile(filepath.Join(dir, startOffsetCheckpoint)); string(got) != golden(t, startOffsetCheckpoint) {
			t.Errorf("start offsets became %s", got)
		}
	}
}

// Want of descriptors passes; the directory and its partitions stay.
func TestTooManyOpenFilesTakesNoDirectoryOffline(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/d"))
	defer closeStore(t, s)
	tp := tpOf("t", 0)
	log := create(t, s, tp, 1)
	for _, want := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		s.ReportFailure(tp, &DirError{Dir: "/d", Path: "/d/t-0", Op: "open", Err: want})
		if _, err := s.Get(tp); err != nil {
			t.Fatalf("after %v: %v", want, err)
		}
	}
	ok(t, appendTo(log, 1))
}

// TestLogThatLackedDescriptorsIsOpenedLater: before, a log that could not be opened at a start for want of descriptors
// could not be opened until the next one, however often somebody asked for it.
func TestLogThatLackedDescriptorsIsOpenedLater(t *testing.T) {
	disk := vfs.NewMem()
	s := openStore(t, testStore(disk, "/d"))
	lacking, broken := tpOf("t", 0), tpOf("t", 1)
	ok(t, appendTo(create(t, s, lacking, 1), 3))
	ok(t, appendTo(create(t, s, broken, 1), 3))
	closeStore(t, s)
	stop := disk.Fail(vfs.Rule{Kind: vfs.OpRead, Path: "/d/t-0/partition.metadata", Err: syscall.EMFILE})
	f, err := disk.Create("/d/t-1/partition.metadata")
	ok(t, err)
	_, err = f.WriteAt([]byte("version: 0\ntopic_id: no id\n"), 0)
	ok(t, err)
	ok(t, f.Close())
	s = openStore(t, testStore(disk, "/d"))
	defer closeStore(t, s)
	for range 2 {
		if _, err := s.GetOrCreate(lacking, topicID(1), s.o.Defaults); !errors.Is(err, syscall.EMFILE) || !Transient(err) {
			t.Fatalf("while descriptors lack: %v", err)
		}
		if _, err := s.GetOrCreate(broken, topicID(1), s.o.Defaults); err == nil || Transient(err) {
			t.Fatalf("a log that is broken: %v", err)
		}
	}
	stop()
	l, err := s.GetOrCreate(lacking, topicID(1), s.o.Defaults)
	ok(t, err)
	if l.EndOffset() != 3 {
		t.Errorf("the log ends at %d", l.EndOffset())
	}
	ok(t, appendTo(l, 1))
	wantOffsets(t, s, lacking, 0, 4)
}

// A full disk is told to the operator once a minute, however many batches it refuses.
func TestFullDiskIsSaidNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		o := testStore(disk, "/d")
		var said bytes.Buffer
		o.Logger = slog.New(slog.NewTextHandler(&said, nil))
		s := openStore(t, o)
		defer closeStore(t, s)
		tp := tpOf("t", 0)
		log := create(t, s, tp, 1)
		stop := disk.Fail(vfs.Rule{Kind: vfs.OpWrite, Path: "*.log", Err: syscall.ENOSPC})
		defer stop()
		refused := func() {
			t.Helper()
			err := appendTo(log, 1)
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("append gives %v", err)
			}
			s.ReportFailure(tp, err)
		}
		for range 3 {
			refused()
		}
		pass(2 * time.Minute)
		refused()
		if n := strings.Count(said.String(), "lacks room for a write"); n != 2 {
			t.Errorf("said %d times in two minutes:\n%s", n, said.String())
		}
	})
}
