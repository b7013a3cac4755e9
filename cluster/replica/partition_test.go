package replica

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"klamm/cluster/order"
	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

var tp = protocol.TopicPartition{Topic: "t"}

// fixture is a manager with one partition that this broker leads in epoch 3, on a disk in memory.
type fixture struct {
	t       *testing.T
	disk    *vfs.Mem
	store   *logstore.Store
	manager *Manager
	*Partition
}

func newFixture(t *testing.T, overrides map[string]string) *fixture {
	disk := vfs.NewMem()
	store, err := logstore.OpenStore(logstore.StoreOptions{
		Dirs: []string{"/d"}, FS: disk, BrokerID: 1, ClusterID: "c", Defaults: logstore.DefaultConfig(), ReserveBytes: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close(context.Background()) })
	m := NewManager(store, func(overrides map[string]string) *Config {
		cfg := &Config{Log: logstore.DefaultConfig()}
		if overrides["flush.messages"] == "1" {
			cfg.Log.FlushMessages = 1
		}
		return cfg
	})
	lead := order.LeaderAndISR{TopicPartition: tp, TopicID: protocol.UUID{1}, LeaderEpoch: 3, IsNew: true}
	if errs := m.LeaderAndISR([]order.LeaderAndISR{lead}, func(string) map[string]string { return overrides }); errs[0] != nil {
		t.Fatal(errs[0])
	}
	p, err := m.Partition(tp)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t, disk, store, m, p}
}

// batch is one to append, with one record.
func (f *fixture) batch() logstore.Append {
	b := batch.NewBuilder(batch.None)
	b.Add(1, nil, []byte("value"))
	data, err := b.Build()
	if err != nil {
		f.t.Error(err)
	}
	h, err := batch.ParseHeader(data)
	if err != nil {
		f.t.Error(err)
	}
	return logstore.Append{Data: data, Header: h}
}

// append stores a batch and gives where it stands and its size.
func (f *fixture) append() logstore.Result {
	f.t.Helper()
	batches := []logstore.Append{f.batch()}
	if err := f.Append(batches, 1); err != nil {
		f.t.Fatal(err)
	}
	return batches[0].Result
}

// holdSyncs makes every sync of the log's file wait until it is let go.
func (f *fixture) holdSyncs() (begun <-chan struct{}, release chan<- struct{}) {
	b, r := make(chan struct{}), make(chan struct{})
	f.disk.SetHook(func(op vfs.Op) {
		if op.Kind == vfs.OpSync && filepath.Ext(op.Path) == ".log" {
			b <- struct{}{}
			<-r
		}
	})
	return b, r
}

func TestWithoutFlushAnAppendIsCommittedAtOnce(t *testing.T) {
	f := newFixture(t, nil)
	for want := int64(1); want <= 3; want++ {
		res := f.append()
		if f.HighWatermark() != want || f.Log().HighWatermark() != want {
			t.Fatalf("high watermark %d (log %d) after offset %d", f.HighWatermark(), f.Log().HighWatermark(), res.LastOffset)
		}
		if !f.AwaitCommit(res.LastOffset+1, func(error) { t.Error("called although it was committed") }) {
			t.Error("not committed")
		}
	}
}

// TestFlushThatFailedIsTriedAgainForWhoComesAgain: a producer that came again after a flush had failed
// for want of descriptors was a duplicate, for which nobody flushed: it waited until somebody else came.
func TestFlushThatFailedIsTriedAgainForWhoComesAgain(t *testing.T) {
	f := newFixture(t, map[string]string{"flush.messages": "1"})
	begun, release := f.holdSyncs()
	end := f.append().LastOffset + 1
	<-begun
	f.disk.SetHook(nil)
	stop := f.disk.Fail(vfs.Rule{Kind: vfs.OpSyncDir, Path: "/d/t-0", Err: syscall.EMFILE})
	told := make(chan error, 1)
	if f.AwaitCommit(end, func(err error) { told <- err }) {
		t.Fatal("committed before it was flushed")
	}
	release <- struct{}{}
	if err := <-told; !errors.Is(err, syscall.EMFILE) {
		t.Fatal(err)
	}
	stop()
	if !f.AwaitCommit(end, func(err error) { told <- err }) {
		if err := <-told; err != nil {
			t.Fatal(err)
		}
	}
	if f.HighWatermark() != end {
		t.Errorf("high watermark %d, want %d", f.HighWatermark(), end)
	}
}

