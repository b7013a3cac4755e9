package scale

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/cluster"
	"klamm/cluster/controller"
	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/cluster/order"
	"klamm/cluster/peer"
	"klamm/cluster/znode"
	"klamm/protocol"
)

const (
	// factor is the replication factor of every topic, and each how many partitions a topic has at most.
	factor = 3
	each   = 100
	// atOnce is how many partitions one request makes.
	atOnce = controller.MaxPartitionsPerRequest
)

// fleet is a cluster of stand-ins for brokers. Members 1 and 2 stand for controller.
type fleet struct {
	t       testing.TB
	store   *mem.Store
	admin   meta.Tree
	members []*member // those that live, by id
	n       int       // partitions
	topics  []string

	read   atomic.Int64 // when a controller had read the tree, in ns since 1970
	leads  atomic.Int64 // partitions whose new leader was told so, after the first one
	leadNs atomic.Int64 // when the last of those was
}

// member is one broker.
type member struct {
	fleet   *fleet
	id      int32
	tree    meta.Tree
	epoch   int64
	elector *controller.Elector // nil for one that does not stand

	told, shown, stopped, bytes atomic.Int64 // partitions of LeaderAndIsr, UpdateMetadata and StopReplica, and bytes of all orders

	mu     sync.Mutex
	behind []order.AlterPartition // guarded by mu; what the controller is to be asked for
	asking bool                   // guarded by mu
}

func newFleet(t testing.TB, n int) *fleet {
	f := &fleet{t: t, store: mem.New(mem.Options{}), n: n}
	f.admin = f.open(meta.Watcher{})
	if err := cluster.EnsurePaths(t.Context(), f.admin); err != nil {
		t.Fatal(err)
	}
	for id := range int32(*brokers) {
		f.members = append(f.members, f.register(id+1))
	}
	for _, m := range f.members[:2] {
		if err := m.elector.Stand(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, m := range f.members {
			m.leave()
		}
		f.store.Close()
	})
	f.fill()
	return f
}

func (f *fleet) open(w meta.Watcher) meta.Tree {
	tree, err := f.store.Open(f.t.Context(), w)
	if err != nil {
		f.t.Fatal(err)
	}
	return tree
}

// register adds a broker.
func (f *fleet) register(id int32) *member {
	m := &member{fleet: f, id: id}
	m.tree = f.open(meta.Watcher{Event: func(e meta.Event) {
		if m.elector != nil {
			m.elector.Event(e)
		}
	}})
	if id <= 2 {
		m.elector = controller.NewElector(controller.Options{
			Tree: newRemote(m.tree), BrokerID: id, Dial: f.dial, Listener: "L", ConfigLock: new(sync.Mutex), Logger: slog.New(watcher{f}),
			Clock: time.Now, After: func(d time.Duration, do func()) func() bool { return time.AfterFunc(d, do).Stop },
			Rules: controller.Rules{Intn: rand.IntN, NewID: cluster.NewTopicID, ValidateConfig: func(map[string]string) error { return nil }},
		})
	}
	info := znode.Broker{Endpoints: []order.Endpoint{{Listener: "L", SecurityProtocol: "PLAINTEXT", Host: fmt.Sprintf("broker-%d.example", id), Port: 9092}}, JMXPort: -1}
	results, err := m.tree.Multi(f.t.Context(), meta.CreateOp(znode.BrokerPath(id), nil, meta.Ephemeral), meta.SetOp(znode.BrokerPath(id), info.Encode(), 0))
	if err != nil {
		f.t.Fatal(err)
	}
	m.epoch = results[1].Stat.Czxid
	return m
}

// fill has the controller make the topics.
func (f *fleet) fill() {
	for made := 0; made < f.n; {
		e := &controller.CreateTopics{TimeoutMs: 600_000}
		for in := 0; in < atOnce && made < f.n; in += each {
			name := fmt.Sprintf("topic-%06d", len(f.topics))
			f.topics = append(f.topics, name)
			e.Topics = append(e.Topics, controller.NewTopic{Name: name, Partitions: int32(min(each, f.n-made)), ReplicationFactor: factor})
			made += min(each, f.n-made)
		}
		f.do(e)
		for _, res := range e.Results {
			if res.Err != nil {
				f.t.Fatal(res.Name, res.Err)
			}
		}
	}
	until(f.t, "every broker knows all partitions", func() bool {
		return f.all(func(m *member) bool { return m.shown.Load() >= int64(f.n) }) && f.sum((*member).toldTo) >= int64(factor*f.n)
	})
}

