package replica

import (
	"context"
	"log/slog"
	"testing"

	"klamm/cluster/order"
	"klamm/logstore"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// benchPartition is a partition on the real disk that this broker leads, and a batch of 1 KiB.
func benchPartition(b *testing.B) (p *Partition, data []byte) {
	b.Helper()
	cfg := &Config{Log: logstore.DefaultConfig()}
	store, err := logstore.OpenStore(logstore.StoreOptions{
		Dirs: []string{b.TempDir()}, BrokerID: 1, ClusterID: "c", Defaults: cfg.Log, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close(context.Background()) })
	m := NewManager(Options{Store: store, BrokerID: 1, Resolve: func(map[string]string) *Config { return cfg }})
	lead := order.LeaderAndISR{TopicPartition: tp, TopicID: protocol.UUID{1}, Leader: 1, LeaderEpoch: 3, ISR: []int32{1}, Replicas: []int32{1}, IsNew: true}
	if err := give(m, nil, lead); err != nil {
		b.Fatal(err)
	}
	if p, err = m.Partition(tp); err != nil {
		b.Fatal(err)
	}
	builder := batch.NewBuilder(batch.None)
	builder.Add(1, nil, make([]byte, 1000))
	if data, err = builder.Build(); err != nil {
		b.Fatal(err)
	}
	return p, data
}

// produce appends batches as a producer with acks=all does, until next says that there are enough.
func produce(b *testing.B, p *Partition, data []byte, next func() bool) {
	h, err := batch.ParseHeader(data)
	if err != nil {
		b.Error(err)
		return
	}
	data = append([]byte(nil), data...)
	var batches [1]logstore.Append
	for next() {
		batches[0] = logstore.Append{Data: data, Header: h}
		epoch, err := p.Append(batches[:], -1, 1)
		if err != nil {
			b.Error(err)
			return
		}
		if !p.AwaitCommit(Wait{batches[0].Result.LastOffset + 1, epoch, -1, 30_000}, nil) {
			b.Error("not committed at once")
			return
		}
	}
}

// BenchmarkAppend is a produce with acks=all to a partition whose sole replica is here.
func BenchmarkAppend(b *testing.B) {
	p, data := benchPartition(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	produce(b, p, data, b.Loop)
}

// BenchmarkAppendParallel has several producers write to one partition.
func BenchmarkAppendParallel(b *testing.B) {
	p, data := benchPartition(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) { produce(b, p, data, pb.Next) })
}

// BenchmarkPartitionAppended is what the partition does around an append to the log.
func BenchmarkPartitionAppended(b *testing.B) {
	p, _ := benchPartition(b)
	b.ReportAllocs()
	for end := int64(1); b.Loop(); end++ {
		p.appended(3, end-1, end, end, 1000, false)
	}
}
