package peer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster/order"
	"klamm/internal/await"
	"klamm/protocol"
)

// world is a channel of broker 1, the brokers that it can reach by host, and what the metadata say.
type world struct {
	*ControllerChannel
	lines *log

	mu         sync.Mutex
	brokers    map[string]*fakeBroker
	controller int32
	host       string // of the controller; "" while the metadata name none
	epoch      int64
}

func newWorld(t *testing.T, self Controller, change func(*ControllerOptions)) *world {
	t.Helper()
	w := &world{lines: new(log), brokers: map[string]*fakeBroker{}, epoch: 100}
	o := ControllerOptions{
		BrokerID: 1, Self: self, Logger: w.lines.logger(), SoftwareVersion: "1.2", After: never,
		BrokerEpoch: func() int64 {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.epoch
		},
		Find: func() (int32, order.Endpoint, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.controller, order.Endpoint{Host: w.host}, w.host != ""
		},
		Dial: func(ctx context.Context, to order.Endpoint) (Conn, error) {
			w.mu.Lock()
			b := w.brokers[to.Host]
			w.mu.Unlock()
			if b == nil { // a host that swallows packets
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return b.dial(ctx, to)
		},
	}
	if change != nil {
		change(&o)
	}
	w.ControllerChannel = NewControllerChannel(o)
	t.Cleanup(w.ControllerChannel.Close)
	return w
}

// elect makes a broker the controller in the metadata.
func (w *world) elect(id int32, host string) {
	w.mu.Lock()
	w.controller, w.host = id, host
	w.mu.Unlock()
	w.Changed()
}

// add adds a broker that answers by serve, and serves the versions of 3.9.
func (w *world) add(t *testing.T, host string, serve func(ctx context.Context, req kmsg.Request) (kmsg.Response, error)) *fakeBroker {
	b := &fakeBroker{t: t}
	b.serve = func(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
		if asked, ok := req.(*kmsg.ApiVersionsRequest); ok {
			if asked.Version != 3 || asked.ClientSoftwareName != "klamm" || asked.ClientSoftwareVersion != "1.2" {
				t.Errorf("asked for versions by %+v", asked)
			}
			return versions(3), nil
		}
		return serve(ctx, req)
	}
	w.mu.Lock()
	w.brokers[host] = b
	w.mu.Unlock()
	return b
}

// versions is the answer of a broker that serves AlterPartition up to a version.
func versions(most int16) *kmsg.ApiVersionsResponse {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: 67}, kmsg.ApiVersionsResponseApiKey{ApiKey: 1, MaxVersion: 17})
	if most >= 0 {
		resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: 56, MaxVersion: most})
	}
	return resp
}

// shrink asks for the ISR of one partition.
var shrink = []order.AlterPartition{{TopicPartition: protocol.TopicPartition{Topic: "t", Partition: 2}, TopicID: protocol.UUID{7}, LeaderEpoch: 3, PartitionEpoch: 4, ISR: []int32{1}}}

