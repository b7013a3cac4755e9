package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/internal/await"
	"klamm/protocol"
)

// timers are a clock that a test moves.
type timers struct {
	mu   sync.Mutex
	now  time.Time
	list []*timer
}

type timer struct {
	due time.Time
	f   func()
}

func newTimers() *timers { return &timers{now: time.UnixMilli(1_700_000_000_000)} }

func (c *timers) clock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *timers) after(d time.Duration, f func()) func() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{c.now.Add(d), f}
	c.list = append(c.list, t)
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		i := slices.Index(c.list, t)
		if i >= 0 {
			c.list = slices.Delete(c.list, i, i+1)
		}
		return i >= 0
	}
}

// pass has time pass, and what is due go off.
func (c *timers) pass(d time.Duration) {
	c.mu.Lock()
	c.now = c.now.Add(d)
	var due []*timer
	c.list = slices.DeleteFunc(c.list, func(t *timer) bool {
		if t.due.After(c.now) {
			return false
		}
		due = append(due, t)
		return true
	})
	c.mu.Unlock()
	for _, t := range due {
		t.f()
	}
}

// pending says whether a timer is set that is due within a time.
func (c *timers) pending(d time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.list, func(t *timer) bool { return !t.due.After(c.now.Add(d)) })
}

// network is the brokers as the controllers reach them. Every broker answers at once, unless it is held up.
type network struct {
	mu      sync.Mutex
	brokers map[int32]*fakeBroker
	held    map[int32]chan struct{}
	sent    []string                     // "N lead", "N update", "N stop", when it was answered
	encoded map[*order.EncodedTopics]int // how many requests with topics share it
}

func newNetwork() *network {
	return &network{brokers: map[int32]*fakeBroker{}, held: map[int32]chan struct{}{}, encoded: map[*order.EncodedTopics]int{}}
}

func (n *network) hold(id int32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held[id] = make(chan struct{})
}

func (n *network) release(id int32) {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.held[id])
	delete(n.held, id)
}

func (n *network) log() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.sent, ", ")
}

// do lets a broker handle a request when it is not held up.
func (n *network) do(ctx context.Context, live order.LiveBroker, what string, f func(*fakeBroker) order.Answer) (order.Answer, error) {
	n.mu.Lock()
	held := n.held[live.ID]
	n.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return order.Answer{}, ctx.Err()
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	b := n.brokers[live.ID]
	if b == nil || b.epoch != live.Epoch {
		return order.Answer{Err: order.ErrStaleBrokerEpoch}, nil
	}
	n.sent = append(n.sent, fmt.Sprintf("%d %s", live.ID, what))
	return f(b), nil
}

// wire is the channel to one broker.
type wire struct {
	n    *network
	live order.LiveBroker
}

func (w *wire) LeaderAndISR(ctx context.Context, r *order.LeaderAndISRRequest) (order.Answer, error) {
	return w.n.do(ctx, w.live, "lead", func(b *fakeBroker) order.Answer { return b.leaderAndISR(r) })
}

func (w *wire) StopReplica(ctx context.Context, r *order.StopReplicaRequest) (order.Answer, error) {
	return w.n.do(ctx, w.live, "stop", func(b *fakeBroker) order.Answer { return b.stopReplica(r) })
}

func (w *wire) UpdateMetadata(ctx context.Context, r *order.UpdateMetadataRequest) (order.Answer, error) {
	return w.n.do(ctx, w.live, "update", func(b *fakeBroker) order.Answer {
		if len(r.Topics) > 0 {
			w.n.encoded[r.Encoded]++
		}
		b.updateMetadata(r)
		return order.Answer{}
	})
}

func (w *wire) Close() {}

// member is a broker of a cluster with an elector of its own.
type member struct {
	*Elector
	tree  meta.Tree
	epoch int64
}

