package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
	"klamm/internal/history"
)

// load is clients of a topic that go on while a test does things to the brokers: an idempotent producer, one that is not,
// a reader, two members of a consumer group, and one that asks for offsets. They are those of
// internal/history, which write down what they were told, and check_test.go holds that against what the brokers have in the end.
type load struct {
	*testing.T
	c          *harness.Cluster
	client     *kgo.Client   // for administration
	admin      *kadm.Client  // over client
	askers     []*kgo.Client // by broker, for what that broker says; nil until it was asked
	topic      string
	partitions int32

	once, again *history.Producer // the idempotent one; the one that may store a record again
	direct      *direct           // nil where the pauses of the others are good enough
	reader      *history.Reader
	group       *history.Group
	offsets     history.Faults
	more        []*history.Producer // further idempotent ones, which have ended; see check
	moreGroups  []*history.Group    // see check

	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup // all but the producers
	pauses  []pause
}

// startLoad makes a topic, each partition of which has the replicas that are given, and starts the clients.
func startLoad(t *testing.T, c *harness.Cluster, topic string, assignment ...[]int32) *load {
	t.Helper()
	l := &load{T: t, c: c, topic: topic, partitions: int32(len(assignment)), askers: make([]*kgo.Client, len(c.Brokers))}
	l.ctx, l.cancel = context.WithCancel(t.Context()) // of the clients
	t.Cleanup(func() { l.cancel(); l.running.Wait() })
	l.client = newClient(l)
	t.Cleanup(l.client.Close)
	l.admin = kadm.NewClient(l.client)
	createTopic(l, topic, map[string]string{"min.insync.replicas": "2"}, assignment...)
	l.awaitFull()
	clients := history.Topic{Name: topic, Partitions: l.partitions, Client: func(opts ...kgo.Opt) *kgo.Client { return newClient(l, opts...) }}
	producer := func(name string, opts ...kgo.Opt) *history.Producer {
		p := history.StartProducer(l.ctx, clients, name, history.Steady(5*time.Millisecond), opts...)
		t.Cleanup(func() { l.cancel(); p.Finish() }) // a test that has failed waits for no acknowledgement
		return p
	}
	l.once = producer("once")
	l.again = producer("again", kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	l.reader = history.NewReader(clients)
	l.running.Go(func() { l.reader.Run(l.ctx, clients) })
	l.group = history.NewGroup(clients, "readers-of-"+topic)
	if slices.ContainsFunc(c.Brokers, (*harness.Broker).Apache) {
		l.group.Twice()
	}
	for i := range 2 {
		l.running.Go(func() { l.group.Member(l.ctx, clients, i) })
	}
	l.running.Go(func() { l.group.Ask(l.ctx, clients, 50*time.Millisecond) })
	l.running.Go(func() { history.WatchOffsets(l.ctx, clients, 20*time.Millisecond, &l.offsets) })
	l.awaitAcks()
	return l
}

// Context gives a context that ends with the test, or when the test has waited too long for what it asks with it.
func (l *load) Context() context.Context { return harness.Context(l) }

// patience are the options of clients that outlive brokers: they find out soon that a broker hangs, and never give up, also
// when Apache's broker that stops ends a connection before it has answered anything.
func patience(c *harness.Cluster) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(c.Addrs()...), kgo.Dialer(dial), kgo.RequestTimeoutOverhead(time.Second), kgo.ProduceRequestTimeout(2 * time.Second),
		kgo.RequestRetries(1 << 20), kgo.RetryTimeout(10 * time.Minute), kgo.RecordRetries(1 << 30), kgo.UnknownTopicRetries(-1), kgo.AlwaysRetryEOF(),
		kgo.MetadataMinAge(50 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
	}
}

// dial connects a client that drops what it has sent, and nobody has received, when it closes the connection. Otherwise the kernel sends it again
// for a long time, and an offset that was committed may be replaced by the one before it: the coordinator cannot know that the client has long sent
// that again on another connection.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return c, c.(*net.TCPConn).SetLinger(0)
}

func newClient(l *load, opts ...kgo.Opt) *kgo.Client {
	cl, err := kgo.NewClient(append(patience(l.c), opts...)...)
	if err != nil {
		l.Fatal(err)
	}
	return cl
}

// stop ends the clients when everything that was sent is acknowledged, read and committed, and gives the end offsets.
func (l *load) stop() []int64 {
	l.Helper()
	l.finish("acknowledgements of all records", func() { l.once.Finish(); l.again.Finish() })
	if l.direct != nil {
		l.direct.stop()
	}
	l.awaitFull() // so that all replicas have all of it
	ends := make([]int64, l.partitions)
	l.endOffsets(l.topic).Each(func(o kadm.ListedOffset) { ends[o.Partition] = o.Offset })
	await(l, "the readers to catch up", func() bool {
		return l.reader.CaughtUp(ends) && !slices.ContainsFunc(l.groups(), func(g *history.Group) bool { return !g.CaughtUp(ends) })
	})
	l.cancel()
	l.finish("the clients to end", l.running.Wait)
	return ends
}

