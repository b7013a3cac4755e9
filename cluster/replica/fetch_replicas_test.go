package replica

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"klamm/logstore"
	"klamm/protocol"
)

var replicasSeed = flag.Uint64("replicas.seed", 0, "seed of TestReplicasBecomeEqual; 0 picks one and prints it")

// replicas are three brokers with a replica each, and the controller, in one goroutine: a step at a time, in an order that a seed picks.
type replicas struct {
	t   *testing.T
	rnd *rand.Rand
	// unclean has machines crash and any replica be elected, so that what was committed may be lost.
	unclean bool
	nowMs   int64
	logs    map[int32]*logDouble
	pools   map[int32]*fetcherPool
	conns   map[[2]int32]*leaderDouble // by follower and leader
	pending map[int32][]stateDouble    // what the controller has told a broker, and the broker has not heard yet

	state stateDouble // the controller's
	// committed has what was below a leader's high watermark, from committedStart on.
	committed      []byte
	committedStart int64
	committedEnd   int64
}

// stateDouble is a partition's state.
type stateDouble struct {
	leader, epoch int32
	isr           []int32
}

var replicasTP = protocol.TopicPartition{Topic: "t"}

func newReplicas(t *testing.T, seed uint64) *replicas {
	r := &replicas{
		t: t, unclean: seed%2 == 1, rnd: rand.New(rand.NewPCG(seed, 5)), logs: map[int32]*logDouble{}, pools: map[int32]*fetcherPool{},
		conns: map[[2]int32]*leaderDouble{}, pending: map[int32][]stateDouble{},
	}
	for id := int32(1); id <= 3; id++ {
		c := logstore.DefaultConfig()
		c.SegmentBytes = []int32{700, 1 << 20}[r.rnd.IntN(2)]
		c.IndexIntervalBytes = 100
		c.RetentionBytes = []int64{-1, 3000}[r.rnd.IntN(2)]
		r.logs[id] = newLogDouble(t, id, replicasTP, c)
		r.startPool(id)
	}
	r.state = stateDouble{leader: 1, epoch: 0, isr: []int32{1, 2, 3}}
	r.tellAll()
	return r
}

func (r *replicas) startPool(id int32) {
	o := &Options{BrokerID: id, Settings: DefaultSettings, Logger: slog.New(slog.DiscardHandler),
		After: func(time.Duration, func()) func() bool { return func() bool { return true } }}
	o.DialLeader = func(_ context.Context, leader int32) (LeaderConn, error) {
		key := [2]int32{id, leader}
		l := r.conns[key]
		if l == nil {
			l = &leaderDouble{t: r.t, rnd: r.rnd, follower: id}
			r.conns[key] = l
		}
		l.closed, l.logs = false, map[protocol.TopicPartition]*logDouble{replicasTP: r.logs[leader]}
		return l, nil
	}
	pool := newFetcherPool(o, func() int64 { return r.nowMs })
	pool.start = func(*fetcher) {} // the test runs it
	r.pools[id] = pool
}

// tellAll is what the controller does after each change of the leader or its epoch.
func (r *replicas) tellAll() {
	for id := range int32(3) {
		r.pending[id+1] = append(r.pending[id+1], r.state)
	}
}

// hear has a broker hear of the next order.
func (r *replicas) hear(id int32) {
	if len(r.pending[id]) == 0 {
		return
	}
	s := r.pending[id][0]
	r.pending[id] = r.pending[id][1:]
	d := r.logs[id]
	if s.epoch <= d.epoch {
		return
	}
	r.pools[id].Remove([]protocol.TopicPartition{replicasTP})
	if s.leader == id {
		d.lead(s.epoch, s.isr)
	} else {
		r.pools[id].set([]fetchOrder{d.follow(s.leader, s.epoch)})
	}
}

// alterISR is what AlterPartition comes to: only the present leader's ISR counts.
func (r *replicas) alterISR(d *logDouble) {
	if d.leader == d.id && d.epoch == r.state.epoch {
		r.state.isr = slices.Clone(d.isr)
	}
}

// elect makes one of the replicas in sync the leader.
func (r *replicas) elect() {
	r.state.leader = r.state.isr[r.rnd.IntN(len(r.state.isr))]
	if r.unclean && r.rnd.IntN(4) == 0 {
		r.state.leader = 1 + r.rnd.Int32N(3)
		r.state.isr = []int32{r.state.leader}
	}
	r.state.epoch += 1 + r.rnd.Int32N(2)
	r.tellAll()
}

// stepFetchers runs a follower's fetchers once.
func (r *replicas) stepFetchers(id int32) {
	for leader := range int32(4) {
		if f := r.pools[id].fetchers[fetcherKey{leader, 0}]; f != nil {
			f.step(context.Background())
		}
	}
	for id := range int32(3) {
		r.alterISR(r.logs[id+1])
		r.noteCommitted(r.logs[id+1])
	}
}

func (r *replicas) leading(id int32) bool { d := r.logs[id]; return d.leader == id }

