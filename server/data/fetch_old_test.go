package data_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
	"klamm/server/data"
)

// oldFetch is fetch in a version that is sent messages.
func oldFetch(version int16, topic string, offset int64, maxWaitMs int32) *kmsg.FetchRequest {
	r := brokertest.Fetch(topic, 0, offset, maxWaitMs, 1)
	r.Version = version
	return r
}

// offsetsIn are the offsets of the messages of an answer.
func offsetsIn(t *testing.T, p kmsg.FetchResponseTopicPartition) (offsets []int64) {
	t.Helper()
	if p.ErrorCode != 0 {
		t.Fatalf("code %d", p.ErrorCode)
	}
	for r, err := range batch.Messages(p.RecordBatches, 0) {
		if err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, r.Offset)
	}
	return offsets
}

// nothingHeld waits until no converted records are in memory.
func nothingHeld(t *testing.T, b *brokertest.Broker) {
	t.Helper()
	await.Until(t, "no converted records are held", func() bool { return b.Server().Data().OldBytes().Load() == 0 })
}

func TestOldFetchesReadALogToItsEndInBoundedAnswers(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1, "segment.bytes=1048576")
	c := b.Dial()
	const n, size = 60, 200_000
	for range n {
		brokertest.Produced(t, c.Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, size))))
	}
	for version := range int16(data.FirstBatchFetch) {
		next, answers := int64(0), 0
		for next < n {
			p := brokertest.Fetched(t, c.Ask(oldFetch(version, "t", next, 0)))
			if len(p.RecordBatches) > data.OldAnswerBytes+2*size {
				t.Fatalf("an answer holds %d bytes", len(p.RecordBatches))
			}
			offsets := offsetsIn(t, p)
			if len(offsets) == 0 {
				t.Fatalf("version %d: nothing from offset %d on", version, next)
			}
			for _, o := range offsets {
				if o != next {
					t.Fatalf("version %d: offset %d where %d was due", version, o, next)
				}
				next++
			}
			answers++
		}
		if answers < 3 {
			t.Errorf("version %d: all came in %d answers", version, answers)
		}
	}
	nothingHeld(t, b)
}

// A client that does not read its answers holds one at most, and gives it back
// when it leaves.
func TestOldAnswersThatAreNotReadAreCountedAndGivenBack(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	c := b.Dial()
	for range 30 {
		brokertest.Produced(t, c.Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 200_000))))
	}
	lazy := b.Dial()
	for range 10 {
		lazy.Send(oldFetch(3, "t", 0, 0))
	}
	await.Until(t, "an answer is held", func() bool { return b.Server().Data().OldBytes().Load() > 0 })
	c.Alive()
	if held := b.Server().Data().OldBytes().Load(); held > 2*(data.OldAnswerBytes+400_000) {
		t.Errorf("one client holds %d bytes", held)
	}
	_ = lazy.Conn.Close()
	nothingHeld(t, b)
}

func TestOldFetchesWaitWhenTooMuchIsHeld(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	c := b.Dial()
	for range 3 {
		brokertest.Produced(t, c.Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 10))))
	}
	hold := func(n int64) (release func()) {
		b.Server().Data().OldBytes().Add(n)
		return func() { b.Server().Data().OldBytes().Add(-n) }
	}
	release := hold(data.OldTotalBytes + 1)
	if got := offsetsIn(t, brokertest.Fetched(t, c.Ask(oldFetch(2, "t", 0, 20)))); len(got) != 0 {
		t.Errorf("%v came nevertheless", got)
	}
	if p := brokertest.Fetched(t, c.Ask(brokertest.Fetch("t", 0, 0, 0, 1))); len(p.RecordBatches) == 0 {
		t.Error("clients of today wait too")
	}
	release()
	release = hold(data.OldTotalBytes/2 + 1)
	if got := offsetsIn(t, brokertest.Fetched(t, c.Ask(oldFetch(2, "t", 0, 20)))); len(got) != 1 {
		t.Errorf("%v came, and not one batch", got)
	}
	release()
	if got := offsetsIn(t, brokertest.Fetched(t, c.Ask(oldFetch(2, "t", 0, 20)))); len(got) != 3 {
		t.Errorf("%v came", got)
	}
	nothingHeld(t, b)
}

// Markers have no form in messages: a fetch that meets them goes on behind them,
// and waits where nothing is behind them yet.
func TestOldFetchesPassOverMarkers(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	c := b.Dial()
	part, err := b.Replicas().Partition(protocol.TopicPartition{Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	mark := func() {
		builder := batch.NewBuilder(batch.None)
		builder.Control = true
		builder.Add(1, []byte{0, 0, 0, 1}, make([]byte, 6))
		raw, err := builder.Build()
		if err != nil {
			t.Fatal(err)
		}
		h, err := batch.ParseHeader(raw)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Append([]logstore.Append{{Data: raw, Header: h, Origin: logstore.FromCoordinator}}, 1, 1); err != nil {
			t.Fatal(err)
		}
	}
	brokertest.Produced(t, c.Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 10))))
	mark()
	brokertest.Produced(t, c.Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 10))))
	mark()
	mark()
	for offset, want := range map[int64]int64{0: 0, 1: 2, 2: 2} {
		got := offsetsIn(t, brokertest.Fetched(t, c.Ask(oldFetch(3, "t", offset, 0))))
		if len(got) == 0 || got[0] != want {
			t.Errorf("from %d on: %v", offset, got)
		}
	}
	wait := oldFetch(3, "t", 3, brokertest.Forever)
	c.Send(wait)
	await.Until(t, "the fetch waits", func() bool { return b.Parked() == 1 })
	brokertest.Produced(t, b.Dial().Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 10))))
	if got := offsetsIn(t, brokertest.Fetched(t, c.Receive(wait))); len(got) != 1 || got[0] != 5 {
		t.Errorf("what came behind the markers: %v", got)
	}
	nothingHeld(t, b)
}

// A message is in memory as a whole while it is made: one of 40 MB, which is small
// where it is stored, is not.
func TestALargePackedRecordIsRefusedToClientsOfOld(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	builder := batch.NewBuilder(batch.Gzip)
	builder.Add(time.Now().UnixMilli(), []byte("k"), bytes.Repeat([]byte{'v'}, 40<<20))
	raw, err := builder.Build()
	if err != nil {
		t.Fatal(err)
	}
	c := b.Dial()
	brokertest.Produced(t, c.Ask(brokertest.Produce("t", 0, 1, raw)))
	if p := brokertest.Fetched(t, c.Ask(oldFetch(3, "t", 0, 0))); p.ErrorCode != kerr.MessageTooLarge.Code {
		t.Errorf("code %d and %d bytes", p.ErrorCode, len(p.RecordBatches))
	}
	nothingHeld(t, b)
}