// cluster is some brokers with electors on one tree.
type cluster struct {
	t     *testing.T
	store *mem.Store
	net   *network
	clock *timers
	ids   byte
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{t: t, store: mem.New(mem.Options{}), net: newNetwork(), clock: newTimers()}
	t.Cleanup(func() { _ = c.store.Close() })
	admin, err := c.store.Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range znode.PersistentPaths() {
		if _, err := admin.Create(t.Context(), path, nil, meta.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// join registers a broker. It elects when start is called.
func (c *cluster) join(id int32, wrap func(meta.Tree) meta.Tree) *member {
	m := &member{}
	tree, err := c.store.Open(context.Background(), meta.Watcher{Event: func(e meta.Event) { m.Event(e) }})
	if err != nil {
		c.t.Fatal(err)
	}
	m.tree = tree
	info := znode.Broker{Endpoints: []order.Endpoint{{Listener: "L", SecurityProtocol: "PLAINTEXT", Host: "h", Port: id}}, JMXPort: -1}
	c.net.mu.Lock() // no order comes before the broker is there
	results, err := tree.Multi(context.Background(), meta.CreateOp(znode.BrokerPath(id), nil, meta.Ephemeral), meta.SetOp(znode.BrokerPath(id), info.Encode(), 0))
	if err != nil {
		c.t.Fatal(err)
	}
	m.epoch = results[1].Stat.Czxid
	c.net.brokers[id] = newFakeBroker(id)
	c.net.brokers[id].epoch = m.epoch
	c.net.mu.Unlock()
	if wrap != nil {
		tree = wrap(tree)
	}
	m.Elector = NewElector(Options{
		Tree: tree, BrokerID: id, Listener: "L", Logger: quiet(), Clock: c.clock.clock, After: c.clock.after,
		Dial: func(live order.LiveBroker) Channel { return &wire{c.net, live} },
		Rules: Rules{Partitions: 1, ReplicationFactor: 1, Intn: func(int) int { return 0 },
			NewID: func() protocol.UUID { c.ids++; return protocol.UUID{c.ids} }},
	})
	c.t.Cleanup(m.Elector.Close)
	return m
}

func (c *cluster) start(id int32) *member {
	m := c.join(id, nil)
	if err := m.Start(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	return m
}

// joinCounted registers a broker that counts what it asks the tree.
func (c *cluster) joinCounted(id int32) (m *member, tree *countingTree) {
	m = c.join(id, func(t meta.Tree) meta.Tree { tree = &countingTree{Tree: t}; return tree })
	return m, tree
}

func (c *cluster) startCounted(id int32) (*member, *countingTree) {
	m, tree := c.joinCounted(id)
	if err := m.Start(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	return m, tree
}

// seen waits until the controller knows brokers, and has told them.
func (c *cluster) seen(ids ...int32) {
	c.t.Helper()
	for _, id := range ids {
		await.Until(c.t, "the controller knows the broker", func() bool { return strings.Contains(c.net.log(), fmt.Sprintf("%d update", id)) })
	}
}

// end ends a broker's session, as at a death of it.
func (c *cluster) end(m *member) {
	m.Close()
	c.store.Expire(m.tree)
}

func (m *member) create(t *testing.T, name string, assignment ...[]int32) TopicResult {
	t.Helper()
	n := NewTopic{Name: name, Partitions: -1, ReplicationFactor: -1}
	for i, ids := range assignment {
		n.Assignment = append(n.Assignment, Assignment{int32(i), ids})
	}
	e := &CreateTopics{TimeoutMs: PatienceMs, Topics: []NewTopic{n}}
	if err := m.Do(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	return e.Results[0]
}

func TestOneIsElectedAndTheNextWhenItIsGone(t *testing.T) {
	c := newCluster(t)
	first, second, third := c.start(1), c.start(2), c.start(3)
	if !first.IsActive() || second.IsActive() || third.IsActive() || first.Controller().Epoch() != 1 {
		t.Fatal("the first is not the controller, or another is")
	}
	if err := second.Do(t.Context(), &ListReassignments{}); !errors.Is(err, order.ErrNotController) {
		t.Errorf("a broker that is not the controller answers %v", err)
	}
	c.seen(2, 3)
	if res := first.create(t, "t", []int32{1, 2, 3}); res.Err != nil {
		t.Fatal(res.Err)
	}
	c.end(first)
	await.Until(t, "another is elected", func() bool { return second.IsActive() || third.IsActive() })
	next := second
	if third.IsActive() {
		next = third
	}
	await.Until(t, "the topic has another leader", func() bool {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		p, known := c.net.brokers[2].shown(protocol.TopicPartition{Topic: "t"})
		return known && p.Leader == 2 && slices.Equal(c.net.brokers[2].live, []int32{2, 3})
	})
	if next.Controller().Epoch() != 2 {
		t.Errorf("epoch %d", next.Controller().Epoch())
	}
}

// TestBrokersShareTheEncodedTopics: before, each broker's UpdateMetadata was encoded by itself, so that a controller that began with 200,000
// partitions and ten brokers held ten times what it sent.
func TestBrokersShareTheEncodedTopics(t *testing.T) {
	c := newCluster(t)
	first := c.start(1)
	c.start(2)
	c.start(3)
	c.seen(2, 3)
	if res := first.create(t, "t", []int32{1, 2, 3}); res.Err != nil {
		t.Fatal(res.Err)
	}
	await.Until(t, "the three brokers have the topic from one batch", func() bool {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		for e, requests := range c.net.encoded {
			if e != nil && requests == 3 {
				return true
			}
		}
		return false
	})
}

// TestClaimWhoseAnswerIsLost: whether it was made or not, exactly one epoch is counted for the one controller.
func TestClaimWhoseAnswerIsLost(t *testing.T) {
	for _, applied := range []bool{true, false} {
		c := newCluster(t)
		c.store.LoseAnswer(func(op meta.Op) bool { return op.Path == znode.Controller }, applied)
		m := c.start(1)
		await.Until(t, "it is elected", m.IsActive)
		data, _, err := m.tree.Get(t.Context(), znode.ControllerEpoch)
		if err != nil || string(data) != "1" || m.Controller().Epoch() != 1 {
			t.Errorf("applied %v: epoch %s in the tree, %d held, %v", applied, data, m.Controller().Epoch(), err)
		}
		if res := m.create(t, "t", []int32{1}); res.Err != nil {
			t.Error(res.Err)
		}
	}
}

// TestNodeOfAnEarlierLife: the node has the broker's own id, and yet nobody is the controller until that session ends (KAFKA-13407).
func TestNodeOfAnEarlierLife(t *testing.T) {
	c := newCluster(t)
	earlier, err := c.store.Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := earlier.Create(t.Context(), znode.Controller, znode.EncodeController(1, 0), meta.Ephemeral); err != nil {
		t.Fatal(err)
	}
	m := c.start(1)
	if m.IsActive() {
		t.Fatal("it took the node of an earlier session for its own")
	}
	c.store.Expire(earlier)
	await.Until(t, "it is elected", m.IsActive)
}

// TestControllerNodeIsDeleted: administrators do that to have another election.
func TestControllerNodeIsDeleted(t *testing.T) {
	c := newCluster(t)
	m := c.start(1)
	if err := m.tree.Delete(t.Context(), znode.Controller, meta.AnyVersion); err != nil {
		t.Fatal(err)
	}
	await.Until(t, "it is elected again", func() bool { ctl := m.Controller(); return ctl != nil && ctl.Epoch() == 2 })
	if res := m.create(t, "t", []int32{1}); res.Err != nil {
		t.Error(res.Err)
	}
}

// TestStaleControllerChangesNothing: another broker was elected, and this one has not heard of it. Its write is refused, and it resigns.
func TestStaleControllerChangesNothing(t *testing.T) {
	c := newCluster(t)
	m := c.start(1)
	if _, err := m.tree.Set(t.Context(), znode.ControllerEpoch, []byte("7"), meta.AnyVersion); err != nil {
		t.Fatal(err)
	}
	stale := m.Controller()
	e := &CreateTopics{TimeoutMs: PatienceMs, Topics: []NewTopic{{Name: "t", Partitions: 1, ReplicationFactor: 1}}}
	if err := m.Do(t.Context(), e); !errors.Is(err, order.ErrNotController) {
		t.Errorf("the request is answered with %v", err)
	}
	<-stale.Done()
	await.Until(t, "it is elected anew, in the next epoch", func() bool { now := m.Controller(); return now != nil && now != stale && now.Epoch() == 8 })
	if there, _, _ := m.tree.Exists(t.Context(), znode.TopicPath("t")); there {
		t.Error("the topic was created by a controller of yesterday")
	}
}

// TestSessionThatEndsAnswersAtOnce: the controller waits for the tree, which does not answer any more. Whoever waits for it is
// answered as soon as the session is given up (KAFKA-10193).
func TestSessionThatEndsAnswersAtOnce(t *testing.T) {
	c := newCluster(t)
	m := c.start(1)
	c.store.Disconnect(m.tree)
	answers := make(chan error, 2)
	for i := range 2 {
		go func() {
			answers <- m.Do(context.Background(), &CreateTopics{TimeoutMs: PatienceMs, Topics: []NewTopic{{Name: fmt.Sprint("t", i), Partitions: 1, ReplicationFactor: 1}}})
		}()
	}
	select {
	case err := <-answers:
		t.Fatalf("it was answered without the tree: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	m.Close()
	for range 2 {
		if err := <-answers; !errors.Is(err, order.ErrNotController) {
			t.Errorf("answered with %v", err)
		}
	}
	if m.IsActive() {
		t.Error("it still is the controller")
	}
}

// TestOrderThatHangsHoldsUpNoSession: this broker's own orders are calls, and one that waited for a disk kept the elector from closing, and with it
// the next session from beginning.
func TestOrderThatHangsHoldsUpNoSession(t *testing.T) {
	c := newCluster(t)
	m := c.join(1, nil)
	hung, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	m.o.Dial = func(live order.LiveBroker) Channel { return &hangingChannel{wire{c.net, live}, hung, release} }
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = m.Do(context.Background(), &CreateTopics{Topics: []NewTopic{{Name: "t", Partitions: 1, ReplicationFactor: 1}}})
	}()
	<-hung
	m.Close()
}

// hangingChannel is the channel to a broker whose disk hangs when it is to lead.
type hangingChannel struct {
	wire
	hung, release chan struct{}
}

func (h *hangingChannel) LeaderAndISR(ctx context.Context, r *order.LeaderAndISRRequest) (order.Answer, error) {
	close(h.hung)
	<-h.release
	return h.wire.LeaderAndISR(ctx, r)
}

// TestNewControllerReadsTheTreeFirst: what somebody asked for in the moment before that was decided by a controller that knew no broker.
func TestNewControllerReadsTheTreeFirst(t *testing.T) {
	c := newCluster(t)
	m := c.join(1, nil)
	elected, err := m.elect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m.begin(elected)
	e := &AllocateProducerIDs{BrokerID: 1, BrokerEpoch: m.epoch}
	if err := m.Do(t.Context(), e); err != nil || e.Err != nil {
		t.Errorf("the first request is answered with %v, %v", err, e.Err)
	}
}

// TestElectorThatIsClosedWhileItStarts: a controller that was elected meanwhile went on to decide.
func TestElectorThatIsClosedWhileItStarts(t *testing.T) {
	c := newCluster(t)
	asked, goOn := make(chan struct{}), make(chan struct{})
	m := c.join(1, func(tree meta.Tree) meta.Tree { return &slowElection{tree, asked, goOn} })
	started, closed := make(chan error, 1), make(chan struct{})
	go func() { started <- m.Start(context.Background()) }()
	<-asked
	go func() { m.Close(); close(closed) }()
	<-m.ctx.Done()
	close(goOn)
	<-started
	<-closed
	if m.IsActive() {
		t.Error("the elector was closed, and its broker is the controller")
	}
	if err := m.Start(t.Context()); err == nil || m.IsActive() {
		t.Errorf("a start after the end: %v", err)
	}
}

// slowElection lets a claim of the office go through, whatever becomes of whoever asked, and holds the answer up.
type slowElection struct {
	meta.Tree
	asked, goOn chan struct{}
}

func (s *slowElection) Multi(_ context.Context, ops ...meta.Op) ([]meta.Result, error) {
	results, err := s.Tree.Multi(context.Background(), ops...)
	close(s.asked)
	<-s.goOn
	return results, err
}

// TestBrokerThatMovesGetsItsOrders: they went to the port where it had listened before, until it registered again.
func TestBrokerThatMovesGetsItsOrders(t *testing.T) {
	c := newCluster(t)
	m := c.join(1, nil)
	dial := m.o.Dial
	asked := make(chan struct{}, 10)
	m.o.Dial = func(live order.LiveBroker) Channel {
		if live.ID == 2 && live.Endpoints[0].Port == 2 {
			return deafChannel{asked}
		}
		return dial(live)
	}
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := c.start(2)
	<-asked // an order is under way on the old port
	info := znode.Broker{Endpoints: []order.Endpoint{{Listener: "L", SecurityProtocol: "PLAINTEXT", Host: "h", Port: 22}}, JMXPort: -1}
	if _, err := second.tree.Set(t.Context(), znode.BrokerPath(2), info.Encode(), meta.AnyVersion); err != nil {
		t.Fatal(err)
	}
	c.seen(2)
	if res := m.create(t, "t", []int32{2}); res.Err != nil {
		t.Error(res.Err)
	}
}

// deafChannel is the channel to a port where nobody listens. It says that it was asked.
type deafChannel struct{ asked chan struct{} }

func (d deafChannel) wait(ctx context.Context) (order.Answer, error) {
	d.asked <- struct{}{}
	<-ctx.Done()
	return order.Answer{}, ctx.Err()
}

func (d deafChannel) LeaderAndISR(ctx context.Context, _ *order.LeaderAndISRRequest) (order.Answer, error) {
	return d.wait(ctx)
}

func (d deafChannel) StopReplica(ctx context.Context, _ *order.StopReplicaRequest) (order.Answer, error) {
	return d.wait(ctx)
}

func (d deafChannel) UpdateMetadata(ctx context.Context, _ *order.UpdateMetadataRequest) (order.Answer, error) {
	return d.wait(ctx)
}

func (d deafChannel) Close() {}

// TestSlowBrokerHoldsUpNobody: one broker does not answer, and the others learn of a topic that it has no part in.
func TestSlowBrokerHoldsUpNobody(t *testing.T) {
	c := newCluster(t)
	m := c.start(1)
	c.start(2)
	slow := c.start(3)
	c.seen(2, 3)
	c.net.hold(3)
	if res := m.create(t, "t", []int32{1, 2}); res.Err != nil {
		t.Fatal(res.Err)
	}
	await.Until(t, "the others know of it", func() bool {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		_, known := c.net.brokers[2].shown(protocol.TopicPartition{Topic: "t"})
		return known
	})
	// What waited for it is dropped with its registration.
	c.end(slow)
	if res := m.create(t, "u", []int32{1, 2}); res.Err != nil {
		t.Fatal(res.Err)
	}
	c.net.release(3)
}

// TestSuspectGetsItsOrders: a broker that was suspected wrongly went on to lead, and its replicas were never deleted, until it registered again.
func TestSuspectGetsItsOrders(t *testing.T) {
	c := newCluster(t)
	m := c.start(1)
	two := c.start(2)
	c.seen(2)
	for _, name := range []string{"t", "deleted"} {
		if res := m.create(t, name, []int32{2, 1}); res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	c.net.hold(2)
	if err := m.Do(t.Context(), &Suspected{Broker: 2, Epoch: two.epoch, Dead: true}); err != nil {
		t.Fatal(err)
	}
	if err := m.Do(t.Context(), &DeleteTopics{TimeoutMs: PatienceMs, Topics: []TopicRef{{Name: "deleted"}}}); err != nil { // which does not wait for the suspect
		t.Fatal(err)
	}
	c.net.release(2)
	await.Until(t, "the suspect follows, and has deleted its replica", func() bool {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		b := c.net.brokers[2]
		_, left := b.logs[protocol.TopicPartition{Topic: "deleted"}]
		return b.roles[protocol.TopicPartition{Topic: "t"}].Leader == 1 && !left && slices.Equal(b.live, []int32{1, 2})
	})
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if live := c.net.brokers[1].live; !slices.Equal(live, []int32{1}) {
		t.Errorf("the others see brokers %v", live)
	}
}

// TestLeadersAreToldFirst: a follower that is told before its leader is turned away by it.
func TestLeadersAreToldFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		m := c.start(1)
		c.start(2)
		c.start(3)
		c.seen(2, 3)
		// create has the leader, which is held up, and the follower be told of a topic. told says whether the follower was.
		create := func(name string) (answer chan TopicResult, told func() bool) {
			synctest.Wait()
			c.net.hold(2)
			before := len(c.net.log())
			answer = make(chan TopicResult, 1)
			go func() { answer <- m.create(t, name, []int32{2, 3}) }()
			return answer, func() bool {
				synctest.Wait()
				return strings.Contains(c.net.log()[before:], "3 lead")
			}
		}
		answer, told := create("t")
		if told() {
			t.Error("the follower was told before the leader has answered")
		}
		c.net.release(2)
		if res := <-answer; res.Err != nil {
			t.Fatal(res.Err)
		}
		if !told() {
			t.Error("the leader has answered, and the follower was not told")
		}
		// A leader that does not answer holds the followers up for a moment only.
		answer, told = create("u")
		if told() {
			t.Error("the follower was told before the leader has answered")
		}
		c.clock.pass(gateTime)
		if !told() {
			t.Error("the follower still waits for a leader that does not answer")
		}
		c.net.release(2)
		<-answer
	})
}

// TestCreationWaitsForALeader as long as the client says, and no longer.
func TestCreationWaitsForALeader(t *testing.T) {
	c := newCluster(t)
	m := c.start(1)
	create := func(name string, timeoutMs int32) chan TopicResult {
		answer := make(chan TopicResult, 1)
		go func() {
			e := &CreateTopics{TimeoutMs: timeoutMs, Topics: []NewTopic{{Name: name, Partitions: -1, ReplicationFactor: -1, Assignment: []Assignment{{0, []int32{2}}}}}}
			if err := m.Do(context.Background(), e); err != nil {
				t.Error(err)
			}
			answer <- e.Results[0]
		}()
		return answer
	}
	if res := <-create("now", 0); !errors.Is(res.Err, order.ErrTimedOut) {
		t.Errorf("without a time: %v", res.Err)
	}
	late := create("late", 1000)
	await.Until(t, "its timer is set", func() bool { return c.clock.pending(time.Second) })
	c.clock.pass(time.Second)
	if res := <-late; !errors.Is(res.Err, order.ErrTimedOut) {
		t.Errorf("when the time is up: %v", res.Err)
	}
	soon := create("soon", 1000)
	await.Until(t, "its timer is set", func() bool { return c.clock.pending(time.Second) })
	c.start(2)
	if res := <-soon; res.Err != nil {
		t.Errorf("when the broker has come: %v", res.Err)
	}
}

// TestWhatThisBrokerDoesNotShowInTimeIsNotAnsweredAsDone: the answer comes when the client's time is up, which with 0 is at once, and the
// change is made all the same.
func TestWhatThisBrokerDoesNotShowInTimeIsNotAnsweredAsDone(t *testing.T) {
	c := newCluster(t)
	m := c.start(1)
	c.start(2)
	c.seen(2)
	if res := m.create(t, "old", []int32{2}); res.Err != nil {
		t.Fatal(res.Err)
	}
	events := func(timeoutMs int32, n int) map[string]Event {
		name := fmt.Sprint("new", n)
		return map[string]Event{
			"create": &CreateTopics{TimeoutMs: timeoutMs, Topics: []NewTopic{{Name: name, Partitions: -1, ReplicationFactor: -1, Assignment: []Assignment{{0, []int32{2}}}}}},
			"grow":   &CreatePartitions{TimeoutMs: timeoutMs, Topics: []NewPartitions{{Topic: "old", Count: int32(n + 2)}}},
			"delete": &DeleteTopics{TimeoutMs: timeoutMs, Topics: []TopicRef{{Name: name}, {Name: "none"}}},
		}
	}
	for n, timeoutMs := range []int32{1000, 0, -1} {
		e := events(timeoutMs, n)
		for _, what := range []string{"create", "grow", "delete"} {
			c.net.hold(1)
			done := make(chan error, 1)
			go func() { done <- m.Do(context.Background(), e[what]) }()
			if timeoutMs > 0 {
				await.Until(t, "its timer is set", func() bool { return c.clock.pending(time.Second) })
				c.clock.pass(time.Second)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			c.net.release(1)
			var results []TopicResult
			switch e := e[what].(type) {
			case *CreateTopics:
				results = e.Results
			case *CreatePartitions:
				results = e.Results
			case *DeleteTopics:
				if !errors.Is(e.Results[1].Err, order.ErrUnknownTopic) {
					t.Errorf("%s in %d ms of a topic that does not exist: %v", what, timeoutMs, e.Results[1].Err)
				}
				results = e.Results[:1]
			}
			if !errors.Is(results[0].Err, order.ErrTimedOut) {
				t.Errorf("%s in %d ms: %v", what, timeoutMs, results[0].Err)
			}
		}
	}
	if res := m.create(t, "old", []int32{2}); !errors.Is(res.Err, order.ErrTopicExists) {
		t.Errorf("the topic is made again: %v", res.Err)
	}
	grown := &CreatePartitions{TimeoutMs: PatienceMs, Topics: []NewPartitions{{Topic: "old", Count: 4}}}
	if err := m.Do(t.Context(), grown); err != nil || !errors.Is(grown.Results[0].Err, order.ErrInvalidPartitions) {
		t.Errorf("the partitions were not made: %v, %v", err, grown.Results[0].Err)
	}
	if res := m.create(t, "new0", []int32{2}); res.Err != nil {
		t.Errorf("the topic was not deleted: %v", res.Err)
	}
}

// TestBalanceIsLookedAtFromTimeToTime: a broker that came back leads again what it is preferred for.
func TestBalanceIsLookedAtFromTimeToTime(t *testing.T) {
	c := newCluster(t)
	m := c.join(1, nil)
	m.o.BalanceEvery = 300 * time.Second
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	two := c.start(2)
	c.seen(2)
	if res := m.create(t, "t", []int32{2, 1}); res.Err != nil {
		t.Fatal(res.Err)
	}
	c.end(two)
	leads := func(id int32) func() bool {
		return func() bool {
			c.net.mu.Lock()
			defer c.net.mu.Unlock()
			return c.net.brokers[1].roles[protocol.TopicPartition{Topic: "t"}].Leader == id
		}
	}
	await.Until(t, "broker 1 leads", leads(1))
	c.start(2)
	join := &AlterPartition{Request: order.AlterPartitionRequest{BrokerID: 1, BrokerEpoch: m.epoch, Partitions: []order.AlterPartition{{
		TopicPartition: protocol.TopicPartition{Topic: "t"}, TopicID: protocol.UUID{1}, LeaderEpoch: 1, PartitionEpoch: 1, ISR: []int32{1, 2}}}}}
	await.Until(t, "broker 2 is in sync", func() bool { return m.Do(t.Context(), join) == nil && join.Results[0].Err == nil })
	c.clock.pass(firstBalance)
	await.Until(t, "broker 2 leads again", leads(2))
	await.Until(t, "the next look is planned", func() bool { return c.clock.pending(300 * time.Second) })
	if c.clock.pending(299 * time.Second) {
		t.Error("the next look is sooner")
	}
}
