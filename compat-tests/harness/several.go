package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Brokers is how many brokers [Start], [New] and [Main] start for a test that leaves the kind of broker to the environment:
// KLAMM_BROKERS, or 1. With 3 they are a cluster on ZooKeeper, whose topics have three replicas and take writes while two are in sync.
func Brokers() int {
	n, err := strconv.Atoi(os.Getenv("KLAMM_BROKERS"))
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// Rolling says whether these brokers are restarted one after the other for as long as they run: KLAMM_ROLLING=1.
func Rolling() bool { return Brokers() > 1 && os.Getenv("KLAMM_ROLLING") == "1" }

// between is how long all brokers run between two restarts where [Options] do not say. A client like kcat tries one broker a second,
// and gives up when it has met each of them while that was away.
const between = time.Second

// AtOnce says whether a changed configuration holds when the change was answered. Apache's broker applies it a moment later, and so
// do all brokers of a cluster but the one that answered.
func AtOnce() bool { return !Reference() && Brokers() == 1 }

// IDs are the ids of the brokers that a Broker stands for.
func (b *Broker) IDs() []int32 {
	if b.several == nil {
		return []int32{b.ID()}
	}
	return b.several.cluster.ids()
}

// several are the brokers behind a [Broker] that stands for a cluster.
type several struct {
	cluster *Cluster
	between time.Duration // how long all brokers run between two restarts
	ended   chan struct{} // closed when the restarts are over
	stop    context.CancelFunc

	// mu is held by who stops and starts brokers: the test, or the restarts.
	mu       sync.Mutex
	held     bool  // guarded by mu; the test has killed or stopped brokers, and no broker is restarted until it runs them again
	next     int   // guarded by mu; counts the kills and restarts, each of which meets the next broker
	restarts int   // guarded by mu
	failed   error // guarded by mu; why a restart failed, after which there is none
}

// startSeveral starts a cluster and gives the handle that stands for it.
func startSeveral(o Options) (*Broker, error) {
	b, err := prepareSeveral(o)
	if err != nil {
		return nil, err
	}
	if err := b.Run(); err != nil {
		err = fmt.Errorf("%w; the logs are kept: %s", err, b.KeepLog())
		for _, m := range b.several.cluster.Brokers {
			m.Kill()
		}
		_ = b.Close()
		b.Remove()
		return nil, err
	}
	return b, nil
}

func prepareSeveral(o Options) (*Broker, error) {
	z, chroot, err := shareZooKeeper()
	if err != nil {
		return nil, err
	}
	replicas := strconv.Itoa(Brokers())
	properties := map[string]string{
		"default.replication.factor": replicas, "min.insync.replicas": strconv.Itoa(Brokers()/2 + 1),
		"offsets.topic.num.partitions": "50", "auto.leader.rebalance.enable": "true",
	}
	maps.Copy(properties, o.Properties)
	c, err := prepareCluster(ClusterOptions{Brokers: Kinds(Brokers()), Properties: properties, Heap: o.Heap}, z, chroot)
	if err != nil {
		unshareZooKeeper()
		return nil, err
	}
	s := &several{cluster: c, between: cmp.Or(o.Between, between), ended: make(chan struct{})}
	return &Broker{Addr: strings.Join(c.Addrs(), ","), LogDir: c.Dirs(1)[0], opts: o, apache: Reference(), several: s}, nil
}

// run starts the brokers that do not run, and the restarts.
func (s *several) run() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cluster.Run(); err != nil {
		return err
	}
	s.held = false
	if Rolling() && s.stop == nil {
		ctx, cancel := context.WithCancel(context.Background())
		s.stop = cancel
		go s.roll(ctx)
	}
	return nil
}

// kill kills one broker, each time the next one.
func (s *several) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = true
	s.one().Kill()
}

// one is the broker whose turn it is.
func (s *several) one() *Broker {
	s.next++
	return s.cluster.Brokers[s.next%len(s.cluster.Brokers)]
}

// stopAll stops all brokers.
func (s *several) stopAll() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = true
	return s.cluster.StopBrokers()
}

