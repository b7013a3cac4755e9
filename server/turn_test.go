package server_test

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/server/request"
)

// manyTopics is how many topics one request creates beside others: see package request.
const manyTopics = 1000

// creations asks what would become of so many topics.
func creations(n int) *kmsg.CreateTopicsRequest {
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Version, req.ValidateOnly, req.TimeoutMillis = 7, true, 10_000
	for i := range n {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = fmt.Sprint("t", i), 1, 1
		req.Topics = append(req.Topics, topic)
	}
	return req
}

// Requests that create many topics are served one at a time: each may have a
// configuration of its own.
func TestCreationsOfManyTopicsWaitForEachOther(t *testing.T) {
	b := brokertest.Run(t)
	turn := b.Server().Places()[request.WaitsForController]
	turn <- struct{}{}
	few, many := b.Dial(), b.Dial()
	few.Ask(creations(manyTopics))
	_ = few.Conn.Close()
	await.Until(t, "one is left", func() bool { return len(b.Conns()) == 1 })
	many.Send(creations(manyTopics + 1))
	c := b.Conns()[0]
	await.Until(t, "the request has come", func() bool {
		return c.State().Owed == 1
	})
	c.Stop()
	many.Closed() // without an answer
	<-turn
}
