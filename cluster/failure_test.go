package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"klamm/cluster/controller"
	"klamm/cluster/meta"
	"klamm/cluster/order"
	"klamm/internal/await"
	"klamm/protocol"
)

// brokenTree is a tree whose transactions fail where a test says so.
type brokenTree struct {
	meta.Tree
	mu   sync.Mutex
	fail func(ops []meta.Op) error // guarded by mu
}

func (b *brokenTree) Multi(ctx context.Context, ops ...meta.Op) ([]meta.Result, error) {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	if fail != nil {
		if err := fail(ops); err != nil {
			return nil, err
		}
	}
	return b.Tree.Multi(ctx, ops...)
}

func (b *brokenTree) MultiAll(ctx context.Context, txs [][]meta.Op) []meta.TxResult {
	results := make([]meta.TxResult, len(txs))
	for i, ops := range txs {
		results[i].Results, results[i].Err = b.Multi(ctx, ops...)
	}
	return results
}

func (b *brokenTree) set(fail func([]meta.Op) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

// removing fails transactions that delete or mark a topic for deletion, and lets the others through.
func removing(err error) func([]meta.Op) error {
	return func(ops []meta.Op) error {
		if slices.ContainsFunc(ops, func(op meta.Op) bool {
			return op.Kind == meta.OpDelete || strings.HasPrefix(op.Path, "/admin/delete_topics/")
		}) {
			return err
		}
		return nil
	}
}

// alarm is a clock with one timer that a test moves.
type alarm struct {
	mu  sync.Mutex
	now time.Time
	due time.Time
	f   func()
}

func (a *alarm) use(o *Options) {
	a.mu.Lock()
	a.now = time.UnixMilli(1_700_000_000_000)
	a.mu.Unlock()
	o.Clock = func() time.Time {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.now
	}
	o.After = func(d time.Duration, f func()) func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.due, a.f = a.now.Add(d), f
		return func() bool {
			a.mu.Lock()
			defer a.mu.Unlock()
			a.f = nil
			return true
		}
	}
}

// set says whether a timer is set.
func (a *alarm) set() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.f != nil
}

// ring moves the clock to the timer and has it go off. It gives how long that took, 0 where no timer is set.
func (a *alarm) ring() time.Duration {
	a.mu.Lock()
	f, d := a.f, a.due.Sub(a.now)
	if f == nil {
		a.mu.Unlock()
		return 0
	}
	a.now, a.f = a.due, nil
	a.mu.Unlock()
	f()
	return d
}

// settled waits until the controller is done with everything that it was handed, by asking something that changes nothing.
func (h *house) settled() {
	h.broker.CreateTopics(context.Background(), []NewTopic{{Name: "settled", Partitions: 1, ReplicationFactor: 1}}, true)
}

// TestTopicsAreShownThoughWhatFollowsFails creates two topics in one request. The log of one cannot be created, and neither can
// the topic be taken back: before, clients saw neither until the next start.
func TestTopicsAreShownThoughWhatFollowsFails(t *testing.T) {
	var tree *brokenTree
	var clock alarm
	h := newHouse(t, func(o *Options) {
		tree = &brokenTree{Tree: o.Connection.tree}
		o.Connection.tree = tree
		clock.use(o)
	})
	noLog, noWrite := errors.New("no such device"), errors.New("the tree cannot be written")
	broken := protocol.TopicPartition{Topic: "orders", Partition: 1}
	h.replicas.fail(broken, noLog)
	tree.set(removing(noWrite))
	results := h.broker.CreateTopics(context.Background(), []NewTopic{
		{Name: "orders", Partitions: 2, ReplicationFactor: 1}, {Name: "fine", Partitions: 1, ReplicationFactor: 1},
	}, false)
	if !errors.Is(results[0].Err, noLog) || results[1].Err != nil {
		t.Errorf("answers: %+v", results)
	}
	fine := h.broker.Metadata().Topic("fine")
	if fine == nil || fine.Partitions.At(0).Leader != 1 {
		t.Fatalf("the topic that was created is shown as %+v", fine)
	}
	if p := h.broker.Metadata().Partition(broken); p == nil || p.Leader != NoLeader || !slices.Equal(p.Offline, []int32{1}) {
		t.Errorf("the partition without a log is shown as %+v", p)
	}
	// The topic is there, and may have records in its other partition: its log is tried again, and nothing taken back.
	tree.set(nil)
	h.replicas.fail(broken, nil)
	await.Until(t, "the log is created after all", func() bool {
		clock.ring()
		p := h.broker.Metadata().Partition(broken)
		return p != nil && p.Leader == 1 && len(p.Offline) == 0
	})
	h.create("later", 1)
}

