package delivery

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

var (
	crashes = flag.Int("crashes", 30, "how often a test kills consumers; it kills the broker a sixth as often, and less often where the broker is slow to start")
	seed    = flag.Uint64("seed", 0, "the seed of the moments of crashes and faults; 0: a new one, which is printed")
)

// consumerCrashes and brokerCrashes are how many kills there are: fewer where tests do less work, and fewer of the
// reference, which takes long to start.
func consumerCrashes() int {
	if harness.Small() || harness.Reference() {
		return min(*crashes, 10)
	}
	return *crashes
}

func brokerCrashes() int {
	if harness.Reference() {
		return 1
	}
	return consumerCrashes() / 6
}

// producer sends numbered records, and knows which were acknowledged.
type producer struct {
	t     *testing.T // for run and finish alone
	cl    *kgo.Client
	topic string
	conns sync.WaitGroup // those of dial

	mu     sync.Mutex
	acked  []bool      // guarded by mu; by number
	failed error       // guarded by mu; the error of the first record that was given up
	at     []time.Time // guarded by mu; when each record was sent, by number
	hung   []string    // guarded by mu; brokers that did not close their side of a connection
}

func newProducer(t *testing.T, topic string, opts ...kgo.Opt) *producer {
	t.Helper()
	p := &producer{t: t, topic: topic}
	opts = append([]kgo.Opt{
		kgo.Dialer(p.dial),
		kgo.ProducerBatchMaxBytes(4 << 10), kgo.ProducerLinger(2 * time.Millisecond), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MetadataMinAge(50 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 20 * time.Millisecond }),
		kgo.UnknownTopicRetries(-1), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()),
	}, opts...)
	var err error
	if p.cl, err = kgo.NewClient(opts...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.cl.Close)
	return p
}

// The kinds of producer.
var (
	withoutAcks    = []kgo.Opt{kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite(), kgo.RecordRetries(0)}
	withoutRetries = []kgo.Opt{kgo.RequiredAcks(kgo.LeaderAck()), kgo.DisableIdempotentWrite(), kgo.RecordRetries(0),
		kgo.MaxProduceRequestsInflightPerBroker(1)}
	withRetries = []kgo.Opt{kgo.RequiredAcks(kgo.AllISRAcks()), kgo.DisableIdempotentWrite(), kgo.RecordRetries(1 << 30), kgo.RequestRetries(1 << 20), kgo.AlwaysRetryEOF(),
		kgo.RetryTimeout(10 * time.Minute), kgo.MaxProduceRequestsInflightPerBroker(1)}
	idempotent = []kgo.Opt{kgo.RecordRetries(1 << 30), kgo.RequestRetries(1 << 20), kgo.AlwaysRetryEOF(), kgo.RetryTimeout(10 * time.Minute)}
)

// send sends the next record.
func (p *producer) send(ctx context.Context) {
	p.mu.Lock()
	n := len(p.acked)
	p.acked = append(p.acked, false)
	p.at = append(p.at, time.Now())
	p.mu.Unlock()
	p.cl.Produce(ctx, &kgo.Record{Topic: p.topic, Value: strconv.AppendInt(nil, int64(n), 10)}, func(_ *kgo.Record, err error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.acked[n] = err == nil; err != nil && p.failed == nil {
			p.failed = err
		}
	})
}

// dial connects to a broker. finish waits for these connections.
func (p *producer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 2 * time.Second}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	p.conns.Add(1)
	return &drained{conn.(*net.TCPConn), p}, nil
}

// drained is a connection whose Close waits until the broker has taken all that was sent, and has closed its side.
type drained struct {
	*net.TCPConn
	p *producer
}

func (c *drained) Close() error {
	defer c.p.conns.Done()
	err := c.CloseWrite()
	for late := time.Now().Add(harness.FlushWithin); err == nil || errors.Is(err, os.ErrDeadlineExceeded); { // a client that is closed sets deadlines
		if !time.Now().Before(late) {
			c.p.mu.Lock()
			c.p.hung = append(c.p.hung, c.RemoteAddr().String())
			c.p.mu.Unlock()
			break
		}
		_ = c.SetReadDeadline(late)
		if _, err = io.Copy(io.Discard, c.TCPConn); err == nil {
			break
		}
	}
	return c.TCPConn.Close()
}

// finish sends what is buffered, and waits until the brokers have taken all of it, also what they do not acknowledge.
func (p *producer) finish(ctx context.Context) {
	if err := harness.Flush(ctx, p.cl); err != nil {
		p.t.Error(err)
	}
	p.cl.Close()
	p.conns.Wait() // each of them is bounded
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, addr := range p.hung {
		p.t.Errorf("%s has not closed its side of a connection %s after the client closed its own", addr, harness.FlushWithin)
	}
}

// run sends perSecond records a second until stop, and then finishes.
func (p *producer) run(ctx context.Context, stop <-chan struct{}, perSecond int) {
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	for {
		select {
		case <-stop:
			p.finish(ctx)
			return
		case <-tick.C:
			p.send(ctx)
		}
	}
}

