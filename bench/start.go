package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"klamm/compat-tests/harness"
)

// empty gives the median time of a start on an empty directory, and the memory
// that the broker then stands at when nobody asks it anything.
func empty(ctx context.Context) (time.Duration, int64, error) {
	var times []time.Duration
	var idle int64
	for range *rounds {
		took, rss, err := emptyOnce(ctx)
		if err != nil {
			return 0, 0, err
		}
		times, idle = append(times, took), rss
	}
	slices.Sort(times)
	return times[len(times)/2], idle, nil
}

func emptyOnce(ctx context.Context) (took time.Duration, rss int64, err error) {
	b, err := harness.Prepare(harness.Options{Measured: true})
	if err != nil {
		return 0, 0, err
	}
	defer done(b, &err)
	if took, err = timedStart(ctx, b); err != nil {
		return 0, 0, err
	}
	time.Sleep(3 * time.Second) // what a start does behind the first answer
	rss, err = resident(b.PID())
	return took, rss, err
}

// done stops a broker and removes its files.
func done(b *harness.Broker, err *error) {
	*err = errors.Join(*err, b.Close())
	b.Remove()
}

// timedStart starts the broker's process and gives the time until it answers
// Metadata with itself in it.
func timedStart(ctx context.Context, b *harness.Broker) (time.Duration, error) {
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
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		time.Sleep(time.Millisecond)
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
	answer, err := readFrame(c)
	if err != nil {
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

// crashed fills a broker with partitions, each with records, kills it, and
// gives the times of the next start: to the first answer, and until each
// partition has a leader again.
func crashed(ctx context.Context) (first, leading time.Duration, err error) {
	b, err := harness.New(harness.Options{Measured: true})
	if err != nil {
		return 0, 0, err
	}
	defer done(b, &err)
	const topics = 20
	each := int32(*partitions / topics)
	if err := fill(ctx, b.Addr, topics, each); err != nil {
		return 0, 0, err
	}
	b.Kill()
	begun := time.Now()
	if first, err = timedStart(ctx, b); err != nil {
		return 0, 0, err
	}
	before := time.Since(begun) - first // what went by before the process was started
	for {
		n, err := leaders(ctx, b.Addr)
		if err == nil && n == topics*int(each) {
			return first, time.Since(begun) - before, nil
		}
		if ctx.Err() != nil {
			return 0, 0, fmt.Errorf("%d of %d partitions have a leader: %w", n, topics*each, errors.Join(ctx.Err(), err))
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// fill makes topics and writes records to each of their partitions.
func fill(ctx context.Context, addr string, topics int, each int32) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))
	if err != nil {
		return err
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	var records []*kgo.Record
	for i := range topics {
		name := fmt.Sprintf("topic-%02d", i)
		if _, err := adm.CreateTopic(ctx, each, 1, nil, name); err != nil {
			return err
		}
		for p := range each {
			for range 10 {
				records = append(records, &kgo.Record{Topic: name, Partition: p, Value: make([]byte, 500)})
			}
		}
	}
	return cl.ProduceSync(ctx, records...).FirstErr()
}

// leaders counts the partitions that have a leader.
func leaders(ctx context.Context, addr string) (int, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	m, err := kadm.NewClient(cl).Metadata(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	m.Topics.EachPartition(func(p kadm.PartitionDetail) {
		if p.Err == nil && p.Leader >= 0 {
			n++
		}
	})
	return n, nil
}
