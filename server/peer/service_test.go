package peer

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/protocol"
	"klamm/server/request"
	"klamm/server/transport"
)

// broker answers with what a test gives it, and keeps what it was asked.
type broker struct {
	answer    order.Answer
	err       error
	results   []order.AlterPartitionResult
	remaining []protocol.TopicPartition
	block     order.ProducerIDs

	asked any
	ctx   context.Context
}

func (b *broker) LeaderAndISR(req *order.LeaderAndISRRequest) order.Answer {
	b.asked = req
	return b.answer
}

func (b *broker) StopReplica(req *order.StopReplicaRequest) order.Answer {
	b.asked = req
	return b.answer
}

func (b *broker) UpdateMetadata(req *order.UpdateMetadataRequest) error {
	b.asked = req
	return b.err
}

func (b *broker) AlterPartition(ctx context.Context, req *order.AlterPartitionRequest) ([]order.AlterPartitionResult, error) {
	b.asked, b.ctx = req, ctx
	return b.results, b.err
}

func (b *broker) ControlledShutdown(ctx context.Context, req order.ControlledShutdownRequest) ([]protocol.TopicPartition, error) {
	b.asked, b.ctx = req, ctx
	return b.remaining, b.err
}

func (b *broker) AllocateProducerIDs(ctx context.Context, id int32, epoch int64) (order.ProducerIDs, error) {
	b.asked, b.ctx = [2]int64{int64(id), epoch}, ctx
	return b.block, b.err
}

// fixture is a service over a broker, and the errors that it logged.
type fixture struct {
	*Service
	*broker
	cut    context.CancelFunc
	logged []error
}

func newFixture(t *testing.T, b *broker) *fixture {
	f := &fixture{broker: b}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	f.cut = cancel
	f.Service = New(Options{Broker: b, Cut: ctx, Failed: func(_ *transport.Conn, _ string, err error) { f.logged = append(f.logged, err) }})
	return f
}

// call is a request of an API.
func call(key int16) *request.Call {
	api, _ := protocol.Lookup(key)
	return &request.Call{API: api, Peer: true}
}

var errSurprise = errors.New("a surprise")

// The answer has one code for each partition, in the form of the request's version, and the first error without a code of its own is
// logged.
func TestOrdersAreAnswered(t *testing.T) {
	for _, version := range []int16{1, 4, 7} {
		f := newFixture(t, &broker{answer: order.Answer{Partitions: []error{nil, order.ErrStorage, errSurprise, errSurprise}}})
		req := kmsg.NewPtrLeaderAndISRRequest()
		req.SetVersion(version)
		states := make([]kmsg.LeaderAndISRRequestTopicPartition, 4)
		for i := range states {
			states[i].Partition = int32(i)
		}
		if req.PartitionStates = states; version >= 2 {
			req.PartitionStates = nil
			req.TopicStates = append(req.TopicStates, kmsg.LeaderAndISRRequestTopicState{Topic: "t", TopicID: protocol.UUID{1}, PartitionStates: states})
		}
		resp := f.Service.LeaderAndISR(call(req.Key()), req).(*kmsg.LeaderAndISRResponse)
		got := resp.Partitions
		if version >= 5 {
			got = resp.Topics[0].Partitions
		}
		var codes []int16
		for _, p := range got {
			codes = append(codes, p.ErrorCode)
		}
		if !slices.Equal(codes, []int16{0, kerr.KafkaStorageError.Code, -1, -1}) || resp.Version != version {
			t.Errorf("version %d: codes %v in an answer of version %d", version, codes, resp.Version)
		}
		if len(f.asked.(*order.LeaderAndISRRequest).Partitions) != 4 || len(f.logged) != 1 || f.logged[0] != errSurprise {
			t.Errorf("version %d: asked %+v, logged %v", version, f.asked, f.logged)
		}
	}
	f := newFixture(t, &broker{answer: order.Answer{Err: order.ErrStaleBrokerEpoch}})
	stop := protocol.NewStopReplicaRequest()
	stop.SetVersion(4)
	if resp := f.Service.StopReplica(call(stop.Key()), stop).(*kmsg.StopReplicaResponse); resp.ErrorCode != kerr.StaleBrokerEpoch.Code || len(f.logged) != 0 {
		t.Errorf("StopReplica: %+v, logged %v", resp, f.logged)
	}
	f.err = errSurprise
	update := kmsg.NewPtrUpdateMetadataRequest()
	update.SetVersion(8)
	resp, err := f.Service.UpdateMetadata(call(update.Key()), update)
	if err != nil || resp.(*kmsg.UpdateMetadataResponse).ErrorCode != -1 || len(f.logged) != 1 {
		t.Errorf("UpdateMetadata: %+v, %v, logged %v", resp, err, f.logged)
	}
	f.asked = nil
	update.SetVersion(1)
	update.LiveBrokers = []kmsg.UpdateMetadataRequestLiveBroker{{Endpoints: []kmsg.UpdateMetadataRequestLiveBrokerEndpoint{{SecurityProtocol: 9}}}}
	if _, err := f.Service.UpdateMetadata(call(update.Key()), update); err == nil || f.asked != nil {
		t.Errorf("an unknown security protocol: %v, asked %+v", err, f.asked)
	}
}

