package replica

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/logstore"
	"klamm/protocol"
)

// heldConn is a connection whose leader holds each Fetch until the test answers it, or the connection is closed.
type heldConn struct {
	asked     chan *kmsg.FetchRequest
	answer    chan *kmsg.FetchResponse
	answering atomic.Bool
	closed    chan struct{}
	once      sync.Once
}

func newHeldConn() *heldConn {
	return &heldConn{asked: make(chan *kmsg.FetchRequest, 1), answer: make(chan *kmsg.FetchResponse), closed: make(chan struct{})}
}

func (c *heldConn) Fetch(ctx context.Context, req *kmsg.FetchRequest) (*kmsg.FetchResponse, func(), error) {
	c.asked <- req
	select {
	case resp := <-c.answer:
		return resp, func() {}, nil
	case <-c.closed:
		return nil, nil, io.ErrClosedPipe
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
}

func (c *heldConn) Request(context.Context, kmsg.Request) (kmsg.Response, error) {
	return nil, errors.New("not here")
}

func (c *heldConn) Answering() bool { return c.answering.Load() }

func (c *heldConn) Close() { c.once.Do(func() { close(c.closed) }) }

// heldPool is a pool whose connections are held.
type heldPool struct {
	*fetcherPool
	t         *testing.T
	logs      map[protocol.TopicPartition]*logDouble
	conns     chan *heldConn
	roundTrip time.Duration // how long it takes to connect
	dialing   sync.Mutex
	refused   bool            // guarded by dialing; the leaders do not accept connections
	dials     []time.Duration // guarded by dialing; when there were some, since the beginning
}

// setRefused says whether the leaders refuse connections from now on.
func (h *heldPool) setRefused(refused bool) {
	h.dialing.Lock()
	defer h.dialing.Unlock()
	h.refused = refused
}

// dialled gives when there were connections, in ms since the beginning.
func (h *heldPool) dialled() (ms []int64) {
	h.dialing.Lock()
	defer h.dialing.Unlock()
	for _, d := range h.dials {
		ms = append(ms, d.Milliseconds())
	}
	return ms
}

func newHeldPool(t *testing.T) *heldPool {
	h := &heldPool{t: t, logs: map[protocol.TopicPartition]*logDouble{}, conns: make(chan *heldConn, 10)}
	begun := time.Now()
	o := &Options{BrokerID: 1, Logger: slog.New(slog.DiscardHandler)}
	o.setDefaults()
	o.DialLeader = func(ctx context.Context, _ int32) (LeaderConn, error) {
		h.dialing.Lock()
		h.dials = append(h.dials, time.Since(begun))
		refused := h.refused
		h.dialing.Unlock()
		select {
		case <-time.After(h.roundTrip):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if refused {
			return nil, errors.New("connection refused")
		}
		c := newHeldConn()
		h.conns <- c
		return c, nil
	}
	h.fetcherPool = newFetcherPool(o, func() int64 { return time.Since(begun).Milliseconds() })
	return h
}

// follow has partition number n fetched from a leader.
func (h *heldPool) follow(n, leader, epoch int32) *logDouble {
	h.t.Helper()
	tp := protocol.TopicPartition{Topic: "t", Partition: n}
	d := h.logs[tp]
	if d == nil {
		d = newLogDouble(h.t, 1, tp, logstore.DefaultConfig())
		h.logs[tp] = d
	}
	h.set([]fetchOrder{d.follow(leader, epoch)})
	return d
}

// fetching has the pool follow partition 0, and gives the connection in which the leader has been asked for it.
func (h *heldPool) fetching() *heldConn {
	h.follow(0, 2, 1)
	c := <-h.conns
	<-c.asked
	return c
}

// expect fails the test where a request asks for other partitions.
func (h *heldPool) expect(req *kmsg.FetchRequest, want ...int32) {
	h.t.Helper()
	if got := partitions(req); !slices.Equal(got, want) {
		h.t.Errorf("asked for %v", got)
	}
}

// partitions lists those that a request has.
func partitions(req *kmsg.FetchRequest) (list []int32) {
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			list = append(list, p.Partition)
		}
	}
	slices.Sort(list)
	return list
}

// answerOf makes the answer of a leader that has nothing new.
func answerOf(session int32, list ...int32) *kmsg.FetchResponse {
	resp := kmsg.NewPtrFetchResponse()
	resp.Version, resp.SessionID = 17, session
	for _, n := range list {
		t, p := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
		t.TopicID, p.Partition = doubleID, n
		t.Partitions = append(t.Partitions, p)
		resp.Topics = append(resp.Topics, t)
	}
	return resp
}

