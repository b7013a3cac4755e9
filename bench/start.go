package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/bench/figures"
	"klamm/compat-tests/harness"
)

// startEmpty starts a broker on an empty directory, in each round another.
func startEmpty(_ context.Context, s *subject) (*session, error) {
	return &session{close: nothing, round: func(ctx context.Context) (_ figures.Sample, err error) {
		if err := os.MkdirAll(s.dir, 0o755); err != nil {
			return nil, err
		}
		b, err := harness.Prepare(brokerOptions(s.name, s.dir))
		if err != nil {
			return nil, err
		}
		defer func() {
			err = errors.Join(err, b.Close())
			b.Remove()
			os.RemoveAll(s.dir)
		}()
		took, err := launch(ctx, b)
		if err != nil {
			return nil, err
		}
		if err := pause(ctx, s.settle); err != nil {
			return nil, err
		}
		rss, err := figures.Resident(b.PID())
		return figures.Sample{started: milliseconds(took), figures.Idle: float64(rss) / mega}, err
	}}, nil
}

// startWithData starts a broker that has partitions with records, after a clean
// stop and after kill -9.
func startWithData(ctx context.Context, s *subject) (*session, error) {
	b, err := startBroker(s.name, s.dir)
	if err != nil {
		return nil, err
	}
	total, err := fillTopics(ctx, b, max(1, s.partitions/5))
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return &session{
		close: func(context.Context) error { return b.close() },
		round: func(ctx context.Context) (figures.Sample, error) {
			sample := figures.Sample{}
			if err := b.Stop(); err != nil {
				return nil, err
			}
			if err := timedStart(ctx, b, total, sample, started, leading); err != nil {
				return nil, err
			}
			b.Kill()
			return sample, timedStart(ctx, b, total, sample, startedAfterKill, leadingAfterKill)
		},
	}, nil
}

// fillTopics makes about so many partitions with ten records of 500 bytes each, and
// gives their number.
func fillTopics(ctx context.Context, b *broker, partitions int) (int, error) {
	topics := min(20, partitions)
	each := partitions / topics
	names := topicNames(topics)
	if err := makeTopics(ctx, b.admin, names, each); err != nil {
		return 0, err
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.Addr), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	var records []*kgo.Record
	for _, name := range names {
		for p := range each {
			for range 10 {
				records = append(records, &kgo.Record{Topic: name, Partition: int32(p), Value: make([]byte, 500)})
			}
		}
	}
	return topics * each, cl.ProduceSync(ctx, records...).FirstErr()
}

// timedStart starts a stopped broker and notes the milliseconds until its first
// answer and until that many partitions have a leader.
func timedStart(ctx context.Context, b *broker, partitions int, into figures.Sample, first, all figures.Figure) error {
	took, err := launch(ctx, b.Broker)
	if err != nil {
		return err
	}
	begun := time.Now()
	into[first] = milliseconds(took)
	err = poll(ctx, func() (bool, error) {
		// The client's connections are still those to the stopped broker; their errors go
		// away.
		n, err := leaders(ctx, b.admin)
		return err == nil && n >= partitions, ctx.Err()
	})
	into[all] = milliseconds(took + time.Since(begun))
	return err
}

// launch starts the broker's process and gives the time until it answers Metadata
// with itself in it.
func launch(ctx context.Context, b *harness.Broker) (time.Duration, error) {
	if err := b.Settle(); err != nil {
		return 0, err
	}
	begun := time.Now()
	if err := b.Launch(); err != nil {
		return 0, err
	}
	for {
		if err := metadata(b.Addr); err == nil {
			return time.Since(begun), nil
		}
		if err := pause(ctx, time.Millisecond); err != nil {
			return 0, err
		}
		if time.Since(begun) > pollWithin {
			return 0, fmt.Errorf("no answer after %s; the log is kept: %s", pollWithin, b.KeepLog())
		}
	}
}

// metadata asks for the brokers with a single request over a new connection,
// with nothing else before it.
func metadata(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 5
	req.Topics = []kmsg.MetadataRequestTopic{}
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("bench")).AppendRequest(nil, req, 1)
	if _, err := c.Write(frame); err != nil {
		return err
	}
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < 4 || n > 1<<20 {
		return fmt.Errorf("an answer of %d bytes", n)
	}
	answer := make([]byte, n)
	if _, err := io.ReadFull(c, answer); err != nil {
		return err
	}
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = 5
	if err := resp.ReadFrom(answer[4:]); err != nil { // behind the correlation id
		return err
	}
	if len(resp.Brokers) == 0 {
		return errors.New("no broker in Metadata")
	}
	return nil
}
