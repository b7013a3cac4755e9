package data_test

import (
	"net"
	"testing"

	"klamm/broker/brokertest"
	"klamm/internal/await"
	"klamm/protocol"
)

// Files that a fetch was answered from are given back: when the answer was sent, and when the client leaves without
// having read it.
func TestFilesOfAnswersAreGivenBack(t *testing.T) {
	b := brokertest.Run(t, "socket.send.buffer.bytes=16384")
	b.Topic("t", 1)
	for range 8 {
		brokertest.Produced(t, b.Dial().Ask(brokertest.Produce("t", 0, 1, brokertest.BatchOf(t, 900_000))))
	}
	part, err := b.Replicas().Partition(protocol.TopicPartition{Topic: "t"})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := part.Log().Read(0, 1<<30, 8, true) // keeps the file open, so that its users can be counted
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Release()
	brokertest.Fetched(t, b.Dial().Ask(brokertest.Fetch("t", 0, 0, 0, 1)))
	await.Until(t, "nobody else has the file", func() bool { return kept.Readers() == 1 })
	rude := b.Dial()
	_ = rude.Conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	for range 5 {
		rude.Send(brokertest.Fetch("t", 0, 0, 0, 1))
	}
	await.Until(t, "an answer has the file", func() bool { return kept.Readers() > 1 })
	_ = rude.Conn.Close()
	await.Until(t, "nobody else has the file", func() bool { return kept.Readers() == 1 })
}
