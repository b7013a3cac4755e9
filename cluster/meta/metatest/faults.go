package metatest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"klamm/cluster/meta"
)

// Faulty is a store on which a test can do what a network and a server do to sessions.
type Faulty interface {
	meta.Store
	// Disconnect takes the connection from a session until Reconnect.
	Disconnect(tree meta.Tree)
	Reconnect(tree meta.Tree)
	// Expire ends a session on the server's side. The session learns it when it is connected.
	Expire(tree meta.Tree)
	// LoseAnswer has the session lose the answer to its next write, which is done before if applied and otherwise not.
	// The session loses its connection too, and may connect again at once.
	LoseAnswer(tree meta.Tree, applied bool)
}

// RunFaults runs each case of the table on an empty tree of its own, which fresh makes.
func RunFaults(t *testing.T, fresh func(t *testing.T) Faulty) {
	for _, c := range faultCases {
		t.Run(c.name, func(t *testing.T) {
			store := fresh(t)
			h := &house{t: t, store: store}
			c.run(t, store, h.open(), h.open())
		})
	}
}

var faultCases = []struct {
	name string
	run  func(t *testing.T, store Faulty, tree, other *session)
}{
	{"expiry", testExpiry},
	{"expiry without a connection", testExpiryUnconnected},
	{"reconnection fires all watches", testReconnection},
	{"what is asked for without a connection", testWaiting},
	{"a session that is closed is told nothing", func(t *testing.T, store Faulty, tree, other *session) {
		_, _, err := tree.ExistsW("/a")
		ok(t, err)
		ok(t, tree.Close())
		<-tree.Done()
		store.Disconnect(tree.tree)
		store.Reconnect(tree.tree)
		create(t, other, "/a", nil)
		_, _, err = tree.Get("/a")
		refused(t, err, meta.ErrSessionExpired, "/a")
		store.Expire(tree.tree)
		other.quiet()
		tree.seesNothing()
	}},
	{"a lost answer to what was done", func(t *testing.T, store Faulty, tree, other *session) {
		create(t, other, "/a", nil)
		store.LoseAnswer(tree.tree, true)
		_, err := tree.Set("/a", []byte("x"), 0)
		refused(t, err, meta.ErrOutcomeUnknown, "/a")
		data, stat, err := tree.Get("/a")
		ok(t, err)
		equal(t, string(data), "x")
		equal(t, stat.Version, 1)
		tree.tells("disconnected", "reconnected")
	}},
	{"a lost answer to what was not done", func(t *testing.T, store Faulty, tree, other *session) {
		create(t, other, "/a", nil)
		store.LoseAnswer(tree.tree, false)
		_, err := tree.Multi(meta.CheckOp("/a", 0), meta.SetOp("/a", []byte("x"), 0))
		refused(t, err, meta.ErrOutcomeUnknown, "/a")
		if _, isMulti := errors.AsType[*meta.MultiError](err); isMulti {
			t.Errorf("an operation is blamed for a lost answer: %v", err)
		}
		_, stat, err := tree.Get("/a")
		ok(t, err)
		equal(t, stat.Version, 0)
		tree.tells("disconnected", "reconnected")
	}},
	{"lost answers among many transactions", testLostAmongMany},
	{"an event comes before its change is read", testEventBeforeRead},
}

func testExpiry(t *testing.T, store Faulty, tree, other *session) {
	create(t, other, "/ids", nil)
	_, err := tree.Create("/ids/1", nil, meta.Ephemeral)
	ok(t, err)
	_, err = other.Create("/ids/2", nil, meta.Ephemeral)
	ok(t, err)
	_, _, err = tree.ChildrenW("/ids")
	ok(t, err)
	_, _, err = other.ChildrenW("/ids")
	ok(t, err)
	_, _, err = other.GetW("/ids/1")
	ok(t, err)
	store.Expire(tree.tree)
	got := []string{fmt.Sprint(other.next()), fmt.Sprint(other.next())}
	slices.Sort(got)
	equal(t, fmt.Sprint(got), "[{event {2 /ids/1}} {event {4 /ids}}]")
	<-tree.Done()
	names, _, err := other.Children("/ids")
	ok(t, err)
	equal(t, fmt.Sprint(names), "[2]")
	_, _, err = tree.Get("/ids")
	refused(t, err, meta.ErrSessionExpired, "/ids")
	_, err = tree.Set("/ids", nil, meta.AnyVersion)
	refused(t, err, meta.ErrSessionExpired, "/ids")
	for _, r := range tree.MultiAll([]meta.Op{meta.CheckOp("/ids", 0)}) {
		refused(t, r.Err, meta.ErrSessionExpired, "/ids")
	}
	last := tree.next()
	for last.kind != "expired" { // a server that cuts the connection first has it disconnected
		last = tree.next()
	}
	create(t, other, "/ids/3", nil)
	tree.seesNothing()
	ok(t, tree.Close())
}

func testExpiryUnconnected(t *testing.T, store Faulty, tree, other *session) {
	_, err := tree.Create("/mine", nil, meta.Ephemeral)
	ok(t, err)
	_, _, err = other.GetW("/mine")
	ok(t, err)
	store.Disconnect(tree.tree)
	tree.tells("disconnected")
	store.Expire(tree.tree)
	other.sees(meta.NodeDeleted, "/mine")
	select {
	case <-tree.Done():
		t.Error("a session without a connection knows that it has expired")
	default:
	}
	store.Reconnect(tree.tree)
	tree.tells("expired")
	<-tree.Done()
}

