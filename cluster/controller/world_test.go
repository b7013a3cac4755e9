package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/meta/mem"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// world is a cluster without sockets and clocks: a tree in memory, brokers that do as they are told, and one controller that
// decides on the test's own goroutine. What goes on between them happens when the test says so.
type world struct {
	t     testing.TB
	store *mem.Store
	admin meta.Tree // the session of tools and of what a test writes itself
	nowMs int64
	rules Rules
	ids   byte

	brokers map[int32]*fakeBroker
	ctl     *State
	ctlID   int32 // the broker that has the office, 0 for none
	tree    meta.Tree
	fired   *firedWatches
	inbox   []sent // what brokers have not answered, in the order in which it was sent
	log     func(format string, args ...any)
	manual  bool // orders wait in the inbox until deliver is called

	watchTree func(meta.Tree) meta.Tree // wraps the session of a new controller, nil for not
}

// sent is one order on its way to a broker.
type sent struct {
	broker int32
	epoch  int64
	lead   *order.LeaderAndISRRequest
	stop   *order.StopReplicaRequest
	update *order.UpdateMetadataRequest
}

// firedWatches collects the paths of watches that fired.
type firedWatches struct {
	mu    sync.Mutex
	paths []string
	seen  int // of the marker
	cond  *sync.Cond
}

const marker = "/marker"

func newWorld(t testing.TB) *world {
	w := &world{t: t, store: mem.New(mem.Options{}), brokers: map[int32]*fakeBroker{}, log: func(string, ...any) {}}
	w.rules = Rules{Partitions: 1, ReplicationFactor: 1, Intn: func(int) int { return 0 }, ValidateConfig: validateConfig, ImbalancePercent: 10,
		NewID: func() protocol.UUID { w.ids++; return protocol.UUID{w.ids} }}
	w.admin = w.open(meta.Watcher{})
	for _, path := range append(znode.PersistentPaths(), marker) {
		w.create(path, "")
	}
	return w
}

func (w *world) open(watcher meta.Watcher) meta.Tree {
	tree, err := w.store.Open(context.Background(), watcher)
	if err != nil {
		w.t.Fatal(err)
	}
	return tree
}

func (w *world) create(path, body string) {
	w.t.Helper()
	var data []byte
	if body != "" {
		data = []byte(body)
	}
	if _, err := w.admin.Create(context.Background(), path, data, meta.Persistent); err != nil {
		w.t.Fatal(err)
	}
}

