package replica

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/logstore"
	"klamm/logstore/vfs"
	"klamm/protocol"
	"klamm/protocol/batch"
)

// benchLeader answers each fetch with the same records for partition 0, at the offset that comes next, and with nothing for the others.
type benchLeader struct {
	records []byte
	size    int // of one batch
	next    int64
	all     int32 // the number of partitions
	resp    kmsg.FetchResponse
	request []byte
}

func (l *benchLeader) Fetch(_ context.Context, req *kmsg.FetchRequest) (*kmsg.FetchResponse, func(), error) {
	l.request = req.AppendTo(l.request[:0]) // as a connection does
	l.resp.Version, l.resp.SessionID = 17, 1
	if req.SessionEpoch == 0 {
		l.resp.Topics = l.resp.Topics[:0]
		for n := range l.all {
			t, p := kmsg.NewFetchResponseTopic(), kmsg.NewFetchResponseTopicPartition()
			t.TopicID, p.Partition = doubleID, n
			t.Partitions = append(t.Partitions, p)
			l.resp.Topics = append(l.resp.Topics, t)
		}
		return &l.resp, release, nil
	}
	for at := 0; at < len(l.records); at += l.size {
		batch.SetOffsets(l.records[at:], l.next, 1)
		l.next += 16
	}
	l.resp.Topics = l.resp.Topics[:1]
	p := &l.resp.Topics[0].Partitions[0]
	p.RecordBatches, p.HighWatermark = l.records, l.next
	return &l.resp, release, nil
}

func release() {}

func (l *benchLeader) Request(context.Context, kmsg.Request) (kmsg.Response, error) { return nil, nil }
func (l *benchLeader) Close()                                                       {}
func (l *benchLeader) Answering() bool                                              { return false }

// BenchmarkReplicatedByte fetches and appends the records of one partition, from a leader that costs nothing, among partitions that have none.
func BenchmarkReplicatedByte(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20} {
		for _, partitions := range []int32{1, 1000} {
			b.Run(fmt.Sprintf("bytes=%d/partitions=%d", size, partitions), func(b *testing.B) { benchReplicated(b, size, partitions) })
		}
	}
}

func benchReplicated(b *testing.B, size int, partitions int32) {
	builder := batch.NewBuilder(batch.None)
	for range 16 {
		builder.Add(doubleNow, nil, make([]byte, min(size/16, 1000)))
	}
	data, err := builder.Build()
	if err != nil {
		b.Fatal(err)
	}
	l := &benchLeader{size: len(data), all: partitions}
	for len(l.records) < size {
		l.records = append(l.records, data...)
	}
	o := &Options{BrokerID: 1, Logger: slog.New(slog.DiscardHandler), DialLeader: func(context.Context, int32) (LeaderConn, error) { return l, nil }}
	o.setDefaults()
	o.Clock = func() time.Time { return time.UnixMilli(doubleNow) }
	pool := newFetcherPool(o, func() int64 { return doubleNow })
	pool.start = func(*fetcher) {}
	var orders []fetchOrder
	var hot *logDouble
	for n := range partitions {
		tp := protocol.TopicPartition{Topic: "t", Partition: n}
		d := newLogDouble(b, 1, tp, logstore.DefaultConfig())
		if n == 0 {
			hot = d
			d.o.FS, d.o.Dir, d.o.Background = vfs.OS{}, b.TempDir(), nil
			d.open()
		}
		orders = append(orders, d.follow(2, 1))
	}
	pool.set(orders)
	f := pool.fetchers[fetcherKey{2, 0}]
	f.step(context.Background())
	b.SetBytes(int64(len(l.records)))
	b.ReportAllocs()
	appended := 0
	for b.Loop() {
		f.step(context.Background())
		if appended += len(l.records); appended > 256<<20 { // keep the disk small
			b.StopTimer()
			if err := hot.log.TruncateFullyAndStartAt(l.next, doubleNow); err != nil {
				b.Fatal(err)
			}
			appended = 0
			b.StartTimer()
		}
	}
	if end := hot.log.EndOffset(); end != l.next {
		b.Fatalf("the log ends at %d, the leader's at %d", end, l.next)
	}
}
