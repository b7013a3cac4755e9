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
// transactional id (NOT_COORDINATOR); while the controller cannot be reached, a request
// for which this broker has no producer id left (COORDINATOR_LOAD_IN_PROGRESS).
//
// Missing on purpose: transactions. This broker coordinates none, and answers as any
// broker does that is not the coordinator. The client then asks FindCoordinator, gets
// UNSUPPORTED_VERSION, and gives up at once. After an error that it may retry it
// would wait for nothing.

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

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
	mu     sync.Mutex
	id     int64         // guarded by mu; the next id
	left   int32         // guarded by mu; how many ids are left in the block
	asking chan struct{} // guarded by mu; closed when the block that is asked for has come or not, nil while none is
	err    error         // guarded by mu; why the last block did not come
}

// maxBlockWait is how long a request waits for a block of producer ids. The controller may be away for longer: then the
// client is told to ask again.
const maxBlockWait = time.Second

// producerIDSource gives blocks of producer ids; *cluster.Broker is one.
type producerIDSource interface {
	NextProducerIDs(ctx context.Context) (first int64, count int32, err error)
}

// next returns an id that no producer of the cluster has had. When the block has no ids
// left, next takes another block from the source.
func (p *producerIDs) next(from producerIDSource) (int64, error) {
	var over <-chan time.Time // nil until there is something to wait for
	for {
		id, asking := p.take(from)
		if asking == nil {
			return id, nil
		}
		if over == nil {
			timer := time.NewTimer(maxBlockWait)
			defer timer.Stop()
			over = timer.C
		}
		select {
		case <-asking:
			if err := p.failure(); err != nil {
				return -1, err
			}
		case <-over:
			return -1, kerr.CoordinatorLoadInProgress
		}
	}
}

// take gives an id. If none is left it has the source asked for a block, and gives what is closed after the answer.
func (p *producerIDs) take(from producerIDSource) (id int64, asking chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left > 0 {
		id = p.id
		p.id++
		p.left--
		return id, nil
	}
	if p.asking == nil {
		p.asking = make(chan struct{})
		go p.ask(from)
	}
	return -1, p.asking
}

// ask takes a block from the source.
func (p *producerIDs) ask(from producerIDSource) {
	first, count, err := from.NextProducerIDs(context.Background())
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err = err; err == nil {
		p.id, p.left = first, count
	}
	close(p.asking)
	p.asking = nil
}

func (p *producerIDs) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