// TestAddedPartitionDoesNotWaitForAParkedFetch: a leader with nothing to send holds a fetch for 500 ms, and a partition that came meanwhile, as after a
// failover, waited for it.
func TestAddedPartitionDoesNotWaitForAParkedFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeldPool(t)
		defer h.Close()
		h.follow(0, 2, 1)
		first := <-h.conns
		<-first.asked
		first.answer <- answerOf(7, 0)
		<-first.asked
		time.Sleep(100 * time.Millisecond)
		begun := time.Now()
		h.follow(1, 2, 1)
		<-first.closed
		second := <-h.conns
		req := <-second.asked
		if got := time.Since(begun); got != interruptMs*time.Millisecond {
			t.Errorf("asked for after %v", got)
		}
		if got := partitions(req); !slices.Equal(got, []int32{0, 1}) || req.SessionEpoch != 0 || req.SessionID != 7 {
			t.Errorf("asked for %v in session %d/%d", got, req.SessionID, req.SessionEpoch)
		}
	})
}

// TestBusyFetchIsNotInterrupted: a leader that answers soon is not disturbed, and the partition comes with the next request.
func TestBusyFetchIsNotInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeldPool(t)
		defer h.Close()
		c := h.fetching()
		h.follow(1, 2, 1)
		time.Sleep(interruptMs * time.Millisecond / 2)
		c.answer <- answerOf(7, 0)
		req := <-c.asked
		if h.expect(req, 1); req.SessionEpoch != 1 {
			t.Errorf("asked in epoch %d", req.SessionEpoch)
		}
		time.Sleep(10 * interruptMs * time.Millisecond)
		select {
		case <-c.closed:
			t.Error("interrupted")
		default:
		}
	})
}

// TestAddedPartitionDoesNotDropTheAnswerOfADistantLeader: a Fetch was given up 10 ms after a partition had been added. What a leader 200 ms away had
// sent was lost, and came again 800 ms later, after a new connection had been made.
func TestAddedPartitionDoesNotDropTheAnswerOfADistantLeader(t *testing.T) {
	for _, held := range []time.Duration{0, 400 * time.Millisecond} { // in which the leader has nothing to send
		synctest.Test(t, func(t *testing.T) {
			h := newHeldPool(t)
			defer h.Close()
			h.roundTrip = 400 * time.Millisecond
			c := h.fetching()
			h.follow(1, 2, 1)
			select {
			case <-c.closed:
				t.Fatal("the connection was closed")
			case <-time.After(held + h.roundTrip):
			}
			c.answer <- answerOf(7, 0)
			req := <-c.asked
			if h.expect(req, 1); req.SessionEpoch != 1 {
				t.Errorf("asked in epoch %d", req.SessionEpoch)
			}
			time.Sleep(h.roundTrip)
			if len(h.conns) > 0 {
				<-(<-h.conns).closed
			}
		})
	}
}

// TestAnswerThatHasBegunIsAwaited: a large answer takes longer than a new connection.
func TestAnswerThatHasBegunIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeldPool(t)
		defer h.Close()
		c := h.fetching()
		c.answering.Store(true)
		h.follow(1, 2, 1)
		<-(<-h.conns).closed
		c.answer <- answerOf(7, 0)
		h.expect(<-c.asked, 1)
	})
}

// TestFetchGoesOnWhileItsLeaderAcceptsNoConnection: the fetch that is under way may still be answered.
func TestFetchGoesOnWhileItsLeaderAcceptsNoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeldPool(t)
		defer h.Close()
		c := h.fetching()
		h.setRefused(true)
		h.follow(1, 2, 1)
		time.Sleep(2 * interruptMs * time.Millisecond)
		if n := len(h.dialled()); n != 2 {
			t.Errorf("%d dials", n)
		}
		c.answer <- answerOf(7, 0)
		h.expect(<-c.asked, 1)
	})
}

