package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
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

// sessionBroker is a broker on a tree in memory, whose sessions a test can end.
type sessionBroker struct {
	t      *testing.T
	store  *mem.Store
	conn   *Connection
	broker *Broker
	other  meta.Tree // a session of somebody else
}

func newSessionBroker(t *testing.T, options func(*Options)) *sessionBroker {
	b := &sessionBroker{t: t, store: mem.New(mem.Options{})}
	b.conn = connect(t, b.store)
	other := connect(t, b.store)
	b.other = other.Tree()
	o := Options{
		Connection: b.conn, Replicas: newFakeReplicas(), BrokerID: 1,
		Endpoints: []Endpoint{{Listener: "PLAINTEXT", SecurityProtocol: "PLAINTEXT", Host: "localhost", Port: 9092}},
		After:     func(_ time.Duration, f func()) func() bool { return time.AfterFunc(time.Millisecond, f).Stop },
	}
	if options != nil {
		options(&o)
	}
	var err error
	if b.broker, err = start(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.broker.Close()
		if err := errors.Join(b.conn.Close(), other.Close(), b.store.Close()); err != nil {
			t.Error(err)
		}
	})
	return b
}

// owner is the session that the broker's registration belongs to, 0 where there is none.
func (b *sessionBroker) owner() int64 {
	b.t.Helper()
	_, stat, err := b.other.Exists(b.t.Context(), znode.BrokerPath(1))
	if err != nil {
		b.t.Fatal(err)
	}
	return stat.EphemeralOwner
}

// expire ends the broker's session and waits until the next one is there.
func (b *sessionBroker) expire() {
	b.t.Helper()
	old := b.conn.Tree()
	b.store.Expire(old)
	b.store.Reconnect(old)
	await.Until(b.t, "there is a new session", func() bool { return b.conn.Tree().SessionID() != old.SessionID() })
}

func (b *sessionBroker) registered() {
	b.t.Helper()
	await.Until(b.t, "the broker is registered by its session", func() bool { return b.owner() == b.conn.Tree().SessionID() })
}

// usurp makes broker 9, which does nothing, the controller. This broker loses its connection, and learns of that in its next session.
func (b *sessionBroker) usurp() {
	b.t.Helper()
	b.store.Disconnect(b.conn.Tree())
	if err := b.other.Delete(b.t.Context(), znode.Controller, meta.AnyVersion); err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.other.Create(b.t.Context(), znode.Controller, znode.EncodeController(9, 0), meta.Ephemeral); err != nil {
		b.t.Fatal(err)
	}
}

// TestBrokerRegistersAgainWhenItsSessionHasEnded: Kafka's brokers once stayed out of the cluster then (KAFKA-7165).
func TestBrokerRegistersAgainWhenItsSessionHasEnded(t *testing.T) {
	b := newSessionBroker(t, nil)
	epoch := b.broker.Epoch()
	b.expire()
	b.registered()
	await.Until(t, "the epoch is the new registration's", func() bool { return b.broker.Epoch() > epoch })
	_, stat, err := b.other.Exists(t.Context(), znode.BrokerPath(1))
	if err != nil || stat.Czxid != b.broker.Epoch() || stat.Version != 1 {
		t.Errorf("registration %+v (%v), epoch %d", stat, err, b.broker.Epoch())
	}
	changeConfig(t, b.other, znode.EntityTopics, "orders", `{"version":1,"config":{"retention.ms":"5"}}`)
	await.Until(t, "configurations are watched in the new session", func() bool { return b.broker.TopicConfig("orders")["retention.ms"] == "5" })
}

// TestNewSessionConfiguresAllTopicsInOnePass: a broker looked at all its partitions once for each topic of the cluster, each time its session had ended.
func TestNewSessionConfiguresAllTopicsInOnePass(t *testing.T) {
	b := newSessionBroker(t, nil)
	replicas := b.broker.o.Replicas.(*fakeReplicas)
	for _, topic := range []string{"orders", "prices", "trades"} {
		if res := b.broker.CreateTopics(t.Context(), []NewTopic{{Name: topic, Partitions: 2, ReplicationFactor: 1}}, false); res[0].Err != nil {
			t.Fatal(res[0].Err)
		}
	}
	counts := func() (one, all int) {
		replicas.mu.Lock()
		defer replicas.mu.Unlock()
		return replicas.configures, replicas.all
	}
	before, passes := counts()
	// The notification is lost with the session.
	b.store.Disconnect(b.conn.Tree())
	changeConfig(t, b.other, znode.EntityTopics, "prices", `{"version":1,"config":{"retention.ms":"5"}}`)
	b.expire()
	await.Until(t, "the topic is configured", func() bool {
		replicas.mu.Lock()
		defer replicas.mu.Unlock()
		return replicas.configured["prices"]["retention.ms"] == "5"
	})
	if one, all := counts(); one != before || all == passes {
		t.Errorf("single topics were configured %d times, and all of them %d times", one-before, all-passes)
	}
}

