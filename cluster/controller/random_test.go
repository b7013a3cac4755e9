package controller

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/cluster/znode"
	"klamm/protocol"
)

// TestRandom has brokers die, start again, shut down and fail, controllers lose their office, their sessions and the answers of the
// tree in the midst of it all, and administrators ask for everything. Whatever happens, no leader is outside the ISR, none is empty, epochs only
// grow, no two brokers lead in one leader epoch, and no replica joins an ISR but by its leader's wish. When all is quiet, every
// broker knows what the tree says. RANDOM_SEED runs one seed, RANDOM_RUNS as many seeds, RANDOM_STEPS as many steps.
func TestRandom(t *testing.T) {
	seeds, steps := []uint64{1, 2, 3, 4, 5, 6, 7, 8}, 300
	if s := os.Getenv("RANDOM_SEED"); s != "" {
		seed, _ := strconv.ParseUint(s, 10, 64)
		seeds = []uint64{seed}
	}
	if s := os.Getenv("RANDOM_RUNS"); s != "" {
		runs, _ := strconv.ParseUint(s, 10, 64)
		seeds = nil
		for seed := range runs {
			seeds = append(seeds, seed)
		}
	}
	if s := os.Getenv("RANDOM_STEPS"); s != "" {
		steps, _ = strconv.Atoi(s)
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := newRandom(t, seed)
			for i := range steps {
				r.step(i)
				if t.Failed() {
					t.Fatalf("seed %d, step %d", seed, i)
				}
			}
			r.settle()
		})
	}
}

const randomBrokers = 5

type random struct {
	*world
	*rand.Rand
	history  map[stateKey]seenState
	zombies  []zombie
	names    int
	stepText string
}

// stateKey is a partition of one life of a topic.
type stateKey struct {
	id        protocol.UUID
	partition int32
}

type seenState struct {
	state   znode.PartitionState
	version int32
	leaders map[int32]int32 // by leader epoch
}

// zombie is a controller that has lost its office and does not know it.
type zombie struct {
	state *State
	tree  meta.Tree
}

func newRandom(t *testing.T, seed uint64) *random {
	r := &random{world: newWorld(t), Rand: rand.New(rand.NewPCG(seed, 0)), history: map[stateKey]seenState{}}
	r.manual = true
	r.rules.Intn = r.IntN
	r.log = func(format string, args ...any) {
		if os.Getenv("RANDOM_SEED") != "" {
			t.Logf("  "+format, args...)
		}
	}
	for id := range int32(randomBrokers) {
		r.register(id+1, nil)
	}
	r.takeOffice(1)
	return r
}

// takeOffice elects a broker, with a tree that looks at every write.
func (r *random) takeOffice(id int32) {
	r.watchTree = func(tree meta.Tree) meta.Tree { return &observedTree{tree, r} }
	r.elect(id)
}

// observedTree checks the states of partitions after each write, and has the controller die now and then before or after it.
type observedTree struct {
	meta.Tree
	r *random
}

func (o *observedTree) MultiAll(ctx context.Context, txs [][]meta.Op) []meta.TxResult {
	if o.r.IntN(40) == 0 {
		of := txs[o.r.IntN(len(txs))]
		path := of[len(of)-1].Path
		o.r.store.LoseAnswer(func(op meta.Op) bool { return op.Path == path }, o.r.IntN(2) == 0)
		o.r.log("an answer is lost: %s", path)
	}
	results := o.Tree.MultiAll(ctx, txs)
	for _, ops := range txs {
		for _, op := range ops {
			if strings.HasSuffix(op.Path, "/state") && op.Kind != meta.OpDelete {
				o.r.look(op.Path)
			}
		}
	}
	return results
}

// look checks one step of the state of a partition.
func (r *random) look(path string) {
	parts := strings.Split(path, "/") // "", brokers, topics, T, partitions, P, state
	number, _ := strconv.Atoi(parts[5])
	tp := protocol.TopicPartition{Topic: parts[3], Partition: int32(number)}
	body, _, err := r.admin.Get(context.Background(), znode.TopicPath(tp.Topic))
	data, stat, err2 := r.admin.Get(context.Background(), path)
	if err != nil || err2 != nil {
		return
	}
	topic, _ := znode.DecodeTopic(tp.Topic, body)
	now, err := znode.DecodePartitionState(tp, data)
	if err != nil {
		r.t.Fatal(err)
	}
	key := stateKey{topic.ID, tp.Partition}
	was, known := r.history[key]
	if !known {
		was.leaders = map[int32]int32{}
	}
	if known && was.version == stat.Version {
		return
	}
	wrong := func(format string, args ...any) {
		r.t.Errorf("%s: %s was %+v (version %d), is %+v (version %d): "+format, append([]any{r.stepText, tp, was.state, was.version, now, stat.Version}, args...)...)
	}
	if len(now.ISR) == 0 || now.Leader != znode.NoLeader && !slices.Contains(now.ISR, now.Leader) {
		wrong("the leader is not in the ISR")
	}
	if leader, had := was.leaders[now.LeaderEpoch]; had && leader != now.Leader {
		wrong("another broker led in this epoch")
	}
	was.leaders[now.LeaderEpoch] = now.Leader
	joined := without(now.ISR, was.state.ISR)
	switch {
	case !known:
	case stat.Version != was.version+1:
		wrong("a version was left out")
	case now.LeaderEpoch == was.state.LeaderEpoch && now.Leader != was.state.Leader, now.LeaderEpoch < was.state.LeaderEpoch, now.LeaderEpoch > was.state.LeaderEpoch+1:
		wrong("the leader epoch is wrong")
	case now.LeaderEpoch > was.state.LeaderEpoch && len(joined) > 0 && !(now.Recovering && len(now.ISR) == 1):
		wrong("%v joined without the leader", joined)
	case now.ControllerEpoch < was.state.ControllerEpoch:
		wrong("an older controller wrote")
	}
	if known && now.Recovering && !was.state.Recovering {
		for _, id := range was.state.ISR {
			if b := r.ctl.brokers[id]; b != nil && b.suspect && r.ctl.failures.lead[Replica{id, tp}].err == nil {
				wrong("a replica that is not in sync leads, while %d may live", id)
			}
		}
	}
	r.history[key] = seenState{now, stat.Version, was.leaders}
}

