package data

// InitProducerId: key 22, versions 0 to 5.
//
//	1 throttling happens after the answer
//	2 flexible
//	3 the id and epoch that the producer has, to be raised (KIP-360)
//	4 PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH
//	5 TRANSACTION_ABORTABLE may be answered
//
// Refused, in this order: a producer id without an epoch or the reverse
// (INVALID_REQUEST); with a transactional id: an empty one (INVALID_REQUEST), a
// timeout that is not above 0 or exceeds transaction.max.timeout.ms
// (INVALID_TRANSACTION_TIMEOUT), and then everything (NOT_COORDINATOR).
//
// Missing on purpose: transactions. This broker coordinates none, and says so
// as any broker does that is not the coordinator. A client then looks for who
// is, is told UNSUPPORTED_VERSION by FindCoordinator, and gives up at once. An
// answer that it may retry here would keep it waiting for nothing.

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/server/codes"
	"klamm/server/request"
)

// InitProducerID serves InitProducerID: see above.
func (s *Service) InitProducerID(_ *request.Call, req *kmsg.InitProducerIDRequest) kmsg.Response {
	resp := kmsg.NewPtrInitProducerIDResponse()
	resp.ProducerID, resp.ProducerEpoch = -1, -1
	if err := s.refusesProducer(req); err != nil {
		resp.ErrorCode = codes.Of(err)
		return resp
	}
	id, err := s.producerIDs.next(s.broker)
	if err != nil {
		resp.ErrorCode = codes.Of(err)
		return resp
	}
	resp.ProducerID, resp.ProducerEpoch = id, 0
	return resp
}

// refusesProducer gives the reason not to hand out an id; nil for none.
func (s *Service) refusesProducer(req *kmsg.InitProducerIDRequest) error {
	if (req.ProducerID == -1) != (req.ProducerEpoch == -1) {
		return kerr.InvalidRequest
	}
	if req.TransactionalID == nil {
		return nil
	}
	timeoutMs := int64(req.TransactionTimeoutMillis)
	switch {
	case *req.TransactionalID == "":
		return kerr.InvalidRequest
	case timeoutMs <= 0 || timeoutMs > s.config.Current().Long("transaction.max.timeout.ms"):
		return kerr.InvalidTransactionTimeout
	}
	return kerr.NotCoordinator
}

// producerIDs hands out the ids of the block that this broker holds.
type producerIDs struct {
	mu   sync.Mutex
	id   int64 // guarded by mu; the next one
	left int32 // guarded by mu; ids left in the block
}

// next gives an id that no producer of the cluster ever had. It takes a new
// block from the cluster when there is none left.
func (p *producerIDs) next(b *cluster.Broker) (int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		first, count, err := b.AllocateProducerIDs(context.Background())
		if err != nil {
			return -1, err
		}
		p.id, p.left = first, count
	}
	id := p.id
	p.id++
	p.left--
	return id, nil
}