// altered answers each partition of an AlterPartition with a higher epoch, or all with an error.
func altered(req kmsg.Request, code int16) kmsg.Response {
	resp := kmsg.NewPtrAlterPartitionResponse()
	if resp.ErrorCode = code; code != 0 {
		return resp
	}
	for _, t := range req.(*kmsg.AlterPartitionRequest).Topics {
		out := kmsg.AlterPartitionResponseTopic{Topic: t.Topic, TopidID: t.TopicID}
		for _, p := range t.Partitions {
			if req.GetVersion() >= 3 {
				p.NewISR = nil
				for _, replica := range p.NewEpochISR {
					p.NewISR = append(p.NewISR, replica.BrokerID)
				}
			}
			out.Partitions = append(out.Partitions, kmsg.AlterPartitionResponseTopicPartition{Partition: p.Partition, LeaderID: 1, PartitionEpoch: p.PartitionEpoch + 1, ISR: p.NewISR})
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp
}

func wantAltered(t *testing.T, results []order.AlterPartitionResult, err error) {
	t.Helper()
	if err != nil || len(results) != 1 || results[0].Err != nil || results[0].PartitionEpoch != 5 || results[0].Leader != 1 {
		t.Errorf("got %+v, %v", results, err)
	}
}

func TestRequestsFollowTheController(t *testing.T) {
	w := newWorld(t, nil, nil)
	refused := make(chan struct{}, 1)
	w.add(t, "a", func(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
		defer func() { refused <- struct{}{} }()
		return altered(req, kerr.NotController.Code), nil
	})
	good := w.add(t, "b", func(_ context.Context, req kmsg.Request) (kmsg.Response, error) { return altered(req, 0), nil })
	go func() {
		w.elect(2, "a") // the channel waits for the metadata
		<-refused
		w.elect(3, "b") // the channel waits after the refusal
	}()
	results, err := w.AlterPartition(context.Background(), shrink)
	wantAltered(t, results, err)
	results, err = w.AlterPartition(context.Background(), shrink)
	wantAltered(t, results, err)
	if n := good.dialled(); n != 1 || strings.Contains(w.lines.String(), "refuses") {
		t.Errorf("%d connections, log\n%s", n, w.lines)
	}
}

// A controller that does not answer any more must not hold up a request when there is another one.
func TestChangeOfTheControllerEndsARequestUnderWay(t *testing.T) {
	for name, hang := range map[string]bool{"in the request": false, "in the connection": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil, nil)
			asked := make(chan struct{}, 1)
			if !hang {
				w.add(t, "a", func(ctx context.Context, _ kmsg.Request) (kmsg.Response, error) {
					asked <- struct{}{}
					<-ctx.Done()
					return nil, ctx.Err()
				})
			}
			w.add(t, "b", func(_ context.Context, req kmsg.Request) (kmsg.Response, error) { return altered(req, 0), nil })
			w.elect(2, "a")
			go func() {
				if !hang {
					<-asked
				} else {
					await.Until(t, "the channel connects", func() bool {
						w.main.mu.Lock()
						defer w.main.mu.Unlock()
						return w.main.giveUp != nil
					})
				}
				w.elect(3, "b")
			}()
			results, err := w.AlterPartition(context.Background(), shrink)
			wantAltered(t, results, err)
		})
	}
}

// A broker that has registered again uses its new epoch at once.
func TestRefusedEpochIsReadAgain(t *testing.T) {
	w := newWorld(t, nil, func(o *ControllerOptions) { o.After = atOnce })
	var epochs []int64
	w.add(t, "a", func(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
		epoch := req.(*kmsg.AlterPartitionRequest).BrokerEpoch
		if epochs = append(epochs, epoch); epoch < 102 {
			w.mu.Lock()
			w.epoch++
			w.mu.Unlock()
			return altered(req, kerr.StaleBrokerEpoch.Code), nil
		}
		return altered(req, 0), nil
	})
	w.elect(2, "a")
	results, err := w.AlterPartition(context.Background(), shrink)
	wantAltered(t, results, err)
	if !slices.Equal(epochs, []int64{100, 101, 102}) {
		t.Errorf("epochs %v", epochs)
	}
	if n := strings.Count(w.lines.String(), "\n"); n != 1 || !strings.Contains(w.lines.String(), "AlterPartition") {
		t.Errorf("log %q", w.lines)
	}
}

func TestVersionsThatTheControllerServes(t *testing.T) {
	for _, most := range []int16{0, 1, 2, 3, 4} {
		w := newWorld(t, nil, nil)
		b := w.add(t, "a", nil)
		b.serve = func(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
			if asked, ok := req.(*kmsg.ApiVersionsRequest); ok {
				if asked.Version > 0 && most == 1 { // a broker that does not serve the version
					resp := kmsg.NewPtrApiVersionsResponse()
					resp.ErrorCode = kerr.UnsupportedVersion.Code
					return resp, nil
				}
				return versions(most), nil
			}
			if want := min(most, 3); req.GetVersion() != want {
				t.Errorf("asked in version %d, want %d", req.GetVersion(), want)
			}
			return altered(req, 0), nil
		}
		w.elect(2, "a")
		results, err := w.AlterPartition(context.Background(), shrink)
		wantAltered(t, results, err)
		if len(results) == 1 && !slices.Equal(results[0].ISR, shrink[0].ISR) {
			t.Errorf("the ISR is %v in version %d", results[0].ISR, most)
		}
	}
}

