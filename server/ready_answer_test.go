package server_test

import (
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/server/request"
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

// slowResponse is a response that takes its time to be encoded.
type slowResponse struct {
	*kmsg.ListGroupsResponse
	encode func()
}

func (r slowResponse) AppendTo(dst []byte) []byte {
	r.encode()
	return r.ListGroupsResponse.AppendTo(dst)
}

// TestAnswerFromAsideDoesNotWaitForTheNextHandler has a request answered on another goroutine while its handler returns: the
// next request was served before the answer was complete, and the answer then waited for that.
func TestAnswerFromAsideDoesNotWaitForTheNextHandler(t *testing.T) {
	b := brokertest.Run(t)
	begun, next, held := make(chan struct{}), make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })
	t.Cleanup(release)
	encode := func() {
		close(begun)
		select {
		case <-next:
		case <-time.After(200 * time.Millisecond): // it is not served before the answer is complete
		}
	}
	b.Server().Handle(int16(kmsg.ListGroups), request.TypedLater(kmsg.NewPtrListGroupsRequest,
		func(_ *request.Call, _ *kmsg.ListGroupsRequest, answer func(kmsg.Response)) {
			go answer(slowResponse{kmsg.NewPtrListGroupsResponse(), encode})
			<-begun
		}))
	b.Server().Before(int16(kmsg.ListConfigResources), func() { close(next); <-held })
	c := b.Dial()
	groups, waits := kmsg.NewPtrListGroupsRequest(), kmsg.NewPtrListConfigResourcesRequest()
	c.Send(groups, waits)
	c.Receive(groups)
	release()
	c.Receive(waits)
}
