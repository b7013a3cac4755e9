package transport

import (
	"net"
	"runtime"
	"testing"
	"time"

	"klamm/internal/await"
	"klamm/protocol"
)

// A large request that comes in pieces is answered when all of it has come, also when the socket has no room
// for the bytes that the receiver waits for.
func TestLargeRequestComesInPieces(t *testing.T) {
	s := startEcho(t, nil)
	for _, size := range []int{20_000, 100_000, 4 * maxAwaited} {
		for _, pieces := range []int{1, 2, 7} {
			for _, room := range []int{0, 16384} {
				nc := s.dial(t)
				if room > 0 {
					await.Until(t, "the connection is there", func() bool { return len(s.Conns()) > 0 })
					for _, conn := range s.Conns() {
						_ = conn.nc.(*net.TCPConn).SetReadBuffer(room)
					}
				}
				frame := ask(size, 7)
				for i := range pieces {
					if _, err := nc.Write(frame[i*len(frame)/pieces : (i+1)*len(frame)/pieces]); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Millisecond) // so that the request comes in pieces, in most cases
				}
				wantAnswer(t, nc, 7)
				if _, err := nc.Write(ask(10, 3)); err != nil { // the receiver does not wait for more than a small request
					t.Fatal(err)
				}
				wantAnswer(t, nc, 3)
				_ = nc.Close()
				await.Until(t, "the connection is gone", func() bool { return len(s.Conns()) == 0 })
			}
		}
	}
	if n := s.State().LargeInside; n != 0 {
		t.Errorf("%d large requests are being read", n)
	}
}

// A connection has no buffer before its client says something.
func TestSilentConnectionsHaveNoBuffers(t *testing.T) {
	s := startEcho(t, nil)
	silent, other := s.dial(t), s.dial(t)
	echo := func(nc net.Conn) {
		if _, err := nc.Write(ask(10, 3)); err != nil {
			t.Fatal(err)
		}
		wantAnswer(t, nc, 3)
	}
	echo(other)
	await.Until(t, "both are there", func() bool { return len(s.Conns()) == 2 })
	without := 0
	for _, c := range s.Conns() {
		c.mu.Lock()
		if c.br == nil {
			without++
		}
		c.mu.Unlock()
	}
	if without != 1 {
		t.Errorf("%d connections are without a buffer", without)
	}
	echo(silent)
}

// A handler leaves its answer to another goroutine, which completes it as Own after the handler has returned. The
// answer is sent: it stayed unsent until the client sent again.
func TestAnswerCompletedAsItsHandlerReturnsIsSent(t *testing.T) {
	s := startEcho(t, func(o *Options) {
		o.Serve = func(c *Conn, _ protocol.RequestHeader, _ []byte) error {
			a := new(Answer)
			if !c.Expect(a) {
				return net.ErrClosed
			}
			c.HoldNext()
			go func() {
				for c.mu.Lock(); !c.resting; c.mu.Lock() { // until the connection waits for its client
					c.mu.Unlock()
					runtime.Gosched()
				}
				c.mu.Unlock()
				a.Fill(append(c.Buffer(7), 0, 0, 0, 3, 0, 0, 0))
				c.Complete(a, Own)
			}()
			c.ServeNext()
			return nil
		}
	})
	nc := s.dial(t)
	if _, err := nc.Write(ask(10, 3)); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, nc, 3)
}
