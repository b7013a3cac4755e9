package replica

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"klamm/cluster/order"
	"klamm/logstore/vfs"
	"klamm/protocol"
)

// deletions leads some more partitions and deletes the one record of each.
func (f *fixture) deletions(n int32) []Deletion {
	f.t.Helper()
	orders := make([]order.LeaderAndISR, n)
	for i := range orders {
		orders[i] = alone(protocol.TopicPartition{Topic: "many", Partition: int32(i)}, 2, 0, true)
	}
	if err := give(f.manager, nil, orders...); err != nil {
		f.t.Fatal(err)
	}
	list := make([]Deletion, n)
	for i := range list {
		p, err := f.manager.Partition(orders[i].TopicPartition)
		if err != nil {
			f.t.Fatal(err)
		}
		(&fixture{t: f.t, Partition: p}).append()
		list[i] = Deletion{Partition: p, Before: -1}
	}
	return list
}

// TestDeleteRecordsWritesOnceForARequest: the checkpoint of all log start offsets was written and synced once for each
// partition of a request.
func TestDeleteRecordsWritesOnceForARequest(t *testing.T) {
	f := newFixture(t, nil)
	list := f.deletions(100)
	syncs := f.countOfCheckpoint(vfs.OpSync)
	f.manager.DeleteRecords(context.Background(), list)
	for i := range list {
		if d := &list[i]; d.Err != nil || d.LowWatermark != 1 {
			t.Fatalf("partition %d: %+v", i, d)
		}
	}
	if n := syncs.Load(); n != 1 {
		t.Errorf("the checkpoint was synced %d times", n)
	}
}

// TestDeleteRecordsAsksTheStoreOnceForARequest has each write of the checkpoint fail: a store that is asked once for each
// partition tries again each time, while it skips the writes that follow one that went well, since they would change nothing.
func TestDeleteRecordsAsksTheStoreOnceForARequest(t *testing.T) {
	f := newFixture(t, nil)
	list := f.deletions(100)
	writes := f.countOfCheckpoint(vfs.OpCreate)
	f.disk.Fail(vfs.Rule{Kind: vfs.OpCreate, Path: "*log-start-offset-checkpoint*", Err: syscall.ENOMEM}) // takes no directory offline
	f.manager.DeleteRecords(context.Background(), list)
	for i := range list {
		if d := &list[i]; !errors.Is(d.Err, syscall.ENOMEM) || d.LowWatermark != -1 {
			t.Fatalf("partition %d: %+v", i, d)
		}
	}
	if n := writes.Load(); n != 1 {
		t.Errorf("the checkpoint was written %d times", n)
	}
}

// countOfCheckpoint counts an operation on the checkpoint of log start offsets from now on.
func (f *fixture) countOfCheckpoint(kind vfs.OpKind) *atomic.Int32 {
	var n atomic.Int32
	f.disk.SetHook(func(op vfs.Op) {
		if op.Kind == kind && strings.Contains(op.Path, "log-start-offset-checkpoint") {
			n.Add(1)
		}
	})
	return &n
}

// TestDeleteRecordsTellsEachPartitionOfTheDisk: with one write for all, its error is each one's, and a partition that
// was refused before keeps its own.
func TestDeleteRecordsTellsEachPartitionOfTheDisk(t *testing.T) {
	f := newFixture(t, nil)
	list := f.deletions(3)
	list[1].Before = 7
	f.disk.Fail(vfs.Rule{Kind: vfs.OpSync, Path: "*log-start-offset-checkpoint*", Err: syscall.EIO})
	f.manager.DeleteRecords(context.Background(), list)
	for i := range list {
		if d := &list[i]; d.LowWatermark != -1 || d.Err == nil || strings.Contains(d.Err.Error(), "input/output") != (i != 1) {
			t.Errorf("partition %d: %+v", i, d)
		}
	}
}

// A deletion of records, which holds fence, completed a fetch of a follower's session that other bytes were just about to complete.
func TestDeletedRecordsCompleteNoFetchOfASession(t *testing.T) {
	f := newFixture(t, nil)
	o := order.LeaderAndISR{TopicPartition: tp, TopicID: protocol.UUID{1}, Leader: 1, LeaderEpoch: 4, ISR: []int32{1}, Replicas: []int32{1, 2}}
	if err := give(f.manager, nil, o); err != nil {
		t.Fatal(err)
	}
	f.append()
	s := NewFollowerSession()
	fetch := FollowerFetch{Replica: 2, LeaderEpoch: 4, LeaderEnd: 1, Watch: s.Watch(nil)}
	if err := f.UpdateFollower(fetch, f.manager.NowMs()); err != nil {
		t.Fatal(err)
	}
	s.Take(nil)
	w := NewDelayedFetch(1, 0, func() {
		if !f.fence.TryLock() {
			t.Error("a fetch goes on while fence is held")
			return
		}
		f.fence.Unlock()
	})
	if !s.Await(w) || !w.Arm() {
		t.Fatal("the fetch does not wait")
	}
	w.missing.Add(-1) // as a partition does just before it completes the fetch
	if _, err := f.deleteRecords(1); err != nil {
		t.Fatal(err)
	}
	if n := s.Noted(); n != 1 {
		t.Errorf("%d partitions are noted", n)
	}
}
