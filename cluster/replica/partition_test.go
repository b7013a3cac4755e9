package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
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
	m := NewManager(Options{Store: store, BrokerID: 1, Resolve: func(overrides map[string]string) *Config {
		cfg := &Config{Log: logstore.DefaultConfig()}
		if overrides["flush.messages"] == "1" {
			cfg.Log.FlushMessages = 1
		}
		return cfg
	}})
	if err := give(m, overrides, alone(tp, 1, 3, true)); err != nil {
		t.Fatal(err)
	}
	p, err := m.Partition(tp)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t, disk, store, m, p}
}

// alone is the order to lead a partition whose sole replica is on this broker.
func alone(tp protocol.TopicPartition, id byte, epoch int32, isNew bool) order.LeaderAndISR {
	return order.LeaderAndISR{
		TopicPartition: tp, TopicID: protocol.UUID{id}, Leader: 1, LeaderEpoch: epoch, ISR: []int32{1}, Replicas: []int32{1}, IsNew: isNew,
	}
}

// give gives a manager orders, and gives the first error.
func give(m *Manager, overrides map[string]string, orders ...order.LeaderAndISR) error {
	answer := m.LeaderAndISR(&order.LeaderAndISRRequest{Partitions: orders}, func(string) map[string]string { return overrides })
	for _, err := range answer.Partitions {
		answer.Err = cmp.Or(answer.Err, err)
	}
	return answer.Err
}

// deleteTopic has a manager stop and delete a partition, and gives the error.
func deleteTopic(m *Manager, tp protocol.TopicPartition) error {
	answer := m.StopReplica(&order.StopReplicaRequest{Partitions: []order.StopReplica{{TopicPartition: tp, LeaderEpoch: order.LeaderEpochDuringDelete, Delete: true}}})
	return cmp.Or(answer.Err, answer.At(0))
}