// put sets a node, or makes it.
func (w *world) put(path, body string) {
	w.t.Helper()
	if there, _, _ := w.admin.Exists(context.Background(), path); !there {
		w.create(path, body)
	} else if _, err := w.admin.Set(context.Background(), path, []byte(body), meta.AnyVersion); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(path string) {
	w.t.Helper()
	names, _, err := w.admin.Children(context.Background(), path)
	for _, name := range names {
		w.remove(path + "/" + name)
	}
	if err == nil {
		err = w.admin.Delete(context.Background(), path, meta.AnyVersion)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// register starts a broker, or starts it again.
func (w *world) register(id int32, rack *string) {
	b := newFakeBroker(id)
	if was := w.brokers[id]; was != nil {
		b.logs, b.fail = was.logs, was.fail // its disk
	}
	b.tree = w.open(meta.Watcher{})
	info := znode.Broker{Endpoints: []order.Endpoint{{Listener: "L", SecurityProtocol: "PLAINTEXT", Host: "h", Port: id}}, Rack: rack, JMXPort: -1}
	results, err := b.tree.Multi(context.Background(), meta.CreateOp(znode.BrokerPath(id), nil, meta.Ephemeral), meta.SetOp(znode.BrokerPath(id), info.Encode(), 0))
	if err != nil {
		w.t.Fatal(err)
	}
	b.epoch = results[1].Stat.Czxid
	if w.ctl != nil {
		b.bornUnder = w.ctl.Epoch
	}
	w.brokers[id] = b
}

// kill ends a broker. Its disk stays.
func (w *world) kill(id int32) {
	b := w.brokers[id]
	if b == nil || b.tree == nil {
		return
	}
	w.store.Expire(b.tree)
	b.tree = nil
	if w.ctlID == id {
		w.ctl, w.ctlID = nil, 0
	}
}

// elect gives a broker the office, with a session of its own for the controller's work.
func (w *world) elect(id int32) {
	w.fired = &firedWatches{}
	w.fired.cond = sync.NewCond(&w.fired.mu)
	fired := w.fired
	w.tree = w.open(meta.Watcher{Event: func(e meta.Event) {
		fired.mu.Lock()
		defer fired.mu.Unlock()
		if e.Path == marker {
			fired.seen++
			fired.cond.Broadcast()
		} else {
			fired.paths = append(fired.paths, e.Path)
		}
	}})
	if w.watchTree != nil {
		w.tree = w.watchTree(w.tree)
	}
	e := NewElector(Options{Tree: w.tree, BrokerID: id, Logger: quiet(), Clock: clock(&w.nowMs)})
	epoch, version, err := e.readEpoch(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	data := znode.EncodeControllerEpoch(epoch + 1)
	if _, err := w.tree.Set(context.Background(), znode.ControllerEpoch, data, version); err != nil {
		w.t.Fatal(err)
	}
	w.ctl, w.ctlID = NewState(id, epoch+1, version+1, &w.rules), id
	w.handle(&Started{})
}

// handle has the controller decide an event and all that follows at once.
func (w *world) handle(e Event) {
	if w.ctl == nil {
		return
	}
	s := w.ctl
	d := s.Decide(e, w.nowMs)
	for rounds := 0; ; rounds++ {
		w.show(d)
		if d.Resign != nil {
			w.log("resigns: %v", d.Resign)
			w.ctl, w.ctlID = nil, 0
			return
		}
		for i := range d.Batches {
			w.send(s, &d.Batches[i])
		}
		if len(d.Reads)+len(d.Txs) == 0 {
			break
		}
		if rounds > 100 {
			w.t.Fatal("the controller goes on and on")
		}
		p := perform(context.Background(), &Options{Tree: w.tree}, d)
		if p == nil {
			w.log("the session has ended")
			w.ctl, w.ctlID = nil, 0
			return
		}
		for i, o := range p.Writes {
			if o.Err != nil {
				w.log("tx %d failed: %v", i, o.Err)
			}
		}
		d = s.Decide(p, w.nowMs)
	}
	s.complete(e)
	if !w.manual {
		w.deliverAll()
	}
}

// send puts a batch into the inbox, in the order in which a broker gets it.
func (w *world) send(s *State, b *Batch) {
	header := func(live order.LiveBroker) order.Header {
		return order.Header{ControllerID: s.BrokerID, ControllerEpoch: s.Epoch, BrokerEpoch: live.Epoch}
	}
	for _, live := range b.Live {
		to := sent{broker: live.ID, epoch: live.Epoch}
		if lead := b.LeaderAndISR[live.ID]; lead != nil {
			to.lead = &order.LeaderAndISRRequest{Header: header(live), Partitions: lead}
			w.inbox = append(w.inbox, to)
			to.lead = nil
		}
		if slices.Contains(b.MetadataTo, live.ID) {
			to.update = &order.UpdateMetadataRequest{Header: header(live), Topics: b.Metadata, Brokers: b.ShownTo(live.ID)}
			w.inbox = append(w.inbox, to)
			to.update = nil
		}
		if stop := b.Stop[live.ID]; stop != nil {
			to.stop = &order.StopReplicaRequest{Header: header(live), Partitions: stop}
			w.inbox = append(w.inbox, to)
		}
	}
}

// deliver gives the i-th order in the inbox to its broker, and the answer to the controller.
func (w *world) deliver(i int) {
	m := w.inbox[i]
	w.inbox = slices.Delete(w.inbox, i, i+1)
	b := w.brokers[m.broker]
	if b == nil || b.tree == nil || b.epoch != m.epoch {
		return // the connection is gone with that life of the broker
	}
	answer := &OrdersAnswered{Broker: m.broker, BrokerEpoch: m.epoch}
	switch {
	case m.lead != nil:
		answer.Lead, answer.Answer = m.lead.Partitions, b.leaderAndISR(m.lead)
	case m.stop != nil:
		answer.Stop, answer.Answer = m.stop.Partitions, b.stopReplica(m.stop)
	default:
		b.updateMetadata(m.update)
		return
	}
	// The answer goes to the controller that asked.
	if w.ctl != nil && (m.lead == nil || m.lead.ControllerEpoch == w.ctl.Epoch) && (m.stop == nil || m.stop.ControllerEpoch == w.ctl.Epoch) {
		w.handle(answer)
	}
}

func (w *world) deliverAll() {
	for len(w.inbox) > 0 {
		w.deliver(0)
	}
}

// notice has the controller take in the watches that fired, until none does any more.
func (w *world) notice() {
	for w.ctl != nil {
		w.fired.mu.Lock()
		seen := w.fired.seen
		w.fired.mu.Unlock()
		if _, _, err := w.tree.GetW(context.Background(), marker); err != nil {
			return
		}
		w.put(marker, fmt.Sprint(seen))
		w.fired.mu.Lock()
		for w.fired.seen == seen {
			w.fired.cond.Wait()
		}
		paths := w.fired.paths
		w.fired.paths = nil
		w.fired.mu.Unlock()
		if len(paths) == 0 {
			return
		}
		slices.Sort(paths)
		w.handle(&NodeChanged{Paths: slices.Compact(paths)})
	}
}

// show prints what was decided: "w" a write, "N<" an order to broker N, "!" a line of the log that is no mere information.
func (w *world) show(d *Decision) {
	for _, n := range d.Notes {
		if n.Level > 0 {
			w.log("! %s", note(&n))
		}
	}
	for _, e := range d.Events {
		level, message, args := e.Line()
		w.log("! %s", note(&Note{level, message, args}))
	}
	for _, tx := range d.Txs {
		for _, op := range tx.Ops[1:] {
			kind := map[meta.OpKind]string{meta.OpCreate: "create", meta.OpSet: "set", meta.OpDelete: "delete", meta.OpCheck: "check"}[op.Kind]
			version := ""
			if op.Kind != meta.OpCreate && op.Version != meta.AnyVersion {
				version = fmt.Sprintf(" v%d", op.Version)
			}
			w.log("w %s %s%s %s", kind, op.Path, version, op.Data)
		}
	}
	for i := range d.Batches {
		w.showBatch(&d.Batches[i])
	}
}

func (w *world) showBatch(b *Batch) {
	for _, id := range slices.Sorted(maps.Keys(b.LeaderAndISR)) {
		for _, o := range b.LeaderAndISR[id] {
			w.log("%d< lead %s leader=%d epoch=%d isr=%s replicas=%s v%d%s%s%s%s", id, o.TopicPartition, o.Leader, o.LeaderEpoch, ids(o.ISR),
				ids(o.Replicas), o.PartitionEpoch, list(" adding=", o.Adding), list(" removing=", o.Removing), flag(" new", o.IsNew), flag(" recovering", o.Recovering))
		}
	}
	if len(b.MetadataTo) > 0 {
		var live []int32
		for _, l := range b.ShownTo(0) {
			live = append(live, l.ID)
		}
		to := ids(b.MetadataTo)
		if slices.Equal(live, b.MetadataTo) {
			to = "all"
		}
		w.log("%s< live %s", to, ids(live))
		for _, t := range b.Metadata {
			for _, p := range t.Partitions {
				w.log("%s< show %s-%d leader=%d epoch=%d isr=%s v%d%s", to, t.Name, p.Partition, p.Leader, p.LeaderEpoch, ids(p.ISR), p.PartitionEpoch, list(" offline=", p.Offline))
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.Stop)) {
		for _, o := range b.Stop[id] {
			w.log("%d< stop %s epoch=%d%s", id, o.TopicPartition, o.LeaderEpoch, flag(" delete", o.Delete))
		}
	}
}

func ids(list []int32) string { return strings.ReplaceAll(join(list), ", ", ",") }

func list(name string, l []int32) string {
	if len(l) == 0 {
		return ""
	}
	return name + ids(l)
}

func flag(name string, set bool) string {
	if set {
		return name
	}
	return ""
}

func note(n *Note) string {
	var b strings.Builder
	b.WriteString(n.Message)
	for i := 0; i+1 < len(n.Args); i += 2 {
		fmt.Fprintf(&b, " %v=%v", n.Args[i], n.Args[i+1])
	}
	return b.String()
}
