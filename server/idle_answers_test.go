package server

import (
	"net"
	"strings"
	"testing"
	"time"
)

// A client that reads none of what it is owed is idle all the while that the sending of
// it waits, also where further answers wait behind that: nothing is being worked on. One
// whose answer is not made yet is not.
func TestIdleConnectionWithUnreadAnswersIsClosed(t *testing.T) {
	for _, unread := range []bool{true, false} {
		c, far := looseConn(t)
		_ = c.nc.(*net.TCPConn).SetWriteBuffer(16 << 10)
		_ = far.(*net.TCPConn).SetReadBuffer(16 << 10)
		c.server.maxIdle = time.Minute
		c.server.conns = map[*conn]struct{}{c: {}}
		first, second := filled(strings.Repeat("a", 8<<20)), filled("b")
		c.expect(first)
		c.expect(second)
		if unread {
			c.complete(first, aside)
			eventually(t, "the first answer is being sent", func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.writing
			})
			c.complete(second, aside)
		}
		c.server.closeIdle(c.server.ticks())
		if c.isBroken() {
			t.Fatal("closed before its time")
		}
		c.server.closeIdle(c.server.ticks() + int64(2*time.Minute))
		if c.isBroken() != unread {
			t.Errorf("with answers unread: %t, closed: %t", unread, c.isBroken())
		}
		c.abort()
	}
}
