package data_test

import (
	"io"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/protocol"
	"klamm/server/data"
)

// A fetch that waits is answered by the produce that brings what it still
// needs, and by no earlier one.
func TestFetchIsWokenByTheProduceThatSatisfiesIt(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	records := brokertest.BatchOf(t, 100)
	consumer, producer := b.Dial(), b.Dial()
	// Two batches are enough, one is not.
	wait := brokertest.Fetch("t", 0, 0, brokertest.Forever, int32(len(records)+1))
	consumer.Send(wait)
	await.Until(t, "the fetch waits", func() bool { return b.Parked() == 1 })
	for range 2 {
		brokertest.Produced(t, producer.Ask(brokertest.Produce("t", 0, 1, records)))
	}
	p := brokertest.Fetched(t, consumer.Receive(wait))
	if p.HighWatermark != 2 || len(p.RecordBatches) != 2*len(records) {
		t.Fatalf("high watermark %d, %d bytes; want 2 and %d", p.HighWatermark, len(p.RecordBatches), 2*len(records))
	}
}

func TestFetchIsWokenByDeletionOfTheTopic(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	c := b.Dial()
	wait := brokertest.Fetch("t", 0, 0, brokertest.Forever, 1)
	c.Send(wait)
	await.Until(t, "the fetch waits", func() bool { return b.Parked() == 1 })
	b.DeleteTopic("t")
	if p := brokertest.Fetched(t, c.Receive(wait)); p.ErrorCode != kerr.UnknownTopicOrPartition.Code && p.ErrorCode != kerr.NotLeaderForPartition.Code {
		t.Fatalf("code %d", p.ErrorCode)
	}
}

func TestFetchIsAnsweredAtItsDeadline(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	c := b.Dial()
	if p := brokertest.Fetched(t, c.Ask(brokertest.Fetch("t", 0, 0, 20, 1))); p.ErrorCode != 0 || len(p.RecordBatches) != 0 {
		t.Fatalf("%+v", p)
	}
	// Also with requests waiting behind it, and they are answered after it.
	for _, n := range []int{1, 2000} {
		var reqs []kmsg.Request
		reqs = append(reqs, brokertest.Fetch("t", 0, 0, 20, 1))
		for range n {
			reqs = append(reqs, brokertest.APIVersions())
		}
		go c.Send(reqs...)
		for _, r := range reqs {
			c.Receive(r)
		}
	}
}

// behindFetch are requests that fill the read buffer behind a fetch that waits.
func behindFetch(c *brokertest.Client, n int) []byte {
	var all []byte
	for range n {
		all = append(all, c.Frame(brokertest.APIVersions())...)
	}
	return all
}

