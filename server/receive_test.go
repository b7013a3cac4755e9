package server

import (
	"net"
	"testing"
	"time"
)

// A large request that comes in pieces is answered when it is there, also where the socket has no room
// for what is waited for.
func TestLargeRequestComesInPieces(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	for _, size := range []int{20_000, 100_000, 4 * maxAwaited} {
		for _, pieces := range []int{1, 2, 7} {
			for _, room := range []int{0, 16384} {
				c := b.dial()
				if room > 0 {
					eventually(t, "the connection is there", func() bool { return len(b.conns()) > 0 })
					for _, conn := range b.conns() {
						_ = conn.nc.(*net.TCPConn).SetReadBuffer(room)
					}
				}
				req := produce("t", 0, 1, batchOf(t, size))
				frame := c.frame(req)
				for i := range pieces {
					c.write(frame[i*len(frame)/pieces : (i+1)*len(frame)/pieces])
					time.Sleep(time.Millisecond) // so that it does come in pieces, mostly
				}
				produced(t, c.receive(req))
				produced(t, c.ask(produce("t", 0, 1, batchOf(t, 10)))) // a small one is not waited for longer
				_ = c.nc.Close()
				eventually(t, "the connection is gone", func() bool { return len(b.conns()) == 0 })
			}
		}
	}
	if n := b.server.large.inside; n != 0 {
		t.Errorf("%d large requests are being read", n)
	}
}

// Who leaves in the middle of a large request leaves nothing behind, and a stop does not wait for
// the rest of one.
func TestLargeRequestIsNotEnded(t *testing.T) {
	b := runBroker(t)
	b.topic("t", 1)
	c := b.dial()
	frame := c.frame(produce("t", 0, 1, batchOf(t, 100_000)))
	c.write(frame[:50_000])
	_ = c.nc.Close()
	eventually(t, "the connection is gone", func() bool { return len(b.conns()) == 0 })
	c = b.dial()
	c.write(frame[:50_000])
	eventually(t, "the connection is there", func() bool { return len(b.conns()) == 1 })
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	c.closed()
}

// A request that comes slowly does not make its connection an idle one; one that has stopped does.
func TestLargeRequestThatComesSlowly(t *testing.T) {
	b := runBroker(t, "connections.max.idle.ms=600000")
	b.topic("t", 1)
	c := b.dial()
	c.alive()
	frame := c.frame(produce("t", 0, 1, batchOf(t, 100_000)))
	c.write(frame[:50_000])
	eventually(t, "the rest is awaited", func() bool {
		for _, conn := range b.conns() {
			conn.active.Store(b.server.ticks() - int64(time.Hour)) // as if nothing had been read for long
			return conn.receiver.awaiting.Load()
		}
		return false
	})
	b.server.closeIdle(b.server.ticks())
	c.write(frame[50_000:])
	produced(t, c.receive(produce("t", 0, 1, nil)))
	c.write(frame[:50_000])
	b.server.closeIdle(b.server.ticks() + int64(11*time.Minute))
	c.closed()
}