// do has the controller decide an event. One that has just been elected may be another in a moment.
func (f *fleet) do(e controller.Event) {
	for _, m := range f.members {
		if m.elector != nil && m.elector.IsActive() {
			if err := m.elector.Do(f.t.Context(), e); err != nil {
				f.t.Fatal(err)
			}
			return
		}
	}
	f.t.Fatal("there is no controller")
}

// kill ends a broker's process and its session.
func (f *fleet) kill(id int32) {
	i := slices.IndexFunc(f.members, func(m *member) bool { return m.id == id })
	m := f.members[i]
	f.members = slices.Delete(f.members, i, i+1)
	f.store.Expire(m.tree)
	go m.leave()
}

func (m *member) leave() {
	if m.elector != nil {
		m.elector.Close()
	}
	_ = m.tree.Close()
}

func (m *member) toldTo() int64 { return m.told.Load() }
func (m *member) sent() int64   { return m.bytes.Load() }

func (f *fleet) all(holds func(*member) bool) bool {
	return !slices.ContainsFunc(f.members, func(m *member) bool { return !holds(m) })
}

func (f *fleet) sum(of func(*member) int64) (n int64) {
	for _, m := range f.members {
		n += of(m)
	}
	return n
}

// forget sets what was counted to nothing.
func (f *fleet) forget() {
	for _, m := range f.members {
		m.told.Store(0)
		m.shown.Store(0)
		m.stopped.Store(0)
		m.bytes.Store(0)
	}
	f.leads.Store(0)
}

// assignment reads the tree: the replicas of each partition of each topic.
func (f *fleet) assignment() map[string]*znode.Topic {
	all := map[string]*znode.Topic{}
	for _, name := range f.topics {
		data, _, err := f.admin.Get(f.t.Context(), znode.TopicPath(name))
		if err != nil {
			f.t.Fatal(err)
		}
		if all[name], err = znode.DecodeTopic(name, data); err != nil {
			f.t.Fatal(err)
		}
	}
	return all
}

// held counts the partitions that a broker has a replica of.
func (f *fleet) held(id int32) (n int64) {
	for _, t := range f.assignment() {
		for _, p := range t.Partitions {
			if slices.Contains(p.Replicas, id) {
				n++
			}
		}
	}
	return n
}

// check reads the states of all partitions in the tree, and holds each against its assignment.
func (f *fleet) check(holds func(znode.Replicas, znode.PartitionState) bool) {
	for name, t := range f.assignment() {
		for _, p := range t.Partitions {
			tp := protocol.TopicPartition{Topic: name, Partition: p.Partition}
			data, _, err := f.admin.Get(f.t.Context(), znode.PartitionStatePath(tp))
			if err != nil {
				f.t.Fatal(err)
			}
			if s, err := znode.DecodePartitionState(tp, data); err != nil || !holds(p, s) {
				f.t.Fatalf("%s has the replicas %+v and the state %+v, %v", tp, p, s, err)
			}
		}
	}
}

// watcher takes the log of the controllers: it notes when the tree was read.
type watcher struct{ f *fleet }

func (w watcher) Enabled(context.Context, slog.Level) bool { return true }
func (w watcher) WithAttrs([]slog.Attr) slog.Handler       { return w }
func (w watcher) WithGroup(string) slog.Handler            { return w }
func (w watcher) Handle(_ context.Context, r slog.Record) error {
	if r.Message == "the controller has read the metadata tree" {
		w.f.read.Store(time.Now().UnixNano())
	}
	if r.Level >= slog.LevelError {
		w.f.t.Log(r.Message)
	}
	return nil
}

