package reassign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/broker/brokertest"
	"klamm/cmd/connect"
	"klamm/cmd/reassign/plan"
	"klamm/internal/await"
)

// memory is a cluster in memory. A reassignment ends when it was listed once, if all brokers that it names are alive.
type memory struct {
	view
	moving  map[tp][]int32
	foreign map[tp]int // how often others' reassignments are listed before they end
	most    int        // how many replicas a broker received at a time
	asked   int        // how many partitions were reassigned
	named   int        // how many a request named at most
	log     []string   // of configurations and elections
	least   map[string]int
	refuse  map[tp]error
	listed  func(n int) // called with the number of lists so far
	lists   int
	untold  error // what replicas answers
	unled   map[tp]error
	setting time.Duration // how long it takes to set a topic's configuration
	hangs   bool          // a broker takes no configuration, and does not say so
	rates   []int32       // brokers that have a throttle
}

func (m *memory) living(context.Context) (ids []int32, err error) {
	for _, b := range m.brokers {
		ids = append(ids, b.ID)
	}
	return ids, m.untold
}

func (m *memory) throttledBrokers(context.Context) []int32 { return m.rates }

func (m *memory) look(context.Context) (*view, error) {
	v := view{brokers: slices.Clone(m.brokers), leaders: maps.Clone(m.leaders), underWay: map[tp]bool{}, unsized: m.unsized}
	for _, p := range m.parts {
		at := tp{p.Topic, p.ID}
		if to, on := m.moving[at]; on {
			p.Replicas, p.Fixed, v.underWay[at] = to, true, true
		}
		v.parts = append(v.parts, p)
	}
	return &v, nil
}

func (m *memory) replicas(context.Context) (map[tp][]int32, error) {
	all := map[tp][]int32{}
	for _, p := range m.parts {
		all[tp{p.Topic, p.ID}] = p.Replicas
	}
	return all, m.untold
}

func (m *memory) part(at tp) *plan.Partition {
	i := slices.IndexFunc(m.parts, func(p plan.Partition) bool { return p.Topic == at.topic && p.ID == at.partition })
	return &m.parts[i]
}

func (m *memory) underWay(context.Context) (map[tp][]int32, error) {
	m.lists++
	if m.listed != nil {
		m.listed(m.lists)
	}
	now := maps.Clone(m.moving)
	for at, to := range now {
		if m.foreign[at] > 0 {
			m.foreign[at]--
			continue
		}
		if slices.ContainsFunc(to, func(id int32) bool {
			return !slices.ContainsFunc(m.brokers, func(b plan.Broker) bool { return b.ID == id })
		}) {
			continue
		}
		m.part(at).Replicas, m.part(at).InSync = to, to
		delete(m.moving, at)
	}
	return now, nil
}

func (m *memory) assign(_ context.Context, replicas map[tp][]int32) (map[tp]error, error) {
	refused := map[tp]error{}
	m.named = max(m.named, len(replicas))
	for at, to := range replicas {
		if err := m.refuse[at]; err != nil {
			refused[at] = err
			continue
		}
		m.asked++
		if to == nil {
			delete(m.moving, at)
			continue
		}
		m.moving[at] = to
	}
	incoming := map[int32]int{}
	for at, to := range m.moving {
		for _, id := range to {
			if !slices.Contains(m.part(at).Replicas, id) {
				incoming[id]++
				m.most = max(m.most, incoming[id])
			}
		}
	}
	return refused, nil
}

func (m *memory) elect(_ context.Context, parts []tp) (map[tp]error, error) {
	for _, at := range parts {
		if m.unled[at] == nil {
			m.leaders[at] = m.part(at).Replicas[0]
		}
	}
	return m.unled, nil
}

func (m *memory) minInSync(context.Context, []string) (map[string]int, error) { return m.least, nil }

func (m *memory) setTopics(ctx context.Context, topics []string, configs map[string]string) error {
	if err := pause(ctx, time.Duration(len(topics))*m.setting); err != nil {
		return err
	}
	m.log = append(m.log, fmt.Sprint(strings.Join(topics, " "), " ", configs))
	return nil
}

