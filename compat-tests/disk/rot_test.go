package disk

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"klamm/compat-tests/harness"
)

// TestSegmentThatRots changes a byte in a sealed segment while the broker runs, and one while it does not.
func TestSegmentThatRots(t *testing.T) {
	for _, running := range []bool{true, false} {
		w := newWorld(t, 16<<20, nil)
		rotten, well := w.topic(), w.topic()
		w.mustProduce(rotten, 30, 10_000)
		w.mustProduce(well, 3, 10_000)
		if !running {
			if err := w.Stop(); err != nil {
				t.Fatal(err)
			}
		}
		segment := rotSecondSegment(t, filepath.Join(w.LogDir, rotten+"-0"))
		if !running {
			w.run()
		}
		offset := w.firstRefused(rotten, well)
		w.AwaitLog(t, segment, "corrupt batch")
		if said := w.Log(); strings.Contains(said, "offline") {
			t.Errorf("a corrupt batch is no failed directory:\n%s", said)
		}
		// All records before and after the corrupt batch are there.
		for _, r := range w.acked[rotten] {
			if r.offset == offset {
				continue
			}
			if got := harness.ReadPartition(t, w.Addr, rotten, 0, r.offset, r.offset+1); len(got) == 0 || got[0].Offset != r.offset {
				t.Errorf("offset %d is not read", r.offset)
			}
		}
		w.mustProduce(rotten, 1, 100)
	}
}

// rotSecondSegment changes a byte amid a partition's second segment and gives the file.
func rotSecondSegment(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	slices.Sort(files)
	f, err := os.OpenFile(files[1], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	modified := func() time.Time {
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	for before := modified(); modified().Equal(before); { // the clock for these times ticks slowly
		if _, err := f.WriteAt([]byte{0xff}, 25_000); err != nil { // values are small numbers
			t.Fatal(err)
		}
	}
	return files[1]
}

// firstRefused fetches both topics in one request until the broker answers that a batch of the first is corrupt,
// and gives that offset. The broker has to serve the other topic all the while.
func (w *world) firstRefused(rotten, well string) int64 {
	t := w.t
	t.Helper()
	versions := kversion.Stable()
	versions.SetMaxKeyVersion(1, 11) // the last but one that names topics
	cl := harness.Client(t, w.Addr, kgo.MaxVersions(versions))
	for offset := int64(0); offset < 30; {
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.MinBytes, req.SessionEpoch, req.Version = 1<<20, 1, -1, 11
		for topic, at := range map[string]int64{rotten: offset, well: 0} {
			ft := kmsg.NewFetchRequestTopic()
			ft.Topic = topic
			fp := kmsg.NewFetchRequestTopicPartition()
			fp.FetchOffset, fp.PartitionMaxBytes = at, 15_000
			ft.Partitions = append(ft.Partitions, fp)
			req.Topics = append(req.Topics, ft)
		}
		resp, err := cl.Request(harness.Context(t), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range resp.(*kmsg.FetchResponse).Topics {
			p := topic.Partitions[0]
			err := kerr.ErrorForCode(p.ErrorCode)
			switch {
			case topic.Topic == well && (err != nil || len(p.RecordBatches) == 0):
				t.Fatalf("the topic beside it: %v, %d bytes", err, len(p.RecordBatches))
			case topic.Topic == rotten && errors.Is(err, kerr.CorruptMessage):
				return offset
			case topic.Topic == rotten && err != nil:
				t.Fatal(err)
			}
		}
		offset++
	}
	t.Fatal("nobody is told that a batch is corrupt")
	return 0
}
