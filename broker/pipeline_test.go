package broker_test

import (
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
)

// Requests that are answered at once, later, after a sync and not at all: the
// answers come in the order of the requests.
func TestAnswersKeepTheOrderOfRequests(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("plain", 1)
	b.Topic("synced", 1, "flush.messages=1")
	c := b.Dial()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	records := brokertest.BatchOf(t, 100)
	const n = 1500
	var out []byte
	due := make([]kmsg.Request, n) // nil where no answer comes
	for i := range n {
		var req kmsg.Request
		switch rng.IntN(10) {
		case 0:
			req = brokertest.APIVersions()
		case 1:
			req = brokertest.Metadata("plain", "synced")
		case 2:
			req = brokertest.Fetch("plain", 0, 0, 2, 1<<30)
		case 3:
			out = append(out, c.Frame(brokertest.Produce("plain", 0, 0, records))...)
			continue
		case 4, 5, 6:
			req = brokertest.Produce("synced", 0, -1, records)
		case 7:
			req = brokertest.Produce("synced", 0, 1, records)
		default:
			req = brokertest.Produce("plain", 0, int16(1-2*rng.IntN(2)), records)
		}
		out = append(out, c.Frame(req)...)
		due[i] = req
	}
	written := make(chan error, 1)
	go func() { _, err := c.Conn.Write(out); written <- err }()
	next := map[string]int64{}
	skipped := int32(0)
	for i, req := range due {
		if req == nil {
			skipped++
			continue
		}
		resp, err := c.Read(req, skipped)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		skipped = 0
		if p, ok := resp.(*kmsg.ProduceResponse); ok && p.Topics[0].Topic == "synced" {
			if base := brokertest.Produced(t, resp); base != next["synced"] {
				t.Fatalf("request %d was stored at %d, want %d", i, base, next["synced"])
			}
			next["synced"]++
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

func TestAcksZeroIsNotAnswered(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	c := b.Dial()
	c.Send(brokertest.Produce("t", 0, 0, brokertest.BatchOf(t, 10)), brokertest.APIVersions())
	if _, err := c.Read(brokertest.APIVersions(), 1); err != nil {
		t.Fatal(err)
	}
	if p := brokertest.Fetched(t, c.Ask(brokertest.Fetch("t", 0, 0, 0, 1))); p.HighWatermark != 1 {
		t.Fatalf("%+v", p)
	}
}

// What cannot be told is told by closing, after what was asked before is answered.
func TestAcksZeroErrorCloses(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1)
	c := b.Dial()
	c.Send(brokertest.Metadata("t"), brokertest.Produce("nowhere", 0, 0, brokertest.BatchOf(t, 10)))
	c.Receive(brokertest.Metadata("t"))
	c.Closed()
	b.Dial().Alive()
}

// A topic that is deleted while acknowledgements are awaited answers them.
func TestDeletionAnswersAwaitedAcknowledgements(t *testing.T) {
	b := brokertest.Run(t)
	b.Topic("t", 1, "flush.messages=1")
	c := b.Dial()
	records := brokertest.BatchOf(t, 100)
	const n = 300
	for range n {
		c.Send(brokertest.Produce("t", 0, -1, records))
	}
	b.DeleteTopic("t")
	for range n {
		p := c.Receive(brokertest.Produce("t", 0, -1, nil)).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		if code := p.ErrorCode; code != 0 && code != kerr.UnknownTopicOrPartition.Code && code != kerr.NotLeaderForPartition.Code {
			t.Fatalf("code %d", code)
		}
	}
}
