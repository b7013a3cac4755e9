package harness

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy is a TCP proxy in front of a broker that cuts connections on demand,
// to make a client send again what the broker may have stored already.
type Proxy struct {
	// Addr is where the proxy listens: a port for each broker, with commas between them.
	Addr string

	on      listeners
	cuts    atomic.Int64
	blocked atomic.Bool

	mu    sync.Mutex
	links map[*link]bool
	done  bool
}

// link is one connection through the proxy.
type link struct {
	client, broker net.Conn
	mute           atomic.Bool // answers are dropped
}

// cut ends the connection as a broken network does.
func (l *link) cut() {
	reset(l.client)
	l.broker.Close()
}

// close ends the connection as the broker does: what it has sent still arrives.
func (l *link) close() {
	l.client.Close()
	l.broker.Close()
}

// NewProxy starts a proxy in front of addr; it ends with the test.
func NewProxy(t testing.TB, addr string) *Proxy {
	t.Helper()
	p, err := newProxy(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p
}

func newProxy(addr string) (*Proxy, error) { return newProxyOn(loopback, addr) }

// newProxyOn starts a proxy that listens on a host's address.
func newProxyOn(host, addr string) (*Proxy, error) {
	on, err := listenFor(host, addr)
	if err != nil {
		return nil, err
	}
	p := &Proxy{Addr: on.addr(), on: on, links: map[*link]bool{}}
	for _, l := range on {
		go p.serve(l)
	}
	return p, nil
}

// listener is a listener of a proxy and the address that it stands for.
type listener struct {
	net.Listener
	to string
}

// listeners are the listeners of a proxy, one for each broker.
type listeners []listener

// listenFor makes a listener for each of the addresses of a [Broker]'s Addr.
func listenFor(host, addr string) (all listeners, err error) {
	for _, to := range strings.Split(addr, ",") {
		ln, err := net.Listen("tcp", host+":0")
		if err != nil {
			all.close()
			return nil, err
		}
		all = append(all, listener{ln, to})
	}
	return all, nil
}

// addr are the addresses, with commas between them.
func (all listeners) addr() string {
	var addrs []string
	for _, p := range all {
		addrs = append(addrs, p.Addr().String())
	}
	return strings.Join(addrs, ",")
}

func (all listeners) close() {
	for _, p := range all {
		p.Close()
	}
}

// dial connects to the listener that stands for an address; a single listener stands for every address.
func (all listeners) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	for _, p := range all {
		if p.to == addr || len(all) == 1 {
			addr = p.Addr().String()
			break
		}
	}
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

func (p *Proxy) close() {
	p.on.close()
	p.mu.Lock()
	p.done = true
	p.mu.Unlock()
	p.each((*link).cut)
}

// Dial connects to a broker's port of the proxy: the addresses in Metadata are the broker's own.
func (p *Proxy) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return p.on.dial(ctx, network, addr)
}

// Cut closes every connection.
func (p *Proxy) Cut() {
	p.each(func(l *link) {
		p.cuts.Add(1)
		l.cut()
	})
}

// Block closes every connection and each new one, until Unblock.
func (p *Proxy) Block() {
	p.blocked.Store(true)
	p.Cut()
}

// Unblock lets connections through again.
func (p *Proxy) Unblock() { p.blocked.Store(false) }

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
			l.cut()
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

func (p *Proxy) serve(at listener) {
	for {
		c, err := at.Accept()
		if err != nil {
			return
		}
		b, err := net.Dial("tcp", at.to)
		if err != nil {
			reset(c)
			continue
		}
		l := &link{client: c, broker: b}
		p.mu.Lock()
		if p.done || p.blocked.Load() {
			l.cut()
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
	end := (*link).cut
	defer func() {
		end(l)
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if mute != nil && mute.Load() {
			return
		}
		if err != nil {
			if err == io.EOF {
				end = (*link).close
			}
			return
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
