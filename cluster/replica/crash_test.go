package replica

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/protocol/batch"
)

// lifeNow is the time, in ms; records are stamped with times long before it.
const lifeNow = 1_700_000_000_000

// life is a broker's partition from one start to the next stop of the machine.
type life struct {
	t       *testing.T
	store   *logstore.Store
	manager *Manager
	*Partition
}

func begin(t *testing.T, disk *vfs.Mem, id byte, epoch int32, isNew bool) *life {
	t.Helper()
	c := logstore.DefaultConfig()
	c.SegmentBytes, c.IndexIntervalBytes, c.FlushMessages, c.RetentionBytes = 600, 100, 1, 3000
	store, err := logstore.OpenStore(logstore.StoreOptions{
		Dirs: []string{"/d"}, FS: disk, BrokerID: 1, ClusterID: "c", Defaults: c, MaxOpenFiles: 3, ReserveBytes: 1,
		RetentionCheckMs: 1, RecoveryPointCheckpointMs: 1, StartOffsetCheckpointMs: 1, HighWatermarkCheckpointMs: 1,
		Clock: func() time.Time { return time.UnixMilli(lifeNow) }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	l := &life{t: t, store: store, manager: NewManager(Options{Store: store, BrokerID: 1, Resolve: func(map[string]string) *Config { return &Config{Log: c} }})}
	l.lead(id, epoch, isNew)
	return l
}

func (l *life) lead(id byte, epoch int32, isNew bool) {
	l.t.Helper()
	err := give(l.manager, nil, alone(tp, id, epoch, isNew))
	if err != nil {
		l.t.Fatal(err)
	}
	if l.Partition, err = l.manager.Partition(tp); err != nil {
		l.t.Fatal(err)
	}
}

// send stores the producer's record of a sequence and waits until it is committed.
func (l *life) send(seq int32) logstore.Result {
	l.t.Helper()
	b := batch.NewBuilder(batch.None)
	b.ProducerID, b.ProducerEpoch, b.BaseSequence = 9, 0, seq
	b.Add(int64(seq), nil, make([]byte, 20+seq%60))
	data, err := b.Build()
	if err != nil {
		l.t.Fatal(err)
	}
	h, err := batch.ParseHeader(data)
	if err != nil {
		l.t.Fatal(err)
	}
	a := []logstore.Append{{Data: data, Header: h}}
	in, err := l.Append(a, -1, lifeNow)
	if err != nil {
		l.t.Fatalf("sequence %d: %v", seq, err)
	}
	told := make(chan error, 1)
	if !l.AwaitCommit(Wait{a[0].Result.LastOffset + 1, in, -1, NoTimeout}, func(err error) { told <- err }) {
		if err := <-told; err != nil {
			l.t.Fatalf("sequence %d: %v", seq, err)
		}
	}
	return a[0].Result
}

// TestPowerLossAfterEachAcknowledgement stops the machine after every acknowledgement under
// flush.messages=1, amid rolls, retention, checkpoints, deleted records and a topic made anew.
func TestPowerLossAfterEachAcknowledgement(t *testing.T) {
	disk := vfs.NewMem()
	id, epoch := byte(1), int32(0)
	l := begin(t, disk, id, epoch, true)
	seq, offset := int32(0), int64(0)
	for round := range 90 {
		if round == 50 { // the topic is deleted and made anew at once
			if err := deleteTopic(l.manager, tp); err != nil {
				t.Fatal(err)
			}
			id, seq, offset = 2, 0, 0
			l.lead(id, epoch, true)
		}
		if round%20 == 13 {
			d := []Deletion{{Partition: l.Partition, Before: -1}}
			if l.manager.DeleteRecords(context.Background(), d); d[0].Err != nil {
				t.Fatal(d[0].Err)
			}
		}
		if r := l.send(seq); r.BaseOffset != offset || r.Duplicate {
			t.Fatalf("round %d: %+v, want offset %d", round, r, offset)
		}
		seq, offset = seq+1, offset+1
		start, end, hw := l.Log().StartOffset(), offset, l.HighWatermark()
		var next *life
		for seed := range uint64(4) {
			lost := disk.CrashClone(seed + uint64(round)*100)
			next = begin(t, lost, id, epoch+1, false)
			got := next.Log()
			if got.EndOffset() != end || got.StartOffset() < start || next.HighWatermark() < hw || got.LatestEpoch() < epoch {
				t.Fatalf("round %d, seed %d: %d..%d, high watermark %d, epoch %d; was %d..%d, %d, %d", round, seed,
					got.StartOffset(), got.EndOffset(), next.HighWatermark(), got.LatestEpoch(), start, end, hw, epoch)
			}
			// Also where it was deleted: the producer is not known to have been told.
			if r := next.send(seq - 1); !r.Duplicate || r.BaseOffset != end-1 {
				t.Fatalf("round %d, seed %d: the last batch again: %+v", round, seed, r)
			}
			if seed == 3 && round%7 == 3 {
				_ = l.store.Close(context.Background())
				disk, l = lost, next
				epoch++
				continue
			}
			if err := next.store.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.store.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}
