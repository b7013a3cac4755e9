package server

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// sessionFetch is a request of a session (0 and 0: that opens one) which names
// partitions, given as partition, offset, partition, offset, ...
func sessionFetch(id, epoch int32, topic string, partitions ...int64) *kmsg.FetchRequest {
	req := fetch(topic, 0, 0, 0, 1)
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
	b := runBroker(t)
	b.topic("t", 4)
	c, producer := b.dial(), b.dial()
	records := batchOf(t, 10)
	opened := c.ask(sessionFetch(0, 0, "t", 0, 0, 1, 0, 2, 0)).(*kmsg.FetchResponse)
	if got, _ := told(t, opened); opened.SessionID == 0 || len(got) != 3 {
		t.Fatalf("opened session %d with partitions %v", opened.SessionID, got)
	}
	waiting := func(epoch, minBytes int32) *kmsg.FetchRequest {
		req := sessionFetch(opened.SessionID, epoch, "t")
		req.MaxWaitMillis, req.MinBytes = int32(patience.Milliseconds()), minBytes
		c.send(req)
		eventually(t, "the fetch waits", func() bool { return b.parked() == 1 })
		return req
	}
	first := waiting(1, int32(2*len(records)))
	produced(t, producer.ask(produce("t", 3, 1, batchOf(t, 1000)))) // not in the session
	produced(t, producer.ask(produce("t", 1, 1, slices.Clone(records))))
	produced(t, producer.ask(produce("t", 2, 1, slices.Clone(records))))
	partitions, sizes := told(t, c.receive(first))
	if !slices.Equal(partitions, []int32{1, 2}) || sizes[0] != len(records) || sizes[1] != len(records) {
		t.Errorf("told partitions %v with %v bytes, want 1 and 2 with a batch each", partitions, sizes)
	}
	// The offsets have moved on: nothing is new until the next append.
	next := sessionFetch(opened.SessionID, 2, "t", 1, 1, 2, 1)
	if partitions, _ := told(t, c.ask(next)); len(partitions) != 0 {
		t.Errorf("told partitions %v although nothing is new", partitions)
	}
	second := waiting(3, 1)
	produced(t, producer.ask(produce("t", 0, 1, slices.Clone(records))))
	if partitions, _ := told(t, c.receive(second)); !slices.Equal(partitions, []int32{0}) {
		t.Errorf("told partitions %v, want 0", partitions)
	}
}

// A second request of a session while one waits goes on with the session, and
// the first is told that it is the old one.
func TestSessionGoesOnWhileARequestWaits(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	c, other := b.dial(), b.dial()
	id := c.ask(sessionFetch(0, 0, "t", 0, 0)).(*kmsg.FetchResponse).SessionID
	waits := sessionFetch(id, 1, "t")
	waits.MaxWaitMillis = int32(patience.Milliseconds())
	c.send(waits)
	eventually(t, "the fetch waits", func() bool { return b.parked() == 1 })
	if got := other.ask(sessionFetch(id, 2, "t")).(*kmsg.FetchResponse).ErrorCode; got != 0 {
		t.Fatalf("the session's next request: error %d", got)
	}
	produced(t, other.ask(produce("t", 0, 1, batchOf(t, 10))))
	if got := c.receive(waits).(*kmsg.FetchResponse); got.ErrorCode != 71 || len(got.Topics) != 0 {
		t.Errorf("got error %d and %d topics, want INVALID_FETCH_SESSION_EPOCH", got.ErrorCode, len(got.Topics))
	}
}