func testReconnection(t *testing.T, store Faulty, tree, other *session) {
	create(t, other, "/a", nil)
	create(t, other, "/same", nil)
	_, err := tree.Create("/mine", nil, meta.Ephemeral)
	ok(t, err)
	watch := func() {
		t.Helper()
		_, _, err := tree.GetW("/a")
		ok(t, err)
		_, _, err = tree.ChildrenW("/a")
		ok(t, err)
		_, _, err = tree.GetW("/same")
		ok(t, err)
		_, _, err = tree.ExistsW("/none")
		ok(t, err)
	}
	for round := range 3 {
		watch()
		store.Disconnect(tree.tree)
		tree.tells("disconnected")
		_, err = other.Set("/a", []byte(fmt.Sprint(round)), meta.AnyVersion)
		ok(t, err)
		other.quiet()
		tree.seesNothing()
		store.Reconnect(tree.tree)
		var got []string
		for range 4 {
			got = append(got, fmt.Sprint(tree.next().event))
		}
		slices.Sort(got)
		equal(t, fmt.Sprint(got), "[{3 /a} {3 /none} {3 /same} {4 /a}]")
		tree.tells("reconnected")
		data, _, err := tree.Get("/a")
		ok(t, err)
		equal(t, string(data), fmt.Sprint(round))
		there, _, err := tree.Exists("/mine")
		ok(t, err)
		equal(t, there, true)
	}
	_, err = other.Set("/same", nil, meta.AnyVersion)
	ok(t, err)
	tree.quiet() // what fired is not set any more
	watch()
	create(t, other, "/none", nil)
	tree.sees(meta.NodeCreated, "/none")
	create(t, other, "/a/b", nil)
	tree.sees(meta.NodeChildrenChanged, "/a")
	tree.quiet()
}

func testWaiting(t *testing.T, store Faulty, tree, other *session) {
	create(t, other, "/a", nil)
	store.Disconnect(tree.tree)
	tree.tells("disconnected")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	errs := make(chan error, 4)
	go func() { _, _, err := tree.tree.Get(ctx, "/a"); errs <- err }()
	go func() { _, err := tree.tree.Set(ctx, "/a", []byte("never"), meta.AnyVersion); errs <- err }()
	for range 2 {
		refused(t, <-errs, context.DeadlineExceeded, "/a")
	}
	go func() { _, _, err := tree.Get("/a"); errs <- err }()
	go func() { _, err := tree.Set("/a", []byte("once"), 0); errs <- err }()
	go func() { _, err := tree.Multi(meta.CreateOp("/b", nil, meta.Persistent)); errs <- err }()
	go func() { errs <- tree.MultiAll([]meta.Op{meta.CreateOp("/c", nil, meta.Persistent)})[0].Err }()
	store.Reconnect(tree.tree)
	for range 4 {
		ok(t, <-errs)
	}
	data, stat, err := other.Get("/a")
	ok(t, err)
	equal(t, string(data), "once")
	equal(t, stat.Version, 1)
	names, _, err := other.Children("/")
	ok(t, err)
	equal(t, slices.Contains(names, "b") && slices.Contains(names, "c"), true)
}

// testLostAmongMany loses the answer to one of many transactions that are in flight together. Those without an error were
// done, those that were refused were not, and of the others each is looked up.
func testLostAmongMany(t *testing.T, store Faulty, tree, other *session) {
	const n = 40
	for _, applied := range []bool{true, false} {
		parent := fmt.Sprintf("/applied-%v", applied)
		create(t, other, parent, nil)
		var txs [][]meta.Op
		for i := range n {
			op := meta.CreateOp(fmt.Sprintf("%s/%02d", parent, i), nil, meta.Persistent)
			if i%10 == 9 {
				op = meta.CheckOp(parent, 7)
			}
			txs = append(txs, []meta.Op{op})
		}
		store.LoseAnswer(tree.tree, applied)
		results := tree.MultiAll(txs...)
		unknown := 0
		for i, r := range results {
			there, _, err := other.Exists(fmt.Sprintf("%s/%02d", parent, i))
			ok(t, err)
			switch {
			case errors.Is(r.Err, meta.ErrOutcomeUnknown):
				unknown++
			case i%10 == 9:
				refused(t, r.Err, meta.ErrBadVersion, parent)
				blamed(t, r.Err, 0)
			default:
				ok(t, r.Err)
				equal(t, there, true)
			}
		}
		if unknown == 0 {
			t.Errorf("applied %v: no outcome is unknown", applied)
		}
	}
}

// testEventBeforeRead checks that who got an event sees its change.
func testEventBeforeRead(t *testing.T, _ Faulty, tree, other *session) {
	create(t, other, "/a", nil)
	for i := range int32(200) {
		_, stat, err := tree.GetW("/a")
		ok(t, err)
		equal(t, stat.Version, i)
		go func() { _, _ = other.Set("/a", nil, meta.AnyVersion) }()
		tree.sees(meta.NodeDataChanged, "/a")
	}
}
