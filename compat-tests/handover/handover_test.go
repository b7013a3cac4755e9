package handover

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

const (
	partitions = 3
	perRound   = 3000
)

// stage is one broker's turn with the directory.
type stage struct {
	broker string
	kill   bool // ends by SIGKILL, not by a clean stop
}

func TestADirectoryGoesThereAndBack(t *testing.T) {
	for _, c := range []struct {
		name   string
		stages []stage
	}{
		{"after clean stops", []stage{{broker: "klamm"}, {broker: "apache"}, {broker: "klamm"}}},
		{"after kills", []stage{{"klamm", true}, {"apache", true}, {"klamm", true}}},
	} {
		t.Run(c.name, func(t *testing.T) { travel(t, c.stages) })
	}
}

// journey is what stays the same while the brokers change.
type journey struct {
	addr, data, topic string
	properties        map[string]string
	producer          *kgo.Client // idempotent, and the same producer for all brokers
	sent              int
	meta              kadm.Metadata
}

func travel(t *testing.T, stages []stage) {
	port, err := harness.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	j := &journey{addr: fmt.Sprintf("127.0.0.1:%d", port), data: t.TempDir(), topic: "travels",
		properties: map[string]string{"log.segment.bytes": "100000", "log.index.interval.bytes": "1000", "min.insync.replicas": "1"}}
	j.producer = harness.Client(t, j.addr, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchMaxBytes(8000),
		kgo.RecordRetries(1<<30), kgo.UnknownTopicRetries(-1), kgo.ProducerLinger(time.Millisecond), kgo.RetryTimeout(5*time.Minute))
	for i, s := range stages {
		b := j.start(t, s.broker, i)
		j.work(t, i)
		j.check(t, b, s, i)
		if s.kill {
			b.Kill()
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if !s.kill {
			harness.DumpLogs(t, b.LogDir)
		}
		if t.Failed() {
			t.Fatalf("stage %d, %s; its log is kept: %s", i, s.broker, b.KeepLog())
		}
		b.Remove()
	}
}

// start starts the next broker on the directory as it is.
func (j *journey) start(t *testing.T, broker string, i int) *harness.Broker {
	t.Helper()
	b, err := harness.PrepareAt(j.addr, harness.Options{Broker: broker, DataDir: j.data, Properties: j.properties})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Kill(); b.Close() }) // of a test that stopped in the middle
	if broker == "apache" {
		if err := b.Znodes(j.znodes()...); err != nil {
			t.Fatal(err)
		}
		j.mark(t, b.LogDir)
	} else if i > 0 {
		// Apache's broker does not keep klamm's metadata. klamm has to do with what is in
		// the directory.
		if err := os.Remove(filepath.Join(b.LogDir, "klamm-metadata")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Run(); err != nil {
		t.Fatalf("stage %d: %v; its log is kept: %s", i, err, b.KeepLog())
	}
	if i == 0 {
		if _, err := harness.Admin(t, j.addr).CreateTopic(harness.Context(t), partitions, 1, nil, j.topic); err != nil {
			t.Fatal(err)
		}
	}
	harness.AwaitTopic(t, j.addr, j.topic, partitions)
	return b
}

// mark puts into each partition's directory the file that klamm leaves in a directory that a log moved to.
// Apache's broker has to ignore the file, and klamm has to accept it afterwards.
func (j *journey) mark(t *testing.T, logDir string) {
	t.Helper()
	for p := range partitions {
		name := filepath.Join(logDir, fmt.Sprintf("%s-%d", j.topic, p), "klamm-moved")
		if err := os.WriteFile(name, []byte("0\n1\n0 0 0 0 e3b0c442\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := os.Stat(name); err != nil && !t.Failed() {
				t.Errorf("the mark of a move is gone: %v", err)
			}
		})
	}
}

// znodes is the cluster as the last broker knew it, for an empty ZooKeeper.
func (j *journey) znodes() []string {
	topic := j.meta.Topics[j.topic]
	id := base64.RawURLEncoding.EncodeToString(topic.ID[:])
	nodes := []string{
		"/cluster", "null", "/cluster/id", fmt.Sprintf(`{"version":"1","id":"%s"}`, j.meta.Cluster),
		"/brokers", "null", "/brokers/topics", "null",
		"/brokers/topics/" + j.topic, fmt.Sprintf(`{"partitions":{"0":[0],"1":[0],"2":[0]},"topic_id":"%s","adding_replicas":{},"removing_replicas":{},"version":3}`, id),
		"/brokers/topics/" + j.topic + "/partitions", "null",
		"/config", "null", "/config/topics", "null", "/config/topics/" + j.topic, `{"version":1,"config":{}}`,
	}
	for p := range partitions {
		at := fmt.Sprintf("/brokers/topics/%s/partitions/%d", j.topic, p)
		nodes = append(nodes, at, "null", at+"/state",
			fmt.Sprintf(`{"controller_epoch":1,"leader":0,"version":1,"leader_epoch":%d,"isr":[0]}`, topic.Partitions[int32(p)].LeaderEpoch))
	}
	return nodes
}

// work produces a round of numbered records, spread over the partitions.
func (j *journey) work(t *testing.T, i int) {
	t.Helper()
	var records []*kgo.Record
	for range perRound {
		records = append(records, &kgo.Record{Topic: j.topic, Partition: int32(j.sent % partitions), Value: value(j.sent)})
		j.sent++
	}
	if err := j.producer.ProduceSync(harness.Context(t), records...).FirstErr(); err != nil {
		t.Fatalf("stage %d: %v", i, err)
	}
}

func value(n int) []byte { return fmt.Appendf(nil, "record %d, %0*d", n, n%200, n) }

// check reads everything that was ever sent, each record once and in order, and
// compares ids and epochs with those of the stage before.
func (j *journey) check(t *testing.T, b *harness.Broker, s stage, i int) {
	t.Helper()
	for p := range partitions {
		records := harness.ReadPartition(t, j.addr, j.topic, int32(p), 0, int64(j.sent/partitions))
		for n, r := range records {
			if want := value(n*partitions + p); r.Offset != int64(n) || string(r.Value) != string(want) {
				t.Fatalf("stage %d, %s: partition %d offset %d holds %q, want %q", i, s.broker, p, r.Offset, r.Value, want)
			}
		}
		if end := harness.EndOffset(t, j.addr, j.topic, int32(p)); end != int64(j.sent/partitions) {
			t.Errorf("stage %d, %s: partition %d ends at %d, %d records were sent to it", i, s.broker, p, end, j.sent/partitions)
		}
	}
	before := j.meta
	var err error
	if j.meta, err = harness.Admin(t, j.addr).Metadata(harness.Context(t), j.topic); err != nil {
		t.Fatal(err)
	}
	if i == 0 {
		return
	}
	if j.meta.Cluster != before.Cluster || j.meta.Topics[j.topic].ID != before.Topics[j.topic].ID {
		t.Errorf("stage %d, %s: cluster %s and topic id %v, they were %s and %v", i, s.broker,
			j.meta.Cluster, j.meta.Topics[j.topic].ID, before.Cluster, before.Topics[j.topic].ID)
	}
	for p, now := range j.meta.Topics[j.topic].Partitions {
		if was := before.Topics[j.topic].Partitions[p].LeaderEpoch; now.LeaderEpoch < was {
			t.Errorf("stage %d, %s: partition %d is in leader epoch %d, it was in %d", i, s.broker, p, now.LeaderEpoch, was)
		}
	}
}
