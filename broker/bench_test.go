package broker_test

import (
	"encoding/binary"
	"io"
	"testing"

	"klamm/broker/brokertest"
)

// Produce requests of 1 KB, 64 in flight on one connection.
func BenchmarkProducePipelined(b *testing.B) {
	for name, acks := range map[string]int16{"acks=1": 1, "acks=all": -1} {
		b.Run(name, func(b *testing.B) {
			broker := brokertest.Run(b, "log.segment.bytes=1073741824")
			broker.Topic("t", 1)
			c := broker.Dial()
			const window = 64
			one := c.Frame(brokertest.Produce("t", 0, acks, brokertest.BatchOf(b, 1024)))
			slots := make(chan struct{}, window)
			done := make(chan error, 1)
			b.SetBytes(1024)
			b.ReportAllocs()
			b.ResetTimer()
			go func() { done <- drainAnswers(c, b.N, slots) }()
			for range b.N {
				slots <- struct{}{}
				c.Write(one)
			}
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// drainAnswers reads n answers and frees a slot for each.
func drainAnswers(c *brokertest.Client, n int, slots <-chan struct{}) error {
	buf := make([]byte, 4096)
	for range n {
		if _, err := io.ReadFull(c.Reader, buf[:4]); err != nil {
			return err
		}
		if _, err := io.ReadFull(c.Reader, buf[:binary.BigEndian.Uint32(buf)]); err != nil {
			return err
		}
		<-slots
	}
	return nil
}

// One fetch of 1 MB after another.
func BenchmarkFetch(b *testing.B) {
	broker := brokertest.Run(b)
	broker.Topic("t", 1)
	c := broker.Dial()
	records := brokertest.BatchOf(b, 64<<10)
	for range 32 {
		brokertest.Produced(b, c.Ask(brokertest.Produce("t", 0, 1, records)))
	}
	req := brokertest.Fetch("t", 0, 0, 0, 1)
	req.Topics[0].Partitions[0].PartitionMaxBytes = 1 << 20
	one := c.Frame(req)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		c.Write(one)
		var size [4]byte
		if _, err := io.ReadFull(c.Reader, size[:]); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Reader.Discard(int(binary.BigEndian.Uint32(size[:]))); err != nil {
			b.Fatal(err)
		}
	}
}