// TestDeletionGoesOnAfterTheTreeFailed has the last step of a deletion fail: before, the topic stayed marked until the
// next start, and its name was taken.
func TestDeletionGoesOnAfterTheTreeFailed(t *testing.T) {
	var tree *brokenTree
	var clock alarm
	h := newHouse(t, func(o *Options) {
		tree = &brokenTree{Tree: o.Connection.tree}
		o.Connection.tree = tree
		clock.use(o)
	})
	h.create("orders", 2)
	h.create("other", 1)
	noWrite := errors.New("the tree cannot be written")
	tree.set(func(ops []meta.Op) error {
		if slices.ContainsFunc(ops, func(op meta.Op) bool { return op.Kind == meta.OpDelete }) {
			return noWrite
		}
		return nil
	})
	if res := h.broker.DeleteTopics(context.Background(), []TopicRef{{Name: "orders"}})[0]; res.Err != nil {
		t.Errorf("a deletion that is marked in the tree: %v", res.Err)
	}
	if m := h.broker.Metadata(); m.Topic("orders") != nil || m.Topic("other") == nil {
		t.Error("metadata after a deletion that waits")
	}
	tree.set(nil)
	await.Until(t, "the topic's nodes are gone", func() bool {
		clock.ring()
		return !h.exists("/brokers/topics/orders") && !h.exists("/admin/delete_topics/orders")
	})
	h.create("orders", 1)
}

// TestTransientErrorIsTriedAgain has a partition fail at a start for want of file descriptors: before, it was offline
// for the life of the process.
func TestTransientErrorIsTriedAgain(t *testing.T) {
	var clock alarm
	h := newHouse(t, clock.use)
	h.create("orders", 3)
	h.stop()
	transient, permanent := protocol.TopicPartition{Topic: "orders", Partition: 1}, protocol.TopicPartition{Topic: "orders", Partition: 2}
	h.options = func(o *Options) {
		clock.use(o)
		o.Replicas.(*fakeReplicas).fail(transient, &order.TransientError{Err: syscall.EMFILE})
		o.Replicas.(*fakeReplicas).fail(permanent, errors.New("no such device"))
	}
	h.start()
	leaders := func() string {
		var ids []int32
		for p := range h.broker.Metadata().Topic("orders").Partitions.All() {
			ids = append(ids, p.Leader)
		}
		return fmt.Sprint(ids)
	}
	if got := leaders(); got != "[1 -1 -1]" {
		t.Errorf("leaders after the start %s", got)
	}
	var waits []time.Duration
	for range 12 {
		await.Until(t, "a timer is set", clock.set)
		asked := h.replicas.times(transient)
		waits = append(waits, clock.ring())
		await.Until(t, "the order is sent again", func() bool { return h.replicas.times(transient) > asked })
	}
	await.Until(t, "a timer is set", clock.set)
	want := "[100ms 200ms 400ms 800ms 1.6s 3.2s 6.4s 10s 10s 10s 10s 10s]"
	if got := fmt.Sprint(waits); got != want {
		t.Errorf("sent again after %s, want %s", got, want)
	}
	h.replicas.fail(transient, nil)
	clock.ring()
	await.Until(t, "the partition has its leader", func() bool { return leaders() == "[1 1 -1]" })
	h.settled()
	if d := clock.ring(); d != 0 {
		t.Errorf("a timer is set for %v although nothing is to be tried again", d)
	}
	if n := h.replicas.times(permanent); n != 1 {
		t.Errorf("an order that cannot go well was sent %d times", n)
	}
}

// TestTransientErrorOfADeletionIsTriedAgain: before, the topic stayed marked for deletion until the next start.
func TestTransientErrorOfADeletionIsTriedAgain(t *testing.T) {
	var clock alarm
	h := newHouse(t, clock.use)
	h.create("orders", 2)
	tp := protocol.TopicPartition{Topic: "orders", Partition: 1}
	h.replicas.mu.Lock()
	h.replicas.failStop[tp] = &order.TransientError{Err: syscall.EMFILE}
	h.replicas.mu.Unlock()
	if res := h.broker.DeleteTopics(context.Background(), []TopicRef{{Name: "orders"}})[0]; res.Err != nil {
		t.Fatal(res.Err)
	}
	await.Until(t, "a timer is set for another try", clock.set)
	clock.ring()
	h.settled()
	if !h.exists("/admin/delete_topics/orders") {
		t.Error("the topic is gone while a replica of it is there")
	}
	h.replicas.mu.Lock()
	delete(h.replicas.failStop, tp)
	h.replicas.mu.Unlock()
	await.Until(t, "the topic's nodes are gone", func() bool {
		clock.ring()
		return !h.exists("/brokers/topics/orders") && !h.exists("/admin/delete_topics/orders")
	})
}