// TestConnectionIsTriedAgainLaterAndLater: a leader that is gone was asked again after 1 s at first.
func TestConnectionIsTriedAgainLaterAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeldPool(t)
		defer h.Close()
		h.setRefused(true)
		h.follow(0, 2, 1)
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		ms := h.dialled()
		if want := []int64{0, 10, 30, 70, 150, 310, 630, 1270, 2270}; !slices.Equal(ms, want) {
			t.Errorf("dialled at %v ms, want %v", ms, want)
		}
		h.BrokersChanged() // perhaps the leader is there now
		synctest.Wait()
		if n := len(h.dialled()); n != 10 {
			t.Errorf("%d dials", n)
		}
		h.setRefused(false)
		c := <-h.conns
		<-c.asked
		c.answer <- answerOf(7, 0)
		<-c.asked
		begun := time.Now()
		c.Close()
		c = <-h.conns
		if got := time.Since(begun); got != minBackoffMs*time.Millisecond {
			t.Errorf("the row of delays after an answer begins with %v", got)
		}
		<-c.asked
	})
}

// heldLog holds an append until it is released.
type heldLog struct {
	*logDouble
	begun, release chan struct{}
	appended       atomic.Bool
}

func (l *heldLog) AppendAsFollower(records []byte, fetchOffset, leaderHW, leaderLogStart int64, leaderEpoch int32) (int64, error) {
	close(l.begun) // a second call panics
	<-l.release
	defer l.appended.Store(true)
	return l.logDouble.AppendAsFollower(records, fetchOffset, leaderHW, leaderLogStart, leaderEpoch)
}

// TestRemoveWaitsForTheAppend: after it returned no change of the log is under way, and what comes afterwards is not appended.
func TestRemoveWaitsForTheAppend(t *testing.T) {
	h := newHeldPool(t)
	defer h.Close()
	d := newLogDouble(t, 1, protocol.TopicPartition{Topic: "t"}, logstore.DefaultConfig())
	held := &heldLog{logDouble: d, begun: make(chan struct{}), release: make(chan struct{})}
	o := d.follow(2, 1)
	o.log = held
	h.set([]fetchOrder{o})
	c := <-h.conns
	<-c.asked
	c.answer <- answerOf(7, 0)
	<-held.begun
	removed := make(chan bool)
	go func() {
		h.Remove([]protocol.TopicPartition{{Topic: "t"}})
		removed <- held.appended.Load()
	}()
	for range 1000 { // which gives a Remove that does not wait time to return
		runtime.Gosched()
	}
	close(held.release)
	if !<-removed {
		t.Error("removed while the log was changed")
	}
	h.follow(1, 2, 1)
	<-c.asked
	c.answer <- answerOf(7, 1)
	<-c.asked
}

// TestFetcherEndsWithoutPartitions: it keeps its connection for a while, in which the controller may give the partition back.
func TestFetcherEndsWithoutPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeldPool(t)
		defer h.Close()
		c := h.fetching()
		h.Remove([]protocol.TopicPartition{{Topic: "t"}})
		c.answer <- answerOf(7, 0)
		time.Sleep(idleMs / 2 * time.Millisecond)
		h.follow(0, 2, 2)
		if req := <-c.asked; req.Topics[0].Partitions[0].CurrentLeaderEpoch != 2 {
			t.Errorf("asked for %+v", req.Topics)
		}
		h.Remove([]protocol.TopicPartition{{Topic: "t"}})
		c.answer <- answerOf(8, 0)
		<-c.closed
		h.mu.Lock()
		if len(h.fetchers) > 0 {
			t.Error("the fetcher is still there")
		}
		h.mu.Unlock()
		h.follow(0, 2, 3)
		<-(<-h.conns).asked
	})
}

// TestPartitionMovesToItsNewLeadersFetcher: the old leader is not asked any more, nor is what it answers appended.
func TestPartitionMovesToItsNewLeadersFetcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeldPool(t)
		defer h.Close()
		d := h.follow(0, 2, 1)
		old := <-h.conns
		<-old.asked
		h.follow(0, 3, 2)
		now := <-h.conns
		h.expect(<-now.asked, 0)
		leader := newLogDouble(t, 2, d.tp, logstore.DefaultConfig())
		leader.lead(1, nil)
		leader.produce(3, 10)
		late := answerOf(7, 0)
		late.Topics[0].Partitions[0].RecordBatches = leader.records(0)
		old.answer <- late
		synctest.Wait()
		if len(old.asked) > 0 {
			t.Errorf("the old leader is asked for %v", partitions(<-old.asked))
		}
		if end := d.log.EndOffset(); end != 0 {
			t.Errorf("the old leader's records were appended: the log ends at %d", end)
		}
	})
}

