package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"

	"klamm/compat-tests/harness"
	"klamm/protocol/batch"
)

// TestRottenOffsets: a batch of __consumer_offsets that rotted on the disk costs only the commit that is in it. The broker
// reads what was committed before and after it.
func TestRottenOffsets(t *testing.T) {
	b := harness.Start(t, harness.Options{Broker: "klamm", Properties: map[string]string{"offsets.topic.num.partitions": "1"}})
	topic := harness.Topic(t, b.Addr, 1)
	ctx, adm := harness.Context(t), harness.Admin(t, b.Addr)
	const commits = 5
	for i := range int64(commits) {
		var o kadm.Offsets
		o.Add(kadm.Offset{Topic: topic, At: 10 + i, LeaderEpoch: -1})
		if err := adm.CommitAllOffsets(ctx, fmt.Sprint("group-", i), o); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	rotBatch(t, filepath.Join(b.LogDir, "__consumer_offsets-0", "00000000000000000000.log"), 2)
	if err := b.Run(); err != nil {
		t.Fatal(err)
	}
	adm = harness.Admin(t, b.Addr)
	for i := range int64(commits) {
		got, err := adm.FetchOffsets(ctx, fmt.Sprint("group-", i))
		if err != nil {
			t.Fatal(err)
		}
		if o, ok := got.Lookup(topic, 0); ok != (i != 2) || ok && o.At != 10+i {
			t.Errorf("group-%d has offset %d (%t)", i, o.At, ok)
		}
	}
}

// rotBatch changes the last byte of a batch.
func rotBatch(t *testing.T, path string, which int) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for range which + 1 {
		h, err := batch.ParseHeader(data[at:])
		if err != nil {
			t.Fatal(err)
		}
		at += h.Size()
	}
	data[at-1] ^= 0xff
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
