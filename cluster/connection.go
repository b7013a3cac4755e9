package cluster

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"klamm/cluster/meta"
	"klamm/cluster/znode"
	"klamm/observe"
)

// Connection is this process's way to the metadata tree: a session, and after its end the next one. Who opened it closes it,
// after the Broker that uses it. Its methods may be called from any goroutine.
type Connection struct {
	store  meta.Store
	logger *slog.Logger
	events *observe.Observer // gets an event for each change of the session; nil: nobody observes
	after  func(d time.Duration, f func()) (stop func() bool)

	quit   context.Context // ends when Close begins
	stop   context.CancelFunc
	closed chan struct{} // closed when run returns

	lost atomic.Bool // the session has ended, or its server is not reached

	mu   sync.Mutex
	tree meta.Tree // guarded by mu; the session, also for some time after its end
	user sessionUser
}

// sessionUser is told what happens to the session. The first three calls come from the session's own queue and must not wait for
// the tree. The last two come from one goroutine of the Connection and may wait.
type sessionUser struct {
	event        func(meta.Event)
	disconnected func()
	reconnected  func()
	expired      func()               // the session has ended; whatever it was used for has to end before this returns
	began        func(tree meta.Tree) // there is a new session
}

// openRetry is how long a Connection waits after it could not open a session before it tries again.
const openRetry = time.Second

// Connect opens the first session. It tries until ctx ends. after defaults to time.AfterFunc, and events may
// be nil.
func Connect(ctx context.Context, store meta.Store, logger *slog.Logger, events *observe.Observer, after func(d time.Duration, f func()) (stop func() bool)) (*Connection, error) {
	if after == nil {
		after = func(d time.Duration, f func()) func() bool { return time.AfterFunc(d, f).Stop }
	}
	c := &Connection{store: store, logger: logger, events: events, after: after, closed: make(chan struct{})}
	c.quit, c.stop = context.WithCancel(context.Background())
	tree, ended, err := c.open(ctx)
	if err != nil {
		c.stop()
		return nil, err
	}
	c.tree = tree
	go c.run(ended)
	return c, nil
}

// Tree gives the session. After its end every call of it fails, until the next one is there.
func (c *Connection) Tree() meta.Tree {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tree
}

// Connected says whether the session lives and its server is reached, as far as this process can tell.
func (c *Connection) Connected() bool { return !c.lost.Load() }

// Close ends the session, and with it this broker's registration. It does not close the store.
func (c *Connection) Close() error {
	c.stop()
	<-c.closed
	return c.Tree().Close()
}

// use sets who is told from now on.
func (c *Connection) use(u sessionUser) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.user = u
}

func (c *Connection) toldUser() sessionUser {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user
}

// open opens a session. ended is closed when that session has ended: the end of one that was opened and is not used says nothing of the
// session that is.
func (c *Connection) open(ctx context.Context) (tree meta.Tree, ended <-chan struct{}, err error) {
	over := make(chan struct{})
	c.lost.Store(false) // before there is somebody who says otherwise
	tree, err = c.store.Open(ctx, c.watcher(sync.OnceFunc(func() { c.lost.Store(true); close(over) })))
	if err != nil {
		c.lost.Store(true)
	}
	return tree, over, err
}

func (c *Connection) watcher(expired func()) meta.Watcher {
	call := func(pick func(sessionUser) func()) func() {
		return func() {
			if f := pick(c.toldUser()); f != nil {
				f()
			}
		}
	}
	return meta.Watcher{
		Event: func(e meta.Event) {
			if f := c.toldUser().event; f != nil {
				f(e)
			}
		},
		Disconnected: func() { c.lost.Store(true); call(func(u sessionUser) func() { return u.disconnected })() },
		Reconnected:  func() { c.lost.Store(false); call(func(u sessionUser) func() { return u.reconnected })() },
		Expired:      expired,
	}
}

// run opens a new session after each that ended, until Close.
func (c *Connection) run(ended <-chan struct{}) {
	defer close(c.closed)
	for {
		select {
		case <-ended:
		case <-c.quit.Done():
			return
		}
		c.events.Tell(c.logger, observe.SessionChanged{To: observe.SessionExpired, Session: sessionName(c.Tree().SessionID())})
		u := c.toldUser()
		if u.expired != nil {
			u.expired()
		}
		var tree meta.Tree
		if tree, ended = c.reopen(); tree == nil {
			return
		}
		c.mu.Lock()
		c.tree = tree
		c.mu.Unlock()
		c.events.Tell(c.logger, observe.SessionChanged{To: observe.SessionBegan, Session: sessionName(tree.SessionID())})
		if u.began != nil {
			u.began(tree)
		}
	}
}

// reopen opens a session, however long that takes; nil when Close came before.
func (c *Connection) reopen() (tree meta.Tree, ended <-chan struct{}) {
	for {
		tree, ended, err := c.open(c.quit)
		if err == nil {
			return tree, ended
		}
		if c.quit.Err() != nil {
			return nil, nil
		}
		c.logger.Error("no session with the metadata tree; it is tried again", "error", err)
		if !c.pause(openRetry) {
			return nil, nil
		}
	}
}

// pause waits. It reports false when Close came before.
func (c *Connection) pause(d time.Duration) bool {
	over := make(chan struct{})
	defer c.after(d, func() { close(over) })()
	select {
	case <-over:
		return true
	case <-c.quit.Done():
		return false
	}
}

// sessionUser is what a Broker does about its session.
func (b *Broker) sessionUser() sessionUser {
	return sessionUser{
		event: func(e meta.Event) {
			if e.Path == znode.ConfigChanges {
				b.watch.notice(false)
			} else if elector := b.elector.Load(); elector != nil {
				elector.Event(e)
			}
		},
		disconnected: func() {
			b.o.Observer.Tell(b.o.Logger, observe.SessionChanged{To: observe.SessionDisconnected})
			b.doubt.disconnected(b)
		},
		reconnected: func() {
			b.o.Observer.Tell(b.o.Logger, observe.SessionChanged{To: observe.SessionReconnected})
			b.doubt.reached()
			b.watch.notice(true)
		},
		expired: func() {
			b.doubt.ended(b.epoch.Load())
			if elector := b.elector.Load(); elector != nil {
				elector.Close()
			}
		},
		began: func(tree meta.Tree) {
			b.doubt.reached()
			b.rejoin(tree)
		},
	}
}

// rejoin registers the broker in a new session, and stands for election again. It tries until it is registered, or the next session
// ends, or Close.
//
// A broker registers also while a disk of it hangs, as Apache's does: its other disks serve, and what it alone has in sync has no
// other leader. To the controller it is a broker that has stopped and started, so that others lead what they can. It comes back into no ISR
// before it has carried out the orders that wait, and so is elected only where it alone is in sync, and for new partitions. rejoin waits for
// none of these orders.
func (b *Broker) rejoin(tree meta.Tree) {
	b.watch.notice(true)
	for said := ""; ; {
		err := b.register(b.quit, tree)
		if err == nil {
			err = b.newElector(tree).Stand(b.quit)
		}
		if err == nil || b.quit.Err() != nil || errors.Is(err, meta.ErrSessionExpired) {
			return
		}
		if text := err.Error(); text != said {
			said = text
			b.o.Logger.Error("the broker is not registered; it is tried again", "error", err)
		}
		if b.wait(b.quit, openRetry) != nil {
			return
		}
	}
}
