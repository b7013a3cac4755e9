package server_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
)

// An answer that is ready is not kept back by the handler of the next request,
// which waits.
func TestReadyAnswerDoesNotWaitForTheNextHandler(t *testing.T) {
	key := int16(kmsg.ListConfigResources)
	release := make(chan struct{})
	b := brokertest.Run(t)
	b.Server().Before(key, func() { <-release })
	b.Topic("t", 1)
	c := b.Dial()
	waits := kmsg.NewPtrListConfigResourcesRequest()
	c.Send(brokertest.Metadata("t"), waits)
	c.Receive(brokertest.Metadata("t"))
	close(release)
	c.Receive(waits)
}