// hangingReplicas are partitions on a disk that hangs, until release is closed.
type hangingReplicas struct {
	*fakeReplicas
	hung, release chan struct{} // hung has an element for each order that waits
}

func (h *hangingReplicas) LeaderAndISR(req *order.LeaderAndISRRequest, config func(string) map[string]string) order.Answer {
	h.hung <- struct{}{}
	<-h.release
	return h.fakeReplicas.LeaderAndISR(req, config)
}

// TestDiskThatHangsHoldsUpNoLaterSession: the broker was elected in the next session, and waited for its own order there. Of the end of that
// session it took no notice, and it had no other one.
func TestDiskThatHangsHoldsUpNoLaterSession(t *testing.T) {
	h := &hangingReplicas{newFakeReplicas(), make(chan struct{}, 10), make(chan struct{})}
	now := time.Now()
	b := newSessionBroker(t, func(o *Options) {
		o.Replicas = h
		o.Clock = func() time.Time { return now } // nobody's time is ever up
	})
	t.Cleanup(func() { close(h.release) })
	go b.broker.CreateTopics(context.Background(), []NewTopic{{Name: "orders", Partitions: 1, ReplicationFactor: 1}}, false)
	<-h.hung
	for range 2 {
		b.expire()
		b.registered()
		await.Until(t, "the broker is the controller again", func() bool { return b.broker.elector.Load().IsActive() })
	}
}

// TestLostAnswerToARegistration: the broker took its own registration for a stranger's (KAFKA-1387, KAFKA-14845).
func TestLostAnswerToARegistration(t *testing.T) {
	for _, applied := range []bool{true, false} {
		t.Run(fmt.Sprintf("applied=%t", applied), func(t *testing.T) {
			b := newSessionBroker(t, nil)
			epoch := b.broker.Epoch()
			b.store.LoseAnswer(func(op meta.Op) bool { return op.Kind == meta.OpCreate && op.Path == znode.BrokerPath(1) }, applied)
			b.expire()
			b.registered()
			await.Until(t, "the epoch is known", func() bool { return b.broker.Epoch() > epoch })
		})
	}
}

// TestStrangersRegistrationIsLeftAlone: the broker registers once the stranger is gone.
func TestStrangersRegistrationIsLeftAlone(t *testing.T) {
	taken := make(chan struct{}, 1000)
	b := newSessionBroker(t, func(o *Options) {
		after := o.After
		o.After = func(d time.Duration, f func()) func() bool {
			select {
			case taken <- struct{}{}:
			default:
			}
			return after(d, f)
		}
	})
	// The stranger registers at the moment when the broker's session ends.
	b.store.Disconnect(b.conn.Tree())
	path := znode.BrokerPath(1)
	if err := b.other.Delete(t.Context(), path, meta.AnyVersion); err != nil {
		t.Fatal(err)
	}
	if _, err := b.other.Create(t.Context(), path, []byte("{}"), meta.Ephemeral); err != nil {
		t.Fatal(err)
	}
	for len(taken) > 0 {
		<-taken
	}
	b.expire()
	for range 3 { // it has tried three times
		<-taken
	}
	if owner := b.owner(); owner != b.other.SessionID() {
		t.Fatalf("the stranger's registration is of session %d now", owner)
	}
	if err := b.other.Delete(t.Context(), path, meta.AnyVersion); err != nil {
		t.Fatal(err)
	}
	b.registered()
}

