package harness

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// testWithin bounds how long a test waits for a broker in total.
const testWithin = 5 * time.Minute

// Context gives a context that ends with the test, or when the test has waited too long.
func Context(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testWithin)
	t.Cleanup(cancel)
	return ctx
}

// Client gives a franz-go client of the broker. The client closes when the test ends.
func Client(t testing.TB, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(addr),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// Admin gives a kadm client of the broker. The client closes when the test ends.
func Admin(t testing.TB, addr string, opts ...kgo.Opt) *kadm.Client {
	t.Helper()
	return kadm.NewClient(Client(t, addr, opts...))
}

var topics atomic.Int64

// Name makes a name for a topic that no other test of the process uses.
func Name(t testing.TB) string {
	base := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return '-'
	}, t.Name())
	return fmt.Sprintf("%s-%d", base, topics.Add(1))
}

// Topic creates a topic with a name of its own and waits until the broker
// leads it. Configs are name, value, name, value.
func Topic(t testing.TB, addr string, partitions int32, configs ...string) string {
	t.Helper()
	ctx := Context(t)
	adm := Admin(t, addr)
	name := Name(t)
	set := map[string]*string{}
	for i := 0; i+1 < len(configs); i += 2 {
		set[configs[i]] = kadm.StringPtr(configs[i+1])
	}
	if _, err := adm.CreateTopic(ctx, partitions, 1, set, name); err != nil {
		t.Fatalf("creating %s: %v", name, err)
	}
	AwaitTopic(t, addr, name, int(partitions))
	return name
}

// AwaitTopic waits until Metadata has the topic with that many partitions,
// each with a leader: brokers answer CreateTopics a moment before that.
func AwaitTopic(t testing.TB, addr, name string, partitions int) {
	t.Helper()
	ctx := Context(t)
	adm := Admin(t, addr)
	for {
		m, err := adm.Metadata(ctx, name)
		if err == nil && ready(m.Topics[name], partitions) {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s does not get %d partitions with leaders: %v %+v", name, partitions, err, m.Topics[name])
		}
		pause()
	}
}

func ready(d kadm.TopicDetail, partitions int) bool {
	if d.Err != nil || len(d.Partitions) != partitions {
		return false
	}
	for _, p := range d.Partitions {
		if p.Err != nil || p.Leader < 0 {
			return false
		}
	}
	return true
}

// ReadPartition reads the records of a partition from offset from up to offset to,
// exclusive. A record must stand right before offset to, or the read does not end.
func ReadPartition(t testing.TB, addr, topic string, partition int32, from, to int64, opts ...kgo.Opt) []*kgo.Record {
	t.Helper()
	ctx := Context(t)
	cl := Client(t, addr, append([]kgo.Opt{
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(from)}}),
		kgo.FetchMaxWait(200 * time.Millisecond),
	}, opts...)...)
	defer cl.Close()
	var got []*kgo.Record
	for next := from; next < to; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("reading %s/%d at %d of %d: %v", topic, partition, next, to, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset < to {
				got = append(got, r)
			}
			next = r.Offset + 1
		})
	}
	return got
}

// EndOffset gives the latest offset of a partition, as ListOffsets answers it.
func EndOffset(t testing.TB, addr, topic string, partition int32) int64 {
	t.Helper()
	listed, err := Admin(t, addr).ListEndOffsets(Context(t), topic)
	if err != nil {
		t.Fatal(err)
	}
	o, ok := listed.Lookup(topic, partition)
	if !ok || o.Err != nil {
		t.Fatalf("end offset of %s/%d: listed %t, %v", topic, partition, ok, o.Err)
	}
	return o.Offset
}