// TestDirectoryThatFailsWhileTheBrokerStarts: before, what failed between the orders for its partitions and the end of the start
// never came to Metadata.
func TestDirectoryThatFailsWhileTheBrokerStarts(t *testing.T) {
	h := newHouse(t, nil)
	h.create("orders", 3)
	h.stop()
	var offline OfflineLogs
	h.options = func(o *Options) {
		o.Offline = &offline
		o.Replicas = failsLater{o.Replicas, func() { offline.Add([]protocol.TopicPartition{{Topic: "orders", Partition: 1}}) }}
	}
	h.start()
	offline.Add([]protocol.TopicPartition{{Topic: "orders", Partition: 2}})
	var got []string
	for p := range h.broker.Metadata().Topic("orders").Partitions.All() {
		got = append(got, fmt.Sprint(p.Leader, p.Offline))
	}
	if want := "[1 [] -1 [1] -1 [1]]"; fmt.Sprint(got) != want {
		t.Errorf("leaders and offline replicas %v, want %s", got, want)
	}
}

// failsLater are replicas of which a directory fails once they are led.
type failsLater struct {
	Replicas
	fail func()
}

func (f failsLater) LeaderAndISR(req *order.LeaderAndISRRequest, config func(string) map[string]string) order.Answer {
	defer f.fail()
	return f.Replicas.LeaderAndISR(req, config)
}

// TestTopicMadeAgainKeepsItsOwnConfig deletes a topic and creates it again while its configuration is being changed: before,
// the change that was made from the old topic's properties was written to the new one.
func TestTopicMadeAgainKeepsItsOwnConfig(t *testing.T) {
	h := newHouse(t, nil)
	h.create("orders", 1, entry("retention.ms", "1"))
	again := make(chan error, 1)
	edit := func(c map[string]string) (map[string]string, error) {
		go func() {
			ctx := context.Background()
			err := h.broker.DeleteTopics(ctx, []TopicRef{{Name: "orders"}})[0].Err
			if err == nil {
				err = h.broker.CreateTopics(ctx, []NewTopic{{Name: "orders", Partitions: 1, ReplicationFactor: 1,
					Configs: []ConfigEntry{entry("retention.ms", "2")}}}, false)[0].Err
			}
			again <- err
		}()
		select { // the deletion goes through now, or waits for the change
		case err := <-again:
			again <- err
		case <-time.After(200 * time.Millisecond):
		}
		c["segment.ms"] = "3"
		return c, nil
	}
	if err := h.broker.AlterTopicConfig(context.Background(), "orders", edit, false); err != nil && !errors.Is(err, ErrUnknownTopic) {
		t.Fatal(err)
	}
	if err := <-again; err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(h.broker.TopicConfig("orders")); got != "map[retention.ms:2]" {
		t.Errorf("the new topic has %s", got)
	}
	if got, want := h.node("/config/topics/orders"), `{"version":1,"config":{"retention.ms":"2"}}`; got != want {
		t.Errorf("the new topic's node is %s, want %s", got, want)
	}
	h.replicas.mu.Lock()
	defer h.replicas.mu.Unlock()
	if got := fmt.Sprint(h.replicas.configs["orders"]); got != "map[retention.ms:2]" {
		t.Errorf("the new topic's partitions were created with %s", got)
	}
}

// TestTopicsThatComeAndGoAreLogged: before, nobody saw later who created or deleted a topic.
func TestTopicsThatComeAndGoAreLogged(t *testing.T) {
	var log strings.Builder
	h := newHouse(t, func(o *Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
	})
	ctx := Asked(context.Background(), "admin at 10.0.0.1:5", controller.PatienceMs)
	fails := protocol.TopicPartition{Topic: "failing"}
	h.replicas.fail(fails, errors.New("no such device"))
	h.broker.CreateTopics(ctx, []NewTopic{{Name: "wanted", Partitions: 1, ReplicationFactor: 1}}, true)
	created := h.broker.CreateTopics(ctx, []NewTopic{
		{Name: "orders", Partitions: 2, ReplicationFactor: 1}, {Name: "no/name", Partitions: 1, ReplicationFactor: 1},
		{Name: "failing", Partitions: 1, ReplicationFactor: 1},
	}, false)
	h.broker.CreatePartitions(ctx, []NewPartitions{{Topic: "orders", Count: 3}}, false)
	h.broker.DeleteTopics(ctx, []TopicRef{{Name: "orders"}, {Name: "orders"}, {Name: "none"}})
	h.create("internal", 1)
	var lines []string
	for line := range strings.Lines(log.String()) {
		if strings.Contains(line, "topic=") {
			lines = append(lines, line)
		}
	}
	id := created[0].ID.String()
	want := `level=INFO msg="topic created" logger=cluster.controller topic=orders topic_id=` + id + ` partitions=2 replication_factor=1 by="admin at 10.0.0.1:5"
level=INFO msg="partitions created" logger=cluster.controller topic=orders topic_id=` + id + ` partitions=3 by="admin at 10.0.0.1:5"
level=INFO msg="topic deleted" logger=cluster.controller topic=orders topic_id=` + id + ` partitions=3 by="admin at 10.0.0.1:5"
level=INFO msg="topic created" logger=cluster.controller topic=internal topic_id=` + h.broker.Metadata().Topic("internal").ID.String() + ` partitions=1 replication_factor=1
`
	if got := strings.Join(lines, ""); got != want {
		t.Errorf("the log has\n%swant\n%s", got, want)
	}
}
