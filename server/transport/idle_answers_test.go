package transport

import (
	"net"
	"strings"
	"testing"
	"time"

	"klamm/internal/await"
)

// A client that does not read its answers counts as idle while the sending waits for it, also
// when further answers wait behind. A client whose answer is not ready does not count as idle.
func TestIdleConnectionWithUnreadAnswersIsClosed(t *testing.T) {
	for _, unread := range []bool{true, false} {
		c, far := looseConn(t)
		_ = c.nc.(*net.TCPConn).SetWriteBuffer(16 << 10)
		_ = far.(*net.TCPConn).SetReadBuffer(16 << 10)
		c.server.conns = map[*Conn]struct{}{c: {}}
		first, second := filled(c, strings.Repeat("a", 8<<20)), filled(c, "b")
		c.Expect(first)
		c.Expect(second)
		if unread {
			c.Complete(first, Aside)
			await.Until(t, "the first answer is being sent", func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.writing
			})
			c.Complete(second, Aside)
		}
		c.server.CloseIdle(time.Minute)
		if c.isBroken() {
			t.Fatal("closed before its time")
		}
		c.server.CloseIdle(-time.Minute)
		if c.isBroken() != unread {
			t.Errorf("with answers unread: %t, closed: %t", unread, c.isBroken())
		}
		c.Abort()
	}
}