// With flush.messages=1 nothing counts before it is on the disk, whoever comes
// during a sync waits for the next, and one sync serves them all.
func TestProducersShareTheNextSync(t *testing.T) {
	f := newFixture(t, map[string]string{"flush.messages": "1"})
	begun, release := f.holdSyncs()
	committed := make(chan int64, 10)
	wait := func(next int64) {
		if f.AwaitCommit(next, func(err error) {
			if err != nil {
				t.Error(err)
			}
			committed <- next
		}) {
			t.Errorf("offset %d was committed before its sync", next-1)
		}
	}
	wait(f.append().LastOffset + 1)
	<-begun
	for range 3 {
		wait(f.append().LastOffset + 1)
	}
	if hw := f.HighWatermark(); hw != 0 {
		t.Fatalf("high watermark is %d while the first sync runs", hw)
	}
	release <- struct{}{}
	if got := <-committed; got != 1 {
		t.Fatalf("first to be told was the one that waits for %d", got)
	}
	<-begun // the second sync is for all three
	if hw := f.HighWatermark(); hw != 1 {
		t.Fatalf("high watermark is %d while the second sync runs, want 1", hw)
	}
	release <- struct{}{}
	for want := int64(2); want <= 4; want++ {
		if got := <-committed; got != want {
			t.Fatalf("told %d, want %d", got, want)
		}
	}
	f.disk.SetHook(nil)
	if hw := f.HighWatermark(); hw != 4 {
		t.Errorf("high watermark is %d, want 4", hw)
	}
}

func TestFailedSyncIsToldAndMovesNothing(t *testing.T) {
	f := newFixture(t, map[string]string{"flush.messages": "1"})
	f.disk.Fail(vfs.Rule{Kind: vfs.OpSync, Path: "*.log", Err: syscall.EIO})
	told := make(chan error, 1)
	if f.AwaitCommit(f.append().LastOffset+1, func(err error) { told <- err }) {
		t.Fatal("committed although the disk failed")
	}
	if err := <-told; !errors.Is(err, syscall.EIO) {
		t.Errorf("told %v, want the disk's error", err)
	}
	if hw := f.HighWatermark(); hw != 0 {
		t.Errorf("high watermark moved to %d", hw)
	}
}

func TestFetchIsWokenByTheAppendThatSatisfiesIt(t *testing.T) {
	f := newFixture(t, nil)
	size := int64(f.append().Size)
	fired := 0
	w := NewDelayedFetch(2*size, 1, func() { fired++ })
	if !w.Watch(f.Partition, f.HighWatermark()) || !w.Arm() {
		t.Fatal("nothing moved, and Watch says so")
	}
	f.append()
	if fired != 0 {
		t.Fatal("woken by half of what it needs")
	}
	f.append()
	f.append()
	if fired != 1 {
		t.Fatalf("woken %d times, want once", fired)
	}
	w.Unwatch()
	if len(f.fetches) != 0 {
		t.Error("the partition still knows the fetch")
	}
}

func TestWatchSeesWhatCameSinceTheRead(t *testing.T) {
	f := newFixture(t, nil)
	read := f.HighWatermark()
	f.append()
	if NewDelayedFetch(1, 1, func() {}).Watch(f.Partition, read) {
		t.Error("an append between read and watch went unnoticed")
	}
}

// A fetch that is completed before it is armed does not call fire.
func TestFetchIsWokenBeforeItIsArmed(t *testing.T) {
	f := newFixture(t, nil)
	w := NewDelayedFetch(1, 1, func() { t.Error("fire was called") })
	if !w.Watch(f.Partition, f.HighWatermark()) {
		t.Fatal("nothing moved, and Watch says so")
	}
	f.append()
	w.Wake()
	if w.Arm() {
		t.Error("it was woken, and Arm does not say so")
	}
	w.Wake()
}

// Several fetches that one append satisfies are each woken once.
func TestAppendWakesAllWhoWait(t *testing.T) {
	f := newFixture(t, nil)
	woken := make(chan int, 100)
	for i := range 10 {
		w := NewDelayedFetch(1, 1, func() { woken <- i })
		if !w.Watch(f.Partition, f.HighWatermark()) || !w.Arm() {
			t.Fatal("woken before anything came")
		}
	}
	f.append()
	f.append()
	seen := map[int]bool{}
	for range 10 {
		seen[<-woken] = true
	}
	if len(seen) != 10 || len(woken) != 0 {
		t.Errorf("%d were woken, %d of them more than once", len(seen), len(woken))
	}
}

