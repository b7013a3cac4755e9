package server

import (
	"encoding/binary"
	"io"
	"testing"
)

// Produce requests of 1 KB, 64 in flight on one connection.
func BenchmarkProducePipelined(b *testing.B) {
	for name, acks := range map[string]int16{"acks=1": 1, "acks=all": -1} {
		b.Run(name, func(b *testing.B) {
			broker := runBroker(b, "log.segment.bytes=1073741824")
			broker.topic("t", 1)
			c := broker.dial()
			const window = 64
			one := c.frame(produce("t", 0, acks, batchOf(b, 1024)))
			slots := make(chan struct{}, window)
			done := make(chan error, 1)
			b.SetBytes(1024)
			b.ReportAllocs()
			b.ResetTimer()
			go func() { done <- drainAnswers(c, b.N, slots) }()
			for range b.N {
				slots <- struct{}{}
				c.write(one)
			}
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}

// drainAnswers reads n answers and frees a slot for each.
func drainAnswers(c *client, n int, slots <-chan struct{}) error {
	buf := make([]byte, 4096)
	for range n {
		if _, err := io.ReadFull(c.br, buf[:4]); err != nil {
			return err
		}
		if _, err := io.ReadFull(c.br, buf[:binary.BigEndian.Uint32(buf)]); err != nil {
			return err
		}
		<-slots
	}
	return nil
}

// One fetch of 1 MB after another.
func BenchmarkFetch(b *testing.B) {
	broker := runBroker(b)
	broker.topic("t", 1)
	c := broker.dial()
	records := batchOf(b, 64<<10)
	for range 32 {
		produced(b, c.ask(produce("t", 0, 1, records)))
	}
	req := fetch("t", 0, 0, 0, 1)
	req.Topics[0].Partitions[0].PartitionMaxBytes = 1 << 20
	one := c.frame(req)
	b.SetBytes(1 << 20)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		c.write(one)
		var size [4]byte
		if _, err := io.ReadFull(c.br, size[:]); err != nil {
			b.Fatal(err)
		}
		if _, err := c.br.Discard(int(binary.BigEndian.Uint32(size[:]))); err != nil {
			b.Fatal(err)
		}
	}
}