func (r *replicas) step() {
	r.nowMs += r.rnd.Int64N(30)
	id := 1 + r.rnd.Int32N(3)
	d := r.logs[id]
	switch n := r.rnd.IntN(100); {
	case n < 30:
		if r.leading(id) { // perhaps it is deposed and does not know
			d.produce(1+r.rnd.IntN(3), r.rnd.IntN(80))
			r.noteCommitted(d)
		}
	case n < 72:
		r.stepFetchers(id)
	case n < 84:
		r.hear(id)
	case n < 89:
		r.elect()
	case n < 92: // a follower falls out of the ISR
		if r.leading(id) && d.epoch == r.state.epoch && len(d.isr) > 1 {
			d.isr = slices.DeleteFunc(slices.Clone(d.isr), func(o int32) bool { return o != id && r.rnd.IntN(2) == 0 })
			r.alterISR(d)
			d.advance()
			r.noteCommitted(d)
		}
	case n < 94:
		if r.leading(id) {
			if _, err := d.log.DeleteRecordsBefore(d.hw - r.rnd.Int64N(5)); err != nil {
				r.t.Fatal(err)
			}
		}
	case n < 96:
		if _, _, err := d.log.Retain(doubleNow); err != nil {
			r.t.Fatal(err)
		}
	case n < 97:
		r.restart(id)
	}
}

// restart kills a broker. The controller takes it out of the ISR unless it is alone there, elects another leader, and tells the new process all.
func (r *replicas) restart(id int32) {
	seed := uint64(0)
	if r.unclean {
		seed = r.rnd.Uint64N(3) * r.rnd.Uint64()
	}
	r.logs[id].kill(seed)
	for key, l := range r.conns {
		if key[0] == id || key[1] == id {
			l.closed, l.session = true, 0
		}
	}
	r.startPool(id)
	r.pending[id] = nil
	if len(r.state.isr) > 1 {
		r.state.isr = slices.DeleteFunc(slices.Clone(r.state.isr), func(o int32) bool { return o == id })
	}
	r.elect()
}

// noteCommitted holds what a leader commits against what was committed before (I1).
func (r *replicas) noteCommitted(d *logDouble) {
	if r.unclean || d.leader != d.id || d.epoch != r.state.epoch || d.hw <= r.committedEnd {
		return
	}
	start := d.log.StartOffset()
	from := max(r.committedEnd, start)
	if start > r.committedEnd {
		r.committed, r.committedStart = nil, start
	}
	all := d.records(from)
	// Up to the high watermark, which lies between two batches.
	n := len(all) - len(d.records(d.hw))
	r.committed = append(r.committed, all[:n]...)
	r.committedEnd = d.hw
}

// heal lets everybody hear everything, and fetch until nothing is left to fetch.
func (r *replicas) heal() {
	r.elect()
	for id := range int32(3) {
		for len(r.pending[id+1]) > 0 {
			r.hear(id + 1)
		}
	}
	leader := r.logs[r.state.leader]
	leader.produce(1, 10)
	for range 3000 {
		r.nowMs += 1000
		equal := true
		for id := range int32(3) {
			r.stepFetchers(id + 1)
			equal = equal && r.logs[id+1].caughtUp(leader)
		}
		if equal {
			return
		}
	}
	r.fatal("the replicas do not become equal")
}

// caughtUp says whether a replica has all that the leader has. A log with another end than the leader's epochs have may have the same end offset.
func (d *logDouble) caughtUp(leader *logDouble) bool {
	start, end := d.log.Offsets()
	return end == leader.log.EndOffset() && d.hw == end && (d.log.LatestEpoch() == leader.log.LatestEpoch() || start == end)
}

func (r *replicas) fatal(what string) {
	r.t.Helper()
	for _, d := range r.logs {
		for _, f := range r.pools[d.id].fetchers {
			for _, p := range f.state.partitions {
				what += fmt.Sprintf("\nfetcher of broker %d from %d: %+v", d.id, f.key.leader, *p)
			}
		}
		what += "\n" + d.String()
	}
	r.t.Fatal(what)
}

// compare holds the logs against each other (I2), and against what was committed (I1).
func (r *replicas) compare() {
	leader := r.logs[r.state.leader]
	for _, d := range r.logs {
		from := max(d.log.StartOffset(), leader.log.StartOffset())
		if !bytes.Equal(d.records(from), leader.records(from)) {
			r.fatal(fmt.Sprintf("broker %d has other records than the leader %d", d.id, leader.id))
		}
		d.checkEpochs(from)
		if d.log.Err() != nil {
			r.fatal(d.log.Err().Error())
		}
	}
	start := leader.log.StartOffset()
	if have := leader.records(start); start <= r.committedStart && !bytes.HasPrefix(have[len(have)-len(leader.records(r.committedStart)):], r.committed) {
		r.fatal(fmt.Sprintf("what was committed from %d to %d is not there", r.committedStart, r.committedEnd))
	}
}

// TestReplicasBecomeEqual has leaders change at random, also while the old ones do not know, amid lost connections, lost sessions and kills. In the end
// the replicas are equal. Unless machines crashed or a leader was elected that was not in sync, they have all that was committed.
func TestReplicasBecomeEqual(t *testing.T) {
	seed, runs := *replicasSeed, 1
	if seed == 0 {
		seed, runs = uint64(time.Now().UnixNano()), 40
	}
	for run := range runs {
		s := seed + uint64(run)
		if !t.Run(fmt.Sprint(s), func(t *testing.T) {
			r := newReplicas(t, s)
			for range 4 {
				for range 250 {
					r.step()
				}
				r.heal()
				r.compare()
			}
		}) {
			t.Fatalf("again with: go test ./cluster/replica -run TestReplicasBecomeEqual -replicas.seed=%d", s)
		}
	}
}