// TestNumberOfFetchersMayChange spreads the partitions anew (num.replica.fetchers).
func TestNumberOfFetchersMayChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeldPool(t)
		defer h.Close()
		var settings sync.Mutex
		n := 1
		h.o.Settings = func() Settings {
			settings.Lock()
			defer settings.Unlock()
			s := DefaultSettings()
			s.Fetchers = n
			return s
		}
		for i := range int32(12) {
			h.follow(i, 2, 1)
		}
		first := <-h.conns
		<-first.asked
		settings.Lock()
		n = 3
		settings.Unlock()
		h.BrokersChanged()
		asked := 0
		for range 2 {
			asked += len(partitions(<-(<-h.conns).asked))
		}
		h.mu.Lock()
		counts := map[int]int{}
		for _, key := range h.where {
			counts[key.index]++
		}
		h.mu.Unlock()
		if asked != 8 || counts[0] != 4 || counts[1] != 4 || counts[2] != 4 {
			t.Errorf("%d are asked for elsewhere; spread %v", asked, counts)
		}
	})
}

// TestLostSessionIsBegunAnewAtOnce: the leader has room for a limited number of sessions. Other refusals are not asked for again at once.
func TestLostSessionIsBegunAnewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeldPool(t)
		defer h.Close()
		c := h.fetching()
		c.answer <- answerOf(7, 0)
		<-c.asked
		for i, want := range []time.Duration{0, 20, 40} {
			refusal := answerOf(0)
			refusal.ErrorCode = kerr.FetchSessionIDNotFound.Code
			begun := time.Now()
			c.answer <- refusal
			if req := <-c.asked; req.SessionEpoch != 0 || req.SessionID != 0 {
				t.Errorf("session %d/%d", req.SessionID, req.SessionEpoch)
			}
			if got := time.Since(begun); got != want*time.Millisecond {
				t.Errorf("refusal %d: asked again after %v", i, got)
			}
		}
	})
}

// nonsenseConn is a leader that has no such offset, and knows no end of its log.
type nonsenseConn struct{ *heldConn }

func (c nonsenseConn) Request(_ context.Context, r kmsg.Request) (kmsg.Response, error) {
	resp := kmsg.NewPtrListOffsetsResponse()
	for _, t := range r.(*kmsg.ListOffsetsRequest).Topics {
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = t.Topic
		for _, p := range t.Partitions {
			a := kmsg.NewListOffsetsResponseTopicPartition()
			a.Partition, a.Offset = p.Partition, -1
			out.Partitions = append(out.Partitions, a)
		}
		resp.Topics = append(resp.Topics, out)
	}
	return resp, nil
}

// TestLeaderThatKnowsNoEndTruncatesNothing: offset -1 stands for none, and lies below every log end offset.
func TestLeaderThatKnowsNoEndTruncatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHeldPool(t)
		defer h.Close()
		c := newHeldConn()
		c.asked = make(chan *kmsg.FetchRequest, 1000)
		h.o.DialLeader = func(context.Context, int32) (LeaderConn, error) { return nonsenseConn{c}, nil }
		d := newLogDouble(t, 1, protocol.TopicPartition{Topic: "t"}, logstore.DefaultConfig())
		d.lead(0, nil)
		d.produce(5, 10)
		h.set([]fetchOrder{d.follow(2, 1)})
		<-c.asked
		resp := answerOf(7, 0)
		resp.Topics[0].Partitions[0].ErrorCode = kerr.OffsetOutOfRange.Code
		c.answer <- resp
		time.Sleep(time.Minute)
		synctest.Wait()
		if end := d.log.EndOffset(); end != 5 {
			t.Errorf("the log ends at %d", end)
		}
	})
}

// TestRefusalsOfManyPartitionsAreOneLine: a change of leaders wrote a line for each of thousands of partitions.
func TestRefusalsOfManyPartitionsAreOneLine(t *testing.T) {
	var log strings.Builder
	f := &fetcher{logger: slog.New(slog.NewTextHandler(&log, nil)), state: newFetchState(1, func() int64 { return 1 }, nil)}
	for n := range int32(100) {
		tp := protocol.TopicPartition{Topic: "orders", Partition: n}
		f.state.refusals = append(f.state.refusals, fetchRefusal{tp, kerr.FencedLeaderEpoch, true}, fetchRefusal{tp, kerr.NotLeaderForPartition, false})
	}
	f.logRefusals()
	if got := log.String(); strings.Count(got, "\n") != 2 || strings.Count(got, "partitions=100 first=orders-0") != 2 || !strings.Contains(got, `error="NOT_LEADER`) {
		t.Errorf("logged:\n%s", got)
	}
}