// endOffsets waits for the latest offsets of a topic: a new leader gives none until its followers have what it has, and the one before gives none any more.
func (l *load) endOffsets(topic string) (listed kadm.ListedOffsets) {
	l.Helper()
	await(l, "the latest offsets of "+topic, func() bool {
		var err error
		listed, err = l.admin.ListEndOffsets(l.Context(), topic)
		return err == nil && listed.Error() == nil
	})
	return listed
}

// groups are all groups.
func (l *load) groups() []*history.Group { return append(slices.Clone(l.moreGroups), l.group) }

// finish calls a function that ends when brokers have answered, and waits for it.
func (l *load) finish(what string, do func()) {
	l.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(patient):
		for p := range l.partitions {
			once, onceAcked := l.once.Counts(p)
			again, againAcked := l.again.Counts(p)
			l.Logf("partition %d: %d and %d sent, %d and %d acknowledged", p, once, again, onceAcked, againAcked)
		}
		l.inVain(what)
	}
}

// patient is how long a test waits for something.
const patient = 2 * time.Minute

// inVain fails the test, which has waited for something, and shows the tree.
func (l *load) inVain(what string) {
	l.Helper()
	l.Fatalf("waiting in vain for %s; the tree is\n%s", what, l.c.Tree(l, harness.TreeOptions{}))
}

// awaitAcks waits until both producers get new acknowledgements for each partition.
func (l *load) awaitAcks() {
	l.Helper()
	now := time.Now()
	await(l, "acknowledgements for each partition", func() bool { return l.once.Since(now) && l.again.Since(now) })
}

// pause is the longest pause in the acknowledgements of the producers, and of the direct one, while something was done.
type pause struct {
	what            string
	longest, direct time.Duration
}

// during does something to the cluster, waits until the producers go on, and notes how long they had to wait.
func (l *load) during(what string, do func()) {
	l.Helper()
	from := time.Now()
	do()
	l.awaitAcks()
	to := time.Now()
	l.Logf("%s: %d ms", what, to.Sub(from).Milliseconds())
	p := pause{what: what, longest: max(l.once.Longest(from, to), l.again.Longest(from, to))}
	if l.direct != nil {
		p.direct = l.direct.Longest(from, to)
	}
	l.pauses = append(l.pauses, p)
}

// metadata asks a broker that runs for all topics. It gives nil when the broker does not answer.
func (l *load) metadata() *kmsg.MetadataResponse {
	l.Helper()
	for i, b := range l.c.Brokers {
		if !b.Runs() {
			continue
		}
		if l.askers[i] == nil {
			l.askers[i] = newClient(l, kgo.SeedBrokers(b.Addr), kgo.RequestRetries(1), kgo.RetryTimeout(2*time.Second))
			l.Cleanup(l.askers[i].Close)
		}
		resp, err := l.askers[i].SeedBrokers()[0].Request(l.Context(), kmsg.NewPtrMetadataRequest())
		if err != nil {
			return nil
		}
		return resp.(*kmsg.MetadataResponse)
	}
	l.Fatal("no broker runs")
	return nil
}

// awaitFull waits until each partition of every topic has a leader and all its replicas in sync.
func (l *load) awaitFull() {
	l.Helper()
	await(l, "replicas in sync", func() bool { return full(l.metadata(), l.topic) })
}

// full says whether the topic is there and each partition of every topic has a leader and all its replicas in sync.
func full(m *kmsg.MetadataResponse, topic string) bool {
	if m == nil {
		return false
	}
	found := false
	for _, t := range m.Topics {
		if t.ErrorCode != 0 {
			return false
		}
		found = found || *t.Topic == topic
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 || p.Leader < 0 || len(p.ISR) != len(p.Replicas) || len(p.OfflineReplicas) > 0 {
				return false
			}
		}
	}
	return found
}

// state is a partition as Metadata shows it.
func (l *load) state(topic string, partition int32) (state kmsg.MetadataResponseTopicPartition) {
	l.Helper()
	await(l, fmt.Sprintf("Metadata of %s/%d", topic, partition), func() bool {
		m := l.metadata()
		if m == nil {
			return false
		}
		for _, t := range m.Topics {
			for _, p := range t.Partitions {
				if *t.Topic == topic && p.Partition == partition {
					state = p
					return true
				}
			}
		}
		return false
	})
	return state
}

// await waits until a condition holds that no event tells of.
func await(l *load, what string, condition func() bool) {
	l.Helper()
	for deadline := time.Now().Add(patient); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			l.inVain(what)
		}
	}
}

// createTopic creates a topic with an assignment of replicas, by partition.
func createTopic(l *load, topic string, configs map[string]string, assignment ...[]int32) {
	l.Helper()
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = topic, -1, -1
	for p, replicas := range assignment {
		a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		a.Partition, a.Replicas = int32(p), replicas
		t.ReplicaAssignment = append(t.ReplicaAssignment, a)
	}
	for name, value := range configs {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, &value
		t.Configs = append(t.Configs, c)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.Topics, req.TimeoutMillis = []kmsg.CreateTopicsRequestTopic{t}, 10_000
	resp, err := req.RequestWith(l.Context(), l.client)
	if err != nil {
		l.Fatalf("creating %s: %v", topic, err)
	}
	// A client that waits in vain for the answer sends the request again.
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		l.Fatalf("creating %s: %v", topic, err)
	}
}
