package server

import (
	"io"
	"net"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/protocol"
)

// A fetch that waits is answered by the produce that brings what it still
// needs, and by no earlier one.
func TestFetchIsWokenByTheProduceThatSatisfiesIt(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	records := batchOf(t, 100)
	consumer, producer := b.dial(), b.dial()
	// Two batches are enough, one is not.
	wait := fetch("t", 0, 0, forever, int32(len(records)+1))
	consumer.send(wait)
	eventually(t, "the fetch waits", func() bool { return b.parked() == 1 })
	for range 2 {
		produced(t, producer.ask(produce("t", 0, 1, records)))
	}
	p := fetched(t, consumer.receive(wait))
	if p.HighWatermark != 2 || len(p.RecordBatches) != 2*len(records) {
		t.Fatalf("high watermark %d, %d bytes; want 2 and %d", p.HighWatermark, len(p.RecordBatches), 2*len(records))
	}
}

func TestFetchIsWokenByDeletionOfTheTopic(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	c := b.dial()
	wait := fetch("t", 0, 0, forever, 1)
	c.send(wait)
	eventually(t, "the fetch waits", func() bool { return b.parked() == 1 })
	b.deleteTopic("t")
	if p := fetched(t, c.receive(wait)); p.ErrorCode != kerr.UnknownTopicOrPartition.Code && p.ErrorCode != kerr.NotLeaderForPartition.Code {
		t.Fatalf("code %d", p.ErrorCode)
	}
}

func TestFetchIsAnsweredAtItsDeadline(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	c := b.dial()
	if p := fetched(t, c.ask(fetch("t", 0, 0, 20, 1))); p.ErrorCode != 0 || len(p.RecordBatches) != 0 {
		t.Fatalf("%+v", p)
	}
	// Also with requests waiting behind it, and they are answered after it.
	for _, n := range []int{1, 2000} {
		var reqs []kmsg.Request
		reqs = append(reqs, fetch("t", 0, 0, 20, 1))
		for range n {
			reqs = append(reqs, apiVersions())
		}
		go c.send(reqs...)
		for _, r := range reqs {
			c.receive(r)
		}
	}
}

// behindFetch are requests that fill the read buffer behind a fetch that waits.
func behindFetch(c *client, n int) []byte {
	var all []byte
	for range n {
		all = append(all, c.frame(apiVersions())...)
	}
	return all
}

// A client that leaves while its fetch waits leaves nothing behind, whether or
// not it had sent more already.
func TestClientLeavesDuringFetch(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	part, err := b.server.replicas.Partition(protocol.TopicPartition{Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	for name, leave := range map[string]func(c *client){
		"closes": func(c *client) { _ = c.nc.Close() },
		"resets": func(c *client) {
			_ = c.nc.(*net.TCPConn).SetLinger(0)
			_ = c.nc.Close()
		},
		"closes with requests behind it": func(c *client) {
			c.write(behindFetch(c, 3))
			_ = c.nc.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := dialTo(t, b.addr())
			c.send(fetch("t", 0, 0, forever, 1))
			eventually(t, "the fetch waits", func() bool { return b.parked() == 1 })
			leave(c)
			eventually(t, "the connection is gone", func() bool { return len(b.conns()) == 0 })
			if n := reflect.ValueOf(part).Elem().FieldByName("fetches").Len(); n != 0 {
				t.Errorf("%d fetches still wait at the partition", n)
			}
		})
	}
}

// The answers behind a fetch that waits keep their order.
func TestRequestsBehindAFetch(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	consumer, producer := b.dial(), b.dial()
	wait := fetch("t", 0, 0, forever, 1)
	consumer.send(wait, apiVersions(), metadata("t"))
	eventually(t, "the fetch waits", func() bool { return b.parked() == 1 })
	produced(t, producer.ask(produce("t", 0, -1, batchOf(t, 10))))
	if p := fetched(t, consumer.receive(wait)); p.HighWatermark != 1 {
		t.Fatalf("%+v", p)
	}
	consumer.receive(apiVersions())
	consumer.receive(metadata("t"))
}

// A stop answers the fetch that waits; with requests behind it, which nobody
// reads any more, too.
func TestShutdownAnswersWaitingFetches(t *testing.T) {
	for name, behind := range map[string]int{"alone": 0, "with one request behind it": 1, "with more behind it than the buffer holds": 2000} {
		t.Run(name, func(t *testing.T) {
			b := runBroker(t)
			b.topic("t", 1)
			c := b.dial()
			wait := fetch("t", 0, 0, forever, 1)
			c.send(wait)
			eventually(t, "the fetch waits", func() bool { return b.parked() == 1 })
			c.write(behindFetch(c, behind))
			stopped := make(chan error, 1)
			go func() { stopped <- b.stop() }()
			if behind == 0 {
				// Without more from the client the stop does not wait for it.
				if err := <-stopped; err != nil {
					t.Fatal(err)
				}
				stopped <- nil
			}
			if p := fetched(t, c.receive(wait)); p.ErrorCode != 0 {
				t.Fatalf("%+v", p)
			}
			c.closed()
			_ = c.nc.Close()
			if err := <-stopped; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A stop does not reset the connection of a client that has sent more than was
// read: it would lose the answers that it has not taken yet.
func TestShutdownDoesNotResetUnreadRequests(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	c := b.dial()
	wait := fetch("t", 0, 0, forever, 1)
	c.send(wait)
	eventually(t, "the fetch waits", func() bool { return b.parked() == 1 })
	c.write(behindFetch(c, 2000))
	stopped := make(chan error, 1)
	go func() { stopped <- b.stop() }()
	c.receive(wait)
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Errorf("the end is %v", err)
	}
	_ = c.nc.Close()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}

// A fetch of many partitions, while others of that kind are under way, is answered
// all the same: after a while, and without waiting for records.
func TestFetchOfManyPartitionsIsHeldBack(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	b.server.fetching.Store(maxFetching)
	many := fetch("t", 0, 0, forever, 1)
	one := many.Topics[0].Partitions[0]
	for i := range int32(2 * maxFetchTargets) {
		one.Partition = i + 1
		many.Topics[0].Partitions = append(many.Topics[0].Partitions, one)
	}
	c := b.dial()
	got := c.ask(many).(*kmsg.FetchResponse)
	if n := len(got.Topics[0].Partitions); n != 2*maxFetchTargets+1 {
		t.Errorf("%d partitions are answered", n)
	}
	b.logged("partitions of fetches")
	if n := b.server.fetching.Load(); n != maxFetching || len(b.server.many[waitsForNothing]) != 0 {
		t.Errorf("%d partitions are under way, %d turns taken", n, len(b.server.many[waitsForNothing]))
	}
	b.server.fetching.Store(0)
	many.MaxWaitMillis = 0
	c.ask(many)
	if n := b.server.fetching.Load(); n != 0 {
		t.Errorf("%d partitions are under way", n)
	}
}
