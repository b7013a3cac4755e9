package server_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// client is a franz-go client of a broker, with a context that ends the test
// where an answer does not come.
func client(t *testing.T, addr string, opts ...kgo.Opt) (context.Context, *kgo.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(addr)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return ctx, cl
}

func TestRecordsGoInAndComeOut(t *testing.T) {
	addr := startBroker(t)
	ctx, producer := client(t, addr, kgo.AllowAutoTopicCreation(), kgo.MetadataMinAge(10*time.Millisecond))
	const n = 1000
	for i := range n {
		producer.Produce(ctx, &kgo.Record{Topic: "t", Value: fmt.Append(nil, i)}, func(_ *kgo.Record, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := producer.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	_, consumer := client(t, addr, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().AtStart()}}))
	for next := 0; next < n; {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, r := range fetches.Records() {
			if string(r.Value) != fmt.Sprint(next) || r.Offset != int64(next) {
				t.Fatalf("record %d is %q at offset %d", next, r.Value, r.Offset)
			}
			next++
		}
	}
}

func TestAdministrationWithKadm(t *testing.T) {
	addr := startBroker(t)
	ctx, cl := client(t, addr)
	adm := kadm.NewClient(cl)
	if _, err := adm.CreateTopic(ctx, 3, 1, map[string]*string{"retention.ms": kadm.StringPtr("1000")}, "t"); err != nil {
		t.Fatal(err)
	}
	created, err := adm.UpdatePartitions(ctx, 5, "t")
	if err != nil || created["t"].Err != nil {
		t.Fatal(err, created["t"].Err)
	}
	details, err := adm.ListTopics(ctx)
	if err != nil || len(details["t"].Partitions) != 5 {
		t.Fatalf("%+v, %v", details, err)
	}
	if _, err := adm.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: kadm.StringPtr("2000")}}, "t"); err != nil {
		t.Fatal(err)
	}
	configs, err := adm.DescribeTopicConfigs(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range configs[0].Configs {
		if c.Key == "retention.ms" && c.MaybeValue() != "2000" {
			t.Errorf("retention.ms is %s", c.MaybeValue())
		}
	}
	if _, err := adm.DescribeAllLogDirs(ctx, nil); err != nil {
		t.Error(err)
	}
	if meta, err := adm.BrokerMetadata(ctx); err != nil || meta.Controller != 0 || meta.Cluster == "" {
		t.Errorf("%+v, %v", meta, err)
	}
	if deleted, err := adm.DeleteTopics(ctx, "t"); err != nil || deleted["t"].Err != nil {
		t.Error(err, deleted["t"].Err)
	}
	if left := ask[*kmsg.MetadataResponse](t, addr, kmsg.NewPtrMetadataRequest(), 12).Topics; len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

// A transactional producer has to learn that there are no transactions, soon
// and without a record left behind. franz-go goes on where FindCoordinator is
// not served; its records are refused then.
func TestTransactionalProducerFailsClearly(t *testing.T) {
	addr := startBroker(t)
	createTopicAt(t, addr, "t")
	ctx, cl := client(t, addr, kgo.TransactionalID("txn"))
	err := cl.BeginTransaction()
	if err == nil {
		err = cl.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte("never")}).FirstErr()
	}
	if err == nil {
		err = cl.EndTransaction(ctx, kgo.TryCommit)
	}
	if err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	end := ask[*kmsg.ListOffsetsResponse](t, addr, listOffsets("t", 0, -1), 7)
	if p := end.Topics[0].Partitions[0]; p.ErrorCode != 0 || p.Offset != 0 {
		t.Errorf("the log ends at %+v", p)
	}
}

func createTopicAt(t *testing.T, addr, name string) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10000
	addTopic(req, name, 1, 1)
	if got := ask[*kmsg.CreateTopicsResponse](t, addr, req, 7).Topics[0]; got.ErrorCode != 0 {
		t.Fatalf("error %d", got.ErrorCode)
	}
}

// Producer ids are never given twice, not across a restart either.
func TestProducerIDsAreUnique(t *testing.T) {
	dir := "log.dirs=" + t.TempDir()
	seen := make(map[int64]bool)
	for range 2 {
		t.Run("", func(t *testing.T) {
			addr := startBroker(t, dir)
			w := dial(t, addr)
			defer w.close()
			for range 1500 { // more than a block
				req := kmsg.NewPtrInitProducerIDRequest()
				req.SetVersion(5)
				resp, err := w.ask(req)
				if err != nil {
					t.Fatal(err)
				}
				r := resp.(*kmsg.InitProducerIDResponse)
				if r.ErrorCode != 0 || r.ProducerEpoch != 0 || seen[r.ProducerID] {
					t.Fatalf("got %+v", r)
				}
				seen[r.ProducerID] = true
			}
		})
	}
}

// What was changed is there after a restart.
func TestTopicsAndConfigurationSurvive(t *testing.T) {
	dir := "log.dirs=" + t.TempDir()
	var id [16]byte
	t.Run("before", func(t *testing.T) {
		addr := startBroker(t, dir)
		req := kmsg.NewPtrCreateTopicsRequest()
		req.TimeoutMillis = 10000
		addTopic(req, "t", 4, 1, "retention.ms", "77")
		created := ask[*kmsg.CreateTopicsResponse](t, addr, req, 7)
		id = created.Topics[0].TopicID
		ask[*kmsg.IncrementalAlterConfigsResponse](t, addr, incremental(ofTopic, "t", set("segment.ms", "88")), 1)
		ask[*kmsg.IncrementalAlterConfigsResponse](t, addr, incremental(ofBroker, "", set("log.segment.bytes", "2097152")), 1)
		ask[*kmsg.IncrementalAlterConfigsResponse](t, addr, incremental(ofBroker, "0", set("log.roll.ms", "99999")), 1)
	})
	t.Run("after", func(t *testing.T) {
		addr := startBroker(t, dir)
		meta := ask[*kmsg.MetadataResponse](t, addr, metadata(ptr("t")), 12)
		if !allLed(meta, 4) || meta.Topics[0].TopicID != id {
			t.Errorf("got %+v, id %x", meta.Topics[0], id)
		}
		got := make(map[string]string)
		for _, c := range ask[*kmsg.DescribeConfigsResponse](t, addr, describe(ofTopic, "t", "retention.ms", "segment.ms", "segment.bytes"), 4).Resources[0].Configs {
			got[c.Name] = *c.Value
		}
		for _, c := range ask[*kmsg.DescribeConfigsResponse](t, addr, describe(ofBroker, "0", "log.roll.ms"), 4).Resources[0].Configs {
			got[c.Name] = *c.Value
		}
		want := map[string]string{"retention.ms": "77", "segment.ms": "88", "segment.bytes": "2097152", "log.roll.ms": "99999"}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s is %q, want %s", name, got[name], value)
			}
		}
	})
}
