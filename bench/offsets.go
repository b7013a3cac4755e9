package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"klamm/bench/figures"
	"klamm/bench/replay"
)

// loadOffsets starts a broker whose groups have committed many offsets: a tenth as many groups as heartbeats has, each
// in a tenth as many partitions as topics/idle has.
func loadOffsets(ctx context.Context, s *subject) (_ *session, err error) {
	b, err := startBroker(s.name, s.dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.close())
		}
	}()
	topic, groups, partitions := topicName(), groupNames(max(1, s.groups/10)), max(1, s.partitions/10)
	if err := makeTopics(ctx, b.admin, []string{topic}, partitions); err != nil {
		return nil, err
	}
	if err := awaitCoordinator(ctx, b.addr(), topic, groups); err != nil {
		return nil, err
	}
	if _, err := replay.Send(ctx, replay.Sending{Addr: b.addr(), Frames: replay.CommitFrames(topic, groups, partitions), Connections: 1, InFlight: 2, Requests: len(groups)}); err != nil {
		return nil, err
	}
	return &session{
		close: func(context.Context) error { return b.close() },
		round: func(ctx context.Context) (figures.Sample, error) {
			if err := b.Stop(); err != nil {
				return nil, err
			}
			return loadedOffsets(ctx, b, topic, groups, partitions)
		},
	}, nil
}

// loadedOffsets starts a stopped broker and has every group answer; a few of them are then held against what they committed.
func loadedOffsets(ctx context.Context, b *broker, topic string, groups []string, partitions int) (figures.Sample, error) {
	took, err := launch(ctx, b.Broker)
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	c, err := replay.Dial(ctx, b.addr())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if err := awaitOffsets(ctx, c, topic, groups, func(group int, offset int64) error { return committed(groups[group], group, 0, offset) }); err != nil {
		return nil, err
	}
	loading := time.Since(begun)
	cpu, err := figures.CPU(b.pid())
	if err != nil {
		return nil, err
	}
	peak, err := figures.PeakResident(b.pid())
	if err != nil {
		return nil, err
	}
	for group := 0; group < len(groups); group += max(1, len(groups)/10) {
		offsets, err := fetchOffsets(ctx, c, topic, groups[group], partitions)
		if err != nil {
			return nil, err
		}
		for p := range partitions {
			if err := committed(groups[group], group, p, offsets[p]); err != nil {
				return nil, err
			}
		}
	}
	return figures.Sample{started: milliseconds(took), loaded: milliseconds(loading), startedAndLoaded: milliseconds(took + loading),
		cpuMs: milliseconds(cpu), figures.Peak: float64(peak) / mega}, nil
}

// committed compares an offset with the one that was committed.
func committed(name string, group, partition int, offset int64) error {
	if want := replay.CommittedOffset(group, partition); offset != want {
		return fmt.Errorf("group %s has offset %d in partition %d and committed %d", name, offset, partition, want)
	}
	return nil
}