// Deleting a partition tells those who wait, and those who come later.
func TestStopTellsWhoWaits(t *testing.T) {
	f := newFixture(t, map[string]string{"flush.messages": "1"})
	begun, release := f.holdSyncs()
	told := make(chan error, 1)
	if f.AwaitCommit(f.append().LastOffset+1, func(err error) { told <- err }) {
		t.Fatal("committed before its sync")
	}
	woken := make(chan struct{})
	w := NewDelayedFetch(1<<20, 1, func() { close(woken) })
	if !w.Watch(f.Partition, f.HighWatermark()) || !w.Arm() {
		t.Fatal("woken before anything came")
	}
	<-begun
	f.disk.SetHook(nil)
	stopped := make(chan []error)
	go func() {
		stopped <- f.manager.StopReplica([]order.StopReplica{{TopicPartition: tp, Delete: true}})
	}()
	<-woken
	if err := <-told; !errors.As(err, new(*UnknownPartitionError)) {
		t.Errorf("told %v, want that the partition is not here", err)
	}
	release <- struct{}{}
	if errs := <-stopped; errs[0] != nil {
		t.Error(errs[0])
	}
	if _, err := f.manager.Partition(tp); !errors.As(err, new(*UnknownPartitionError)) {
		t.Errorf("the partition is still here: %v", err)
	}
	if err := f.Append([]logstore.Append{{}}, 1); !errors.As(err, new(*UnknownPartitionError)) {
		t.Errorf("an append to it gives %v", err)
	}
}

func TestCheckEpoch(t *testing.T) {
	f := newFixture(t, nil)
	for requested, want := range map[int32]string{-1: "", 3: "", 2: "fenced", 4: "unknown"} {
		err := f.CheckEpoch(requested)
		var e *EpochError
		switch {
		case !errors.As(err, &e):
			if want != "" || err != nil {
				t.Errorf("epoch %d: %v, want %q", requested, err, want)
			}
		case e.Fenced() != (want == "fenced") || want == "":
			t.Errorf("epoch %d: %v, want %q", requested, err, want)
		}
	}
}

