package data_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/server/data"
)

// sessionFetch is a request of a session (0 and 0: that opens one) which names
// partitions, given as partition, offset, partition, offset, ...
func sessionFetch(id, epoch int32, topic string, partitions ...int64) *kmsg.FetchRequest {
	req := brokertest.Fetch(topic, 0, 0, 0, 1)
	req.SessionID, req.SessionEpoch = id, epoch
	one := req.Topics[0].Partitions[0]
	one.CurrentLeaderEpoch = -1
	req.Topics[0].Partitions = nil
	for i := 0; i < len(partitions); i += 2 {
		one.Partition, one.FetchOffset = int32(partitions[i]), partitions[i+1]
		req.Topics[0].Partitions = append(req.Topics[0].Partitions, one)
	}
	if len(partitions) == 0 {
		req.Topics = nil
	}
	return req
}

// told are the partitions that a fetch answer names, in order, with the bytes of each.
func told(t *testing.T, resp kmsg.Response) (partitions []int32, sizes []int) {
	t.Helper()
	f := resp.(*kmsg.FetchResponse)
	if f.ErrorCode != 0 {
		t.Fatalf("error %d", f.ErrorCode)
	}
	for _, topic := range f.Topics {
		for _, p := range topic.Partitions {
			partitions, sizes = append(partitions, p.Partition), append(sizes, len(p.RecordBatches))
		}
	}
	return partitions, sizes
}

// A fetch that waits in a session is woken by its partitions only, tells what
// moved and nothing else, and is followed by one that finds nothing new.
func TestWaitingFetchesOfASession(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 4)
	c, producer := b.Dial(), b.Dial()
	records := brokertest.BatchOf(t, 10)
	opened := c.Ask(sessionFetch(0, 0, "t", 0, 0, 1, 0, 2, 0)).(*kmsg.FetchResponse)
	if got, _ := told(t, opened); opened.SessionID == 0 || len(got) != 3 {
		t.Fatalf("opened session %d with partitions %v", opened.SessionID, got)
	}
	waiting := func(epoch, minBytes int32) *kmsg.FetchRequest {
		req := sessionFetch(opened.SessionID, epoch, "t")
		req.MaxWaitMillis, req.MinBytes = int32(await.Patience.Milliseconds()), minBytes
		c.Send(req)
		await.Until(t, "the fetch waits", func() bool { return b.Parked() == 1 })
		return req
	}
	first := waiting(1, int32(2*len(records)))
	brokertest.Produced(t, producer.Ask(brokertest.Produce("t", 3, 1, brokertest.BatchOf(t, 1000)))) // not in the session
	brokertest.Produced(t, producer.Ask(brokertest.Produce("t", 1, 1, slices.Clone(records))))
	brokertest.Produced(t, producer.Ask(brokertest.Produce("t", 2, 1, slices.Clone(records))))
	partitions, sizes := told(t, c.Receive(first))
	if !slices.Equal(partitions, []int32{1, 2}) || sizes[0] != len(records) || sizes[1] != len(records) {
		t.Errorf("told partitions %v with %v bytes, want 1 and 2 with a batch each", partitions, sizes)
	}
	// The offsets have moved on: nothing is new until the next append.
	next := sessionFetch(opened.SessionID, 2, "t", 1, 1, 2, 1)
	if partitions, _ := told(t, c.Ask(next)); len(partitions) != 0 {
		t.Errorf("told partitions %v although nothing is new", partitions)
	}
	second := waiting(3, 1)
	brokertest.Produced(t, producer.Ask(brokertest.Produce("t", 0, 1, slices.Clone(records))))
	if partitions, _ := told(t, c.Receive(second)); !slices.Equal(partitions, []int32{0}) {
		t.Errorf("told partitions %v, want 0", partitions)
	}
}

// A second request of a session while one waits goes on with the session, and
// the first is told that it is the old one.
func TestSessionGoesOnWhileARequestWaits(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	c, other := b.Dial(), b.Dial()
	id := c.Ask(sessionFetch(0, 0, "t", 0, 0)).(*kmsg.FetchResponse).SessionID
	waits := sessionFetch(id, 1, "t")
	waits.MaxWaitMillis = int32(await.Patience.Milliseconds())
	c.Send(waits)
	await.Until(t, "the fetch waits", func() bool { return b.Parked() == 1 })
	if got := other.Ask(sessionFetch(id, 2, "t")).(*kmsg.FetchResponse).ErrorCode; got != 0 {
		t.Fatalf("the session's next request: error %d", got)
	}
	brokertest.Produced(t, other.Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 10))))
	if got := c.Receive(waits).(*kmsg.FetchResponse); got.ErrorCode != 71 || len(got.Topics) != 0 {
		t.Errorf("got error %d and %d topics, want INVALID_FETCH_SESSION_EPOCH", got.ErrorCode, len(got.Topics))
	}
}