// all waits for all replicas in sync, after an append in epoch 3.
func all(offset int64) Wait {
	return Wait{Offset: offset, LeaderEpoch: 3, Acks: -1, TimeoutMs: NoTimeout}
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
	if _, err := f.Append(batches, -1, 1); err != nil {
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
		if !f.AwaitCommit(all(res.LastOffset+1), func(error) { t.Error("called although it was committed") }) {
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
	if f.AwaitCommit(all(end), func(err error) { told <- err }) {
		t.Fatal("committed before it was flushed")
	}
	release <- struct{}{}
	if err := <-told; !errors.Is(err, syscall.EMFILE) {
		t.Fatal(err)
	}
	stop()
	if !f.AwaitCommit(all(end), func(err error) { told <- err }) {
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
		if f.AwaitCommit(all(next), func(err error) {
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
	if f.AwaitCommit(all(f.append().LastOffset+1), func(err error) { told <- err }) {
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
	if !w.Watch(f.Partition, 3, f.HighWatermark()) || !w.Arm() {
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
	if len(f.committed.watches) != 0 {
		t.Error("the partition still knows the fetch")
	}
}

func TestWatchSeesWhatCameSinceTheRead(t *testing.T) {
	f := newFixture(t, nil)
	read := f.HighWatermark()
	f.append()
	if NewDelayedFetch(1, 1, func() {}).Watch(f.Partition, 3, read) {
		t.Error("an append between read and watch went unnoticed")
	}
}

// A fetch that is completed before it is armed does not call fire.
func TestFetchIsWokenBeforeItIsArmed(t *testing.T) {
	f := newFixture(t, nil)
	w := NewDelayedFetch(1, 1, func() { t.Error("fire was called") })
	if !w.Watch(f.Partition, 3, f.HighWatermark()) {
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
		if !w.Watch(f.Partition, 3, f.HighWatermark()) || !w.Arm() {
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
	if f.AwaitCommit(all(f.append().LastOffset+1), func(err error) { told <- err }) {
		t.Fatal("committed before its sync")
	}
	woken := make(chan struct{})
	w := NewDelayedFetch(1<<20, 1, func() { close(woken) })
	if !w.Watch(f.Partition, 3, f.HighWatermark()) || !w.Arm() {
		t.Fatal("woken before anything came")
	}
	<-begun
	f.disk.SetHook(nil)
	stopped := make(chan error)
	go func() { stopped <- deleteTopic(f.manager, tp) }()
	<-woken
	if err := <-told; !errors.As(err, new(*UnknownPartitionError)) {
		t.Errorf("told %v, want that the partition is not here", err)
	}
	release <- struct{}{}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := f.manager.Partition(tp); !errors.As(err, new(*UnknownPartitionError)) {
		t.Errorf("the partition is still here: %v", err)
	}
	if _, err := f.Append([]logstore.Append{{}}, -1, 1); !errors.As(err, new(*UnknownPartitionError)) {
		t.Errorf("an append to it gives %v", err)
	}
}

// TestOrderForAFailedLogIsRefused: the controller takes an answer without an error for a sign that the log directory works. Here the log fails after
// the order was found to be news and the log was opened for it.
func TestOrderForAFailedLogIsRefused(t *testing.T) {
	for name, does := range map[string]action{"lead": doLead, "follow": doFollow, "follow nobody": doFollowNobody} {
		f := newFixture(t, nil)
		f.append()
		f.disk.Fail(vfs.Rule{Kind: vfs.OpSync, Path: "*.log", Err: syscall.EIO})
		if f.log.Flush(1) == nil {
			t.Fatal("the log did not fail")
		}
		news := alone(tp, 1, 4, false)
		o := ordered{LeaderAndISR: &news, does: does, partition: f.Partition, log: f.log}
		if f.manager.carryOut(&o); !errors.Is(o.err, order.ErrStorage) {
			t.Errorf("an order to %s gives %v", name, o.err)
		}
		if s := f.State(); s.Role != Leader || s.LeaderEpoch != 3 {
			t.Errorf("after an order to %s this broker is %s in leader epoch %d", name, s.Role, s.LeaderEpoch)
		}
	}
}

func TestCheckEpoch(t *testing.T) {
	f := newFixture(t, nil)
	for requested, want := range map[int32]string{-1: "", 3: "", 2: "fenced", 4: "unknown"} {
		err := f.CheckEpoch(f.State(), requested)
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
		f.manager.DeleteRecords(context.Background(), d)
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
	lead := alone(protocol.TopicPartition{Topic: "t", Partition: 2}, 1, 0, true)
	if err := give(f.manager, nil, lead); err != nil {
		t.Fatal(err)
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
	if err := deleteTopic(f.manager, lead.TopicPartition); err != nil {
		t.Fatal(err)
	}
	if f.Config().Log.FlushMessages != 1 || f.Log().Config().FlushMessages != 1 {
		t.Error("the partition did not get the topic's change")
	}
	f.manager.Reconfigure()
	if f.Config().Log.FlushMessages != 1 {
		t.Error("a change of the broker's defaults dropped the topic's own")
	}
}

// TestAllTopicsAreConfiguredInOnePass: all partitions were listed once for each topic.
func TestAllTopicsAreConfiguredInOnePass(t *testing.T) {
	f := newFixture(t, nil)
	const topics, partitions = 300, 4
	var orders []order.LeaderAndISR
	for i := range topics * partitions {
		orders = append(orders, alone(protocol.TopicPartition{Topic: fmt.Sprint("u", i/partitions), Partition: int32(i % partitions)}, 2, 0, true))
	}
	if err := give(f.manager, nil, orders...); err != nil {
		t.Fatal(err)
	}
	asked := map[string]int{}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f.manager.ConfigureAll(func(topic string) map[string]string {
		if asked[topic]++; topic == "u7" {
			return map[string]string{"flush.messages": "1"}
		}
		return nil
	})
	runtime.ReadMemStats(&after)
	// A list of the partitions for each topic takes 3 MB.
	if made := after.TotalAlloc - before.TotalAlloc; made > 1<<20 {
		t.Errorf("%d bytes were allocated", made)
	}
	for _, o := range orders {
		p, err := f.manager.Partition(o.TopicPartition)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Log().Config().FlushMessages == 1; got != (o.Topic == "u7") {
			t.Errorf("%s: flushes each message: %v", o.TopicPartition, got)
		}
		if n := asked[o.Topic]; n != 1 {
			t.Errorf("topic %s was resolved %d times", o.Topic, n)
		}
	}
	f.manager.Reconfigure()
	if p, _ := f.manager.Partition(protocol.TopicPartition{Topic: "u7"}); p.Log().Config().FlushMessages != 1 {
		t.Error("a change of the broker's defaults dropped a topic's own")
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
	if f.AwaitCommit(all(f.append().LastOffset+1), func(err error) { told <- err }) {
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
	o := f.manager.o
	o.Store = store
	m := NewManager(o)
	if err := give(m, map[string]string{"flush.messages": "1"}, alone(tp, 1, 4, false)); err != nil {
		t.Fatal(err)
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
					_, err := f.Append(batches, -1, 1)
					if err == nil && !f.AwaitCommit(all(batches[0].Result.LastOffset+1), func(err error) { committed <- err }) {
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
		watched := w.Watch(f.Partition, 3, f.HighWatermark()) && w.Arm()
		if err := deleteTopic(f.manager, tp); err != nil {
			t.Error(err)
		}
		if watched {
			<-woken
		}
		workers.Wait()
	}
}

// TestAppendThatIsToldAfterItsRoleHasEnded has a batch written by a leader that follows by the time that the batch is counted: a sync that
// began then was taken for one of the next leadership, and never ended for it.
func TestAppendThatIsToldAfterItsRoleHasEnded(t *testing.T) {
	f := newFixture(t, map[string]string{"flush.messages": "1"})
	a := []logstore.Append{f.batch()}
	f.log.Append(a, 3, 1)
	follow := alone(tp, 1, 4, false)
	follow.Leader, follow.Replicas = 2, []int32{1, 2}
	if err := give(f.manager, map[string]string{"flush.messages": "1"}, follow); err != nil {
		t.Fatal(err)
	}
	f.appended(3, 0, 1, 1, int64(a[0].Result.Size), true)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.syncing {
		t.Error("a follower syncs for the leader that it was")
	}
}

// TestRequestThatNamesAPartitionTwice: the higher leader epoch stays, and the fetchers know of no other.
func TestRequestThatNamesAPartitionTwice(t *testing.T) {
	for range 50 {
		f := newFixture(t, nil)
		follow := alone(tp, 1, 4, false)
		follow.Leader, follow.Replicas = 2, []int32{1, 2}
		answer := f.manager.LeaderAndISR(&order.LeaderAndISRRequest{Partitions: []order.LeaderAndISR{alone(tp, 1, 5, false), follow}},
			func(string) map[string]string { return nil })
		if err := cmp.Or(answer.At(0), answer.At(1)); err != nil {
			t.Fatal(err)
		}
		if s := f.State(); s.LeaderEpoch != 5 || s.Role != Leader {
			t.Fatalf("%s in epoch %d", s.Role, s.LeaderEpoch)
		}
	}
}

// See TestBrokerDoubtsItsLeadershipsWhenItsSessionMayHaveEnded.
func TestLeaderThatMayBeDeposedDoesNotSayThatRecordsAreMissing(t *testing.T) {
	f := newFixture(t, nil)
	of := func(seq int32) []logstore.Append {
		b := batch.NewBuilder(batch.None)
		b.ProducerID, b.ProducerEpoch, b.BaseSequence = 9, 0, seq
		b.Add(1, nil, []byte("value"))
		data, err := b.Build()
		if err != nil {
			t.Fatal(err)
		}
		h, err := batch.ParseHeader(data)
		if err != nil {
			t.Fatal(err)
		}
		return []logstore.Append{{Data: data, Header: h}}
	}
	if _, err := f.Append(of(0), -1, 1); err != nil {
		t.Fatal(err)
	}
	_, past := f.Log().Read(7, 100, 1, true)
	check := func(what string, replicas []int32, deposed, hides bool) {
		t.Helper()
		f.manager.o.MayBeDeposed = func() bool { return deposed }
		o := alone(tp, 1, f.LeaderEpoch()+1, false)
		o.Replicas = replicas
		if err := give(f.manager, nil, o); err != nil {
			t.Fatal(err)
		}
		var notLeader *NotLeaderError
		_, err := f.Append(of(5), -1, 1)
		if errors.As(err, &notLeader) != hides || errors.Is(err, logstore.ErrOutOfOrderSequence) == hides {
			t.Errorf("%s: a gap in the sequence numbers is refused with %v", what, err)
		}
		if err := f.Certain(past); errors.As(err, &notLeader) != hides {
			t.Errorf("%s: an offset beyond the end is refused with %v", what, err)
		}
	}
	check("it leads", []int32{1, 2}, false, false)
	check("it may be deposed", []int32{1, 2}, true, true)
	check("there is nobody else", []int32{1}, true, false)

	f.manager.o.MayBeDeposed = func() bool { return true }
	gone := &logstore.OffsetOutOfRangeError{Requested: 1, Start: 5, End: 9}
	if err := f.Certain(gone); err != gone {
		t.Errorf("an offset that retention has passed is refused with %v", err)
	}
}