// step does something.
func (r *random) step(i int) {
	if r.ctl == nil {
		for id := range int32(randomBrokers) {
			if b := r.brokers[id+1]; b.tree != nil && r.IntN(2) == 0 {
				r.stepText = fmt.Sprintf("step %d: elect %d", i, id+1)
				r.log("%s", r.stepText)
				r.takeOffice(id + 1)
				return
			}
		}
	}
	actions := []struct {
		weight int
		name   string
		do     func()
	}{
		{30, "deliver", r.deliverOne}, {15, "notice", r.notice}, {10, "alter", r.alter}, {4, "kill", r.killOne}, {6, "start", r.startOne},
		{3, "bounce", r.bounce}, {4, "create", r.createOne}, {2, "delete", r.deleteOne}, {2, "mark", r.markOne}, {2, "grow", r.growOne},
		{5, "reassign", r.reassignOne}, {2, "elections", r.electionsOne}, {2, "shutdown", r.shutdownOne}, {2, "fail", r.failOne},
		{2, "usurp", r.usurp}, {2, "zombie", r.wake}, {2, "later", func() { r.nowMs += 1000; r.handle(&RetryDue{}) }}, {1, "balance", func() { r.handle(&BalanceDue{}) }},
		{1, "foreign", r.foreign}, {3, "suspect", r.suspectOne},
	}
	total := 0
	for _, a := range actions {
		total += a.weight
	}
	n := r.IntN(total)
	for _, a := range actions {
		if n -= a.weight; n < 0 {
			r.stepText = fmt.Sprintf("step %d: %s", i, a.name)
			r.log("%s", r.stepText)
			a.do()
			break
		}
	}
	for _, b := range r.brokers {
		for _, text := range b.trouble {
			r.t.Errorf("%s: %s", r.stepText, text)
		}
		b.trouble = nil
	}
}

func (r *random) alive() []int32 {
	var list []int32
	for id := range int32(randomBrokers) {
		if r.brokers[id+1].tree != nil {
			list = append(list, id+1)
		}
	}
	return list
}

// deliverOne gives one broker the first order that it has not got.
func (r *random) deliverOne() {
	if len(r.inbox) == 0 {
		return
	}
	id := r.inbox[r.IntN(len(r.inbox))].broker
	r.deliver(slices.IndexFunc(r.inbox, func(m sent) bool { return m.broker == id }))
}

func (r *random) killOne() {
	if live := r.alive(); len(live) > 1 {
		r.kill(live[r.IntN(len(live))])
	}
}

func (r *random) startOne() {
	for id := range int32(randomBrokers) {
		if r.brokers[id+1].tree == nil && r.IntN(2) == 0 {
			r.register(id+1, nil)
			return
		}
	}
}

func (r *random) bounce() {
	live := r.alive()
	id := live[r.IntN(len(live))]
	r.kill(id)
	r.register(id, nil)
}

// someBrokers draws different ids, also of brokers that are dead.
func (r *random) someBrokers(n int) []int32 {
	var list []int32
	for _, i := range r.Perm(randomBrokers)[:n] {
		list = append(list, int32(i+1))
	}
	return list
}

func (r *random) someTopic() string {
	if r.ctl == nil || len(r.ctl.topics) == 0 {
		return ""
	}
	names := r.ctl.names()
	return names[r.IntN(len(names))]
}

func (r *random) somePartition() (protocol.TopicPartition, bool) {
	name := r.someTopic()
	if name == "" || len(r.ctl.topics[name].partitions) == 0 {
		return protocol.TopicPartition{}, false
	}
	return protocol.TopicPartition{Topic: name, Partition: r.Int32N(int32(len(r.ctl.topics[name].partitions)))}, true
}

