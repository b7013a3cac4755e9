package zk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"klamm/cluster/meta"
	"klamm/compat-tests/harness"
)

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after %s", what, patience)
		}
	}
}

// told records what a watcher is told.
type told chan string

func (c told) watcher() meta.Watcher {
	return meta.Watcher{
		Event:        func(e meta.Event) { c <- fmt.Sprint(e) },
		Disconnected: func() { c <- "disconnected" },
		Reconnected:  func() { c <- "reconnected" },
		Expired:      func() { c <- "expired" },
	}
}

func (c told) next(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-c:
		if got != want {
			t.Fatalf("the watcher was told %q, should be %q", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("the watcher was not told %q", want)
	}
}

// serve accepts connections and has f serve them until the test ends.
func serve(t *testing.T, f func(net.Conn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			go f(c)
		}
	}()
	return ln.Addr().String()
}

// untilAnAttemptFails gives a context that is over when one attempt to connect has failed, of which the log of the options tells.
func untilAnAttemptFails(t *testing.T, o *Options) context.Context {
	patient, end := context.WithTimeout(t.Context(), patience)
	t.Cleanup(end)
	ctx, over := context.WithCancelCause(patient)
	o.Logger = slog.New(slog.NewTextHandler(lines(func(line string) {
		if strings.Contains(line, "cannot connect to ZooKeeper") {
			over(context.DeadlineExceeded)
		}
	}), nil))
	return ctx
}

// lines takes the lines of a log.
type lines func(line string)

func (f lines) Write(line []byte) (int, error) {
	f(string(line))
	return len(line), nil
}

// TestServerThatNeverAnswers has a server take connections and say nothing. The library alone waits for it for ten times
// two thirds of the session time-out.
func TestServerThatNeverAnswers(t *testing.T) {
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	o := testOptions(t)
	o.Servers, o.AttemptTimeout = []string{silent}, 50*time.Millisecond
	ctx := untilAnAttemptFails(t, &o)
	_, err := newStore(t, o).Open(ctx, meta.Watcher{})
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), silent) || !strings.Contains(err.Error(), "i/o timeout") {
		t.Fatalf("a server that is silent: %v", err)
	}
	o = testOptions(t)
	o.Servers = append(o.Servers, silent, silent, silent)
	o.AttemptTimeout = time.Second
	ses := openSession(t, newStore(t, o)) // by way of the one that answers
	if _, err := ses.Create(t.Context(), "/a", nil, meta.Persistent); err != nil {
		t.Fatal(err)
	}
}