func (m *memory) setBrokers(ctx context.Context, ids []int32, configs map[string]string) error {
	if m.hangs {
		<-ctx.Done()
		return ctx.Err()
	}
	m.log = append(m.log, fmt.Sprint(ids, " ", configs))
	return nil
}

// grown has so many partitions on brokers 1 and 2, and a broker 3 that has none.
func grown(partitions int32) *memory {
	m := &memory{view: view{leaders: map[tp]int32{}}, moving: map[tp][]int32{}, foreign: map[tp]int{}, refuse: map[tp]error{}}
	for id := range int32(3) {
		m.brokers = append(m.brokers, plan.Broker{ID: id + 1})
	}
	for p := range partitions {
		m.parts = append(m.parts, plan.Partition{Topic: "orders", ID: p, Replicas: []int32{1, 2}, InSync: []int32{1, 2}, Bytes: 100})
		m.leaders[tp{"orders", p}] = 1
	}
	return m
}

func (m *memory) runner(o Options) (*runner, *strings.Builder) {
	var said strings.Builder
	o.Out, o.Progress, o.Poll, o.Cluster.Servers = &said, &said, time.Nanosecond, []string{"broker-1:9092"}
	return &runner{Options: o, api: m}, &said
}

// spread gives by broker the replicas, the first replicas, and the leaderships.
func (m *memory) spread() string {
	replicas, first, leads := map[int32]int{}, map[int32]int{}, map[int32]int{}
	for _, p := range m.parts {
		first[p.Replicas[0]]++
		leads[m.leaders[tp{p.Topic, p.ID}]]++
		for _, id := range p.Replicas {
			replicas[id]++
		}
	}
	return fmt.Sprint(replicas, first, leads)
}

const evenSpread = "map[1:20 2:20 3:20] map[1:10 2:10 3:10] map[1:10 2:10 3:10]"

// TestBatches: no broker receives more replicas at a time than it may, all moves are made, and the first replicas lead.
func TestBatches(t *testing.T) {
	m := grown(30)
	r, said := m.runner(Options{Incoming: 4})
	if err := r.run(t.Context(), rebalanced(nil)); err != nil {
		t.Fatal(err)
	}
	if m.most != 4 || m.spread() != evenSpread {
		t.Errorf("broker 3 received %d at a time; %s\n%s", m.most, m.spread(), said)
	}
	if err := r.run(t.Context(), rebalanced(nil)); err != nil || !strings.HasSuffix(said.String(), "nothing to do\n") {
		t.Errorf("again: %v\n%s", err, said)
	}
}

// TestDryRunChangesNothing shows the plan and asks for nothing.
func TestDryRunChangesNothing(t *testing.T) {
	m := grown(30)
	before := m.spread()
	r, said := m.runner(Options{DryRun: true, Throttle: 1})
	if err := r.run(t.Context(), rebalanced(nil)); err != nil || m.asked > 0 || len(m.log) > 0 || m.spread() != before {
		t.Error(err, m.asked, m.log)
	}
	for _, want := range []string{"orders-", "[1 2] -> [", "3       0 -> 20   0 -> 10           0 -> 2000\n", "20 replicas with 2000 bytes are copied"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
}

// TestThrottlesAreSetAsKafkaDoesAndRemoved: on the topic the replicas, on the brokers the rates.
func TestThrottlesAreSetAsKafkaDoesAndRemoved(t *testing.T) {
	m := grown(2)
	r, _ := m.runner(Options{Throttle: 1000})
	if err := r.run(t.Context(), drained(2)); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"orders map[follower.replication.throttled.replicas:0:3,1:3 leader.replication.throttled.replicas:0:1,0:2,1:1,1:2]",
		"[1 2 3] map[follower.replication.throttled.rate:1000 leader.replication.throttled.rate:1000]",
		"[1 2 3] map[follower.replication.throttled.rate: leader.replication.throttled.rate:]",
		"orders map[follower.replication.throttled.replicas: leader.replication.throttled.replicas:]",
	}
	if !slices.Equal(m.log, want) {
		t.Errorf("got  %q\nwant %q", m.log, want)
	}
}