// dial gives the controller its way to a broker.
func (f *fleet) dial(b order.LiveBroker) controller.Channel {
	for _, m := range f.members {
		if m.id == b.ID {
			return &channel{m, peer.NewBrokerChannel(peer.BrokerOptions{BrokerID: b.ID, Endpoint: b.Endpoints[0], Logger: slog.New(watcher{f}),
				Dial: func(context.Context, order.Endpoint) (peer.Conn, error) {
					return &wire{m, kmsg.NewRequestFormatter(kmsg.FormatterClientID("1"))}, nil
				}})}
		}
	}
	panic(fmt.Sprintf("nobody is broker %d", b.ID))
}

// channel is the controller's way to a member, which counts and obeys. What the controller tells its own broker is not encoded either.
type channel struct {
	m *member
	*peer.BrokerChannel
}

func (c *channel) own() bool { return c.m.elector != nil && c.m.elector.IsActive() }

func (c *channel) LeaderAndISR(ctx context.Context, r *order.LeaderAndISRRequest) (a order.Answer, err error) {
	if !c.own() {
		a, err = c.BrokerChannel.LeaderAndISR(ctx, r)
	}
	if err == nil {
		c.m.obey(r)
	}
	return a, err
}

func (c *channel) UpdateMetadata(ctx context.Context, r *order.UpdateMetadataRequest) (a order.Answer, err error) {
	if !c.own() {
		a, err = c.BrokerChannel.UpdateMetadata(ctx, r)
	}
	if err == nil {
		for i := range r.Topics {
			c.m.shown.Add(int64(len(r.Topics[i].Partitions)))
		}
	}
	return a, err
}

func (c *channel) StopReplica(ctx context.Context, r *order.StopReplicaRequest) (a order.Answer, err error) {
	if !c.own() {
		a, err = c.BrokerChannel.StopReplica(ctx, r)
	}
	if err == nil {
		c.m.stopped.Add(int64(len(r.Partitions)))
	}
	return a, err
}

// wire stands for the socket: a request is encoded into a buffer as by transport.Client, and answered that all is well.
type wire struct {
	m         *member
	formatter *kmsg.RequestFormatter
}

func (w *wire) Close() {}

func (w *wire) Request(_ context.Context, req kmsg.Request) (kmsg.Response, error) {
	out := protocol.NewBuffer(16 << 10)
	defer out.Release()
	out.B = w.formatter.AppendRequest(out.B, req, 1)
	w.m.bytes.Add(int64(len(out.B)))
	return req.ResponseKind(), nil
}

// obey takes a LeaderAndIsr: the replicas that a reassignment adds are in sync at once, and the leader asks for the larger ISR as
// package replica does, with one request under way.
func (m *member) obey(r *order.LeaderAndISRRequest) {
	leads := int64(0)
	m.mu.Lock()
	for i := range r.Partitions {
		p := &r.Partitions[i]
		if p.Leader != m.id {
			continue
		}
		if p.LeaderEpoch > 0 {
			leads++
		}
		if len(p.Adding) > 0 {
			isr := slices.Clone(p.ISR)
			for _, id := range p.Replicas {
				if !slices.Contains(isr, id) {
					isr = append(isr, id)
				}
			}
			if len(isr) > len(p.ISR) {
				m.behind = append(m.behind, order.AlterPartition{TopicPartition: p.TopicPartition, TopicID: p.TopicID,
					LeaderEpoch: p.LeaderEpoch, PartitionEpoch: p.PartitionEpoch, ISR: isr})
			}
		}
	}
	if len(m.behind) > 0 && !m.asking {
		m.asking = true
		go m.ask()
	}
	m.mu.Unlock()
	if leads > 0 {
		m.fleet.leads.Add(leads)
		m.fleet.leadNs.Store(time.Now().UnixNano())
	}
	m.told.Add(int64(len(r.Partitions)))
}

// ask asks the controller for larger ISRs until none is left to ask for.
func (m *member) ask() {
	for {
		m.mu.Lock()
		list := m.behind
		m.behind = nil
		if m.asking = len(list) > 0; !m.asking {
			m.mu.Unlock()
			return
		}
		m.mu.Unlock()
		e := &controller.AlterPartition{Request: order.AlterPartitionRequest{BrokerID: m.id, BrokerEpoch: m.epoch, Partitions: list}}
		m.fleet.do(e)
		for i := range e.Results {
			if err := e.Results[i].Err; err != nil {
				m.fleet.t.Error(list[i].TopicPartition, err)
			}
		}
	}
}