// TestControllerThatChangesBeforeTheConnectionIsMade: the channel waited for the broker that was the controller before, or asked it.
func TestControllerThatChangesBeforeTheConnectionIsMade(t *testing.T) {
	answer := func(context.Context, kmsg.Request) (kmsg.Response, error) {
		return kmsg.NewPtrControlledShutdownResponse(), nil
	}
	for _, connected := range []bool{false, true} {
		var w *world
		var once sync.Once
		change := func() { once.Do(func() { w.elect(3, "b") }) }
		w = newWorld(t, nil, func(o *ControllerOptions) {
			find, dial := o.Find, o.Dial
			o.Find = func() (int32, order.Endpoint, bool) {
				id, at, known := find()
				if !connected && at.Host == "a" {
					change()
				}
				return id, at, known
			}
			o.Dial = func(ctx context.Context, to order.Endpoint) (Conn, error) {
				conn, err := dial(ctx, to)
				if to.Host == "a" {
					change()
				}
				return conn, err
			}
		})
		w.controller, w.host = 2, "a"
		before := &fakeBroker{}
		if connected {
			before = w.add(t, "a", answer)
		}
		now := w.add(t, "b", answer)
		ctx, cancel := context.WithTimeout(context.Background(), await.Patience)
		if _, err := w.ControlledShutdown(ctx); err != nil {
			t.Errorf("connected=%t: %v", connected, err)
		}
		cancel()
		if n := len(before.requests()); n > 0 || len(now.requests()) != 1 {
			t.Errorf("connected=%t: the controller of before was asked %d times, the one of now %d times", connected, n, len(now.requests()))
		}
	}
}

// A controller that does not serve the request is asked until the context ends, which the error tells.
func TestControllerThatDoesNotServeARequest(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	w := newWorld(t, nil, func(o *ControllerOptions) { o.After = never })
	b := w.add(t, "a", nil)
	b.serve = func(context.Context, kmsg.Request) (kmsg.Response, error) { return versions(-1), nil }
	w.elect(2, "a")
	go func() {
		await.Until(t, "the refusal is logged", func() bool { return strings.Contains(w.lines.String(), "refuses") })
		cancel()
	}()
	_, err := w.AlterPartition(ctx, shrink)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "does not serve") {
		t.Errorf("got %v", err)
	}
}

func TestProducerIDsAreAllocated(t *testing.T) {
	w := newWorld(t, nil, func(o *ControllerOptions) { o.After = atOnce })
	tries := 0
	w.add(t, "a", func(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
		asked := req.(*kmsg.AllocateProducerIDsRequest)
		if asked.BrokerID != 1 || asked.BrokerEpoch != 100 {
			t.Errorf("asked by %+v", asked)
		}
		resp := kmsg.NewPtrAllocateProducerIDsResponse()
		if tries++; tries < 3 {
			resp.ErrorCode = kerr.BrokerIDNotRegistered.Code // it does not know the broker yet
			return resp, nil
		}
		resp.ProducerIDStart, resp.ProducerIDLen = 5000, 1000
		return resp, nil
	})
	w.elect(2, "a")
	if block, err := w.AllocateProducerIDs(context.Background()); err != nil || block != (order.ProducerIDs{First: 5000, Count: 1000}) {
		t.Errorf("got %+v, %v", block, err)
	}
}