func (r *random) createOne() {
	r.names++
	n := NewTopic{Name: fmt.Sprint("t", r.names%12), Partitions: -1, ReplicationFactor: -1}
	factor := 1 + r.IntN(3)
	for p := range 1 + r.Int32N(3) {
		n.Assignment = append(n.Assignment, Assignment{p, r.someBrokers(factor)})
	}
	e := &CreateTopics{Topics: []NewTopic{n}}
	r.handle(e)
	if r.ctl != nil && r.IntN(2) == 0 {
		r.ctl.close(&task{event: e})
	}
}

func (r *random) deleteOne() {
	if name := r.someTopic(); name != "" {
		r.handle(&DeleteTopics{Topics: []TopicRef{{Name: name}}})
	}
}

// markOne marks a topic as another broker's administrator does.
func (r *random) markOne() {
	if name := r.someTopic(); name != "" {
		_, _ = r.admin.Create(context.Background(), znode.DeleteTopicPath(name), nil, meta.Persistent)
	}
}

func (r *random) growOne() {
	if name := r.someTopic(); name != "" {
		t := r.ctl.topics[name]
		if len(t.partitions) < 5 {
			r.handle(&CreatePartitions{Topics: []NewPartitions{{Topic: name, Count: int32(len(t.partitions) + 1)}}})
		}
	}
}

func (r *random) reassignOne() {
	tp, ok := r.somePartition()
	if !ok {
		return
	}
	re := Reassignment{TopicPartition: tp}
	if r.IntN(4) > 0 {
		re.Replicas = r.someBrokers(1 + r.IntN(3))
	}
	r.handle(&AlterReassignments{Partitions: []Reassignment{re}})
}

func (r *random) electionsOne() {
	if tp, ok := r.somePartition(); ok {
		r.handle(&ElectLeaders{Unclean: r.IntN(4) == 0, Partitions: []protocol.TopicPartition{tp}})
	}
}

func (r *random) shutdownOne() {
	live := r.alive()
	b := r.brokers[live[r.IntN(len(live))]]
	r.handle(&ControlledShutdown{Request: order.ControlledShutdownRequest{BrokerID: b.id, BrokerEpoch: b.epoch}})
}

func (r *random) failOne() {
	tp, ok := r.somePartition()
	if !ok {
		return
	}
	b := r.brokers[1+r.Int32N(randomBrokers)]
	switch r.IntN(4) {
	case 0:
		b.fail[tp] = order.ErrStorage
	case 1:
		b.fail[tp] = &order.TransientError{Err: errors.New("too many open files")}
	default:
		clear(b.fail)
	}
}

// usurp has another broker elected while this one still acts.
func (r *random) usurp() {
	if r.ctl == nil {
		return
	}
	r.zombies = append(r.zombies, zombie{r.ctl, r.tree})
	live := r.alive()
	r.takeOffice(live[r.IntN(len(live))])
}

// wake has a controller of yesterday decide something: it must change nothing.
func (r *random) wake() {
	if len(r.zombies) == 0 {
		return
	}
	z := r.zombies[r.IntN(len(r.zombies))]
	s, tree := r.ctl, r.tree
	id := r.ctlID
	before := r.fingerprint()
	r.ctl, r.tree = z.state, z.tree
	r.handle(&CreateTopics{Topics: []NewTopic{{Name: "zombie", Partitions: 1, ReplicationFactor: 1}}})
	if r.ctl != nil {
		r.handle(&BalanceDue{})
	}
	r.zombies = slices.DeleteFunc(r.zombies, func(other zombie) bool { return other.state == z.state })
	r.ctl, r.tree, r.ctlID = s, tree, id
	if after := r.fingerprint(); after != before {
		r.t.Errorf("%s: a controller of yesterday changed the tree", r.stepText)
	}
}

func (r *random) fingerprint() string {
	var b strings.Builder
	var walk func(string)
	walk = func(path string) {
		data, stat, _ := r.admin.Get(context.Background(), path)
		fmt.Fprintf(&b, "%s %d %s\n", path, stat.Version, data)
		names, _, _ := r.admin.Children(context.Background(), path)
		for _, name := range names {
			walk(path + "/" + name)
		}
	}
	walk(znode.BrokerTopics)
	walk(znode.Admin)
	return b.String()
}

// suspectOne has the controller suspect a broker, or trust it again. Whether the broker lives makes no difference.
func (r *random) suspectOne() {
	if r.ctl == nil {
		return
	}
	ids := r.ctl.brokerIDs()
	if len(ids) == 0 {
		return
	}
	b := r.ctl.brokers[ids[r.IntN(len(ids))]]
	if b.id != r.ctlID {
		r.handle(&Suspected{Broker: b.id, Epoch: b.epoch, Dead: !b.suspect})
	}
}

// foreign is what other brokers write: topics that are made as the first client asks for them.
func (r *random) foreign() {
	r.names++
	name := fmt.Sprint("f", r.names%6)
	r.ids++
	body := znode.Topic{ID: protocol.UUID{r.ids, 1}, Partitions: []znode.Replicas{{Partition: 0, Replicas: r.someBrokers(2)}}}
	_, _ = r.admin.Create(context.Background(), znode.TopicPath(name), body.Encode(), meta.Persistent)
}
