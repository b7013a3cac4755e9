package server_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/cluster/replica"
	"klamm/internal/await"
	"klamm/protocol"
	"klamm/server/request"
)

// manyElements is from how many elements on a request keeps others of its kind waiting: see package request.
const manyElements = 10_000

// holdController has the controller wait in the creation of a topic until release is called.
func holdController(b *brokertest.Broker) (release func()) {
	b.T.Helper()
	entered, leave := make(chan struct{}), make(chan struct{})
	b.Replicas().OnLead(func(p *replica.Partition) {
		if p.TopicPartition().Topic == "held" {
			close(entered)
			<-leave
		}
	})
	c := b.Dial()
	req := creations(1)
	req.Topics[0].Topic, req.ValidateOnly, req.TimeoutMillis = "held", false, 600_000
	c.Send(req)
	<-entered
	release = sync.OnceFunc(func() { close(leave) })
	b.T.Cleanup(release)
	return release
}

// asksMuch is a request that names so many topics by an id that nobody has.
func asksMuch(n int) *kmsg.MetadataRequest {
	req := brokertest.Metadata(make([]string, n)...)
	req.Version = 12
	for i := range req.Topics {
		req.Topics[i].Topic, req.Topics[i].TopicID = nil, protocol.UUID{1, byte(i), byte(i >> 8)}
	}
	return req
}

// TestRequestThatWaitsForTheControllerHoldsUpNobodyElse: a large CreateTopics that waited for the controller kept
// every other large request waiting, of whatever API.
func TestRequestThatWaitsForTheControllerHoldsUpNobodyElse(t *testing.T) {
	b := brokertest.Run(t)
	release := holdController(b)
	waiting, other, deletes := b.Dial(), b.Dial(), b.Dial()
	creates := creations(manyTopics + 1)
	creates.TimeoutMillis = 600_000
	waiting.Send(creates)
	await.Until(t, "the request has its place", func() bool { return len(b.Server().Places()[request.WaitsForController]) == 1 })
	other.Ask(asksMuch(manyElements + 1))
	gone := kmsg.NewPtrDeleteRecordsRequest()
	gone.Topics = make([]kmsg.DeleteRecordsRequestTopic, manyElements+1)
	for i := range gone.Topics {
		gone.Topics[i].Topic = fmt.Sprint("none", i)
	}
	deletes.Ask(gone)
	release()
	waiting.Receive(creates)
}

// TestLargeRequestForTopicsThatAreMissingDoesNotWaitForTheController has a Metadata request name so many topics that
// nobody else of that kind is served meanwhile: the missing ones are made, and nobody waits for that.
func TestLargeRequestForTopicsThatAreMissingDoesNotWaitForTheController(t *testing.T) {
	b := brokertest.Run(t)
	release := holdController(b)
	names := make([]string, manyElements+1)
	for i := range names {
		names[i] = "missing"
	}
	asks := brokertest.Metadata(names...)
	asks.AllowAutoTopicCreation = true
	got := b.Dial().Ask(asks).(*kmsg.MetadataResponse)
	if len(got.Topics) != 1 || got.Topics[0].ErrorCode != kerr.LeaderNotAvailable.Code {
		t.Errorf("answered with %d topics, the first %+v", len(got.Topics), got.Topics[0])
	}
	if b.Cluster().Metadata().Topic("missing") != nil {
		t.Error("the controller was not waiting")
	}
	release()
	await.Until(t, "the topic is made", func() bool { return b.Cluster().Metadata().Topic("missing") != nil })
}

// TestRequestThatWaitsGivesItsBytesBack: a request that waited for the controller counted against
// queued.max.request.bytes until it was answered.
func TestRequestThatWaitsGivesItsBytesBack(t *testing.T) {
	b := brokertest.Run(t, "socket.request.max.bytes=1000", "queued.max.request.bytes=1000")
	release := holdController(b)
	defer release()
	await.Until(t, "all bytes are given back", func() bool { return b.Server().Sockets().State().QueuedLeft == 1000 })
}

// TestLargeCommitToTheTreeHoldsUpNobodyElse: an OffsetCommit of version 0, whose offsets are synced to the disk one by one, kept
// all large requests waiting that wait for nothing.
func TestLargeCommitToTheTreeHoldsUpNobodyElse(t *testing.T) {
	b := brokertest.Run(t)
	place := b.Server().Places()[request.WaitsForNothing]
	place <- struct{}{}
	defer func() { <-place }()
	commits := kmsg.NewPtrOffsetCommitRequest()
	commits.Group, commits.Topics = "g", make([]kmsg.OffsetCommitRequestTopic, manyElements+1)
	for i := range commits.Topics {
		commits.Topics[i].Topic = fmt.Sprint("none", i)
	}
	b.Dial().Ask(commits)
}