// A client that leaves while its fetch waits leaves nothing behind, whether or
// not it had sent more already.
func TestClientLeavesDuringFetch(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	part, err := b.Replicas().Partition(protocol.TopicPartition{Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	for name, leave := range map[string]func(c *brokertest.Client){
		"closes": func(c *brokertest.Client) { _ = c.Conn.Close() },
		"resets": func(c *brokertest.Client) {
			_ = c.Conn.(*net.TCPConn).SetLinger(0)
			_ = c.Conn.Close()
		},
		"closes with requests behind it": func(c *brokertest.Client) {
			c.Write(behindFetch(c, 3))
			_ = c.Conn.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := brokertest.DialTo(t, b.Addr())
			c.Send(brokertest.Fetch("t", 0, 0, brokertest.Forever, 1))
			await.Until(t, "the fetch waits", func() bool { return b.Parked() == 1 })
			leave(c)
			await.Until(t, "the connection is gone", func() bool { return len(b.Conns()) == 0 })
			if n, _ := part.Waiting(); n != 0 {
				t.Errorf("%d fetches still wait at the partition", n)
			}
		})
	}
}

// The answers behind a fetch that waits keep their order.
func TestRequestsBehindAFetch(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	consumer, producer := b.Dial(), b.Dial()
	wait := brokertest.Fetch("t", 0, 0, brokertest.Forever, 1)
	consumer.Send(wait, brokertest.APIVersions(), brokertest.Metadata("t"))
	await.Until(t, "the fetch waits", func() bool { return b.Parked() == 1 })
	brokertest.Produced(t, producer.Ask(brokertest.Produce("t", 0, -1, brokertest.BatchOf(t, 10))))
	if p := brokertest.Fetched(t, consumer.Receive(wait)); p.HighWatermark != 1 {
		t.Fatalf("%+v", p)
	}
	consumer.Receive(brokertest.APIVersions())
	consumer.Receive(brokertest.Metadata("t"))
}

// A stop answers the fetch that waits; with requests behind it, which nobody
// reads any more, too.
func TestShutdownAnswersWaitingFetches(t *testing.T) {
	for name, behind := range map[string]int{"alone": 0, "with one request behind it": 1, "with more behind it than the buffer holds": 2000} {
		t.Run(name, func(t *testing.T) {
			b := brokertest.Run(t)
			b.Topic("t", 1)
			c := b.Dial()
			wait := brokertest.Fetch("t", 0, 0, brokertest.Forever, 1)
			c.Send(wait)
			await.Until(t, "the fetch waits", func() bool { return b.Parked() == 1 })
			c.Write(behindFetch(c, behind))
			stopped := make(chan error, 1)
			go func() { stopped <- b.End() }()
			if behind == 0 {
				// Without more from the client the stop does not wait for it.
				if err := <-stopped; err != nil {
					t.Fatal(err)
				}
				stopped <- nil
			}
			if p := brokertest.Fetched(t, c.Receive(wait)); p.ErrorCode != 0 {
				t.Fatalf("%+v", p)
			}
			c.Closed()
			_ = c.Conn.Close()
			if err := <-stopped; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A stop does not reset the connection of a client that has sent more than was
// read: it would lose the answers that it has not taken yet.
func TestShutdownDoesNotResetUnreadRequests(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	c := b.Dial()
	wait := brokertest.Fetch("t", 0, 0, brokertest.Forever, 1)
	c.Send(wait)
	await.Until(t, "the fetch waits", func() bool { return b.Parked() == 1 })
	c.Write(behindFetch(c, 2000))
	stopped := make(chan error, 1)
	go func() { stopped <- b.End() }()
	c.Receive(wait)
	if _, err := c.Reader.ReadByte(); err != io.EOF {
		t.Errorf("the end is %v", err)
	}
	_ = c.Conn.Close()
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
}

// A fetch of many partitions, while others of that kind are under way, is answered
// all the same: after a while, and without waiting for records.
func TestFetchOfManyPartitionsIsHeldBack(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	b.Server().Data().Fetching().Store(data.MaxFetching)
	many := brokertest.Fetch("t", 0, 0, brokertest.Forever, 1)
	one := many.Topics[0].Partitions[0]
	for i := range int32(2 * data.MaxFetchTargets) {
		one.Partition = i + 1
		many.Topics[0].Partitions = append(many.Topics[0].Partitions, one)
	}
	c := b.Dial()
	got := c.Ask(many).(*kmsg.FetchResponse)
	if n := len(got.Topics[0].Partitions); n != 2*data.MaxFetchTargets+1 {
		t.Errorf("%d partitions are answered", n)
	}
	b.Logged("partitions of fetches")
	// The answer may be here before the broker has uncounted the fetch.
	await.Until(t, "the fetch is uncounted", func() bool {
		return b.Server().Data().Fetching().Load() == data.MaxFetching && b.Server().Data().Held() == 0
	})
	b.Server().Data().Fetching().Store(0)
	many.MaxWaitMillis = 0
	c.Ask(many)
	await.Until(t, "the fetch is uncounted", func() bool { return b.Server().Data().Fetching().Load() == 0 })
}