// What is asked of the controller does not wait for ever, nor beyond the end of the server.
func TestTheControllerIsAsked(t *testing.T) {
	f := newFixture(t, &broker{
		results: []order.AlterPartitionResult{{Leader: 3, PartitionEpoch: 4}}, remaining: []protocol.TopicPartition{{Topic: "t", Partition: 5}},
		block: order.ProducerIDs{First: 6000, Count: 1000},
	})
	alter := kmsg.NewPtrAlterPartitionRequest()
	alter.SetVersion(3)
	alter.Topics = []kmsg.AlterPartitionRequestTopic{{TopicID: protocol.UUID{1}, Partitions: make([]kmsg.AlterPartitionRequestTopicPartition, 1)}}
	down := kmsg.NewPtrControlledShutdownRequest()
	down.SetVersion(3)
	allocate := kmsg.NewPtrAllocateProducerIDsRequest()
	allocate.BrokerID, allocate.BrokerEpoch = 7, 8
	ask := func() (a *kmsg.AlterPartitionResponse, d *kmsg.ControlledShutdownResponse, p *kmsg.AllocateProducerIDsResponse) {
		a = f.Service.AlterPartition(call(alter.Key()), alter).(*kmsg.AlterPartitionResponse)
		f.wantBounded(t)
		d = f.Service.ControlledShutdown(call(down.Key()), down).(*kmsg.ControlledShutdownResponse)
		f.wantBounded(t)
		p = f.Service.AllocateProducerIDs(call(allocate.Key()), allocate).(*kmsg.AllocateProducerIDsResponse)
		f.wantBounded(t)
		return a, d, p
	}
	a, d, p := ask()
	if a.ErrorCode != 0 || len(a.Topics) != 1 || a.Topics[0].Partitions[0].LeaderID != 3 || a.Topics[0].Partitions[0].PartitionEpoch != 4 {
		t.Errorf("AlterPartition: %+v", a)
	}
	if d.ErrorCode != 0 || len(d.PartitionsRemaining) != 1 || d.PartitionsRemaining[0].Partition != 5 {
		t.Errorf("ControlledShutdown: %+v", d)
	}
	if p.ErrorCode != 0 || p.ProducerIDStart != 6000 || p.ProducerIDLen != 1000 || f.asked != [2]int64{7, 8} {
		t.Errorf("AllocateProducerIds: %+v, asked by %v", p, f.asked)
	}
	f.err = order.ErrNotController
	a, d, p = ask()
	if a.ErrorCode != kerr.NotController.Code || d.ErrorCode != kerr.StaleControllerEpoch.Code || p.ErrorCode != kerr.NotController.Code || len(f.logged) != 0 {
		t.Errorf("not the controller: codes %d, %d and %d, logged %v", a.ErrorCode, d.ErrorCode, p.ErrorCode, f.logged)
	}
	f.cut()
	ask()
	if f.ctx.Err() == nil {
		t.Error("a request waits although the server ends")
	}
}

func (f *fixture) wantBounded(t *testing.T) {
	t.Helper()
	if end, bounded := f.ctx.Deadline(); !bounded || time.Until(end) > answerTimeout {
		t.Error("the controller is asked without an end")
	}
}