// With room for one batch in an answer, each partition of a session has its
// turn before any has a second.
func TestPartitionsOfASessionTakeTurns(t *testing.T) {
	const partitions, rounds = 7, 3
	b := brokertest.Run(t)
	b.Topic("t", partitions)
	c := b.Dial()
	var atEnd, atStart []int64
	for p := range int32(partitions) {
		for range rounds {
			brokertest.Produced(t, c.Ask(brokertest.Produce("t", p, 1, brokertest.BatchOf(t, 100))))
		}
		atEnd, atStart = append(atEnd, int64(p), rounds), append(atStart, int64(p), 0)
	}
	id := c.Ask(sessionFetch(0, 0, "t", atEnd...)).(*kmsg.FetchResponse).SessionID
	req := sessionFetch(id, 1, "t", atStart...)
	req.MaxBytes = 0 // leaves one batch
	offsets := make([]int64, partitions)
	for n := range int32(partitions * rounds) {
		resp := c.Ask(req).(*kmsg.FetchResponse)
		served := int32(-1)
		names, sizes := told(t, resp)
		for i, p := range names {
			if sizes[i] > 0 && served >= 0 {
				t.Fatalf("answer %d has records of partitions %d and %d", n, served, p)
			}
			if sizes[i] > 0 {
				served = p
			}
		}
		if served < 0 || offsets[served] != int64(n/partitions) {
			t.Fatalf("answer %d has records of partition %d; so far each has been read up to %v", n, served, offsets)
		}
		offsets[served]++
		req = sessionFetch(id, n+2, "t", int64(served), offsets[served])
		req.MaxBytes = 0
	}
}

// When the cache is full of sessions in use, a fetcher gets its records and no
// session; a session that is closed makes room.
func TestFetchersBeyondTheSessionCache(t *testing.T) {
	b := brokertest.Run(t, "max.incremental.fetch.session.cache.slots=2")
	b.Topic("t", 2)
	c := b.Dial()
	brokertest.Produced(t, c.Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 10))))
	open := func() int32 {
		t.Helper()
		resp := c.Ask(sessionFetch(0, 0, "t", 0, 0, 1, 0)).(*kmsg.FetchResponse)
		if names, sizes := told(t, resp); len(names) != 2 || sizes[0] == 0 {
			t.Fatalf("told %v with %v bytes", names, sizes)
		}
		return resp.SessionID
	}
	first, second := open(), open()
	if third := open(); first == 0 || second == 0 || first == second || third != 0 {
		t.Fatalf("sessions %d, %d and %d; want two and none", first, second, third)
	}
	for i, id := range []int32{first, second} {
		if got := c.Ask(sessionFetch(id, 1, "t")).(*kmsg.FetchResponse).ErrorCode; got != 0 {
			t.Errorf("session %d: error %d", i, got)
		}
	}
	if got := c.Ask(sessionFetch(first, -1, "t", 0, 0)).(*kmsg.FetchResponse); got.ErrorCode != 0 || got.SessionID != 0 {
		t.Errorf("closing: error %d, session %d", got.ErrorCode, got.SessionID)
	}
	if open() == 0 {
		t.Error("no session although one was closed")
	}
	if got := c.Ask(sessionFetch(first, 2, "t")).(*kmsg.FetchResponse).ErrorCode; got != 70 {
		t.Errorf("a closed session: error %d, want FETCH_SESSION_ID_NOT_FOUND", got)
	}
}

// skipAnswer reads an answer into buf, looks at nothing, and gives its size.
func skipAnswer(c *brokertest.Client, buf []byte) (size int, err error) {
	if _, err := io.ReadFull(c.Reader, buf[:4]); err != nil {
		return 0, err
	}
	return io.ReadFull(c.Reader, buf[:binary.BigEndian.Uint32(buf)])
}