// TestThrottlesOfManyTopicsAreRemoved: the time for the first topics, or for a broker that hangs, is not taken from the last ones. All together had half a
// minute, and what was not reached in it kept its throttle.
func TestThrottlesOfManyTopicsAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const topics = 3*topicsAtOnce + 1
		m := grown(topics)
		for i := range m.parts {
			p := &m.parts[i]
			p.Topic, p.ID = fmt.Sprintf("orders-%03d", i), 0
			m.leaders[tp{p.Topic, 0}] = 1
		}
		m.setting = cleanUp / (topicsAtOnce + 1)
		m.listed = func(int) { m.hangs = true }
		r, said := m.runner(Options{Throttle: 1000})
		if err := r.run(t.Context(), drained(2)); !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "removing "+leaderRate+" and "+followerRate+" from brokers [1 2 3]: ") {
			t.Errorf("%v\n%s", err, said)
		}
		set, removed := map[string]bool{}, map[string]bool{}
		for _, line := range m.log {
			names, configs, _ := strings.Cut(line, " map")
			for name := range strings.FieldsSeq(names) {
				set[name], removed[name] = true, strings.HasSuffix(configs, "throttled.replicas:]")
			}
		}
		for i := range m.parts {
			if topic := m.parts[i].Topic; !set[topic] || !removed[topic] {
				t.Errorf("%s: throttled %t, removed %t", topic, set[topic], removed[topic])
			}
		}
	})
}

// TestOthersThrottlesStay: while others' reassignments are under way, a throttle would take the place of theirs, and its end would remove theirs. A command
// that copies is refused then; one that copies nothing, and one without a throttle, is not.
func TestOthersThrottlesStay(t *testing.T) {
	for _, c := range []struct {
		options Options
		j       job
		refused bool
	}{
		{Options{Throttle: 1000}, drained(2), true},
		{Options{Throttle: 1000, DryRun: true}, drained(2), false},
		{Options{Throttle: 1000}, resized(1, nil), false},
		{Options{}, drained(2), false},
	} {
		m := grown(2)
		m.moving[tp{"orders", 1}], m.foreign[tp{"orders", 1}] = []int32{1, 3}, 3
		r, said := m.runner(c.options)
		err := r.run(t.Context(), c.j)
		if refused := errors.Is(err, ErrUse) && m.asked == 0; refused != c.refused || !refused && err != nil || len(m.log) > 0 {
			t.Errorf("%+v: %v, %d asked, %q\n%s", c.options, err, m.asked, m.log, said)
		}
	}
}

// TestThrottlesThatWereLeftAreNamed: each command says so, and what to do. Nothing said so, and moves crawled.
func TestThrottlesThatWereLeftAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		command func(*memory, *runner) error
		want    string
	}{
		"drain":                      {Options{}, func(_ *memory, r *runner) error { return r.run(t.Context(), drained(2)) }, "kafka-configs --bootstrap-server broker-1:9092 --alter"},
		"drain with a throttle":      {Options{Throttle: 5}, func(_ *memory, r *runner) error { return r.run(t.Context(), drained(2)) }, "--throttle takes its place"},
		"looking, with one":          {Options{Throttle: 5, DryRun: true}, func(_ *memory, r *runner) error { return r.run(t.Context(), drained(2)) }, "kafka-configs"},
		"cancel":                     {Options{}, func(m *memory, r *runner) error { return cancel(t.Context(), m, r.Options) }, "kafka-configs"},
		"a drain with nothing to do": {Options{}, func(_ *memory, r *runner) error { return r.run(t.Context(), drained(3)) }, "kafka-configs"},
	} {
		m := grown(2)
		m.rates = []int32{1, 3}
		r, said := m.runner(c.options)
		if err := c.command(m, r); err != nil || !strings.HasPrefix(said.String(), "the brokers [1 3] throttle moves already") || strings.Count(said.String(), "already") != 1 || !strings.Contains(said.String(), c.want) {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
	}
}

