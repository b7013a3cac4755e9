package broker_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"klamm/broker/brokertest"
	"klamm/internal/await"
)

// stuckClient asks n times for a topic's records from the start, and reads nothing. It returns when the broker can
// send no more of the first answer, so that all the others wait behind that.
func stuckClient(b *brokertest.Broker, topic string, n int) *brokertest.Client {
	b.T.Helper()
	c := b.Dial()
	_ = c.Conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	for range n {
		c.Send(brokertest.Fetch(topic, 0, 0, 0, 1))
	}
	await.Until(b.T, "an answer is being sent", func() bool {
		for _, k := range b.Conns() {
			if k.State().Writing && k.RemoteAddr().String() == c.Conn.LocalAddr().String() {
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
	b := brokertest.Run(t, "socket.send.buffer.bytes=16384")
	b.Topic("large", 1)
	records := brokertest.BatchOf(t, 900_000)
	for range 8 {
		brokertest.Produced(t, b.Dial().Ask(brokertest.Produce("large", 0, 1, records)))
	}
	c := stuckClient(b, "large", 20)
	stopped := make(chan error)
	go func() { stopped <- b.End() }()
	await.Until(t, "the mark of a clean stop is there", func() bool {
		_, err := os.Stat(filepath.Join(b.Config().Static().LogDirs()[0], ".kafka_cleanshutdown"))
		return !errors.Is(err, fs.ErrNotExist)
	})
	select {
	case err := <-stopped:
		t.Fatalf("the broker did not wait for its client: %v", err)
	default:
	}
	got := brokertest.Fetched(t, c.Receive(brokertest.Fetch("large", 0, 0, 0, 1))).RecordBatches
	if len(got) != 8*len(records) || !bytes.Equal(got[61:len(records)], records[61:]) {
		t.Errorf("%d bytes of records were sent, want %d", len(got), 8*len(records))
	}
	c.Closed()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// Whoever waits for a request that is being handled when a stop begins has the answer, though a client beside it reads nothing.
func TestStopAnswersWhatIsBeingHandled(t *testing.T) {
	b := brokertest.Run(t, "socket.send.buffer.bytes=16384")
	b.Topic("large", 1)
	b.Topic("empty", 1)
	for range 8 {
		brokertest.Produced(t, b.Dial().Ask(brokertest.Produce("large", 0, 1, brokertest.BatchOf(t, 900_000))))
	}
	stuck := stuckClient(b, "large", 20)
	waits := b.Dial()
	waits.Send(brokertest.Fetch("empty", 0, 0, brokertest.Forever, 1))
	await.Until(t, "a fetch waits", func() bool { return b.Parked() == 1 })
	stopped := make(chan error)
	go func() { stopped <- b.End() }()
	if p := brokertest.Fetched(t, waits.Receive(brokertest.Fetch("empty", 0, 0, brokertest.Forever, 1))); p.ErrorCode != 0 {
		t.Errorf("answered with error %d", p.ErrorCode)
	}
	waits.Closed()
	_ = stuck.Conn.Close()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