// TestServerThatIsNoZooKeeper connects to what speaks another protocol. Its first bytes are taken for a length of 1.2 GB.
func TestServerThatIsNoZooKeeper(t *testing.T) {
	for _, answer := range []string{"HTTP/1.1 400 Bad Request\r\n\r\n", "\x00\x00\x00\x04abcd", "\x00\x00\x00\x14" + strings.Repeat("\xff", 20)} {
		other := serve(t, func(c net.Conn) {
			_, _ = c.Read(make([]byte, 64))
			_, _ = io.WriteString(c, answer)
			_, _ = io.Copy(io.Discard, c)
		})
		o := testOptions(t)
		o.Servers = []string{other}
		ctx := untilAnAttemptFails(t, &o)
		_, err := newStore(t, o).Open(ctx, meta.Watcher{})
		if !errors.Is(err, errHandshake) {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

// TestNamesAreResolvedAtEachConnection checks that what is dialed is the name, each time.
func TestNamesAreResolvedAtEachConnection(t *testing.T) {
	_, port, _ := net.SplitHostPort(servers(t)[0])
	ws := &wires{}
	o := testOptions(t)
	o.Servers, o.Dial = []string{"localhost:" + port}, ws.dial
	calls := make(told, 100)
	_, err := newStore(t, o).Open(t.Context(), calls.watcher())
	if err != nil {
		t.Fatal(err)
	}
	ws.cut()
	calls.next(t, "disconnected")
	calls.next(t, "reconnected")
	ws.names.Range(func(name, _ any) bool {
		if name != "localhost:"+port {
			t.Errorf("%s was dialed", name)
		}
		return true
	})
	if ws.dialed.Load() != 2 {
		t.Errorf("%d connections", ws.dialed.Load())
	}
}

// TestServerRestart kills the server. The session, its ephemeral nodes and its watches are there when the server is
// back.
func TestServerRestart(t *testing.T) {
	server := harness.StartZooKeeper(t, harness.ZooKeeperOptions{})
	o := testOptions(t)
	o.Servers = server.Addrs()
	calls := make(told, 100)
	tree, err := newStore(t, o).Open(t.Context(), calls.watcher())
	if err != nil {
		t.Fatal(err)
	}
	id := tree.SessionID()
	if _, err := tree.Create(t.Context(), "/mine", nil, meta.Ephemeral); err != nil {
		t.Fatal(err)
	}
	if _, _, err := tree.ExistsW(t.Context(), "/later"); err != nil {
		t.Fatal(err)
	}
	server.Kill(0)
	calls.next(t, "disconnected")
	read := make(chan error)
	go func() { _, _, err := tree.Get(t.Context(), "/mine"); read <- err }()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	calls.next(t, "{3 /later}")
	calls.next(t, "reconnected")
	if err := <-read; err != nil {
		t.Errorf("a read that waited: %v", err)
	}
	if _, stat, err := tree.Exists(t.Context(), "/mine"); err != nil || stat.EphemeralOwner != id || tree.SessionID() != id {
		t.Errorf("the ephemeral node is of session %x, this is %x, it was %x: %v", stat.EphemeralOwner, tree.SessionID(), id, err)
	}
}

// TestEnsemble kills the leader of three servers. The session goes on with another server.
func TestEnsemble(t *testing.T) {
	ensemble := harness.StartZooKeeper(t, harness.ZooKeeperOptions{Servers: 3})
	o := testOptions(t)
	o.Servers = ensemble.Addrs()
	tree, err := newStore(t, o).Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	id := tree.SessionID()
	if _, err := tree.Create(t.Context(), "/a", nil, meta.Ephemeral); err != nil {
		t.Fatal(err)
	}
	ensemble.Kill(ensemble.Leader())
	await(t, "a write without the leader", func() bool {
		_, err := tree.Set(t.Context(), "/a", []byte("x"), meta.AnyVersion)
		if err != nil && !errors.Is(err, meta.ErrOutcomeUnknown) {
			t.Fatal(err)
		}
		return err == nil
	})
	if _, stat, err := tree.Exists(t.Context(), "/a"); err != nil || stat.EphemeralOwner != id || tree.SessionID() != id {
		t.Errorf("the node is of session %x, this is %x, it was %x: %v", stat.EphemeralOwner, tree.SessionID(), id, err)
	}
}

// TestExpiryBehindAHeldConnection has nothing come through, without any connection being closed. The session is
// disconnected for as long as that lasts, and expired only when the server says so.
func TestExpiryBehindAHeldConnection(t *testing.T) {
	ws := &wires{}
	o := testOptions(t)
	other := openSession(t, newStore(t, o))
	o.SessionTimeout, o.AttemptTimeout = 4*time.Second, 200*time.Millisecond
	o.Dial = ws.dial
	calls := make(told, 100)
	tree, err := newStore(t, o).Open(t.Context(), calls.watcher())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Create(t.Context(), "/mine", nil, meta.Ephemeral); err != nil {
		t.Fatal(err)
	}
	ws.holding.Store(true)
	calls.next(t, "disconnected")
	await(t, "the node is gone", func() bool {
		there, _, err := other.Exists(t.Context(), "/mine")
		return err == nil && !there
	})
	select {
	case <-tree.Done():
		t.Error("the session has ended before the server said so")
	default:
	}
	ws.holding.Store(false)
	calls.next(t, "expired")
	<-tree.Done()
	if _, err := tree.(*Session).connect("tcp", o.Servers[0], 0); err == nil {
		t.Error("a connection is made after the expiry; the library would begin a session there")
	}
}

// TestAnotherSessionIsNotTaken has a server answer with another session than the one that was asked for.
func TestAnotherSessionIsNotTaken(t *testing.T) {
	ses := openSession(t, newStore(t, testOptions(t)))
	if _, err := ses.granted(grant{session: ses.SessionID() + 1, timeoutMs: 6000}); err == nil {
		t.Error("it was taken")
	}
	if _, err := ses.granted(grant{session: ses.SessionID(), timeoutMs: 6000, password: ses.Password()}); err != nil {
		t.Errorf("its own: %v", err)
	}
}

// TestSessionsLeaveNothing opens and closes sessions, on servers that answer, that are silent and that are not there.
func TestSessionsLeaveNothing(t *testing.T) {
	silent := serve(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	before := runtime.NumGoroutine()
	for _, server := range []string{servers(t)[0], silent, gone.Addr().String()} {
		o := testOptions(t)
		o.Servers = []string{server}
		store := newStore(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		for range 3 {
			_, _ = store.Open(ctx, meta.Watcher{})
		}
		cancel()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		if _, err := store.Open(t.Context(), meta.Watcher{}); !errors.Is(err, meta.ErrSessionExpired) {
			t.Errorf("a session on a store that is closed: %v", err)
		}
	}
	await(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+1 }) // one accepts
}

// TestOutageIsLoggedOnce has many attempts fail, of which one line tells aloud.
func TestOutageIsLoggedOnce(t *testing.T) {
	var lines strings.Builder
	ws := &wires{}
	o := testOptions(t)
	o.Dial, o.Logger = ws.dial, slog.New(slog.NewTextHandler(&lines, nil))
	calls := make(told, 100)
	store := newStore(t, o)
	tree, err := store.Open(t.Context(), calls.watcher())
	if err != nil {
		t.Fatal(err)
	}
	ws.setDown(true)
	calls.next(t, "disconnected")
	await(t, "three attempts", func() bool { return ws.dialed.Load() >= 4 })
	ws.setDown(false)
	calls.next(t, "reconnected")
	tree.Close()
	for text, want := range map[string]int{"cannot connect": 1, "connected to ZooKeeper": 1} {
		if got := strings.Count(lines.String(), text); got != want {
			t.Errorf("%q stands %d times in\n%s", text, got, lines.String())
		}
	}
}

// TestEndSession ends the session of another process, which has ended without a word.
func TestEndSession(t *testing.T) {
	f := newFaulty(t)
	tree, err := f.Open(t.Context(), meta.Watcher{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Create(t.Context(), "/mine", nil, meta.Ephemeral); err != nil {
		t.Fatal(err)
	}
	f.Disconnect(tree)
	dead := tree.(*Session)
	store := newStore(t, f.o)
	if err := store.EndSession(t.Context(), dead.SessionID(), make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	living := openSession(t, store)
	if there, _, err := living.Exists(t.Context(), "/mine"); err != nil || !there {
		t.Fatalf("with a wrong password the node is there: %v, %v", there, err)
	}
	for range 2 { // the second time it has ended
		if err := store.EndSession(t.Context(), dead.SessionID(), dead.Password()); err != nil {
			t.Fatal(err)
		}
		if there, _, err := living.Exists(t.Context(), "/mine"); err != nil || there {
			t.Fatalf("the node is there: %v, %v", there, err)
		}
	}
	o := f.o
	o.Servers = []string{serve(t, func(c net.Conn) { c.Close() })}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := newStore(t, o).EndSession(ctx, dead.SessionID(), dead.Password()); err == nil {
		t.Error("a server that closes connections ended a session")
	}
}