// TestThrottledBrokersOfACluster asks brokers that run.
func TestThrottledBrokersOfACluster(t *testing.T) {
	c := brokertest.RunCluster(t, 2)
	l, err := open(t.Context(), connect.Config{Servers: c.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, rate := range []string{"", "1000", ""} {
		if err := l.setBrokers(t.Context(), []int32{2}, map[string]string{followerRate: rate}); err != nil {
			t.Fatal(err)
		}
		want := "[2]"
		if rate == "" {
			want = "[]"
		}
		await.Until(t, "broker 2 to have the rate "+rate, func() bool { return fmt.Sprint(l.throttledBrokers(t.Context())) == want })
	}
}

// TestInterruptedAndResumed: an interruption removes the throttles and says what goes on, and the next run ends evenly.
func TestInterruptedAndResumed(t *testing.T) {
	m := grown(30)
	ctx, interrupt := context.WithCancel(t.Context())
	m.listed = func(n int) {
		if n == 3 {
			interrupt()
		}
	}
	r, said := m.runner(Options{Incoming: 2, Throttle: 1000})
	err := r.run(ctx, rebalanced(nil))
	if want := "a second Ctrl-C ends the command before that, and leaves them\nthe throttles are removed\n"; !strings.HasSuffix(said.String(), want) {
		t.Errorf("no %q in\n%s", want, said)
	}
	if !errors.Is(err, ErrInterrupted) || !strings.Contains(err.Error(), "klamm cluster cancel --bootstrap-server broker-1:9092") {
		t.Errorf("%v", err)
	}
	if n := len(m.log); n != 4 || !strings.HasSuffix(m.log[3], "throttled.replicas:]") || m.asked > 10+6 { // ten change the order alone
		t.Errorf("%d reassignments were asked for, the configurations were %q", m.asked, m.log)
	}
	r, said = m.runner(Options{Incoming: 2})
	if err := r.run(t.Context(), rebalanced(nil)); err != nil || m.spread() != evenSpread {
		t.Errorf("%v, %s\n%s", err, m.spread(), said)
	}
}

// TestOthersReassignmentsAreLeftAlone: they count, are not asked for anything, and are waited for; then what they left is planned for.
func TestOthersReassignmentsAreLeftAlone(t *testing.T) {
	m := grown(30)
	m.moving[tp{"orders", 7}], m.foreign[tp{"orders", 7}] = []int32{3, 2}, 5
	r, said := m.runner(Options{})
	touched := false
	m.listed = func(int) {
		touched = touched || m.foreign[tp{"orders", 7}] > 0 && !slices.Equal(m.moving[tp{"orders", 7}], []int32{3, 2})
	}
	if err := r.run(t.Context(), rebalanced(nil)); err != nil || touched || m.spread() != evenSpread {
		t.Errorf("%v, touched: %t, %s", err, touched, m.spread())
	}
	if want := "1 partitions are being reassigned already, and are left alone: orders-7\n"; !strings.HasPrefix(said.String(), want) {
		t.Errorf("no %q in\n%s", want, said)
	}
}

// TestOthersReassignmentsThatCannotEnd: they are named, and not waited for, since a dead broker would have to be in sync. All else goes on.
func TestOthersReassignmentsThatCannotEnd(t *testing.T) {
	m := grown(4)
	m.moving[tp{"orders", 1}], m.moving[tp{"orders", 2}] = []int32{1, 4}, []int32{1, 3}
	ctx, interrupt := context.WithCancel(t.Context())
	m.listed = func(n int) {
		if n == 1000 {
			interrupt()
		}
	}
	r, said := m.runner(Options{})
	err := r.run(ctx, drained(2))
	if err == nil || errors.Is(err, ErrInterrupted) || !strings.HasPrefix(err.Error(), "orders-1: its reassignment to [1 4], which somebody else began, cannot end while broker 4 is not alive") {
		t.Errorf("%v\n%s", err, said)
	}
	for _, p := range m.parts {
		if p.ID != 1 && slices.Contains(p.Replicas, 2) {
			t.Errorf("partition %d has replicas %v", p.ID, p.Replicas)
		}
	}
}

// TestOfflineReplicasOfTheMetadata: it also names those on brokers that are dead, which is known already.
func TestOfflineReplicasOfTheMetadata(t *testing.T) {
	p := grown(0).partition("orders", kmsg.MetadataResponseTopicPartition{Partition: 4, Replicas: []int32{2, 9, 1}, ISR: []int32{1}, OfflineReplicas: []int32{2, 9}}, 5)
	if want := (plan.Partition{Topic: "orders", ID: 4, Replicas: []int32{2, 9, 1}, InSync: []int32{1}, Offline: []int32{2}, Bytes: 5}); !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, want %+v", p, want)
	}
}

// TestOthersReassignmentsToAnOfflineLogDirectory cannot end either.
func TestOthersReassignmentsToAnOfflineLogDirectory(t *testing.T) {
	m := grown(2)
	at := tp{"orders", 1}
	m.moving[at], m.foreign[at], m.part(at).Offline = []int32{1, 3}, 1000, []int32{3}
	r, said := m.runner(Options{})
	err := r.run(t.Context(), drained(2))
	if err == nil || !strings.HasPrefix(err.Error(), "orders-1: its reassignment to [1 3], which somebody else began, cannot end while its log directory on broker 3 is offline") ||
		!strings.Contains(said.String(), "broker 3 has 1 replicas in log directories that are offline") {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestOthersReassignOnceMore: reassignments that others begin while this command waits for theirs are waited for too, and what they left is planned for.
// The command said done, and the broker that it drained had the replicas that were moved there meanwhile.
func TestOthersReassignOnceMore(t *testing.T) {
	m := grown(2)
	first, second := tp{"orders", 0}, tp{"orders", 1}
	m.parts[1].Replicas = []int32{1, 3}
	m.moving[first], m.foreign[first] = []int32{1, 2}, 2
	begun := false
	m.listed = func(int) {
		if _, on := m.moving[first]; !on && !begun {
			begun, m.moving[second], m.foreign[second] = true, []int32{2, 3}, 3
		}
	}
	r, said := m.runner(Options{})
	if err := r.run(t.Context(), drained(2)); err != nil {
		t.Fatal(err)
	}
	for _, p := range m.parts {
		if slices.Contains(p.Replicas, 2) {
			t.Errorf("partition %d has replicas %v\n%s", p.ID, p.Replicas, said)
		}
	}
}

// TestInterruptionKeepsTheError: what went wrong is said, though an interruption came at the same time.
func TestInterruptionKeepsTheError(t *testing.T) {
	m := grown(20)
	at := tp{"orders", 0}
	m.refuse[at] = kerr.InvalidReplicaAssignment
	ctx, interrupt := context.WithCancel(t.Context())
	m.listed = func(int) { interrupt() }
	r, _ := m.runner(Options{Incoming: 2})
	err := r.run(ctx, drained(2))
	if !errors.Is(err, ErrInterrupted) || !errors.Is(err, kerr.InvalidReplicaAssignment) || errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	r, _ = m.runner(Options{Incoming: 2})
	r.api = failing{m}
	if err := r.run(ctx, drained(2)); !errors.Is(err, ErrInterrupted) || !errors.Is(err, kerr.KafkaStorageError) {
		t.Errorf("%v", err)
	}
}

// TestInterruptedWhileItConnects: that is an interruption too.
func TestInterruptedWhileItConnects(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	for name, command := range map[string]func(context.Context, Options) error{
		"rebalance": func(ctx context.Context, o Options) error { return Rebalance(ctx, o, nil) }, "cancel": Cancel,
	} {
		if err := command(ctx, Options{Cluster: connect.Config{Servers: []string{"127.0.0.1:1"}}}); !errors.Is(err, ErrInterrupted) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// failing is a cluster that takes no reassignment.
type failing struct{ api }

func (failing) assign(context.Context, map[tp][]int32) (map[tp]error, error) {
	return nil, kerr.KafkaStorageError
}

// TestRefusedElectionsAreNotCounted as elections. One that was not needed is one.
func TestRefusedElectionsAreNotCounted(t *testing.T) {
	m := grown(4)
	for p := range int32(4) {
		m.leaders[tp{"orders", p}] = 2
	}
	m.unled = map[tp]error{{"orders", 0}: kerr.PreferredLeaderNotAvailable, {"orders", 1}: kerr.ElectionNotNeeded}
	r, said := m.runner(Options{})
	err := r.run(t.Context(), job{plan: func(*view) ([]plan.Move, []plan.Left, error) { return nil, nil, nil }, elect: true})
	if !errors.Is(err, kerr.PreferredLeaderNotAvailable) || !strings.Contains(said.String(), "the first replica was elected in 3 partitions\n") {
		t.Errorf("%v\n%s", err, said)
	}
}

// TestManyFailures: those that are not named are counted.
func TestManyFailures(t *testing.T) {
	m := grown(13)
	for p := range int32(13) {
		m.refuse[tp{"orders", p}] = kerr.InvalidReplicaAssignment
	}
	r, _ := m.runner(Options{})
	if err := r.run(t.Context(), drained(2)); err == nil || !strings.Contains(err.Error(), "\nand 3 partitions more\n") {
		t.Errorf("%v", err)
	}
}

// TestPlanThatCannotBeWritten: a plan of which a part is missing is an error.
func TestPlanThatCannotBeWritten(t *testing.T) {
	for name, command := range map[string]func(*memory, *runner) error{
		"a plan":     func(_ *memory, r *runner) error { return r.run(t.Context(), drained(2)) },
		"cancelling": func(m *memory, r *runner) error { return cancel(t.Context(), m, r.Options) },
	} {
		m := grown(4)
		m.moving[tp{"orders", 3}], m.foreign[tp{"orders", 3}] = []int32{1, 3}, 3
		r, _ := m.runner(Options{DryRun: true})
		r.Out = full{}
		if err := command(m, r); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

var errFull = errors.New("no space left on device")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestRefusedPartitions: one that is refused is an error with its name, one whose topic is being deleted is passed over.
func TestRefusedPartitions(t *testing.T) {
	m := grown(2)
	m.refuse[tp{"orders", 0}], m.refuse[tp{"orders", 1}] = kerr.InvalidReplicaAssignment, kerr.UnknownTopicOrPartition
	r, said := m.runner(Options{})
	err := r.run(t.Context(), drained(2))
	if !errors.Is(err, kerr.InvalidReplicaAssignment) || !strings.HasPrefix(err.Error(), "orders-0: ") || errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("%v", err)
	}
	if want := "orders-1 is deleted or being deleted, and is passed over"; !strings.Contains(said.String(), want) {
		t.Errorf("no %q in\n%s", want, said)
	}
}

// TestDeadBrokers: a drain ends, and names the partitions that it has to leave as they are. It waited for ever for moves to the end of which a dead broker
// would have to be in sync.
func TestDeadBrokers(t *testing.T) {
	m := grown(2)
	for i, replicas := range [][]int32{{4, 5, 1}, {4}} {
		m.parts[i].Replicas, m.parts[i].InSync = replicas, replicas[len(replicas)-1:]
	}
	for _, dry := range []bool{true, false} {
		r, said := m.runner(Options{DryRun: dry})
		err := r.run(t.Context(), drained(4))
		if err == nil || errors.Is(err, ErrUse) || !strings.HasPrefix(err.Error(), "orders-1: it stays as it is: none of its replicas in sync, [4], is on a broker that is alive") || m.asked > 0 == dry {
			t.Errorf("%v, %d asked\n%s", err, m.asked, said)
		}
	}
	if got := m.parts[0].Replicas; slices.Contains(got, 4) || slices.Contains(got, 5) || len(got) != 3 {
		t.Error(got)
	}
}

// TestBrokerThatDiesMeanwhile is named, once, with what waits for it; the moves end when it is back. The command waited for it and said nothing.
func TestBrokerThatDiesMeanwhile(t *testing.T) {
	m := grown(4)
	three := m.brokers[2]
	m.listed = func(n int) {
		switch n {
		case 1:
			m.brokers = m.brokers[:2]
		case 3 * livingEvery:
			m.brokers = append(m.brokers, three)
		}
	}
	r, said := m.runner(Options{})
	if err := r.run(t.Context(), drained(2)); err != nil {
		t.Fatal(err)
	}
	if want := "broker 3 is not alive any more, and 4 partitions under way wait for it: start it, or"; strings.Count(said.String(), want) != 1 || strings.Count(said.String(), "not alive") != 1 {
		t.Errorf("not once %q in\n%s", want, said)
	}
}

// TestBrokersThatDoNotAnswerInTheEnd: the error is theirs. The command said that somebody else had cancelled the reassignments.
func TestBrokersThatDoNotAnswerInTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := grown(2)
		m.untold = kerr.BrokerNotAvailable
		r, said := m.runner(Options{})
		r.Poll = time.Second
		if err := r.run(t.Context(), drained(2)); !errors.Is(err, kerr.BrokerNotAvailable) || strings.Contains(err.Error(), "somebody else") {
			t.Errorf("%v\n%s", err, said)
		}
	})
}

// TestOthersChangeAReassignment: the brokers answer, and the replicas are not those that were asked for.
func TestOthersChangeAReassignment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := grown(2)
		m.listed = func(int) { delete(m.moving, tp{"orders", 1}) }
		r, said := m.runner(Options{})
		r.Poll = time.Second
		if err := r.run(t.Context(), drained(2)); err == nil || !strings.HasPrefix(err.Error(), "orders-1: somebody else cancelled or changed its reassignment\n") {
			t.Errorf("%v\n%s", err, said)
		}
	})
}