// With room for one batch in an answer, each partition of a session has its
// turn before any has a second.
func TestPartitionsOfASessionTakeTurns(t *testing.T) {
	const partitions, rounds = 7, 3
	b := runBroker(t)
	b.topic("t", partitions)
	c := b.dial()
	var atEnd, atStart []int64
	for p := range int32(partitions) {
		for range rounds {
			produced(t, c.ask(produce("t", p, 1, batchOf(t, 100))))
		}
		atEnd, atStart = append(atEnd, int64(p), rounds), append(atStart, int64(p), 0)
	}
	id := c.ask(sessionFetch(0, 0, "t", atEnd...)).(*kmsg.FetchResponse).SessionID
	req := sessionFetch(id, 1, "t", atStart...)
	req.MaxBytes = 0 // leaves one batch
	offsets := make([]int64, partitions)
	for n := range int32(partitions * rounds) {
		resp := c.ask(req).(*kmsg.FetchResponse)
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
	b := runBroker(t, "max.incremental.fetch.session.cache.slots=2")
	b.topic("t", 2)
	c := b.dial()
	produced(t, c.ask(produce("t", 0, 1, batchOf(t, 10))))
	open := func() int32 {
		t.Helper()
		resp := c.ask(sessionFetch(0, 0, "t", 0, 0, 1, 0)).(*kmsg.FetchResponse)
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
		if got := c.ask(sessionFetch(id, 1, "t")).(*kmsg.FetchResponse).ErrorCode; got != 0 {
			t.Errorf("session %d: error %d", i, got)
		}
	}
	if got := c.ask(sessionFetch(first, -1, "t", 0, 0)).(*kmsg.FetchResponse); got.ErrorCode != 0 || got.SessionID != 0 {
		t.Errorf("closing: error %d, session %d", got.ErrorCode, got.SessionID)
	}
	if open() == 0 {
		t.Error("no session although one was closed")
	}
	if got := c.ask(sessionFetch(first, 2, "t")).(*kmsg.FetchResponse).ErrorCode; got != 70 {
		t.Errorf("a closed session: error %d, want FETCH_SESSION_ID_NOT_FOUND", got)
	}
}

// skipAnswer reads an answer into buf, looks at nothing, and gives its size.
func (c *client) skipAnswer(buf []byte) (size int, err error) {
	if _, err := io.ReadFull(c.br, buf[:4]); err != nil {
		return 0, err
	}
	return io.ReadFull(c.br, buf[:binary.BigEndian.Uint32(buf)])
}

// What is read from files and what the kernel sends from them come in order, whatever their sizes.
func TestFetchOfPartitionsOfManySizes(t *testing.T) {
	b := runBroker(t)
	sizes := []int{100, (16 << 10) * 2, 5000, 10_000, (16 << 10) - 1000, (16 << 10) - 900, 15_000, 15_000, (16 << 10), 1, 300_000, 14_000, 16_000, 2}
	b.topic("t", int32(len(sizes)))
	want := make([][]byte, len(sizes))
	c, r := b.dial(), fetch("t", 0, 0, 0, 1)
	for i, size := range sizes {
		want[i] = batchOf(t, size)
		copy(want[i][len(want[i])-1-size:len(want[i])-1], fmt.Sprint(i)) // each its own
		binary.BigEndian.PutUint32(want[i][17:], crc32.Checksum(want[i][21:], crc32.MakeTable(crc32.Castagnoli)))
		produced(t, c.ask(produce("t", int32(i), 1, want[i])))
		if i > 0 {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, fetch("t", int32(i), 0, 0, 1).Topics[0].Partitions...)
		}
	}
	for range 3 {
		for _, p := range c.ask(r).(*kmsg.FetchResponse).Topics[0].Partitions {
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
	b := runBroker(t)
	const partitions = 50
	b.topic("t", partitions)
	b.topic("empty", partitions)
	b.topic("large", 1)
	manyOf := func(size int) *kmsg.ProduceRequest {
		r := produce("t", 0, -1, batchOf(t, size))
		for p := int32(1); p < partitions; p++ {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, produce("t", p, -1, batchOf(t, size)).Topics[0].Partitions...)
		}
		return r
	}
	from := func(topic string, partitions, bytes int32) *kmsg.FetchRequest {
		r := fetch(topic, 0, 0, 0, 1)
		for p := int32(1); p < partitions; p++ {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, fetch(topic, p, 0, 0, 1).Topics[0].Partitions...)
		}
		for i := range r.Topics[0].Partitions {
			r.Topics[0].Partitions[i].PartitionMaxBytes = bytes
		}
		return r
	}
	for range 1000 {
		produced(t, b.dial().ask(produce("large", 0, 1, batchOf(t, 1000))))
	}
	for range 2 {
		produced(t, b.dial().ask(manyOf(15_000)))
	}
	for _, tc := range []struct {
		name string
		req  kmsg.Request
		most float64 // allocations
		from int     // bytes that the answer has at least
	}{
		{"produce", manyOf(100), 4, 10 * partitions},
		{"produce to one partition", produce("large", 0, 1, batchOf(t, 100)), 2, 10},
		{"produce of a large batch", produce("large", 0, 1, batchOf(t, 700_000)), 2, 10},
		{"produce of many large batches", manyOf(15_000), 5, 10 * partitions},
		{"fetch of nothing", from("empty", partitions, 1000), 3, 10 * partitions},
		{"fetch", from("t", partitions, 16_000), 3, 15_000 * partitions},
		{"fetch of one partition", from("large", 1, 1000), 3, 1000},
		{"fetch of many bytes", from("large", 1, 900_000), 3, 800_000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := b.dial()
			if r, ok := tc.req.(*kmsg.ProduceRequest); ok {
				produced(t, c.ask(r))
			}
			one := c.frame(tc.req)
			buf := make([]byte, 1<<20)
			got := testing.AllocsPerRun(100, func() {
				c.write(one)
				if size, err := c.skipAnswer(buf); err != nil || size < tc.from {
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
	b := runBroker(t)
	b.topic("t", 1)
	c := b.dial()
	req := fetch("t", 0, 0, 0, 1)
	req.SessionEpoch = initialEpoch
	id := c.ask(req).(*kmsg.FetchResponse).SessionID
	fs := b.server.sessions.get(id)
	if fs == nil {
		t.Fatal("no session was made")
	}
	aged := func() {
		t.Helper()
		b.server.sessions.mu.Lock()
		defer b.server.sessions.mu.Unlock()
		if now := b.server.ticksMs(); fs.createdMs > now || fs.lastUsedMs > now {
			t.Errorf("a session of %d ms, used at %d ms, in a server of %d ms", fs.createdMs, fs.lastUsedMs, now)
		}
	}
	aged()
	req.SessionID, req.SessionEpoch = id, 1
	c.ask(req)
	aged()
}
