package data

// InitProducerId: key 22, versions 0 to 5.
//
//	1 throttling happens after the answer
//	2 flexible
//	3 the id and epoch that the producer has and wants raised (KIP-360)
//	4 PRODUCER_FENCED instead of INVALID_PRODUCER_EPOCH
//	5 TRANSACTION_ABORTABLE may be answered
//
// Refused, in this order: a producer id without an epoch, or the reverse
// (INVALID_REQUEST); an empty transactional id (INVALID_REQUEST); a request with a
// transactional id whose timeout is not above 0 or exceeds
// transaction.max.timeout.ms (INVALID_TRANSACTION_TIMEOUT); every other request with a
// transactional id (NOT_COORDINATOR).
//
// Missing on purpose: transactions. This broker coordinates none, and answers as any
// broker does that is not the coordinator. The client then asks FindCoordinator, gets
// UNSUPPORTED_VERSION, and gives up at once. After an error that it may retry it
// would wait for nothing.

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

// refusesProducer returns the reason not to hand out a producer id; nil for none.
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
	id   int64 // guarded by mu; the next id
	left int32 // guarded by mu; how many ids are left in the block
}

// next returns an id that no producer of the cluster has had. When the block has no ids
// left, next takes another block from the cluster.
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