// What is read from files and what the kernel sends from them come in order, whatever their sizes.
func TestFetchOfPartitionsOfManySizes(t *testing.T) {
	b := brokertest.Run(t)
	sizes := []int{100, (16 << 10) * 2, 5000, 10_000, (16 << 10) - 1000, (16 << 10) - 900, 15_000, 15_000, (16 << 10), 1, 300_000, 14_000, 16_000, 2}
	b.Topic("t", int32(len(sizes)))
	want := make([][]byte, len(sizes))
	c, r := b.Dial(), brokertest.Fetch("t", 0, 0, 0, 1)
	for i, size := range sizes {
		want[i] = brokertest.BatchOf(t, size)
		copy(want[i][len(want[i])-1-size:len(want[i])-1], fmt.Sprint(i)) // each its own
		binary.BigEndian.PutUint32(want[i][17:], crc32.Checksum(want[i][21:], crc32.MakeTable(crc32.Castagnoli)))
		brokertest.Produced(t, c.Ask(brokertest.Produce("t", int32(i), 1, want[i])))
		if i > 0 {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, brokertest.Fetch("t", int32(i), 0, 0, 1).Topics[0].Partitions...)
		}
	}
	for range 3 {
		for _, p := range c.Ask(r).(*kmsg.FetchResponse).Topics[0].Partitions {
			// Offset and leader epoch are the broker's.
			if got, sent := p.RecordBatches, want[p.Partition]; len(got) != len(sent) || !bytes.Equal(got[16:], sent[16:]) {
				t.Errorf("partition %d: %d bytes, which are not the %d that were sent", p.Partition, len(got), len(sent))
			}
		}
	}
}

// A request of many partitions, or of large batches, costs memory for a few things, not for each
// partition nor for what they hold, once the one before it was answered.
func TestSteadyRequestsAllocateLittle(t *testing.T) {
	b := brokertest.Run(t)
	const partitions = 50
	b.Topic("t", partitions)
	b.Topic("empty", partitions)
	b.Topic("large", 1)
	manyOf := func(size int) *kmsg.ProduceRequest {
		r := brokertest.Produce("t", 0, -1, brokertest.BatchOf(t, size))
		for p := int32(1); p < partitions; p++ {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, brokertest.Produce("t", p, -1, brokertest.BatchOf(t, size)).Topics[0].Partitions...)
		}
		return r
	}
	from := func(topic string, partitions, bytes int32) *kmsg.FetchRequest {
		r := brokertest.Fetch(topic, 0, 0, 0, 1)
		for p := int32(1); p < partitions; p++ {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, brokertest.Fetch(topic, p, 0, 0, 1).Topics[0].Partitions...)
		}
		for i := range r.Topics[0].Partitions {
			r.Topics[0].Partitions[i].PartitionMaxBytes = bytes
		}
		return r
	}
	for range 1000 {
		brokertest.Produced(t, b.Dial().Ask(brokertest.Produce("large", 0, 1, brokertest.BatchOf(t, 1000))))
	}
	for range 2 {
		brokertest.Produced(t, b.Dial().Ask(manyOf(15_000)))
	}
	for _, tc := range []struct {
		name string
		req  kmsg.Request
		most float64 // allocations
		from int     // bytes that the answer has at least
	}{
		{"produce", manyOf(100), 4, 10 * partitions},
		{"produce to one partition", brokertest.Produce("large", 0, 1, brokertest.BatchOf(t, 100)), 2, 10},
		{"produce of a large batch", brokertest.Produce("large", 0, 1, brokertest.BatchOf(t, 700_000)), 2, 10},
		{"produce of many large batches", manyOf(15_000), 5, 10 * partitions},
		{"fetch of nothing", from("empty", partitions, 1000), 3, 10 * partitions},
		{"fetch", from("t", partitions, 16_000), 3, 15_000 * partitions},
		{"fetch of one partition", from("large", 1, 1000), 3, 1000},
		{"fetch of many bytes", from("large", 1, 900_000), 3, 800_000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := b.Dial()
			if r, ok := tc.req.(*kmsg.ProduceRequest); ok {
				brokertest.Produced(t, c.Ask(r))
			}
			one := c.Frame(tc.req)
			buf := make([]byte, 1<<20)
			got := testing.AllocsPerRun(100, func() {
				c.Write(one)
				if size, err := skipAnswer(c, buf); err != nil || size < tc.from {
					t.Fatalf("an answer of %d bytes: %v", size, err)
				}
			})
			t.Logf("%v allocations", got)
			if got > tc.most && !raceEnabled { // with the race detector, pools lose what they are given
				t.Errorf("%v allocations for a request, want at most %v", got, tc.most)
			}
		})
	}
}

// Sessions do not go by the wall clock: when that went back a year, those there were
// kept all others out for as long.
func TestFetchSessionsAgeWithTheServer(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	c := b.Dial()
	req := brokertest.Fetch("t", 0, 0, 0, 1)
	req.SessionEpoch = data.InitialEpoch
	id := c.Ask(req).(*kmsg.FetchResponse).SessionID
	aged := func() {
		t.Helper()
		created, used, now, ok := b.Server().Data().SessionAge(id)
		if !ok {
			t.Fatal("no session was made")
		}
		if created > now || used > now {
			t.Errorf("a session of %d ms, used at %d ms, in a server of %d ms", created, used, now)
		}
	}
	aged()
	req.SessionID, req.SessionEpoch = id, 1
	c.Ask(req)
	aged()
}