// TestSizesThatABrokerDoesNotTell: whoever does not plan by bytes goes on without them.
func TestSizesThatABrokerDoesNotTell(t *testing.T) {
	for _, c := range []struct {
		j     job
		fails bool
	}{{rebalanced(nil), true}, {rebalanced([]plan.Goal{plan.Bytes}), true}, {rebalanced([]plan.Goal{plan.Replicas}), false}, {drained(2), false}} {
		m := grown(4)
		m.unsized = kerr.KafkaStorageError
		r, said := m.runner(Options{})
		if err := r.run(t.Context(), c.j); (err != nil) != c.fails || c.fails && !errors.Is(err, kerr.KafkaStorageError) || !strings.Contains(said.String(), "KAFKA_STORAGE_ERROR") {
			t.Errorf("%v\n%s", err, said)
		}
	}
}

// TestExcludedTopics: no command changes the replicas or the leaders of an excluded topic.
func TestExcludedTopics(t *testing.T) {
	for name, j := range map[string]job{
		"rebalance": rebalanced(nil), "drain": drained(2),
		"reassign": resized(1, nil),
	} {
		m := grown(20)
		for p := range int32(10) {
			m.parts[p].Topic = "kept"
			m.leaders[tp{"kept", p}] = 2
		}
		r, said := m.runner(Options{Exclude: []string{"kept"}})
		if err := r.run(t.Context(), j); err != nil || m.asked == 0 {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
		if keeps := strings.Contains(said.String(), "broker 2 keeps 10 replicas of topics that are excluded\n"); keeps != (name == "drain") {
			t.Errorf("%s: it says that broker 2 keeps replicas: %t\n%s", name, keeps, said)
		}
		for _, p := range m.parts {
			if at := (tp{p.Topic, p.ID}); p.Topic == "kept" && (!slices.Equal(p.Replicas, []int32{1, 2}) || m.leaders[at] != 2) {
				t.Errorf("%s: %s has %v, led by %d", name, at, p.Replicas, m.leaders[at])
			}
		}
		r, _ = m.runner(Options{Exclude: []string{"kpet"}})
		if err := r.run(t.Context(), j); !errors.Is(err, ErrUse) {
			t.Errorf("%s without a topic that is not there: %v", name, err)
		}
	}
}

// TestRacksThatAreHalfSet: a plan would not look at racks, and could put all replicas of a partition into one. Commands that move replicas are refused then,
// unless somebody says that racks do not count. They went on, and nothing said so.
func TestRacksThatAreHalfSet(t *testing.T) {
	for name, c := range map[string]struct {
		racks   [3]string
		ignore  bool
		j       job
		refused bool
	}{
		"rebalance":            {[3]string{"a", "b", ""}, false, rebalanced(nil), true},
		"drain":                {[3]string{"a", "b", ""}, false, drained(2), true},
		"reassign, more":       {[3]string{"a", "b", ""}, false, resized(3, nil), true},
		"reassign, fewer":      {[3]string{"a", "b", ""}, false, resized(1, nil), true},
		"leaders":              {[3]string{"a", "b", ""}, false, rebalanced([]plan.Goal{plan.Leaders}), false},
		"nothing to do":        {[3]string{"a", "b", ""}, false, drained(3), false},
		"the one that leaves":  {[3]string{"a", "", "b"}, false, drained(2), false},
		"ignored":              {[3]string{"a", "b", ""}, true, drained(2), false},
		"all have one":         {[3]string{"a", "b", "c"}, false, rebalanced(nil), false},
		"no broker has one":    {[3]string{}, false, rebalanced(nil), false},
		"one has, others none": {[3]string{"", "", "a"}, false, rebalanced(nil), true},
	} {
		m := grown(6)
		for i := range m.brokers {
			m.brokers[i].Rack = c.racks[i]
		}
		r, said := m.runner(Options{IgnoreRacks: c.ignore})
		err := r.run(t.Context(), c.j)
		if refused := errors.Is(err, ErrUse) && strings.Contains(err.Error(), "--ignore-racks") && m.asked == 0; refused != c.refused || !refused && err != nil {
			t.Errorf("%s: %v, %d asked\n%s", name, err, m.asked, said)
		}
	}
}

// TestFactorBelowMinInSync is refused: nobody could write with acks=all.
func TestFactorBelowMinInSync(t *testing.T) {
	m := grown(2)
	m.least = map[string]int{"orders": 2}
	r, _ := m.runner(Options{})
	err := r.run(t.Context(), resized(1, nil))
	if !errors.Is(err, ErrUse) || !strings.Contains(err.Error(), `topic "orders" has min.insync.replicas=2`) || m.asked > 0 {
		t.Errorf("%v", err)
	}
}

// TestCancel cancels whatever is under way.
func TestCancel(t *testing.T) {
	m := grown(3)
	m.moving[tp{"orders", 1}], m.foreign[tp{"orders", 1}] = []int32{3, 2}, 1
	r, said := m.runner(Options{})
	if err := cancel(t.Context(), m, r.Options); err != nil || len(m.moving) > 0 || said.String() != "1 reassignments are cancelled\n" {
		t.Errorf("%v %v\n%s", err, m.moving, said)
	}
}

// TestCancelOfMany asks for some at a time: all of a large cluster at once took longer than a request may.
func TestCancelOfMany(t *testing.T) {
	const many = 2*atOnce + 1
	m := grown(many)
	for p := range int32(many) {
		m.moving[tp{"orders", p}] = []int32{3, 2}
	}
	for at := range m.moving {
		m.foreign[at] = 1 // it is under way until it is cancelled
	}
	r, said := m.runner(Options{})
	if err := cancel(t.Context(), m, r.Options); err != nil || m.named != atOnce || len(m.moving) > 0 || said.String() != fmt.Sprintf("%d reassignments are cancelled\n", many) {
		t.Errorf("%v, %d at once, %d left\n%s", err, m.named, len(m.moving), said)
	}
}

// TestCancelOfWhatHasJustEnded is no error: a reassignment may end after it was listed.
func TestCancelOfWhatHasJustEnded(t *testing.T) {
	m := grown(3)
	at := tp{"orders", 1}
	m.moving[at], m.refuse[at] = []int32{3, 2}, kerr.NoReassignmentInProgress
	r, said := m.runner(Options{})
	if err := cancel(t.Context(), m, r.Options); err != nil || said.String() != "0 reassignments are cancelled\n" {
		t.Errorf("%v\n%s", err, said)
	}
}

func TestUnknownTopicsAreNamed(t *testing.T) {
	v := &grown(1).view
	if err := v.known([]string{"orders"}); err != nil {
		t.Error(err)
	}
	if err := v.known([]string{"orders", "odrers"}); !errors.Is(err, ErrUse) || err.Error() != `there is no topic "odrers", or it is being deleted` {
		t.Error(err)
	}
}
