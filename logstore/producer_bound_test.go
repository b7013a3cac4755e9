package logstore

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"klamm/logstore/vfs"
)

// knows lists which of the producers with the ids from 0 on the log knows.
func knows(l *Log, ids int) []bool {
	known := make([]bool, ids)
	for _, p := range l.ActiveProducers() {
		known[p.ProducerID] = true
	}
	return known
}

func sendAs(t testing.TB, l *Log, id int64, seq int32, nowMs int64) Result {
	t.Helper()
	return appendOne(t, l, build(t, spec{idem: true, pid: id, seq: seq, ts: nowMs}), 0, nowMs)
}

// TestProducersOfALogAreBounded: invented producer ids took memory until they expired, and an entry in each snapshot.
// The log keeps the producer that wrote last, and treats a forgotten producer as a new one.
func TestProducersOfALogAreBounded(t *testing.T) {
	c := DefaultConfig()
	c.ProducersMax = 50
	l := mustOpen(t, testOptions(newMemDisk(t), c))
	const sent = 1000
	for id := range int64(sent) {
		if r := sendAs(t, l, 1+id, 7, testNow); r.Err != nil {
			t.Fatal(r.Err)
		}
		if r := sendAs(t, l, 0, int32(id), testNow); r.Err != nil || r.Duplicate {
			t.Fatalf("the producer that writes always: %+v", r)
		}
		if n := len(l.ActiveProducers()); n > c.ProducersMax {
			t.Fatalf("%d producers are known", n)
		}
	}
	known := knows(l, sent+1)
	for id := sent - 40; id <= sent; id++ {
		if !known[id] {
			t.Errorf("producer %d was forgotten before older ones", id)
		}
	}
	if r := sendAs(t, l, 1, 9, testNow); r.Err != nil || r.Duplicate {
		t.Errorf("one that comes back: %+v", r)
	}
	if r := sendAs(t, l, 1, 11, testNow); !errors.Is(r.Err, ErrOutOfOrderSequence) {
		t.Errorf("one that came back and leaves a gap: %+v", r)
	}
}

// TestProducersInASnapshotAreBounded opens a log whose snapshot has more producers than the log may know now.
func TestProducersInASnapshotAreBounded(t *testing.T) {
	disk := newMemDisk(t)
	o := testOptions(disk, DefaultConfig())
	l := mustOpen(t, o)
	for id := range int64(100) {
		if r := sendAs(t, l, id, 0, testNow-100+id); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o.Clean, o.Config.ProducersMax = true, 10
	known := knows(mustOpen(t, o), 100)
	for id, ok := range known {
		if ok != (id >= 90) {
			t.Errorf("producer %d: known %t", id, ok)
		}
	}
}

// TestProducersOfABrokerAreBounded: the bound holds for all logs together, whichever log has the oldest producers.
func TestProducersOfABrokerAreBounded(t *testing.T) {
	nowMs := int64(testNow)
	o := testStore(vfs.NewMem(), "/data")
	o.ProducersMax = 100
	o.Clock = func() time.Time { return time.UnixMilli(nowMs) }
	s := openStore(t, o)
	old, young := create(t, s, tpOf("old", 0), 1), create(t, s, tpOf("young", 0), 2)
	for id := range int64(60) {
		sendAs(t, old, id, 0, testNow+id)
	}
	for id := range int64(60) {
		sendAs(t, young, id, 0, testNow+1000+id)
		eventuallyFew(t, s, 100)
	}
	if n := len(young.ActiveProducers()); n != 60 {
		t.Errorf("%d of 60 of the later producers are known", n)
	}
	if n, all := len(old.ActiveProducers()), s.producers.Known(); n+60 != all {
		t.Errorf("%d and 60 producers are counted as %d", n, all)
	}
	ok(t, s.Delete(tpOf("young", 0)))
	if n, all := len(old.ActiveProducers()), s.producers.Known(); n != all {
		t.Errorf("%d producers are counted as %d after a deletion", n, all)
	}
	closeStore(t, s)
	if n := s.producers.Known(); n != 0 {
		t.Errorf("%d producers are counted after all logs were closed", n)
	}
}

// eventuallyFew waits until the Store has forgotten producers.
func eventuallyFew(t *testing.T, s *Store, most int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for s.producers.Known() > most {
		select {
		case <-ctx.Done():
			t.Fatalf("%d producers are known", s.producers.Known())
		case <-time.After(time.Millisecond):
		}
	}
}

// TestProducersAreBoundedWhileTheSweepIsBehind keeps the Store from forgetting producers: the logs that get new producers make room themselves.
func TestProducersAreBoundedWhileTheSweepIsBehind(t *testing.T) {
	budget := NewProducerBudget(100, slog.New(slog.DiscardHandler))
	var logs [2]*Log
	for i := range logs {
		o := testOptions(newMemDisk(t), DefaultConfig())
		o.Producers = budget
		logs[i] = mustOpen(t, o)
	}
	for id := range int64(1000) {
		if r := sendAs(t, logs[id%2], id, 0, testNow+id); r.Err != nil {
			t.Fatal(r.Err)
		}
		if n := budget.Known(); n > 112 {
			t.Fatalf("%d producers are known", n)
		}
	}
}
