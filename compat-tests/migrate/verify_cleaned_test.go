package migrate

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"klamm/compat-tests/harness"
)

// TestVerifyWhileLogsAreCleaned runs the command again and again while producers write to a topic that is compacted, each replica when its broker comes to it, and
// to one whose log start offset moves. No replica lacks anything, so nothing may be found. It goes on until replicas were seen that had been compacted to
// different points.
func TestVerifyWhileLogsAreCleaned(t *testing.T) {
	c := harness.StartCluster(t, harness.ClusterOptions{Brokers: []string{"apache", "klamm", "klamm"}, Properties: map[string]string{
		"log.cleaner.backoff.ms": "300", "log.segment.delete.delay.ms": "300"}})
	createReplicated(t, c, "keys", onAll, "cleanup.policy", "compact", "min.cleanable.dirty.ratio", "0.01", "segment.bytes", "16384", "delete.retention.ms", "200")
	createReplicated(t, c, "short", onAll, "segment.bytes", "16384")
	admin := harness.Admin(t, c.Addrs()[0])

	writing, stop := context.WithCancel(t.Context())
	written := make(chan error, 1)
	cl := harness.Client(t, c.Addrs()[0], kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerBatchCompression(kgo.SnappyCompression()))
	whole := harness.Context(t)
	go func() {
		var err error
		for n := 0; writing.Err() == nil && err == nil; n++ {
			var records []*kgo.Record
			for p := range int32(3) {
				for i := range 10 {
					key := fmt.Append(nil, "key ", (n*7+i*i)%50)
					value := fmt.Append(nil, n, i, make([]byte, 50))
					if (n+i)%9 == 0 {
						value = nil
					}
					records = append(records, &kgo.Record{Topic: "keys", Partition: p, Key: key, Value: value}, &kgo.Record{Topic: "short", Partition: p, Value: fmt.Append(nil, n, i)})
				}
			}
			err = cl.ProduceSync(whole, records...).FirstErr()
		}
		written <- err
	}()

	remove := func() {
		ends, err := admin.ListEndOffsets(harness.Context(t), "short")
		if err = errors.Join(err, ends.Error()); err != nil || len(ends["short"]) != len(onAll) {
			t.Fatalf("the end offsets: %v %+v", err, ends)
		}
		var before kadm.Offsets
		ends.Each(func(o kadm.ListedOffset) { before.AddOffset(o.Topic, o.Partition, max(0, o.Offset-200), -1) })
		if removed, err := admin.DeleteRecords(harness.Context(t), before); errors.Join(err, removed.Error()) != nil {
			t.Fatalf("removing records: %v", errors.Join(err, removed.Error()))
		}
	}
	records := int64(0)
	for round := 0; round < 10 || records == 0; round++ {
		if whole.Err() != nil {
			t.Fatalf("in %d rounds no two replicas were compacted to different points", round)
		}
		remove()
		v := verify(t, c)
		if v.code != 0 || v.Compared != 6 {
			t.Errorf("round %d: exit code %d\n%s", round, v.code, v.text)
			break
		}
		records += v.Records
	}
	stop()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}
