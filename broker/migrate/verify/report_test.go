package verify

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"klamm/protocol"
)

// TestReport writes what comparisons found: differences, a replica out of the ISR, offsets that were skipped, records that were not judged.
func TestReport(t *testing.T) {
	tp := protocol.TopicPartition{Topic: "orders", Partition: 2}
	v := &verifier{look: &clusterLook{partitions: []partition{{}, {}}}, report: Report{Cluster: "c", Brokers: []int32{1, 2, 3}, Partitions: 2}}
	c := &comparison{topic: tp.Topic, partition: 2, compacted: true, ref: &cursor{broker: 1}, batches: 5, records: 7}
	differs := &pair{of: c, other: &cursor{broker: 2}, skipped: 4, end: 100}
	differs.differ(30, 31, "this")
	differs.differ(20, 20, "that")
	c.pairs = []*pair{differs, {of: c, other: &cursor{broker: 3}, unjudged: 6, end: 90}}
	v.add(&partition{tp: tp, replicas: []int32{1, 2, 3}, isr: []int32{1, 2}}, c)
	r := &v.report
	if r.ExitCode() != 1 {
		t.Errorf("exit code %d with a difference", r.ExitCode())
	}
	r.NotCompared = []Note{{"orders", 3, -1, "gone"}}
	r.Compared = 1
	r.sort()
	var out bytes.Buffer
	if err := r.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"cluster c, brokers 1, 2, 3\n", "partitions  2: 1 compared, 1 not or not wholly\n", "5 batches and 7 records of compacted topics", "skipped     4 offsets",
		"compacted   orders:", "orders-2 on brokers 1 and 2: 2 records at offsets 20 to 31\n    first at offset 20: that\n", "not compared (1)\n  orders-3: gone\n",
		"for your information (2)\n  orders-2 on broker 3: 6 records are there", "orders-2 on broker 3: the replica is not in the ISR; it was compared up to offset 90\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	r.Differences = nil
	if r.ExitCode() != 2 {
		t.Errorf("exit code %d where something was not compared", r.ExitCode())
	}
	r.NotCompared, r.Interrupted = nil, true
	if r.ExitCode() != 2 {
		t.Errorf("exit code %d after an interruption", r.ExitCode())
	}
	if r.Interrupted = false; r.ExitCode() != 0 {
		t.Errorf("exit code %d where all is equal", r.ExitCode())
	}
}

// TestProgress estimates the rest by the sizes of the replicas, and knows none where the brokers tell no sizes.
func TestProgress(t *testing.T) {
	v := &verifier{look: &clusterLook{partitions: []partition{
		{bytes: 4000, replicas: []int32{1, 2}}, {bytes: 5000, replicas: []int32{1, 2}}, {bytes: 9000, replicas: []int32{1}},
	}}}
	v.bytes.Store(3000)
	if p := v.progress(3 * time.Second); p.PerSecond != 1000 || p.Rest != 6*time.Second || p.Partitions != 3 {
		t.Errorf("after 3,000 of 9,000 bytes: %+v", p)
	}
	v.done, v.finished = 1, 5000 // of which half was not there any more
	if p := v.progress(3 * time.Second); p.Rest != 4*time.Second || p.Done != 1 {
		t.Errorf("after a partition: %+v", p)
	}
	v.look.partitions = []partition{{replicas: []int32{1, 2}}}
	if p := v.progress(time.Second); p.Rest != -1 {
		t.Errorf("without sizes: %+v", p)
	}
}