// TestStartWaitsForTheRegistrationOfTheProcessBefore: the session of a broker that was killed ends within its time-out.
func TestStartWaitsForTheRegistrationOfTheProcessBefore(t *testing.T) {
	store := mem.New(mem.Options{})
	killed := connect(t, store)
	path := znode.BrokerPath(1)
	for _, p := range []string{znode.Brokers, znode.BrokerIDs} {
		if _, err := killed.Tree().Create(t.Context(), p, nil, meta.Persistent); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := killed.Tree().Create(t.Context(), path, []byte("{}"), meta.Ephemeral); err != nil {
		t.Fatal(err)
	}
	conn := connect(t, store)
	after := func(d time.Duration, f func()) func() bool { return time.AfterFunc(d/10_000, f).Stop }
	o := Options{Connection: conn, Replicas: newFakeReplicas(), BrokerID: 1, After: after}
	_, err := start(context.Background(), o)
	if taken := new(RegisteredError); !errors.As(err, &taken) || taken.Session != killed.Tree().SessionID() || !strings.Contains(err.Error(), "broker.id") {
		t.Fatalf("a start with an id that is taken: %v", err)
	}
	store.Expire(killed.Tree())
	b, err := start(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if err := errors.Join(conn.Close(), killed.Close(), store.Close()); err != nil {
		t.Error(err)
	}
}

// TestAddressOfAnotherBrokerIsRefused: clients could not tell the two apart.
func TestAddressOfAnotherBrokerIsRefused(t *testing.T) {
	b := newSessionBroker(t, nil)
	conn := connect(t, b.store)
	defer conn.Close()
	_, err := start(context.Background(), Options{
		Connection: conn, Replicas: newFakeReplicas(), BrokerID: 2,
		Endpoints: []Endpoint{{Listener: "INTERNAL", SecurityProtocol: "PLAINTEXT", Host: "localhost", Port: 9092}},
	})
	if taken := new(RegisteredError); !errors.As(err, &taken) || taken.BrokerID != 1 || taken.Endpoint == "" || !strings.Contains(err.Error(), "advertised.listeners") {
		t.Errorf("got %v", err)
	}
}

// TestControllerIsToldOfALogDirectoryThatFails: it did not hear of it, and no other replica led.
func TestControllerIsToldOfALogDirectoryThatFails(t *testing.T) {
	failed := []protocol.TopicPartition{{Topic: "orders", Partition: 0}}
	told := func(b *sessionBroker) []string {
		names, _, err := b.other.Children(t.Context(), znode.LogDirNotification)
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	newStranger := func(t *testing.T) *sessionBroker { // whose controller deletes nothing
		b := newSessionBroker(t, nil)
		b.usurp()
		return b
	}
	t.Run("in a later session", func(t *testing.T) {
		b := newStranger(t)
		b.broker.SetOffline(failed)
		b.expire()
		await.Until(t, "the notification is written", func() bool { return len(told(b)) == 1 })
		data, _, err := b.other.Get(t.Context(), znode.LogDirNotification+"/"+told(b)[0])
		if want := `{"version":1,"broker":1,"event":1}`; err != nil || string(data) != want {
			t.Errorf("the notification is %s (%v), want %s", data, err, want)
		}
		b.broker.SetOffline(failed) // nothing is new
		b.broker.SetOffline([]protocol.TopicPartition{{Topic: "orders", Partition: 1}})
		await.Until(t, "the second notification is written", func() bool { return len(told(b)) >= 2 })
		if n := len(told(b)); n != 2 {
			t.Errorf("%d notifications of two failures", n)
		}
	})
	t.Run("after a write that failed", func(t *testing.T) {
		b := newStranger(t)
		b.expire()
		b.registered()
		b.store.LoseAnswer(func(op meta.Op) bool { return op.Path == znode.LogDirEventPrefix }, false)
		b.broker.SetOffline(failed)
		await.Until(t, "the notification is written", func() bool { return len(told(b)) == 1 })
	})
}

// TestAnotherControllerIsAskedToTryALogAgain: a log that could not be opened for want of room was offline until the broker's next start, if the
// controller was on another broker, which cannot tell that from a directory that failed.
func TestAnotherControllerIsAskedToTryALogAgain(t *testing.T) {
	b := newSessionBroker(t, nil)
	tp := protocol.TopicPartition{Topic: "orders", Partition: 0}
	asked := func() int {
		names, _, err := b.other.Children(t.Context(), znode.LogDirNotification)
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	b.usurp()
	b.expire()
	b.registered()
	replicas := b.broker.o.Replicas.(*fakeReplicas)
	lead := func(err error) {
		replicas.fail(tp, err)
		b.broker.LeaderAndISR(&order.LeaderAndISRRequest{
			Header:     order.Header{ControllerID: 2, ControllerEpoch: 1 << 20, BrokerEpoch: -1},
			Partitions: []order.LeaderAndISR{{TopicPartition: tp, Leader: 2}},
		})
	}
	lead(errors.New("no such device"))
	if b.broker.retrying.Load() {
		t.Error("a log that failed for good is tried again")
	}
	for n := range 2 {
		lead(&order.TransientError{Err: syscall.ENOSPC})
		await.Until(t, "the controller is asked again", func() bool { return asked() > n })
	}
	if n := asked(); n != 2 {
		t.Errorf("%d notifications of an order that failed twice for a reason that passes, and once for good", n)
	}
}

// TestEndOfASessionThatWasNotTaken: it ended the session that was opened after it.
func TestEndOfASessionThatWasNotTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &refusingStore{Store: mem.New(mem.Options{})}
		conn := connect(t, store)
		store.refuse = true
		store.Expire(conn.Tree())
		time.Sleep(2 * openRetry) // no time passes in the bubble but what is slept
		synctest.Wait()
		if store.opened != 3 || store.refuse {
			t.Errorf("%d sessions were opened, want the first, the one that was refused, and the one that lives", store.opened)
		}
		if _, _, err := conn.Tree().Exists(t.Context(), "/"); err != nil {
			t.Error(err)
		}
		if err := errors.Join(conn.Close(), store.Close()); err != nil {
			t.Error(err)
		}
	})
}

// refusingStore opens a session that ends at once and cannot be used, where refuse says so.
type refusingStore struct {
	*mem.Store
	refuse bool
	opened int
}

// Open implements meta.Store.
func (s *refusingStore) Open(ctx context.Context, w meta.Watcher) (meta.Tree, error) {
	s.opened++
	tree, err := s.Store.Open(ctx, w)
	if err == nil && s.refuse {
		s.refuse = false
		s.Expire(tree)
		return nil, errors.New("no room for the record of the session")
	}
	return tree, err
}

// A leader that was cut off from ZooKeeper until its session had ended told producers that their sequence numbers were out of order, and consumers that
// their offsets were past its end: another broker had led since, and it had not been told. See replica.Partition.Certain.
func TestBrokerDoubtsItsLeadershipsWhenItsSessionMayHaveEnded(t *testing.T) {
	b := newSessionBroker(t, nil)
	if b.broker.MayBeDeposed() {
		t.Error("a broker that is connected doubts")
	}
	b.store.Disconnect(b.conn.Tree())
	await.Until(t, "the broker doubts when its session may have ended", b.broker.MayBeDeposed)
	b.store.Reconnect(b.conn.Tree())
	await.Until(t, "it doubts no more in the same session", func() bool { return !b.broker.MayBeDeposed() })

	b.usurp() // so that nobody gives orders
	before := b.broker.Epoch()
	b.expire()
	b.registered()
	await.Until(t, "the epoch is the new registration's", func() bool { return b.broker.Epoch() > before })
	if !b.broker.MayBeDeposed() {
		t.Error("a broker that no controller has told anything since its session ended has no doubt")
	}
	orders := func(epoch int64) order.Answer {
		return b.broker.LeaderAndISR(&order.LeaderAndISRRequest{Header: order.Header{ControllerID: 9, ControllerEpoch: 9, BrokerEpoch: epoch}})
	}
	if answer := orders(before); answer.Err == nil || !b.broker.MayBeDeposed() {
		t.Errorf("an order for the registration before is answered %v, and ends the doubt", answer.Err)
	}
	if answer := orders(b.broker.Epoch()); answer.Err != nil || b.broker.MayBeDeposed() {
		t.Errorf("an order is answered %v, and the broker doubts still", answer.Err)
	}
}

// The broker doubted a whole session's timeout after it had found out that nothing came from ZooKeeper, which takes two thirds of one.
func TestDoubtComesWithTheEndOfTheSession(t *testing.T) {
	asked := make(chan time.Duration, 100)
	b := newSessionBroker(t, func(o *Options) {
		o.SessionTimeout = 9 * time.Second
		o.After = func(d time.Duration, f func()) func() bool {
			asked <- d
			return time.AfterFunc(time.Hour, f).Stop
		}
	})
	for len(asked) > 0 {
		<-asked
	}
	b.store.Disconnect(b.conn.Tree())
	if d := <-asked; d > 3*time.Second {
		t.Errorf("the broker doubts %v after it has found out", d)
	}
}
