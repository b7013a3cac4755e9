package brokertest

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// plug has all sockets of one broker, so that a test can end them at once, as the system does when a process dies.
type plug struct {
	mu        sync.Mutex
	pulled    bool           // guarded by mu
	listeners []net.Listener // guarded by mu
	conns     []net.Conn     // guarded by mu
}

// listen implements broker.Options.Listen.
func (p *plug) listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners = append(p.listeners, l)
	return &pluggedListener{l, p}, nil
}

// dial implements broker.Options.Dial.
func (p *plug) dial(ctx context.Context, addr string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	return p.keep(conn, err)
}

// keep notes a connection.
func (p *plug) keep(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pulled {
		conn.Close()
		return nil, syscall.ENETDOWN
	}
	p.conns = append(p.conns, conn)
	return conn, nil
}

// pull closes all sockets, and every one that is opened later.
func (p *plug) pull() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pulled = true
	for _, l := range p.listeners {
		l.Close()
	}
	for _, conn := range p.conns {
		conn.Close()
	}
}

// pluggedListener is a listener of a broker with a plug.
type pluggedListener struct {
	net.Listener
	plug *plug
}

// Accept implements net.Listener.
func (l *pluggedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return l.plug.keep(conn, err)
}
