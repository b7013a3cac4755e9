package systemd

import (
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// manager is a service manager: the socket that it listens on, and the environment that it starts a process with.
type manager struct {
	t      *testing.T
	socket *net.UnixConn
	env    map[string]string
	said   chan string // what services said, once listen was called
}

func newManager(t *testing.T, socket string, env map[string]string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &manager{t, conn, env, make(chan string, 1<<16)}
}

// listen takes messages as they come from now on. The queue of the socket holds ten.
func (m *manager) listen() {
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := m.socket.Read(buf)
			if err != nil { // closed
				return
			}
			m.said <- string(buf[:n])
		}
	}()
}

func (m *manager) service() *Service {
	m.t.Helper()
	s, err := New(func(name string) string { return m.env[name] }, 7, slog.New(slog.DiscardHandler))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { _ = s.Close() })
	return s
}

// next gives the assignments of the next message.
func (m *manager) next() []string {
	m.t.Helper()
	select {
	case message := <-m.said:
		return strings.Split(message, "\n")
	case <-time.After(time.Minute):
		m.t.Fatal("the service says nothing")
		return nil
	}
}

// expect compares the next message.
func (m *manager) expect(want ...string) {
	m.t.Helper()
	if got := m.next(); !slices.Equal(got, want) {
		m.t.Fatalf("the service says %q, want %q", got, want)
	}
}

// ready waits for READY=1. A start that takes long asks for time more than once before it.
func (m *manager) ready() {
	m.t.Helper()
	for !slices.Equal(m.next(), []string{"READY=1", "STATUS=accepting clients"}) {
	}
}

func TestALife(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	m := newManager(t, socket, map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "4000", "WATCHDOG_PID": "7"})
	m.listen()
	s := m.service()
	s.Starting(func() string { return "recovering" })
	m.expect("STATUS=recovering", "EXTEND_TIMEOUT_USEC=30000000")
	var stuck atomic.Bool
	var once sync.Once
	hangs, released := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(released) })
	s.Ready("accepting clients", func() {
		if stuck.Load() {
			once.Do(func() { close(hangs) })
			<-released
		}
	})
	m.ready()
	m.expect("WATCHDOG=1")
	m.expect("WATCHDOG=1")
	stuck.Store(true)
	<-hangs
	s.Stopping()
	// Signs of life from before the broker hung may stand before it. The stop has its own time-out, and signs of life in the place of alive's.
	for {
		got := m.next()
		if got[0] == "STOPPING=1" {
			break
		}
		if got[0] != "WATCHDOG=1" {
			t.Fatalf("the service says %q", got)
		}
	}
	m.expect("WATCHDOG=1")
}

func TestAStuckBrokerGivesNoSignOfLife(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	m := newManager(t, socket, map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "4000"})
	m.listen()
	s := m.service()
	s.Starting(func() string { return "starting" })
	m.next()
	released := make(chan struct{})
	s.Ready("accepting clients", func() { <-released })
	m.ready()
	s.send("STATUS=still here") // what the test says next comes first, since the broker says nothing
	m.expect("STATUS=still here")
	close(released)
	m.expect("WATCHDOG=1")
}

func TestNoWatchdog(t *testing.T) {
	socket := "@klamm-systemd-" + strings.ReplaceAll(t.TempDir(), "/", "-") // an abstract name
	for _, env := range []map[string]string{{"NOTIFY_SOCKET": socket}, {"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "1", "WATCHDOG_PID": "8"}} {
		m := newManager(t, socket, env)
		m.listen()
		s := m.service()
		if s.watchdog != 0 {
			t.Errorf("%v: a watchdog of another process, or none, is fed each %v", env, s.watchdog)
		}
		s.Starting(func() string { return "starting" })
		m.next()
		s.Ready("accepting clients", func() { t.Error("is it alive? nobody asked") })
		m.ready()
		s.Stopping()
		m.expect("STOPPING=1", "STATUS=stopping: giving leaderships up and writing the logs")
		_ = m.socket.Close()
	}
}

func TestNobodyListens(t *testing.T) {
	s, err := New(func(string) string { return "" }, 7, nil)
	if s != nil || err != nil {
		t.Fatalf("%v, %v; want no service without NOTIFY_SOCKET", s, err)
	}
	s.Starting(nil)
	s.Ready("", nil)
	s.Stopping()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, env := range []map[string]string{{"NOTIFY_SOCKET": "relative"}, {"NOTIFY_SOCKET": "/nobody/there"}} {
		if _, err := New(func(name string) string { return env[name] }, 7, nil); err == nil || !strings.Contains(err.Error(), env["NOTIFY_SOCKET"]) {
			t.Errorf("%v: %v", env, err)
		}
	}
}

// TestAManagerThatReadsNothing fills the queue of the socket. A broker hung in its stop then.
func TestAManagerThatReadsNothing(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	m := newManager(t, socket, map[string]string{"NOTIFY_SOCKET": socket})
	s := m.service()
	s.to.patience = time.Millisecond
	for s.to.send("STATUS=more") == nil {
	}
	s.Stopping() // returns
	m.listen()
	m.expect("STATUS=more")
}