// A broker says that it stops without asking for versions first, on a connection that does not wait for the other one.
func TestControlledShutdownGoesItsOwnWay(t *testing.T) {
	w := newWorld(t, nil, func(o *ControllerOptions) { o.After = atOnce })
	codes := []int16{kerr.StaleControllerEpoch.Code, 0, kerr.BrokerNotAvailable.Code}
	asked := make(chan struct{})
	b := w.add(t, "a", func(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
		if req.Key() == protocol.KeyAlterPartition {
			close(asked)
			<-ctx.Done()
			return nil, ctx.Err()
		}
		resp := kmsg.NewPtrControlledShutdownResponse()
		resp.ErrorCode, codes = codes[0], codes[1:]
		resp.PartitionsRemaining = append(resp.PartitionsRemaining, kmsg.ControlledShutdownResponsePartitionsRemaining{Topic: "t", Partition: 3})
		return resp, nil
	})
	w.elect(2, "a")
	go func() { _, _ = w.AlterPartition(context.Background(), shrink) }()
	<-asked
	remaining, err := w.ControlledShutdown(context.Background())
	if err != nil || !slices.Equal(remaining, []protocol.TopicPartition{{Topic: "t", Partition: 3}}) {
		t.Errorf("got %v, %v", remaining, err)
	}
	if _, err := w.ControlledShutdown(context.Background()); err != order.ErrBrokerNotAvailable {
		t.Errorf("got %v, want the controller's refusal", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var keys []byte
	for _, r := range b.got {
		keys = append(keys, r[0], r[1])
	}
	if !slices.Equal(keys, []byte{18, 3, 56, 3, 7, 3, 7, 3, 7, 3}) {
		t.Errorf("keys and versions: %v", keys)
	}
}

// self is a controller in this process.
type self struct{ elected bool }

func (s *self) AlterPartition(_ context.Context, req *order.AlterPartitionRequest) ([]order.AlterPartitionResult, error) {
	if !s.elected {
		return nil, order.ErrNotController
	}
	return []order.AlterPartitionResult{{Leader: req.BrokerID, PartitionEpoch: req.Partitions[0].PartitionEpoch + 1}}, nil
}

func (s *self) AllocateProducerIDs(_ context.Context, brokerID int32, brokerEpoch int64) (order.ProducerIDs, error) {
	return order.ProducerIDs{First: brokerEpoch, Count: brokerID}, nil
}

func (s *self) ControlledShutdown(_ context.Context, req order.ControlledShutdownRequest) ([]protocol.TopicPartition, error) {
	return nil, order.Refuse(order.ErrStaleBrokerEpoch, "epoch %d", req.BrokerEpoch)
}

// A broker that is the controller asks itself, and another one when it is no more.
func TestBrokerThatIsTheController(t *testing.T) {
	own := &self{elected: true}
	w := newWorld(t, own, nil)
	w.add(t, "b", func(_ context.Context, req kmsg.Request) (kmsg.Response, error) { return altered(req, 0), nil })
	w.elect(1, "own")
	results, err := w.AlterPartition(context.Background(), shrink)
	wantAltered(t, results, err)
	if block, err := w.AllocateProducerIDs(context.Background()); err != nil || block.First != 100 || block.Count != 1 {
		t.Errorf("got %v, %v", block, err)
	}
	if _, err := w.ControlledShutdown(context.Background()); !errors.Is(err, order.ErrStaleBrokerEpoch) {
		t.Errorf("got %v", err)
	}
	own.elected = false
	go w.elect(3, "b")
	results, err = w.AlterPartition(context.Background(), shrink)
	wantAltered(t, results, err)
}

// A request that is cut off gets another connection, and one line in the log says so, however often that fails.
func TestCutRequestsAreSentAgain(t *testing.T) {
	w := newWorld(t, nil, func(o *ControllerOptions) { o.After = atOnce })
	cuts := 3
	b := w.add(t, "a", func(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
		if cuts > 0 {
			cuts--
			return nil, errCut
		}
		return altered(req, 0), nil
	})
	w.elect(2, "a")
	results, err := w.AlterPartition(context.Background(), shrink)
	wantAltered(t, results, err)
	if n := b.dialled(); n != 4 {
		t.Errorf("%d connections, want 4", n)
	}
	if n := strings.Count(w.lines.String(), "\n"); n != 2 {
		t.Errorf("want one line for the failure and one for its end, got\n%s", w.lines)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := w.AlterPartition(ended, shrink); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestCloseEndsRequestsToTheController(t *testing.T) {
	w := newWorld(t, nil, nil)
	asked := make(chan struct{})
	w.add(t, "a", func(ctx context.Context, _ kmsg.Request) (kmsg.Response, error) {
		close(asked)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	w.elect(2, "a")
	go func() { <-asked; w.ControllerChannel.Close() }()
	if _, err := w.AlterPartition(context.Background(), shrink); err != ErrClosed {
		t.Errorf("got %v, want ErrClosed", err)
	}
	if _, err := w.ControlledShutdown(context.Background()); err != ErrClosed {
		t.Errorf("after that: %v, want ErrClosed", err)
	}
}
