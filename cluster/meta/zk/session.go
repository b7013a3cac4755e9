package zk

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/go-zookeeper/zk"

	"klamm/cluster/meta"
	"klamm/cluster/meta/notify"
)

// Session is one session with ZooKeeper; it implements [meta.Tree].
type Session struct {
	store *Store
	calls *notify.Queue
	auth  []byte        // the frame with the credentials; nil for none
	slots chan struct{} // has an element for each request on its way

	conn  *zk.Conn      // set before begun is closed; nil if the library refused
	begun chan struct{} // closed when conn is set

	life context.Context // of the library's connections; it ends when no more may be made
	end  context.CancelFunc
	done chan struct{} // closed when the session has ended

	mu       sync.Mutex
	id       int64               // guarded by mu; 0 before the first connection
	password []byte              // guarded by mu
	up       chan struct{}       // guarded by mu; closed while requests may be sent
	was      bool                // guarded by mu; up was closed before
	link     *link               // guarded by mu; the last connection
	cause    error               // guarded by mu; why the last attempt to connect failed, nil after one that did not
	ended    bool                // guarded by mu; done is closed
	watches  map[watchKey]*watch // guarded by mu
}

var _ meta.Tree = (*Session)(nil)

func newSession(store *Store, w meta.Watcher) *Session {
	s := &Session{
		store: store, calls: notify.New(w), slots: make(chan struct{}, store.o.MaxInFlight),
		begun: make(chan struct{}), done: make(chan struct{}), up: make(chan struct{}), watches: map[watchKey]*watch{},
	}
	if store.o.Digest != "" {
		s.auth = authFrame("digest", store.o.Digest)
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s
}

// begin connects, and waits until there is a session or ctx ends.
func (s *Session) begin(ctx context.Context) error {
	conn, _, err := zk.Connect(s.store.o.Servers, s.store.o.SessionTimeout,
		zk.WithDialer(s.connect), zk.WithHostProvider(&hosts{}), zk.WithEventCallback(s.event),
		zk.WithLogger(libraryLog{s.store.o.Logger}), zk.WithLogInfo(false),
		zk.WithMaxBufferSize(maxFrame), zk.WithMaxConnBufferSize(meta.MaxTransactionBytes+64<<10))
	s.conn = conn
	close(s.begun)
	if err != nil {
		return &meta.Error{Op: "session", Path: "/", Err: err}
	}
	s.mu.Lock()
	up := s.up
	s.mu.Unlock()
	select {
	case <-up:
		return nil
	case <-s.done:
		return &meta.Error{Op: "session", Path: "/", Err: meta.ErrSessionExpired}
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	err = fmt.Errorf("no ZooKeeper server of %s could be reached: %w", strings.Join(s.store.o.Servers, ","), context.Cause(ctx))
	if s.cause != nil {
		err = fmt.Errorf("%w: %w", err, s.cause)
	}
	return &meta.Error{Op: "session", Path: "/", Err: err}
}

// libraryLog takes what the library logs. What matters of it is logged by the session in its own words.
type libraryLog struct{ logger *slog.Logger }

func (l libraryLog) Printf(format string, args ...any) {
	l.logger.Debug("the client library of ZooKeeper says something", "text", fmt.Sprintf(format, args...))
}

// event takes what the library tells. The library calls it on the goroutines that connect and read, so it must not wait.
func (s *Session) event(e zk.Event) {
	switch {
	case e.Type == zk.EventSession && e.State == zk.StateDisconnected:
		s.lost()
	case e.Type == zk.EventSession && e.State == zk.StateExpired:
		s.expired()
	case e.Type >= zk.EventNodeCreated && e.Type <= zk.EventNodeChildrenChanged:
		s.fired(meta.Event{Type: meta.EventType(e.Type), Path: s.relative(e.Path)})
	}
}

// holds keeps a connection, to be closed with the session.
func (s *Session) holds(l *link) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return meta.ErrSessionExpired
	}
	s.link = l
	return nil
}

// attemptFailed notes and logs why a server could not be reached: aloud the first time since there was a connection.
func (s *Session) attemptFailed(server string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	level := slog.LevelDebug
	if s.cause == nil {
		level = slog.LevelWarn
	}
	s.cause = fmt.Errorf("%s: %w", server, err)
	s.store.o.Logger.Log(context.Background(), level, "cannot connect to ZooKeeper, trying again", "server", server, "error", err)
}

// granted takes a server's answer to the handshake. The library is to read an event first for each watch that is set:
// its change may have been missed while there was no connection, and the new connection has no watch at the server.
func (s *Session) granted(g grant) (first []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g.session == 0 { // the library tells that it has expired
		return nil, nil
	}
	if s.ended || s.id != 0 && s.id != g.session {
		return nil, meta.ErrSessionExpired
	}
	s.id, s.password = g.session, g.password
	for _, key := range s.watchKeysLocked() {
		e := meta.Event{Type: meta.NodeDataChanged, Path: s.full(key.path)}
		if key.children {
			e.Type = meta.NodeChildrenChanged
		}
		first = append(first, eventFrame(e)...)
	}
	return first, nil
}

// synced lets requests go: the session has its connection, and all watches of earlier ones have fired.
func (s *Session) synced(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.isUpLocked() {
		return
	}
	level := slog.LevelDebug
	if s.cause != nil { // somebody reads that it could not
		level = slog.LevelInfo
	}
	s.store.o.Logger.Log(context.Background(), level, "connected to ZooKeeper", "server", server, "session", sessionName(s.id))
	s.cause = nil
	close(s.up)
	if s.was {
		s.calls.Reconnected()
	}
	s.was = true
}

// lost holds requests back until there is a connection again. The watcher logs that, and the end of the session.
func (s *Session) lost() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || !s.isUpLocked() {
		return
	}
	s.up = make(chan struct{})
	s.calls.Disconnected()
}

// expired ends the session, since the server says that it has.
func (s *Session) expired() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	s.end() // before the library can connect again
	close(s.done)
	s.calls.Expired()
	go s.stop() // which waits for the goroutine that calls this
}

func (s *Session) isUpLocked() bool {
	select {
	case <-s.up:
		return true
	default:
		return false
	}
}

// sessionName writes a session's number as ZooKeeper's own tools do.
func sessionName(id int64) string { return fmt.Sprintf("0x%x", uint64(id)) }

// stop ends the library's connection. It takes a few seconds at most.
func (s *Session) stop() {
	<-s.begun
	s.mu.Lock()
	up := s.isUpLocked()
	s.mu.Unlock()
	if !up {
		s.end() // nobody can be told that the session ends
	}
	if s.conn != nil {
		s.conn.Close()
	}
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link != nil {
		s.link.Conn.Close() // a server that does not answer would hold the library's goroutines
	}
	s.store.forget(s)
}

// Close implements meta.Tree. Without a connection, the servers keep the session and its ephemeral nodes until it expires.
func (s *Session) Close() error {
	s.mu.Lock()
	ended := s.ended
	if !ended {
		s.ended = true
		close(s.done)
		s.calls.Close()
	}
	s.mu.Unlock()
	if !ended {
		s.stop()
	}
	return nil
}

// SessionID implements meta.Tree.
func (s *Session) SessionID() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.id
}

// Password gives what EndSession needs besides the session's number.
func (s *Session) Password() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.password
}

// Done implements meta.Tree.
func (s *Session) Done() <-chan struct{} { return s.done }
