package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

const (
	connections = 4
	recordBytes = 1000
)

// load produces with four clients, then consumes with four, as fast as they
// can, and watches the broker's memory meanwhile.
func load(ctx context.Context, r *result) (err error) {
	b, err := harness.New(harness.Options{Measured: true})
	if err != nil {
		return err
	}
	defer done(b, &err)
	if err := makeTopic(ctx, b.Addr); err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	peak := make(chan int64, 1)
	go func() { peak <- watch(watching, b.PID()) }()
	r.produced, err = together(ctx, func(ctx context.Context, i int, n *atomic.Int64) error { return produce(ctx, b.Addr, i, n) })
	if err == nil {
		r.consumed, err = together(ctx, func(ctx context.Context, i int, n *atomic.Int64) error { return consume(ctx, b.Addr, i, n) })
	}
	stop()
	r.loaded = <-peak
	return err
}

func makeTopic(ctx context.Context, addr string) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopic(ctx, connections, 1, nil, "load")
	return err
}

// together runs one worker for each connection until the time is up and gives
// the records that they counted, by the second.
func together(ctx context.Context, work func(ctx context.Context, i int, n *atomic.Int64) error) (rate, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(*seconds)*time.Second)
	defer cancel()
	var n atomic.Int64
	errs := make([]error, connections)
	var workers sync.WaitGroup
	begun := time.Now()
	for i := range connections {
		workers.Go(func() { errs[i] = work(ctx, i, &n) })
	}
	<-ctx.Done()
	took := time.Since(begun).Seconds()
	records := float64(n.Load()) / took
	workers.Wait()
	return rate{records, records * recordBytes}, errors.Join(errs...)
}

// produce sends records to partition i until ctx ends; n counts what is
// acknowledged.
func produce(ctx context.Context, addr string, i int, n *atomic.Int64) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedRecords(20_000), kgo.ProducerLinger(2*time.Millisecond))
	if err != nil {
		return err
	}
	defer cl.Close()
	rng := rand.NewChaCha8([32]byte{byte(i)})
	value := make([]byte, recordBytes)
	_, _ = rng.Read(value) // never fails
	var failed atomic.Pointer[error]
	for ctx.Err() == nil {
		cl.Produce(ctx, &kgo.Record{Topic: "load", Partition: int32(i), Value: value}, func(_ *kgo.Record, err error) {
			if err == nil {
				n.Add(1)
			} else if ctx.Err() == nil {
				failed.CompareAndSwap(nil, &err)
			}
		})
	}
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// consume reads partition i from its start, and again when it is at the end,
// until ctx ends.
func consume(ctx context.Context, addr string, i int, n *atomic.Int64) error {
	for ctx.Err() == nil {
		if err := consumeOnce(ctx, addr, i, n); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

func consumeOnce(ctx context.Context, addr string, i int, n *atomic.Int64) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"load": {int32(i): kgo.NewOffset().AtStart()}}))
	if err != nil {
		return err
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(ctx, "load")
	if err != nil {
		return err
	}
	end, ok := ends.Lookup("load", int32(i))
	if !ok || end.Err != nil || end.Offset == 0 {
		return fmt.Errorf("partition %d ends at %d: %w", i, end.Offset, end.Err)
	}
	for next := int64(0); next < end.Offset && ctx.Err() == nil; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		n.Add(int64(fetches.NumRecords()))
		fetches.EachRecord(func(r *kgo.Record) { next = r.Offset + 1 })
	}
	return nil
}

// watch gives the largest resident memory of a process until ctx ends.
func watch(ctx context.Context, pid int) (peak int64) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if rss, err := resident(pid); err == nil {
			peak = max(peak, rss)
		}
		select {
		case <-ctx.Done():
			return peak
		case <-tick.C:
		}
	}
}

// resident is the resident memory of a process in bytes.
func resident(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		var kb int64
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); err == nil {
			return kb * 1024, nil
		}
	}
	return 0, fmt.Errorf("no VmRSS in the status of process %d", pid)
}

// readFrame reads one answer: a length and that many bytes.
func readFrame(c net.Conn) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < 4 || n > 1<<20 {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(c, answer)
	return answer, err
}
