package server

import (
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/replica"
	"klamm/protocol"
)

// holdController has the controller wait in the creation of a topic until release is called.
func (b *runningBroker) holdController() (release func()) {
	b.t.Helper()
	entered, leave := make(chan struct{}), make(chan struct{})
	b.server.replicas.OnLead(func(p *replica.Partition) {
		if p.TopicPartition().Topic == "held" {
			close(entered)
			<-leave
		}
	})
	c := b.dial()
	req := creations(1)
	req.Topics[0].Topic, req.ValidateOnly, req.TimeoutMillis = "held", false, 600_000
	c.send(req)
	<-entered
	release = sync.OnceFunc(func() { close(leave) })
	b.t.Cleanup(release)
	return release
}

// asksMuch is a request that names so many topics by an id that nobody has.
func asksMuch(n int) *kmsg.MetadataRequest {
	req := metadata(make([]string, n)...)
	req.Version = 12
	for i := range req.Topics {
		req.Topics[i].Topic, req.Topics[i].TopicID = nil, protocol.UUID{1, byte(i), byte(i >> 8)}
	}
	return req
}

// TestRequestThatWaitsForTheControllerHoldsUpNobodyElse: a large CreateTopics that waited for the controller kept
// every other large request waiting, of whatever API.
func TestRequestThatWaitsForTheControllerHoldsUpNobodyElse(t *testing.T) {
	b := runBroker(t)
	release := b.holdController()
	waiting, other, deletes := b.dial(), b.dial(), b.dial()
	creates := creations(manyTopics + 1)
	creates.TimeoutMillis = 600_000
	waiting.send(creates)
	eventually(t, "the request has its place", func() bool { return len(b.server.many[waitsForController]) == 1 })
	other.ask(asksMuch(manyElements + 1))
	gone := kmsg.NewPtrDeleteRecordsRequest()
	gone.Topics = make([]kmsg.DeleteRecordsRequestTopic, manyElements+1)
	for i := range gone.Topics {
		gone.Topics[i].Topic = fmt.Sprint("none", i)
	}
	deletes.ask(gone)
	release()
	waiting.receive(creates)
}

// TestLargeRequestForTopicsThatAreMissingDoesNotWaitForTheController has a Metadata request name so many topics that
// nobody else of that kind is served meanwhile: the missing ones are made, and nobody waits for that.
func TestLargeRequestForTopicsThatAreMissingDoesNotWaitForTheController(t *testing.T) {
	b := runBroker(t)
	release := b.holdController()
	names := make([]string, manyElements+1)
	for i := range names {
		names[i] = "missing"
	}
	asks := metadata(names...)
	asks.AllowAutoTopicCreation = true
	got := b.dial().ask(asks).(*kmsg.MetadataResponse)
	if len(got.Topics) != 1 || got.Topics[0].ErrorCode != kerr.LeaderNotAvailable.Code {
		t.Errorf("answered with %d topics, the first %+v", len(got.Topics), got.Topics[0])
	}
	if b.server.broker.Metadata().Topic("missing") != nil {
		t.Error("the controller was not waiting")
	}
	release()
	eventually(t, "the topic is made", func() bool { return b.server.broker.Metadata().Topic("missing") != nil })
}

// TestRequestThatWaitsGivesItsBytesBack: a request that waited for the controller counted against
// queued.max.request.bytes until it was answered.
func TestRequestThatWaitsGivesItsBytesBack(t *testing.T) {
	b := runBroker(t, "socket.request.max.bytes=1000", "queued.max.request.bytes=1000")
	release := b.holdController()
	defer release()
	eventually(t, "all bytes are given back", func() bool { return b.budgetLeft() == 1000 })
}
