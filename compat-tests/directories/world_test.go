package directories

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// codecs are what the partitions of the topic "codecs" are written in.
var codecs = []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}

type partition struct {
	topic string
	n     int32
}

// world is what the directories must hold, whichever broker has them.
type world struct {
	t      *testing.T
	addr   string
	dirs   []string
	rounds int
	topics map[string]int32 // partitions of each
	ids    map[string]kadm.TopicID
	starts map[partition]int64
	sent   map[partition][]*kgo.Record // by offset; a timestamp that is not known yet is zero
}

func newWorld(t *testing.T, addr string, dirs []string) *world {
	return &world{t: t, addr: addr, dirs: dirs, topics: map[string]int32{}, ids: map[string]kadm.TopicID{},
		starts: map[partition]int64{}, sent: map[partition][]*kgo.Record{}}
}

func (w *world) create(name string, partitions int32, configs ...string) {
	w.t.Helper()
	set := map[string]*string{}
	for i := 0; i+1 < len(configs); i += 2 {
		set[configs[i]] = kadm.StringPtr(configs[i+1])
	}
	if _, err := harness.Admin(w.t, w.addr).CreateTopic(harness.Context(w.t), partitions, 1, set, name); err != nil {
		w.t.Fatalf("creating %s: %v", name, err)
	}
	w.topics[name] = partitions
	harness.AwaitTopic(w.t, w.addr, name, int(partitions))
}

func (w *world) grow(name string, partitions int32) {
	w.t.Helper()
	resp, err := harness.Admin(w.t, w.addr).UpdatePartitions(harness.Context(w.t), int(partitions), name)
	if err == nil {
		err = resp.Error()
	}
	if err != nil {
		w.t.Fatalf("growing %s: %v", name, err)
	}
	w.topics[name] = partitions
	harness.AwaitTopic(w.t, w.addr, name, int(partitions))
}

// await waits until every partition has a leader.
func (w *world) await() {
	w.t.Helper()
	for name, n := range w.topics {
		harness.AwaitTopic(w.t, w.addr, name, int(n))
	}
}

// fill produces to every partition but the raw producers', in batches that make segments roll.
func (w *world) fill() {
	w.t.Helper()
	w.rounds++
	for name, n := range w.topics {
		for p := range n {
			codec, keys := codecs[0], 1000
			switch name {
			case "idempotent":
				continue
			case "codecs":
				codec = codecs[p]
			case "compacted":
				keys = 7
			}
			w.produce(partition{name, p}, codec, keys)
		}
	}
}

func (w *world) produce(to partition, codec kgo.CompressionCodec, keys int) {
	w.t.Helper()
	opts := []kgo.Opt{kgo.ProducerBatchCompression(codec), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(2000), kgo.ProducerLinger(0)}
	if to.topic == "compacted" {
		// The cleaner keeps an idempotent producer's last batch as an empty one, and DumpLogSegments
		// finds fault with the time index entry of that batch.
		opts = append(opts, kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1))
	}
	cl := harness.Client(w.t, w.addr, opts...)
	defer cl.Close()
	var records []*kgo.Record
	for i := range 250 {
		r := &kgo.Record{Topic: to.topic, Partition: to.n, Timestamp: time.UnixMilli(time.Now().UnixMilli()),
			Key: fmt.Appendf(nil, "key-%d", i%keys), Value: fmt.Appendf(nil, "round %d record %d of %v %s", w.rounds, i, to, strings.Repeat("x", i%97))}
		if i%3 == 0 {
			r.Headers = []kgo.RecordHeader{{Key: "none"}, {Key: "h", Value: fmt.Appendf(nil, "%d", i)}}
		}
		if i%11 == 5 && to.topic != "compacted" {
			r.Key = nil
		}
		records = append(records, r)
	}
	if err := cl.ProduceSync(harness.Context(w.t), records...).FirstErr(); err != nil {
		w.t.Fatalf("producing to %v: %v", to, err)
	}
	if to.topic == "stamped" {
		for _, r := range records {
			r.Timestamp = time.Time{}
		}
	}
	w.sent[to] = append(w.sent[to], records...)
}

