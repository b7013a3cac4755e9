package peer

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/protocol"
)

// at is where a broker listens.
var at = order.Endpoint{Listener: "PLAINTEXT", SecurityProtocol: "PLAINTEXT", Host: "h", Port: 9092}

func brokerChannel(t *testing.T, b *fakeBroker, change func(*BrokerOptions)) (*BrokerChannel, *log) {
	t.Helper()
	lines := new(log)
	o := BrokerOptions{BrokerID: 7, Endpoint: at, Dial: b.dial, Logger: lines.logger(), After: atOnce}
	if change != nil {
		change(&o)
	}
	c := NewBrokerChannel(o)
	t.Cleanup(c.Close)
	return c, lines
}

// answerOrder answers an order with an error for its first partition, if it has partitions.
func answerOrder(req kmsg.Request, code int16) kmsg.Response {
	switch req := req.(type) {
	case *kmsg.LeaderAndISRRequest:
		resp := kmsg.NewPtrLeaderAndISRResponse()
		part := kmsg.LeaderAndISRResponseTopicPartition{Partition: req.TopicStates[0].PartitionStates[0].Partition, ErrorCode: code}
		resp.Topics = append(resp.Topics, kmsg.LeaderAndISRResponseTopic{TopicID: req.TopicStates[0].TopicID, Partitions: []kmsg.LeaderAndISRResponseTopicPartition{part}})
		return resp
	case *protocol.StopReplicaRequest:
		resp := kmsg.NewPtrStopReplicaResponse()
		resp.Partitions = append(resp.Partitions, kmsg.StopReplicaResponsePartition{Topic: req.Topics[0].Topic, ErrorCode: code})
		return resp
	default:
		resp := kmsg.NewPtrUpdateMetadataResponse()
		resp.ErrorCode = code
		return resp
	}
}

func lead() *order.LeaderAndISRRequest {
	return &order.LeaderAndISRRequest{
		Header:     order.Header{ControllerID: 1, ControllerEpoch: 2, BrokerEpoch: 3},
		Partitions: []order.LeaderAndISR{{TopicPartition: protocol.TopicPartition{Topic: "t", Partition: 4}, TopicID: protocol.UUID{5}}, {TopicID: protocol.UUID{6}}},
	}
}

func TestOrdersAreAnswered(t *testing.T) {
	b := &fakeBroker{t: t}
	b.serve = func(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
		return answerOrder(req, kerr.KafkaStorageError.Code), nil
	}
	c, lines := brokerChannel(t, b, nil)
	ctx := context.Background()
	if a, err := c.LeaderAndISR(ctx, lead()); err != nil || a.Err != nil || a.At(0) != order.ErrStorage || a.At(1) != nil {
		t.Errorf("LeaderAndIsr: %+v, %v", a, err)
	}
	stop := &order.StopReplicaRequest{Partitions: []order.StopReplica{{TopicPartition: protocol.TopicPartition{Topic: "t"}}}}
	if a, err := c.StopReplica(ctx, stop); err != nil || a.At(0) != order.ErrStorage {
		t.Errorf("StopReplica: %+v, %v", a, err)
	}
	if a, err := c.UpdateMetadata(ctx, &order.UpdateMetadataRequest{}); err != nil || a.Err != order.ErrStorage {
		t.Errorf("UpdateMetadata: %+v, %v", a, err)
	}
	var versions []byte
	for _, r := range b.requests() {
		versions = append(versions, r[:2]...)
	}
	if !bytes.Equal(versions, []byte{4, 7, 5, 4, 6, 8}) {
		t.Errorf("keys and versions: %v", versions)
	}
	if n := b.dialled(); n != 1 || lines.String() != "" {
		t.Errorf("%d connections, log %q", n, lines)
	}
}

// An order that was cut off may have been carried out; it is sent again as it was.
func TestOrdersAreSentAgainUnchanged(t *testing.T) {
	b := &fakeBroker{t: t}
	tries := 0
	b.serve = func(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
		if tries++; tries%5 != 0 {
			return nil, errCut
		}
		return answerOrder(req, 0), nil
	}
	c, lines := brokerChannel(t, b, nil)
	for range 2 {
		if a, err := c.LeaderAndISR(context.Background(), lead()); err != nil || a.Err != nil {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	got := b.requests()
	for _, r := range got {
		if !bytes.Equal(r, got[0]) {
			t.Errorf("sent %x after %x", r, got[0])
		}
	}
	if n := b.dialled(); len(got) != 10 || n != 9 {
		t.Errorf("%d requests over %d connections; want 10 over 9", len(got), n)
	}
	if n := strings.Count(lines.String(), "\n"); n != 4 || !strings.Contains(lines.String(), "broker 7") {
		t.Errorf("want one line for each failure and one for its end, got\n%s", lines)
	}
}

func TestCloseEndsAnOrder(t *testing.T) {
	asked := make(chan struct{})
	for name, b := range map[string]*fakeBroker{
		"under way": {serve: func(ctx context.Context, _ kmsg.Request) (kmsg.Response, error) {
			asked <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}},
		"waiting": {refuse: errCut},
	} {
		t.Run(name, func(t *testing.T) {
			b.t = t
			c, _ := brokerChannel(t, b, func(o *BrokerOptions) {
				o.After = func(time.Duration) <-chan time.Time {
					asked <- struct{}{}
					return nil
				}
			})
			go func() { <-asked; c.Close() }()
			if _, err := c.LeaderAndISR(context.Background(), lead()); err != ErrClosed {
				t.Errorf("got %v, want ErrClosed", err)
			}
			if _, err := c.StopReplica(context.Background(), &order.StopReplicaRequest{}); err != ErrClosed {
				t.Errorf("after that: %v, want ErrClosed", err)
			}
		})
	}
}

func TestTheContextEndsAnOrder(t *testing.T) {
	b := &fakeBroker{t: t, refuse: errCut}
	c, _ := brokerChannel(t, b, func(o *BrokerOptions) { o.After = never })
	ctx, cancel := context.WithCancel(context.Background())
	go cancel()
	if _, err := c.LeaderAndISR(ctx, lead()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	b.setRefuse(nil)
	b.serve = func(_ context.Context, req kmsg.Request) (kmsg.Response, error) { return answerOrder(req, 0), nil }
	if _, err := c.LeaderAndISR(context.Background(), lead()); err != nil {
		t.Errorf("the next order: %v", err)
	}
}
