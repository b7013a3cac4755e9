package harness

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy is a TCP proxy in front of a broker that cuts connections on demand,
// to make a client send again what the broker may have stored already.
type Proxy struct {
	// Addr is where the proxy listens.
	Addr string

	to   string
	cuts atomic.Int64

	mu    sync.Mutex
	links map[*link]bool
	done  bool
}

// link is one connection through the proxy.
type link struct {
	client, broker net.Conn
	mute           atomic.Bool // answers are dropped
}

func (l *link) close() {
	l.client.Close()
	l.broker.Close()
}

// NewProxy starts a proxy in front of addr; it ends with the test.
func NewProxy(t testing.TB, addr string) *Proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: ln.Addr().String(), to: addr, links: map[*link]bool{}}
	go p.serve(ln)
	t.Cleanup(func() {
		ln.Close()
		p.mu.Lock()
		p.done = true
		p.mu.Unlock()
		p.each((*link).close)
	})
	return p
}

// Dial connects to the proxy whatever the address: the addresses in Metadata
// are the broker's own.
func (p *Proxy) Dial(ctx context.Context, network, _ string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, p.Addr)
}

// Cut closes every connection.
func (p *Proxy) Cut() {
	p.each(func(l *link) {
		p.cuts.Add(1)
		l.close()
	})
}

// CutAnswers lets requests through and closes each connection in place of the next
// answer, so that the broker executes a request whose answer the client never gets.
func (p *Proxy) CutAnswers() {
	p.each(func(l *link) {
		p.cuts.Add(1)
		l.mute.Store(true)
	})
}

// Heal closes the connections that are to be cut at their next answer, so that
// the client connects anew and undisturbed.
func (p *Proxy) Heal() {
	p.each(func(l *link) {
		if l.mute.Load() {
			l.close()
		}
	})
}

// Cuts is how many connections were cut.
func (p *Proxy) Cuts() int64 { return p.cuts.Load() }

func (p *Proxy) each(f func(*link)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		f(l)
	}
}

func (p *Proxy) serve(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", p.to)
		if err != nil {
			c.Close()
			continue
		}
		l := &link{client: c, broker: b}
		p.mu.Lock()
		if p.done {
			l.close()
		}
		p.links[l] = true
		p.mu.Unlock()
		go p.carry(l, b, c, nil)
		go p.carry(l, c, b, &l.mute)
	}
}

// carry copies until either side ends, or until something is to be sent on a
// link whose answers are cut.
func (p *Proxy) carry(l *link, to, from net.Conn, mute *atomic.Bool) {
	defer func() {
		l.close()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil || mute != nil && mute.Load() {
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
