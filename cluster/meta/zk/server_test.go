package zk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"klamm/cluster/meta"
	"klamm/compat-tests/harness"
)

// shared is the server that most tests share: the real one, which comes with Apache Kafka. It starts with the first test
// that asks for it.
var shared struct {
	once   sync.Once
	server *harness.ZooKeeper
	err    error
}

// servers are the addresses of the shared server.
func servers(t testing.TB) []string {
	t.Helper()
	shared.once.Do(func() {
		shared.server, shared.err = harness.NewZooKeeper(harness.ZooKeeperOptions{})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server.Addrs()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		shared.server.Close()
	}
	os.Exit(code)
}

// patience only keeps a test from waiting for ever.
const patience = 30 * time.Second

var chroots atomic.Int64

// freshChroot gives a node that no other test uses.
func freshChroot() string { return fmt.Sprintf("/test-%d-%d/tree", os.Getpid(), chroots.Add(1)) }

// testOptions are options for a tree of its own.
func testOptions(t testing.TB) Options {
	t.Helper()
	return Options{
		Servers: servers(t), Chroot: freshChroot(), SessionTimeout: 20 * time.Second,
		Logger: slog.New(slog.DiscardHandler),
	}
}

func newStore(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func openSession(t *testing.T, s *Store) *Session {
	t.Helper()
	ses, err := s.open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	return ses
}

// faulty is a store whose sessions' connections a test can disturb. Each session has a store of its own for that.
type faulty struct {
	t *testing.T
	o Options

	mu    sync.Mutex
	wires map[meta.Tree]*wires // guarded by mu
}

func newFaulty(t *testing.T) *faulty {
	return &faulty{t: t, o: testOptions(t), wires: map[meta.Tree]*wires{}}
}

func (f *faulty) Open(ctx context.Context, w meta.Watcher) (meta.Tree, error) {
	ws := &wires{}
	o := f.o
	o.Dial = ws.dial
	tree, err := newStore(f.t, o).Open(ctx, w)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wires[tree] = ws
	return tree, err
}

func (f *faulty) Close() error { return nil }

func (f *faulty) of(tree meta.Tree) *wires {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wires[tree]
}

func (f *faulty) Disconnect(tree meta.Tree) { f.of(tree).setDown(true) }
func (f *faulty) Reconnect(tree meta.Tree)  { f.of(tree).setDown(false) }

func (f *faulty) LoseAnswer(tree meta.Tree, applied bool) { f.of(tree).lose(applied) }

// Expire closes the session from another connection, as the server does when it has not heard of it, and cuts the
// session's own connection.
func (f *faulty) Expire(tree meta.Tree) {
	ses := tree.(*Session)
	if err := newStore(f.t, f.o).EndSession(f.t.Context(), ses.SessionID(), ses.Password()); err != nil {
		f.t.Error(err)
	}
	f.of(tree).cut()
}

// wires are the connections of one session.
type wires struct {
	dialed  atomic.Int64
	names   sync.Map     // the addresses that were dialed
	sent    atomic.Int64 // requests, without pings
	watches atomic.Int64 // requests that set a watch
	onWay   atomic.Int64 // requests without an answer, without pings
	most    atomic.Int64 // the most that were on their way
	holding atomic.Bool  // nothing that is sent arrives, no answer does, and no connection is made
	cutting atomic.Int32 // the connection ends in place of the answer to each request of this operation; 0 for none

	held atomic.Pointer[chan struct{}] // if there is one, answers wait until it is closed

	mu      sync.Mutex
	down    bool           // guarded by mu; no connection can be made
	all     map[*wire]bool // guarded by mu
	loses   bool           // guarded by mu; the answer to the next write is lost
	applied bool           // guarded by mu; the write is done before
}

func (ws *wires) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	ws.dialed.Add(1)
	ws.names.Store(addr, true)
	if ws.holding.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.down {
		conn.Close()
		return nil, errors.New("the test lets no connection through")
	}
	w := &wire{Conn: conn, of: ws}
	if ws.all == nil {
		ws.all = map[*wire]bool{}
	}
	ws.all[w] = true
	return w, nil
}

func (ws *wires) setDown(down bool) {
	ws.mu.Lock()
	ws.down = down
	ws.mu.Unlock()
	if down {
		ws.cut()
	}
}

func (ws *wires) cut() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for w := range ws.all {
		w.Close()
	}
	clear(ws.all)
}

func (ws *wires) lose(applied bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.loses, ws.applied = true, applied
}

// takeLoss says whether the answer to a request of some operation is to be lost.
func (ws *wires) takeLoss(op int32) (lost, applied bool) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	const create, remove, set, multi = 1, 2, 5, 14
	if !ws.loses || op != create && op != remove && op != set && op != multi {
		return false, false
	}
	ws.loses = false
	return true, ws.applied
}

// wire is one connection. Each Write is a frame.
type wire struct {
	net.Conn
	of      *wires
	shaken  bool
	dropXid atomic.Int32 // the connection ends in place of this answer; 0 for none
	rest    []byte       // of the frame that is being read
}

func (w *wire) Write(p []byte) (int, error) {
	if w.shaken {
		xid, op, err := decodeRequest(p)
		if err != nil {
			return 0, err
		}
		if xid > 0 {
			w.count(op, p)
		}
		if lost, applied := w.of.takeLoss(op); lost && !applied {
			w.Close()
			return len(p), nil
		} else if lost || op == w.of.cutting.Load() {
			w.dropXid.Store(xid)
		}
	}
	if w.of.holding.Load() {
		return len(p), nil
	}
	w.shaken = true
	return w.Conn.Write(p)
}

// count counts a request.
func (w *wire) count(op int32, p []byte) {
	w.of.sent.Add(1)
	if now := w.of.onWay.Add(1); now > w.of.most.Load() {
		w.of.most.Store(now)
	}
	const exists, get, children = 3, 4, 12
	if (op == exists || op == get || op == children) && p[len(p)-1] == 1 {
		w.of.watches.Add(1)
	}
}

func (w *wire) Read(p []byte) (int, error) {
	if len(w.rest) == 0 {
		b := make([]byte, 4)
		if _, err := io.ReadFull(w.Conn, b); err != nil {
			return 0, err
		}
		b = append(b, make([]byte, binary.BigEndian.Uint32(b))...)
		if _, err := io.ReadFull(w.Conn, b[4:]); err != nil {
			return 0, err
		}
		if held := w.of.held.Load(); held != nil {
			<-*held
		}
		xid := int32(binary.BigEndian.Uint32(b[4:]))
		if xid > 0 {
			w.of.onWay.Add(-1)
		}
		if drop := w.dropXid.Load(); drop != 0 && xid == drop {
			w.Close()
			return 0, io.EOF
		}
		if w.of.holding.Load() {
			return w.Read(p)
		}
		w.rest = b
	}
	n := copy(p, w.rest)
	w.rest = w.rest[n:]
	return n, nil
}
