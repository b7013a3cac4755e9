package main

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"klamm/bench/replay"
)

// TestARefusalEndsTheRun: a real broker's error codes are errors, not answers that
// came fast.
func TestARefusalEndsTheRun(t *testing.T) {
	b, err := startBroker(klamm, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	})
	batch, err := replay.Batch(1, 100, replay.Plain, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.makeTopic(t.Context(), "there", 1, nil); err != nil {
		t.Fatal(err)
	}
	producing := replay.Sending{Addr: b.addr(), BatchBytes: len(batch), Connections: 2, InFlight: 4, Requests: 100}
	producing.Frames = replay.ProduceFrames("there", replay.First(2), 4, 1, batch) // it has one partition
	if _, err := replay.Send(t.Context(), producing); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("producing to a partition that there is not: %v", err)
	}
	broken := append([]byte(nil), batch...)
	broken[len(broken)-1]++
	producing.Frames = replay.ProduceFrames("there", replay.First(1), 4, 1, broken)
	if _, err := replay.Send(t.Context(), producing); !errors.Is(err, kerr.CorruptMessage) {
		t.Errorf("producing what is corrupt: %v", err)
	}
	fetching := replay.Fetching{Addr: b.addr(), Topic: "there", MaxBytes: fetchBytes, BatchBytes: len(batch), BatchRecords: 1, Readings: []replay.Reading{{Next: inOrder(1000, 1001, 1)}}}
	if _, err := replay.Fetch(t.Context(), fetching); !errors.Is(err, kerr.OffsetOutOfRange) {
		t.Errorf("fetching past the end: %v", err)
	}
}
