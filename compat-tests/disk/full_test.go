package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// world is a broker on a small disk, and what it has acknowledged.
type world struct {
	*harness.Broker
	t     *testing.T
	mount string
	cl    *kgo.Client
	adm   *kadm.Client
	acked map[string][]ackedRecord
}

type ackedRecord struct {
	offset int64
	value  []byte
}

func newWorld(t *testing.T, bytes int64, properties map[string]string) *world {
	t.Helper()
	w := &world{t: t, mount: mount(t, bytes), acked: map[string][]ackedRecord{}}
	all := map[string]string{
		"log.retention.check.interval.ms": "100", "log.initial.task.delay.ms": "100", "log.segment.bytes": "65536",
		"log.segment.delete.delay.ms": "3600000",
	}
	for k, v := range properties {
		all[k] = v
	}
	w.Broker = harness.Start(t, harness.Options{Broker: "klamm", DataDir: w.mount, Properties: all})
	w.connect()
	return w
}

// connect makes new clients. They do not send a refused record again: each answer counts.
func (w *world) connect() {
	t := w.t
	t.Helper()
	w.cl = harness.Client(t, w.Addr, kgo.RecordRetries(0), kgo.DisableIdempotentWrite(), kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
	w.adm = harness.Admin(t, w.Addr)
}

// run starts the broker again.
func (w *world) run() {
	w.t.Helper()
	if err := w.Run(); err != nil {
		w.t.Fatalf("%v\n%s", err, w.Log())
	}
	w.connect()
}

// topic makes a topic of one partition.
func (w *world) topic(configs ...string) string {
	w.t.Helper()
	return harness.Topic(w.t, w.Addr, 1, configs...)
}

// produce sends one record and notes it when it was stored.
func (w *world) produce(topic string, size int) error {
	r := &kgo.Record{Topic: topic, Value: bytes.Repeat([]byte{byte(len(w.acked[topic]))}, size)}
	err := w.cl.ProduceSync(harness.Context(w.t), r).FirstErr()
	if err == nil {
		w.acked[topic] = append(w.acked[topic], ackedRecord{r.Offset, r.Value})
	}
	return err
}

func (w *world) mustProduce(topic string, n, size int) {
	w.t.Helper()
	for range n {
		if err := w.produce(topic, size); err != nil {
			w.t.Fatal(err)
		}
	}
}

// awaitRefused produces until the disk has no room, and checks the error.
func (w *world) awaitRefused(topic string) {
	w.t.Helper()
	for {
		err := w.produce(topic, 20_000)
		if errors.Is(err, kerr.KafkaStorageError) {
			return
		}
		if err != nil {
			w.t.Fatalf("produce on a full disk: %v", err)
		}
	}
}

// awaitTaken produces until the broker takes records again.
func (w *world) awaitTaken(topic string) {
	w.t.Helper()
	ctx := harness.Context(w.t)
	for {
		err := w.produce(topic, 20_000)
		if err == nil {
			return
		}
		if !errors.Is(err, kerr.KafkaStorageError) || ctx.Err() != nil {
			w.t.Fatalf("produce once there is room: %v", err)
		}
		time.Sleep(10 * time.Millisecond) // between two questions to another process
	}
}

// check reads everything that was acknowledged at or past the log start offset.
func (w *world) check(topic string) {
	w.t.Helper()
	start := w.start(topic)
	want := w.acked[topic]
	for len(want) > 0 && want[0].offset < start {
		want = want[1:]
	}
	if len(want) == 0 {
		w.t.Fatalf("%s: nothing is left", topic)
	}
	got := harness.ReadPartition(w.t, w.Addr, topic, 0, start, want[len(want)-1].offset+1)
	i := 0
	for _, r := range got {
		if i < len(want) && r.Offset == want[i].offset {
			if !bytes.Equal(r.Value, want[i].value) {
				w.t.Errorf("%s: offset %d is another record", topic, r.Offset)
			}
			i++
		}
	}
	if i < len(want) {
		w.t.Errorf("%s: %d of %d acknowledged records are there", topic, i, len(want))
	}
}

func (w *world) start(topic string) int64 {
	w.t.Helper()
	offsets, err := w.adm.ListStartOffsets(harness.Context(w.t), topic)
	if err != nil || offsets.Error() != nil {
		w.t.Fatal(err, offsets.Error())
	}
	o, _ := offsets.Lookup(topic, 0)
	return o.Offset
}

func (w *world) deleteBefore(topic string, offset int64) {
	w.t.Helper()
	var before kadm.Offsets
	before.Add(kadm.Offset{Topic: topic, At: offset})
	resp, err := w.adm.DeleteRecords(harness.Context(w.t), before)
	if err != nil || resp.Error() != nil {
		w.t.Fatalf("DeleteRecords: %v %v", err, resp.Error())
	}
	if got := w.start(topic); got != offset {
		w.t.Errorf("after DeleteRecords the log starts at %d, not %d", got, offset)
	}
}

func (w *world) exists(topic string) bool {
	w.t.Helper()
	list, err := w.adm.ListTopics(harness.Context(w.t))
	if err != nil {
		w.t.Fatal(err)
	}
	return list.Has(topic)
}

// alter sets one property of a topic.
func (w *world) alter(topic, name, value string) error {
	resp, err := w.adm.AlterTopicConfigs(harness.Context(w.t), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
	if err != nil {
		return err
	}
	return errors.Join(resp[0].Err)
}

func (w *world) config(topic, name string) string {
	w.t.Helper()
	resp, err := w.adm.DescribeTopicConfigs(harness.Context(w.t), topic)
	if err != nil || resp[0].Err != nil {
		w.t.Fatal(err, resp)
	}
	for _, c := range resp[0].Configs {
		if c.Key == name {
			return c.MaybeValue()
		}
	}
	w.t.Fatalf("%s has no %s", topic, name)
	return ""
}

// awaitCreated creates topics until one is created, or with made false until one is refused. A refused topic
// must leave nothing behind.
func (w *world) awaitCreated(made bool) {
	w.t.Helper()
	ctx := harness.Context(w.t)
	for i := 0; ; i++ {
		name := fmt.Sprintf("%s-%t-%d", harness.Name(w.t), made, i)
		_, err := w.adm.CreateTopic(ctx, 3, 1, nil, name)
		switch {
		case err == nil:
			harness.AwaitTopic(w.t, w.Addr, name, 3)
		case !errors.Is(err, kerr.KafkaStorageError):
			w.t.Fatalf("CreateTopics on a full disk: %v", err)
		case w.exists(name):
			w.t.Fatalf("%s was refused (%v) and exists", name, err)
		}
		if made == (err == nil) {
			return
		}
		if ctx.Err() != nil {
			w.t.Fatalf("creating topics: want made %t, last: %v", made, err)
		}
		time.Sleep(10 * time.Millisecond) // between two questions to another process
	}
}

// TestFullDisk leaves no byte on the disk: everything but produce has to go on.
func TestFullDisk(t *testing.T) {
	w := newWorld(t, 16<<20, nil)
	kept, gone, aged := w.topic(), w.topic(), w.topic()
	for _, topic := range []string{kept, gone, aged} {
		w.mustProduce(topic, 30, 10_000)
	}
	harness.FillDisk(t, w.mount)
	w.awaitRefused(kept)
	w.check(kept)
	w.deleteBefore(kept, 5)
	w.goesOn(kept, aged, gone)

	t.Log("a clean stop and start without a byte")
	harness.FillDisk(t, w.mount)
	if err := w.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(w.LogDir, ".kafka_cleanshutdown")); err != nil {
		t.Errorf("the stop was not clean: %v", err)
	}
	harness.FillDisk(t, w.mount)
	w.again(kept, aged, gone)

	t.Log("a kill and a start without a byte")
	harness.FillDisk(t, w.mount)
	w.Kill()
	harness.FillDisk(t, w.mount)
	w.again(kept, aged, gone)

	t.Log("room")
	harness.FreeDisk(t, w.mount)
	w.awaitTaken(kept)
	w.awaitTaken(aged)
	w.awaitCreated(true)
	w.check(kept)
	w.check(aged)
}

// goesOn does on a full disk what has to work there.
func (w *world) goesOn(kept, aged, gone string) {
	t := w.t
	t.Helper()
	if resp, err := w.adm.DeleteTopics(harness.Context(t), gone); err != nil || resp[gone].Err != nil {
		t.Fatalf("DeleteTopics: %v %v", err, resp[gone].Err)
	}
	if w.exists(gone) {
		t.Error("the deleted topic is there")
	}
	before := w.start(aged)
	if err := w.alter(aged, "retention.bytes", "100000"); err != nil {
		t.Fatalf("AlterConfigs: %v", err)
	}
	for ctx := harness.Context(t); w.start(aged) == before; time.Sleep(10 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatal("retention deletes nothing")
		}
	}
	w.awaitCreated(false)
	if resp, err := w.adm.CreatePartitions(context.Background(), 5, kept); err != nil || !errors.Is(resp[kept].Err, kerr.KafkaStorageError) {
		t.Errorf("CreatePartitions on a full disk: %v %v", err, resp[kept].Err)
	}
	harness.AwaitTopic(t, w.Addr, kept, 1)
	w.check(kept)
	w.check(aged)
	w.awaitRefused(kept)
}

// again starts the broker, on a full disk, and looks for what was there.
func (w *world) again(kept, aged, gone string) {
	t := w.t
	t.Helper()
	start := 5
	w.run()
	harness.FillDisk(t, w.mount)
	if w.exists(gone) {
		t.Error("the deleted topic is back")
	}
	if got := w.start(kept); got != int64(start) {
		t.Errorf("the log starts at %d, the records before %d were deleted", got, start)
	}
	if got := w.config(aged, "retention.bytes"); got != "100000" {
		t.Errorf("retention.bytes is %s", got)
	}
	w.check(kept)
	w.check(aged)
	w.awaitRefused(kept)
	if err := w.alter(aged, "max.message.bytes", "500000"); err != nil {
		t.Errorf("AlterConfigs: %v", err)
	}
}
