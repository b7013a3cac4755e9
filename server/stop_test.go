package server

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// stuckClient asks n times for a topic's records from the start, and reads nothing. It returns when the broker can
// send no more of the first answer, so that all the others wait behind that.
func (b *runningBroker) stuckClient(topic string, n int) *client {
	b.t.Helper()
	c := b.dial()
	_ = c.nc.(*net.TCPConn).SetReadBuffer(16 << 10)
	for range n {
		c.send(fetch(topic, 0, 0, 0, 1))
	}
	eventually(b.t, "an answer is being sent", func() bool {
		for _, k := range b.conns() {
			if k.State().Writing {
				return true
			}
		}
		return false
	})
	return c
}

// A client that asks for records and reads none of them does not hold up what a stop has to write. What the broker has
// begun to send reaches it all the same.
func TestClientThatReadsNothingDoesNotDelayTheCleanMark(t *testing.T) {
	b := runBroker(t, "socket.send.buffer.bytes=16384")
	b.topic("large", 1)
	records := batchOf(t, 900_000)
	for range 8 {
		produced(t, b.dial().ask(produce("large", 0, 1, records)))
	}
	c := b.stuckClient("large", 20)
	stopped := make(chan error)
	go func() { stopped <- b.stop() }()
	eventually(t, "the mark of a clean stop is there", func() bool {
		_, err := os.Stat(filepath.Join(b.server.config.Static().LogDirs()[0], ".kafka_cleanshutdown"))
		return !errors.Is(err, fs.ErrNotExist)
	})
	select {
	case err := <-stopped:
		t.Fatalf("the broker did not wait for its client: %v", err)
	default:
	}
	got := fetched(t, c.receive(fetch("large", 0, 0, 0, 1))).RecordBatches
	if len(got) != 8*len(records) || !bytes.Equal(got[61:len(records)], records[61:]) {
		t.Errorf("%d bytes of records were sent, want %d", len(got), 8*len(records))
	}
	c.closed()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// Whoever waits for a request that is being handled when a stop begins has the answer, though a client beside it reads nothing.
func TestStopAnswersWhatIsBeingHandled(t *testing.T) {
	b := runBroker(t, "socket.send.buffer.bytes=16384")
	b.topic("large", 1)
	b.topic("empty", 1)
	for range 8 {
		produced(t, b.dial().ask(produce("large", 0, 1, batchOf(t, 900_000))))
	}
	stuck := b.stuckClient("large", 20)
	waits := b.dial()
	waits.send(fetch("empty", 0, 0, forever, 1))
	eventually(t, "a fetch waits", func() bool { return b.parked() == 1 })
	stopped := make(chan error)
	go func() { stopped <- b.stop() }()
	if p := fetched(t, waits.receive(fetch("empty", 0, 0, forever, 1))); p.ErrorCode != 0 {
		t.Errorf("answered with error %d", p.ErrorCode)
	}
	waits.closed()
	_ = stuck.nc.Close()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
