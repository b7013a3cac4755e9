// Package peer serves the APIs that brokers use among themselves: the orders of the controller (LeaderAndIsr, StopReplica,
// UpdateMetadata), and what brokers ask of the controller (AlterPartition, ControlledShutdown, AllocateProducerIds). There is
// one file for each API.
//
// It reads requests, has the cluster carry them out, and makes answers. A request that does not come in on a listener for brokers is
// refused with CLUSTER_AUTHORIZATION_FAILED, and nothing of it is carried out: an order stops partitions and deletes their logs, and a
// broker alone takes none from outside. Apart from that the package decides nothing: who is the controller, which epoch
// is stale and what becomes of a partition is decided below the server. How large a request may be depends on the listener that
// it comes in on, see package request.
//
// Begin reading at leader_and_isr.go.
package peer

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/cluster/order"
	"klamm/protocol"
	"klamm/server/codes"
	"klamm/server/request"
	"klamm/server/transport"
)

// Broker is what carries requests out. *cluster.Broker is one. The errors are those of package order.
type Broker interface {
	// LeaderAndISR, StopReplica and UpdateMetadata carry out orders of the controller.
	LeaderAndISR(req *order.LeaderAndISRRequest) order.Answer
	StopReplica(req *order.StopReplicaRequest) order.Answer
	UpdateMetadata(req *order.UpdateMetadataRequest) error
	// AlterPartition, ControlledShutdown and AllocateProducerIDs are for the controller: order.ErrNotController where this broker
	// is not elected.
	AlterPartition(ctx context.Context, req *order.AlterPartitionRequest) ([]order.AlterPartitionResult, error)
	ControlledShutdown(ctx context.Context, req order.ControlledShutdownRequest) ([]protocol.TopicPartition, error)
	AllocateProducerIDs(ctx context.Context, brokerID int32, brokerEpoch int64) (order.ProducerIDs, error)
}

// Options are what a Service is made of. All fields are required.
type Options struct {
	Broker Broker
	// Cut ends when the server waits for no request any more.
	Cut context.Context
	// Failed logs what went wrong with a request that is answered all the same.
	Failed func(c *transport.Conn, msg string, err error)
}

// Service serves the APIs. Its methods are for package request.
type Service struct{ o Options }

// New makes a service.
func New(o Options) *Service { return &Service{o} }

// answerTimeout bounds how long a broker waits here for the controller. Whoever asks has given up by then, and asks again.
const answerTimeout = 30 * time.Second

// wait gives a context for what asks the controller.
func (s *Service) wait() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.o.Cut, answerTimeout)
}

// admit refuses what does not come from a broker.
func admit(c *request.Call) error {
	if !c.Peer {
		return kerr.ClusterAuthorizationFailed
	}
	return nil
}

// unexpected logs an error that has no code of its own, and gives it back.
func (s *Service) unexpected(c *request.Call, err error) error {
	if err != nil && codes.Unexpected(err) {
		s.o.Failed(c.Conn, c.API.Name+" failed", err)
	}
	return err
}

// noteFailures logs the first error of an answer that has no code of its own.
func (s *Service) noteFailures(c *request.Call, a order.Answer) {
	if a.Err != nil {
		_ = s.unexpected(c, a.Err)
		return
	}
	for _, err := range a.Partitions {
		if err != nil && codes.Unexpected(err) {
			_ = s.unexpected(c, err)
			return
		}
	}
}