// sent is how many records were sent.
func (p *producer) sent() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.acked)
}

// stored is what a topic's partitions hold: by partition, the numbers of the records.
type stored [][]int

// readAll reads a topic.
func readAll(t *testing.T, addr, topic string, partitions int32) (s stored) {
	t.Helper()
	harness.AwaitTopic(t, addr, topic, int(partitions))
	for partition := range partitions {
		var numbers []int
		for _, r := range harness.ReadPartition(t, addr, topic, partition, 0, harness.EndOffset(t, addr, topic, partition)) {
			n, err := strconv.Atoi(string(r.Value))
			if err != nil || r.Offset != int64(len(numbers)) {
				t.Fatalf("partition %d has %q at offset %d, where %d was due: %v", partition, r.Value, r.Offset, len(numbers), err)
			}
			numbers = append(numbers, n)
		}
		s = append(s, numbers)
	}
	return s
}

// times counts how often each record is stored.
func (s stored) times() map[int]int {
	times := map[int]int{}
	for _, numbers := range s {
		for _, n := range numbers {
			times[n]++
		}
	}
	return times
}

// crew is the consumers of a group. Each has a journal of its own, which goes on after the
// consumer is killed.
type crew struct {
	t            *testing.T
	addr         string
	topic, group string
	mode         string
	static       bool
	more         []string
	consumers    []*harness.Self // nil for one that does not run
	journals     []string
	noted        []int // entries that a journal had before its consumer was started for the last time
	partitions   int32
}

func newCrew(t *testing.T, addr, topic string, partitions int32, mode string, static bool, size int, more ...string) *crew {
	c := &crew{t: t, addr: addr, topic: topic, group: harness.Name(t), mode: mode, static: static, more: more, partitions: partitions}
	dir := t.TempDir()
	c.noted = make([]int, size)
	for i := range size {
		c.consumers = append(c.consumers, nil)
		c.journals = append(c.journals, filepath.Join(dir, fmt.Sprint("journal", i)))
	}
	return c
}

// start starts a consumer, again or for the first time.
func (c *crew) start(i int) {
	instance := ""
	if c.static {
		instance = fmt.Sprint("consumer", i)
	}
	c.noted[i] = len(readJournal(c.t, c.journals[i]))
	c.consumers[i] = startConsumer(c.t, c.addr, c.topic, c.group, c.mode, c.journals[i], instance, c.more...)
}

// end stops a consumer, when it has come to listen for that: it says so in its journal.
func (c *crew) end(i int) {
	c.t.Helper()
	c.await(i, "the consumer does not begin", func(entries []entry) bool {
		return slices.ContainsFunc(entries[c.noted[i]:], func(e entry) bool { return e.what == "starts" })
	})
	c.consumers[i].Stop(c.t)
	c.consumers[i] = nil
}

// check fails the test when a consumer has ended on its own.
func (c *crew) check() {
	for i, s := range c.consumers {
		if s != nil && s.Ended() {
			c.t.Fatalf("consumer %d has ended:\n%s", i, s.Output())
		}
	}
}

// catchUp waits until the group has committed all that the partitions hold.
func (c *crew) catchUp() {
	c.t.Helper()
	adm, ctx := harness.Admin(c.t, c.addr), harness.Context(c.t)
	for {
		lag := int64(-1)
		if lags, err := adm.Lag(ctx, c.group); err == nil {
			if l := lags[c.group]; l.Error() == nil && len(l.Lag[c.topic]) == int(c.partitions) {
				lag = l.Lag.Total()
			}
		}
		if lag == 0 {
			return
		}
		c.check()
		if ctx.Err() != nil {
			c.t.Fatalf("the group does not catch up: it lags by %d", lag)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// stop ends all and gives their journals.
func (c *crew) stop() (all [][]entry) {
	for i, s := range c.consumers {
		if s != nil {
			c.end(i)
		}
		all = append(all, readJournal(c.t, c.journals[i]))
	}
	return all
}

// did counts how often each record was processed.
func did(journals [][]entry) map[int]int {
	times := map[int]int{}
	for _, entries := range journals {
		for _, e := range entries {
			if e.what == "did" {
				times[e.number]++
			}
		}
	}
	return times
}

// faultsOf makes a function for harness.NewFaults: one request in oneOf meets a fault of the kinds, chosen with a seed that
// is drawn from seeds.
func faultsOf(seeds *rand.Rand, oneOf int, kinds ...harness.Fault) func(int16) (harness.Fault, time.Duration) {
	rnd := rand.New(rand.NewPCG(seeds.Uint64(), 0))
	var mu sync.Mutex
	return func(api int16) (harness.Fault, time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		const produce = 0
		if api != produce || rnd.IntN(oneOf) != 0 {
			return harness.Pass, 0
		}
		return kinds[rnd.IntN(len(kinds))], time.Duration(rnd.IntN(100)) * time.Millisecond
	}
}