func (w *world) deleteRecords(topic string, p int32, before int64) {
	w.t.Helper()
	o := kadm.Offsets{}
	o.Add(kadm.Offset{Topic: topic, Partition: p, At: before})
	resp, err := harness.Admin(w.t, w.addr).DeleteRecords(harness.Context(w.t), o)
	if err == nil {
		err = resp.Error()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.starts[partition{topic, p}] = before
	// Apache's broker forgets a log start offset that it has not checkpointed.
	w.awaitLine("log-start-offset-checkpoint", fmt.Sprintf("%s %d %d\n", topic, p, before))
}

// awaitCleaned waits until the cleaner has compacted all there is of the topic "compacted".
func (w *world) awaitCleaned() { w.awaitLine("cleaner-offset-checkpoint", "compacted 0 ") }

// awaitLine waits for a line in a checkpoint of any directory.
func (w *world) awaitLine(name, line string) {
	w.t.Helper()
	ctx := harness.Context(w.t)
	for ctx.Err() == nil {
		for _, dir := range w.dirs {
			if text, err := os.ReadFile(filepath.Join(dir, name)); err == nil && bytes.Contains(text, []byte(line)) {
				return
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	w.t.Fatalf("no directory's %s gets the line %q", name, line)
}

// check reads everything and compares it with what was sent, and the topics with what they were.
func (w *world) check(by string) {
	w.t.Helper()
	ctx := harness.Context(w.t)
	adm := harness.Admin(w.t, w.addr)
	m, err := adm.Metadata(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for name, n := range w.topics {
		detail := m.Topics[name]
		if len(detail.Partitions) != int(n) {
			w.t.Fatalf("%s shows %s with %d partitions, it has %d", by, name, len(detail.Partitions), n)
		}
		if id, known := w.ids[name]; known && id != detail.ID {
			w.t.Errorf("%s shows %s with id %s, it is %s", by, name, detail.ID, id)
		}
		w.ids[name] = detail.ID
	}
	got := w.read(ctx, adm)
	for name, n := range w.topics {
		for p := range n {
			epoch := m.Topics[name].Partitions[p].LeaderEpoch
			w.compare(by, partition{name, p}, got[partition{name, p}], epoch)
		}
	}
}

// read reads every partition from its start to its end.
func (w *world) read(ctx context.Context, adm *kadm.Client) map[partition][]*kgo.Record {
	w.t.Helper()
	starts, err := adm.ListStartOffsets(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	ends, err := adm.ListEndOffsets(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	assign := map[string]map[int32]kgo.Offset{}
	left := map[partition]int64{}
	for name, n := range w.topics {
		assign[name] = map[int32]kgo.Offset{}
		for p := range n {
			tp := partition{name, p}
			start, _ := starts.Lookup(name, p)
			end, _ := ends.Lookup(name, p)
			if want := w.starts[tp]; start.Err != nil || start.Offset != want {
				w.t.Fatalf("%v starts at %d (%v), want %d", tp, start.Offset, start.Err, want)
			}
			if want := int64(len(w.sent[tp])); end.Err != nil || end.Offset != want {
				w.t.Fatalf("%v ends at %d (%v), want %d", tp, end.Offset, end.Err, want)
			}
			if start.Offset < end.Offset {
				assign[name][p] = kgo.NewOffset().At(start.Offset)
				left[tp] = end.Offset
			}
		}
	}
	got := map[partition][]*kgo.Record{}
	cl := harness.Client(w.t, w.addr, kgo.ConsumePartitions(assign), kgo.FetchMaxWait(200*time.Millisecond))
	defer cl.Close()
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			w.t.Fatalf("reading, with %v left: %v", left, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			tp := partition{r.Topic, r.Partition}
			got[tp] = append(got[tp], r)
			if r.Offset+1 >= left[tp] {
				delete(left, tp)
			}
		})
	}
	return got
}

// compare holds a partition's records against what was sent to it. epoch is the leader epoch that the broker shows.
func (w *world) compare(by string, tp partition, got []*kgo.Record, epoch int32) {
	w.t.Helper()
	sent := w.sent[tp]
	next := w.starts[tp]
	last := map[string]int64{}
	for i, r := range sent {
		last[string(r.Key)] = int64(i)
	}
	for _, r := range got {
		if r.Offset != next && tp.topic != "compacted" {
			w.t.Fatalf("%s gives offset %d of %v after %d", by, r.Offset, tp, next-1)
		}
		next = r.Offset + 1
		want := sent[r.Offset]
		if want.Timestamp.IsZero() {
			want.Timestamp = r.Timestamp
		}
		if !same(r, want) {
			w.t.Fatalf("%s gives for %v\n%s\nwant\n%s", by, tp, text(r), text(want))
		}
		if by == "klamm" && r.LeaderEpoch > epoch {
			w.t.Fatalf("%v: klamm leads in epoch %d, and offset %d is of epoch %d", tp, epoch, r.Offset, r.LeaderEpoch)
		}
		if last[string(r.Key)] == r.Offset {
			delete(last, string(r.Key))
		}
	}
	if tp.topic == "compacted" && len(last) > 0 {
		w.t.Fatalf("%s does not give the last values of %v: %v", by, tp, last)
	}
}

func same(a, b *kgo.Record) bool {
	if a.Timestamp.UnixMilli() != b.Timestamp.UnixMilli() || len(a.Headers) != len(b.Headers) {
		return false
	}
	for i, h := range a.Headers {
		if h.Key != b.Headers[i].Key || !equal(h.Value, b.Headers[i].Value) {
			return false
		}
	}
	return equal(a.Key, b.Key) && equal(a.Value, b.Value)
}

// equal tells null from empty.
func equal(a, b []byte) bool { return (a == nil) == (b == nil) && bytes.Equal(a, b) }

func text(r *kgo.Record) string {
	return fmt.Sprintf("offset %d at %d: %q = %q, headers %q", r.Offset, r.Timestamp.UnixMilli(), r.Key, r.Value, r.Headers)
}
