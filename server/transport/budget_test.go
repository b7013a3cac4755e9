package transport

import (
	"encoding/binary"
	"testing"

	"klamm/internal/await"
	"klamm/protocol"
)

// A request that comes when no byte is left waits, and stops waiting when its connection ends.
func TestNothingLeftLetsNobodyIn(t *testing.T) {
	b := newByteBudget(100)
	never := make(chan struct{})
	if !b.take(150, never, func() { t.Error("waits with something left") }) {
		t.Fatal("nobody is let in")
	}
	quit := make(chan struct{})
	close(quit)
	waited := 0
	if b.take(1, quit, func() { waited++ }) || waited != 1 {
		t.Errorf("a request was let in with nothing left, or did not say that it waits (%d times)", waited)
	}
	b.giveBack(150)
	if !b.take(1, quit, func() { t.Error("waits with all left") }) {
		t.Error("nobody is let in")
	}
}

// TestReadyAnswerDoesNotWaitForQueuedBytes: an answer was held back while the connection's next request, which had come with the
// first one, waited for queued.max.request.bytes.
func TestReadyAnswerDoesNotWaitForQueuedBytes(t *testing.T) {
	var s *SocketServer
	s = startEcho(t, func(o *Options) {
		o.QueuedBytes = 100
		echo, first := o.Serve, true
		o.Serve = func(c *Conn, h protocol.RequestHeader, body []byte) error {
			if first {
				first = false
				if _, err := s.dial(t).Write(binary.BigEndian.AppendUint32(nil, 1000)); err != nil { // a request that never comes
					t.Error(err)
				}
				await.Until(t, "nothing is left", func() bool { return s.State().QueuedLeft < 0 })
			}
			return echo(c, h, body)
		}
	})
	c := s.dial(t)
	if _, err := c.Write(append(ask(4, 10), ask(4, 20)...)); err != nil {
		t.Fatal(err)
	}
	wantAnswer(t, c, 10)
}