func TestDeleteRecords(t *testing.T) {
	f := newFixture(t, nil)
	for range 3 {
		f.append()
	}
	for _, tc := range []struct{ before, want int64 }{{1, 1}, {0, 1}, {4, -1}, {-2, -1}, {-1, 3}} {
		d := []Deletion{{Partition: f.Partition, Before: tc.before}}
		f.manager.DeleteRecords(d)
		low, err := d[0].LowWatermark, d[0].Err
		if low != tc.want {
			t.Errorf("before %d: low watermark %d (%v), want %d", tc.before, low, err, tc.want)
		}
		if refused := errors.As(err, new(*logstore.OffsetOutOfRangeError)); refused != (tc.want < 0) {
			t.Errorf("before %d: %v", tc.before, err)
		}
	}
	// A crash right after the answer brings nothing back.
	again, err := logstore.OpenStore(logstore.StoreOptions{
		Dirs: []string{"/d"}, FS: f.disk.CrashClone(1), BrokerID: 1, ClusterID: "c", Defaults: logstore.DefaultConfig(), ReserveBytes: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close(context.Background()) }()
	log, err := again.Get(tp)
	if err != nil {
		t.Fatal(err)
	}
	if got := log.StartOffset(); got != 3 {
		t.Errorf("after a crash the log starts at %d, want 3", got)
	}
}

func TestConfigureReachesEveryPartition(t *testing.T) {
	f := newFixture(t, nil)
	// Partition 1 is not here, as when its directory failed.
	lead := order.LeaderAndISR{TopicPartition: protocol.TopicPartition{Topic: "t", Partition: 2}, TopicID: protocol.UUID{1}, IsNew: true}
	if errs := f.manager.LeaderAndISR([]order.LeaderAndISR{lead}, func(string) map[string]string { return nil }); errs[0] != nil {
		t.Fatal(errs[0])
	}
	third, err := f.manager.Partition(lead.TopicPartition)
	if err != nil {
		t.Fatal(err)
	}
	f.manager.Configure("t", func(string) map[string]string { return map[string]string{"flush.messages": "1"} })
	if third.Config().Log.FlushMessages != 1 {
		t.Error("a partition behind a gap did not get the topic's change")
	}
	// One partition less leaves the topic's properties to the other.
	if errs := f.manager.StopReplica([]order.StopReplica{{TopicPartition: lead.TopicPartition, Delete: true}}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	if f.Config().Log.FlushMessages != 1 || f.Log().Config().FlushMessages != 1 {
		t.Error("the partition did not get the topic's change")
	}
	f.manager.Reconfigure()
	if f.Config().Log.FlushMessages != 1 {
		t.Error("a change of the broker's defaults dropped the topic's own")
	}
}

// TestRecordsOfAKilledBrokerAreOnTheDiskBeforeTheyCount has a broker killed before it synced a record,
// and the machine stop once the next one leads: a producer that sent it again was told that it is stored.
func TestRecordsOfAKilledBrokerAreOnTheDiskBeforeTheyCount(t *testing.T) {
	f := newFixture(t, map[string]string{"flush.messages": "1"})
	var killed *vfs.Mem
	f.disk.SetHook(func(op vfs.Op) {
		if killed == nil && op.Kind == vfs.OpSync && filepath.Ext(op.Path) == ".log" {
			killed = f.disk.Clone()
		}
	})
	told := make(chan error, 1)
	if f.AwaitCommit(f.append().LastOffset+1, func(err error) { told <- err }) {
		told <- nil
	}
	if err := <-told; err != nil {
		t.Fatal(err)
	}
	f.disk.SetHook(nil)
	store, err := logstore.OpenStore(logstore.StoreOptions{
		Dirs: []string{"/d"}, FS: killed, BrokerID: 1, ClusterID: "c", Defaults: logstore.DefaultConfig(), ReserveBytes: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close(context.Background())
	m := NewManager(store, f.manager.resolve)
	lead := order.LeaderAndISR{TopicPartition: tp, TopicID: protocol.UUID{1}, LeaderEpoch: 4}
	errs := m.LeaderAndISR([]order.LeaderAndISR{lead}, func(string) map[string]string { return map[string]string{"flush.messages": "1"} })
	if errs[0] != nil {
		t.Fatal(errs[0])
	}
	p, err := m.Partition(tp)
	if err != nil {
		t.Fatal(err)
	}
	if p.HighWatermark() != 1 || p.Log().RecoveryPoint() != 1 {
		t.Errorf("the high watermark is %d, and only what is below %d is on the disk", p.HighWatermark(), p.Log().RecoveryPoint())
	}
}

// Appends, waits and fetches that run while the partition is deleted end, each
// with success or with what says that it is gone, and what was committed stays
// in order.
func TestDeletionWhileAppendsRun(t *testing.T) {
	for _, flush := range []string{"", "1"} {
		f := newFixture(t, map[string]string{"flush.messages": flush})
		var workers sync.WaitGroup
		var some sync.WaitGroup // a few appends of each worker, before the deletion
		for range 4 {
			some.Add(1)
			workers.Go(func() {
				committed := make(chan error, 1)
				for i := 0; ; i++ {
					if i == 5 {
						some.Done()
					}
					batches := []logstore.Append{f.batch()}
					err := f.Append(batches, 1)
					if err == nil && !f.AwaitCommit(batches[0].Result.LastOffset+1, func(err error) { committed <- err }) {
						err = <-committed
					}
					if err == nil && f.HighWatermark() <= batches[0].Result.LastOffset {
						t.Errorf("offset %d is committed and the high watermark is %d", batches[0].Result.LastOffset, f.HighWatermark())
					}
					if err != nil {
						if !errors.As(err, new(*UnknownPartitionError)) && !errors.Is(err, logstore.ErrClosed) {
							t.Errorf("got %v", err)
						}
						return
					}
				}
			})
		}
		some.Wait()
		woken := make(chan struct{})
		w := NewDelayedFetch(1<<40, 1, func() { close(woken) })
		watched := w.Watch(f.Partition, f.HighWatermark()) && w.Arm()
		if errs := f.manager.StopReplica([]order.StopReplica{{TopicPartition: tp, Delete: true}}); errs[0] != nil {
			t.Error(errs[0])
		}
		if watched {
			<-woken
		}
		workers.Wait()
	}
}
