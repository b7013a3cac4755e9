package server

import (
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Requests that are answered at once, later, after a sync and not at all: the
// answers come in the order of the requests.
func TestAnswersKeepTheOrderOfRequests(t *testing.T) {
	b := runBroker(t)
	b.topic("plain", 1)
	b.topic("synced", 1, "flush.messages=1")
	c := b.dial()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	records := batchOf(t, 100)
	const n = 1500
	var out []byte
	due := make([]kmsg.Request, n) // nil where no answer comes
	for i := range n {
		var req kmsg.Request
		switch rng.IntN(10) {
		case 0:
			req = apiVersions()
		case 1:
			req = metadata("plain", "synced")
		case 2:
			req = fetch("plain", 0, 0, 2, 1<<30)
		case 3:
			out = append(out, c.frame(produce("plain", 0, 0, records))...)
			continue
		case 4, 5, 6:
			req = produce("synced", 0, -1, records)
		case 7:
			req = produce("synced", 0, 1, records)
		default:
			req = produce("plain", 0, int16(1-2*rng.IntN(2)), records)
		}
		out = append(out, c.frame(req)...)
		due[i] = req
	}
	written := make(chan error, 1)
	go func() { _, err := c.nc.Write(out); written <- err }()
	next := map[string]int64{}
	skipped := int32(0)
	for i, req := range due {
		if req == nil {
			skipped++
			continue
		}
		resp, err := c.read(req, skipped)
		if err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
		skipped = 0
		if p, ok := resp.(*kmsg.ProduceResponse); ok && p.Topics[0].Topic == "synced" {
			if base := produced(t, resp); base != next["synced"] {
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
	b := runBroker(t)
	b.topic("t", 1)
	c := b.dial()
	c.send(produce("t", 0, 0, batchOf(t, 10)), apiVersions())
	if _, err := c.read(apiVersions(), 1); err != nil {
		t.Fatal(err)
	}
	if p := fetched(t, c.ask(fetch("t", 0, 0, 0, 1))); p.HighWatermark != 1 {
		t.Fatalf("%+v", p)
	}
}

// What cannot be told is told by closing, after what was asked before is answered.
func TestAcksZeroErrorCloses(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	c := b.dial()
	c.send(metadata("t"), produce("nowhere", 0, 0, batchOf(t, 10)))
	c.receive(metadata("t"))
	c.closed()
	b.dial().alive()
}

// A topic that is deleted while acknowledgements are awaited answers them.
func TestDeletionAnswersAwaitedAcknowledgements(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1, "flush.messages=1")
	c := b.dial()
	records := batchOf(t, 100)
	const n = 300
	for range n {
		c.send(produce("t", 0, -1, records))
	}
	b.deleteTopic("t")
	for range n {
		p := c.receive(produce("t", 0, -1, nil)).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		if code := p.ErrorCode; code != 0 && code != kerr.UnknownTopicOrPartition.Code && code != kerr.NotLeaderForPartition.Code {
			t.Fatalf("code %d", code)
		}
	}
}

// An answer that is ready is not kept back by the handler of the next request,
// which waits.
func TestReadyAnswerDoesNotWaitForTheNextHandler(t *testing.T) {
	key := int16(kmsg.ListConfigResources)
	was, release := handlers[key], make(chan struct{})
	t.Cleanup(func() { handlers[key] = was }) // after the broker has stopped
	handlers[key] = func(s *Server, c *call) error {
		<-release
		return was(s, c)
	}
	b := runBroker(t)
	b.topic("t", 1)
	c := b.dial()
	waits := kmsg.NewPtrListConfigResourcesRequest()
	c.send(metadata("t"), waits)
	c.receive(metadata("t"))
	close(release)
	c.receive(waits)
}