// close ends the restarts and all brokers.
func (s *several) close() error {
	if s.stop != nil {
		s.stop()
		<-s.ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.cluster.Close()
	if s.failed != nil {
		err = errors.Join(err, fmt.Errorf("after %d restarts: %w", s.restarts, s.failed))
	} else if s.stop != nil {
		fmt.Printf("the brokers were restarted %d times, one after the other\n", s.restarts)
	}
	s.stop = nil
	if s.cluster.chroot != "" {
		s.cluster.chroot = ""
		unshareZooKeeper()
	}
	return err
}

// roll restarts the brokers one after the other until ctx ends.
func (s *several) roll(ctx context.Context) {
	defer close(s.ended)
	for ctx.Err() == nil {
		s.mu.Lock()
		if !s.held && s.failed == nil {
			s.failed = s.restart(ctx, s.one())
			if s.failed == nil {
				s.restarts++
			}
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
		case <-time.After(s.between):
		}
	}
}

// restart stops a broker with SIGTERM, starts it again and waits until it is in all ISRs.
func (s *several) restart(ctx context.Context, b *Broker) error {
	if err := b.Stop(); err != nil {
		return err
	}
	if err := b.Run(); err != nil {
		return err
	}
	return s.awaitInSync(ctx, b)
}

// awaitInSync waits until a broker is in the ISR of each partition that it has a replica of, as the next broker knows them.
func (s *several) awaitInSync(ctx context.Context, b *Broker) error {
	id := b.ID()
	other := s.cluster.Brokers[int(id)%len(s.cluster.Brokers)]
	cl, err := kgo.NewClient(kgo.SeedBrokers(other.Addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	for deadline := time.Now().Add(readyWithin); ; pause() {
		out, err := outOfSync(ctx, cl, id)
		if err == nil && out == "" || ctx.Err() != nil {
			return nil
		}
		if time.Now().After(deadline) {
			if err == nil {
				err = errors.New(out)
			}
			return fmt.Errorf("harness: broker %d is not in all ISRs %s after its restart: %w", id, readyWithin, err)
		}
	}
}

// outOfSync names a partition of which a broker has a replica that is not in sync, or gives "".
func outOfSync(ctx context.Context, cl *kgo.Client, id int32) (string, error) {
	resp, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, cl)
	if err != nil {
		return "", err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if t.ErrorCode == 0 && slices.Contains(p.Replicas, id) && !slices.Contains(p.ISR, id) {
				return fmt.Sprintf("%s/%d, led by %d, ISR %v", *t.Topic, p.Partition, p.Leader, p.ISR), nil
			}
		}
	}
	return "", nil
}

// AwaitRestarts waits until brokers were restarted n times from now on, where KLAMM_ROLLING has them restarted.
func (b *Broker) AwaitRestarts(t testing.TB, n int) {
	t.Helper()
	if !Rolling() {
		return
	}
	count := func() (int, error) {
		b.several.mu.Lock()
		defer b.several.mu.Unlock()
		return b.several.restarts, b.several.failed
	}
	before, _ := count()
	within := time.Duration(n) * readyWithin // which bounds one restart
	for deadline := time.Now().Add(within); ; pause() {
		switch now, err := count(); {
		case now >= before+n:
			return
		case err != nil:
			t.Fatalf("the brokers are restarted no more: %v", err)
		case time.Now().After(deadline):
			t.Fatalf("%d of %d restarts after %s", now-before, n, within)
		}
	}
}

// log joins what the brokers have written.
func (s *several) log() string {
	var text strings.Builder
	for _, b := range s.cluster.Brokers {
		text.WriteString(b.Log())
	}
	return text.String()
}

// shared is the ZooKeeper of this process' clusters, each of which has a chroot of its own: to start a JVM for each of them
// would cost more than the tests.
var shared struct {
	sync.Mutex
	z     *ZooKeeper // nil while nobody uses it
	users int
	given int
}

// shareZooKeeper gives the shared ZooKeeper and a chroot that no other cluster has.
func shareZooKeeper() (*ZooKeeper, string, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.z == nil {
		z, err := NewZooKeeper(ZooKeeperOptions{})
		if err != nil {
			return nil, "", err
		}
		shared.z = z
	}
	shared.users++
	shared.given++
	return shared.z, fmt.Sprint("/cluster-", shared.given), nil
}

// unshareZooKeeper takes back one shareZooKeeper. The last one ends the ZooKeeper.
func unshareZooKeeper() {
	shared.Lock()
	defer shared.Unlock()
	if shared.users--; shared.users == 0 {
		shared.z.Close()
		shared.z = nil
	}
}

// Tests runs the tests of a package whose tests start brokers of their own, and gives the exit code for os.Exit. Their clusters
// share one ZooKeeper.
func Tests(m *testing.M) int {
	if Brokers() > 1 {
		if _, _, err := shareZooKeeper(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer unshareZooKeeper()
	}
	return m.Run()
}

// TopicOnOne is [Topic] for tests that send single requests to one broker, the first in Addr: it leads all partitions.
func (b *Broker) TopicOnOne(t testing.TB, partitions int32, configs ...string) string {
	t.Helper()
	if b.several == nil {
		return Topic(t, b.Addr, partitions, configs...)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 30_000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = Name(t), -1, -1
	for p := range partitions {
		replicas := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
		replicas.Partition, replicas.Replicas = p, b.IDs()
		topic.ReplicaAssignment = append(topic.ReplicaAssignment, replicas)
	}
	for i := 0; i+1 < len(configs); i += 2 {
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = configs[i], &configs[i+1]
		topic.Configs = append(topic.Configs, config)
	}
	req.Topics = append(req.Topics, topic)
	resp, err := req.RequestWith(Context(t), Client(t, b.Addr))
	if err == nil {
		err = kerr.ErrorForCode(resp.Topics[0].ErrorCode)
	}
	if err != nil {
		t.Fatalf("creating %s: %v", topic.Topic, err)
	}
	AwaitTopic(t, b.Addr, topic.Topic, int(partitions))
	return topic.Topic
}

// FirstAddr is the first address in Addr.
func (b *Broker) FirstAddr() string {
	first, _, _ := strings.Cut(b.Addr, ",")
	return first
}
