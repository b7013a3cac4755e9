package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"klamm/compat-tests/harness"
)

// TestRacks has consumers read in their rack (KIP-392). Broker 1 leads orders-0 in rack a, and broker 2 follows in rack b. The answers to single
// fetches are compared with those of Apache Kafka 3.9.2, which testdata/racks keeps.
func TestRacks(t *testing.T) {
	c := harness.StartCluster(t, harness.ClusterOptions{Brokers: harness.Kinds(2), Racks: []string{"a", "b"}, Properties: map[string]string{
		"replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector"}})
	r := &racks{T: t, c: c, admin: harness.Admin(t, c.Addrs()[0]), clients: map[[2]int]*kgo.Broker{}}
	r.create()
	r.compare()
}

type racks struct {
	*testing.T
	c     *harness.Cluster
	admin *kadm.Client
	id    [16]byte
	// clients are by broker and version.
	clients map[[2]int]*kgo.Broker
}

const rackRecords = 3

// create makes the topic and writes to it, and waits until the follower's high watermark is where the leader's is.
func (r *racks) create() {
	r.Helper()
	cl := harness.Client(r, r.c.Addrs()[0])
	createTopic(&load{T: r.T, client: cl}, "orders", nil, []int32{1, 2})
	harness.AwaitTopic(r, r.c.Addrs()[1], "orders", 1)
	for n := range rackRecords {
		if err := cl.ProduceSync(harness.Context(r), &kgo.Record{Topic: "orders", Timestamp: time.UnixMilli(1000), Value: fmt.Appendf(nil, "%d", n)}).FirstErr(); err != nil {
			r.Fatal(err)
		}
	}
	harness.Await(r, "the follower to know the high watermark", func() bool {
		m, err := r.admin.Metadata(harness.Context(r), "orders")
		if err != nil || len(m.Topics["orders"].Partitions[0].ISR) != 2 {
			return false
		}
		r.id = m.Topics["orders"].ID
		got := r.fetch(2, 12, func(*kmsg.FetchRequest) {})
		return got.Topics[0].Partitions[0].HighWatermark == rackRecords
	})
}

// fetch asks a broker in a version.
func (r *racks) fetch(broker int, version int16, change func(*kmsg.FetchRequest)) *kmsg.FetchResponse {
	r.Helper()
	key := [2]int{broker, int(version)}
	if r.clients[key] == nil {
		versions := kversion.Stable()
		versions.SetMaxKeyVersion(int16(kmsg.Fetch), version)
		r.clients[key] = harness.Client(r, r.c.Addrs()[broker-1], kgo.MaxVersions(versions)).SeedBrokers()[0]
	}
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxBytes, req.MinBytes, req.MaxWaitMillis, req.SessionEpoch = -1, 1<<20, 1, 0, -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = "orders", r.id
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.PartitionMaxBytes = 1 << 20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	change(req)
	if version >= 15 {
		req.ReplicaState.ID = req.ReplicaID
	}
	resp, err := req.RequestWith(harness.Context(r), r.clients[key])
	if err != nil {
		r.Fatalf("fetching in version %d from broker %d: %v", version, broker, err)
	}
	return resp
}

// rackFetches are the fetches whose answers are compared.
var rackFetches = []struct {
	name   string
	change func(*kmsg.FetchRequest)
}{
	{"", func(*kmsg.FetchRequest) {}},
	{"read committed", func(r *kmsg.FetchRequest) { r.IsolationLevel = 1 }},
	{"from the end", func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].FetchOffset = rackRecords }},
	{"past the end", func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].FetchOffset = rackRecords + 1 }},
	{"before the start", func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].FetchOffset = -1 }},
	{"leader epoch 0", func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].CurrentLeaderEpoch = 0 }},
	{"leader epoch 9", func(r *kmsg.FetchRequest) { r.Topics[0].Partitions[0].CurrentLeaderEpoch = 9 }},
	{"with a last epoch that diverges", func(r *kmsg.FetchRequest) {
		r.Topics[0].Partitions[0].LastFetchedEpoch, r.Topics[0].Partitions[0].FetchOffset = 0, rackRecords+5
	}},
	{"with a new session", func(r *kmsg.FetchRequest) { r.SessionEpoch = 0 }},
	{"as replica -2", func(r *kmsg.FetchRequest) { r.ReplicaID = -2 }},
	{"as replica 9", func(r *kmsg.FetchRequest) { r.ReplicaID = 9 }},
}

// compare compares the answers with the golden ones.
func (r *racks) compare() {
	r.Helper()
	var got strings.Builder
	for _, version := range []int16{10, 12, 17} {
		for _, broker := range []int{1, 2} {
			for _, rack := range []string{"", "a", "b"} {
				for _, f := range rackFetches {
					resp := r.fetch(broker, version, func(req *kmsg.FetchRequest) {
						req.Rack = rack
						f.change(req)
					})
					fmt.Fprintf(&got, "version %d, broker %d, rack %q %s: %s\n", version, broker, rack, f.name, r.told(resp))
				}
			}
		}
	}
	r.sessions(&got)
	golden := filepath.Join("testdata", "racks")
	if rewriting() {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			r.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		r.Fatal(err)
	}
	was := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got.String(), "\n") {
		if i >= len(was) || line != was[i] {
			r.Errorf("%s\nwhere Apache Kafka 3.9.2 answers\n%s", line, was[min(i, len(was)-1)])
		}
	}
}

// sessions goes on with a session without naming a partition, in a rack with a follower and in one without.
func (r *racks) sessions(got *strings.Builder) {
	r.Helper()
	for _, rack := range []string{"b", "c"} {
		at := func(req *kmsg.FetchRequest) { req.Rack, req.Topics[0].Partitions[0].FetchOffset = rack, rackRecords }
		first := r.fetch(1, 12, func(req *kmsg.FetchRequest) { at(req); req.SessionEpoch = 0 })
		for epoch := range int32(2) {
			next := r.fetch(1, 12, func(req *kmsg.FetchRequest) {
				at(req)
				req.SessionID, req.SessionEpoch, req.Topics = first.SessionID, epoch+1, nil
			})
			fmt.Fprintf(got, "rack %q, epoch %d of a session: %s\n", rack, epoch+1, r.told(next))
		}
	}
}

// told is an answer in a line.
func (r *racks) told(resp *kmsg.FetchResponse) string {
	s := fmt.Sprintf("code %d", resp.ErrorCode)
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			aborted := "null"
			if p.AbortedTransactions != nil {
				aborted = fmt.Sprint(p.AbortedTransactions)
			}
			s += fmt.Sprintf("; partition %d: code %d, offsets %d/%d/%d, aborted %s, replica %d, %d bytes", p.Partition, p.ErrorCode,
				p.LogStartOffset, p.LastStableOffset, p.HighWatermark, aborted, p.PreferredReadReplica, len(p.RecordBatches))
			if d := p.DivergingEpoch; d.Epoch >= 0 {
				s += fmt.Sprintf(", diverging in epoch %d at %d", d.Epoch, d.EndOffset)
			}
			if l := p.CurrentLeader; l.LeaderID >= 0 {
				s += fmt.Sprintf(", broker %d leads in epoch %d", l.LeaderID, l.LeaderEpoch)
			}
		}
	}
	return s
}
