package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
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

// Seeds are the addresses in a [Broker]'s Addr.
func Seeds(addr string) kgo.Opt { return kgo.SeedBrokers(strings.Split(addr, ",")...) }

// Client gives a franz-go client of the broker. The client closes when the test ends.
func Client(t testing.TB, addr string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	all := []kgo.Opt{
		Seeds(addr),
		kgo.AlwaysRetryEOF(), // Apache's broker that stops ends a connection before it has answered anything, where klamm resets it
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
	}
	if Rolling() {
		// The client's own 20 tries are over after a second, and a controller or coordinator may take longer to move. RetryTimeout, which
		// is 30 s where opts do not say, bounds the tries.
		all = append(all, kgo.RequestRetries(1<<20))
	}
	cl, err := kgo.NewClient(append(all, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// FlushWithin bounds how long [Flush] waits.
const FlushWithin = 2 * time.Minute

// Flush waits until all that a client has sent is acknowledged or given up, or until ctx ends or FlushWithin is over: clients of tests
// may try again for ever.
func Flush(ctx context.Context, cl *kgo.Client) error {
	within, cancel := context.WithTimeout(ctx, FlushWithin)
	defer cancel()
	err := cl.Flush(within)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%d records are neither acknowledged nor given up %s after the last one: %w", cl.BufferedProduceRecords(), FlushWithin, err)
	}
	return err
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
	err := OnAllBrokers(func() error {
		_, err := adm.CreateTopic(ctx, partitions, -1, set, name)
		return err
	})
	if err != nil {
		t.Fatalf("creating %s: %v", name, err)
	}
	AwaitTopic(t, addr, name, int(partitions))
	return name
}

// OnAllBrokers creates a topic of a new name, or partitions, and again for as long as that is refused because a broker of the cluster is not there at
// the moment, so that a partition would have too few replicas, or because brokers are restarted. Where they are, a topic that exists already
// is one whose controller went away before it answered: the client asked the next one.
func OnAllBrokers(create func() error) error {
	for late := time.Now().Add(testWithin); ; pause() {
		err := create()
		if Rolling() && errors.Is(err, kerr.TopicAlreadyExists) {
			return nil
		}
		again := Brokers() > 1 && errors.Is(err, kerr.InvalidReplicationFactor) || Restarts(err)
		if !again || time.Now().After(late) {
			return err
		}
	}
}

// Ask asks brokers, and again while these are restarted and one of them was away or no controller, coordinator or leader any more: kadm asks each
// broker that has a part of the answer, and gives up where one refuses the connection.
func Ask(ctx context.Context, ask func() error) error {
	for {
		err := ask()
		if !Restarts(err) || ctx.Err() != nil {
			return err
		}
		pause()
	}
}

// CommitOffsets commits offsets for a group without members, and waits until the group has a coordinator: the first request for one has
// __consumer_offsets made, which takes Apache's broker longer than a client tries.
func CommitOffsets(t testing.TB, admin *kadm.Client, group string, offsets kadm.Offsets) {
	t.Helper()
	ctx := Context(t)
	for {
		err := admin.CommitAllOffsets(ctx, group, offsets)
		if err == nil {
			return
		}
		coming := slices.ContainsFunc([]error{kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress}, func(e error) bool { return errors.Is(err, e) })
		if !coming && !Restarts(err) || ctx.Err() != nil {
			t.Fatalf("committing offsets of %s: %v", group, err)
		}
		pause()
	}
}

// Restarts says whether an error comes from brokers that are restarted: one of them was away, or no controller, coordinator or leader any more.
func Restarts(err error) bool {
	return Rolling() && (kgo.IsRetryableBrokerErr(err) || slices.ContainsFunc([]error{syscall.ECONNREFUSED, syscall.ECONNRESET,
		kerr.NotController, kerr.NotCoordinator, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotLeaderForPartition, kerr.LeaderNotAvailable,
	}, func(e error) bool { return errors.Is(err, e) }))
}

// AwaitTopic waits until Metadata has the topic with that many partitions,
// each with a leader: brokers answer CreateTopics a moment before that. In a cluster each broker that is there has to know.
func AwaitTopic(t testing.TB, addr, name string, partitions int) {
	t.Helper()
	for _, one := range strings.Split(addr, ",") {
		awaitTopicAt(t, one, name, partitions)
	}
}

// awaitTopicAt waits for one broker, or until it is away.
func awaitTopicAt(t testing.TB, addr, name string, partitions int) {
	t.Helper()
	ctx := Context(t)
	cl := Client(t, addr)
	defer cl.Close()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = append(req.Topics, topic)
	for {
		resp, err := cl.SeedBrokers()[0].Request(ctx, req) // this broker, and no other
		if err == nil && ready(resp.(*kmsg.MetadataResponse), partitions) || err != nil && Rolling() {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("%s does not get %d partitions with leaders: %v %+v", name, partitions, err, resp)
		}
		pause()
	}
}

// ready says whether the one topic of an answer has so many partitions, all with leaders.
func ready(m *kmsg.MetadataResponse, partitions int) bool {
	if len(m.Topics) == 0 || m.Topics[0].ErrorCode != 0 || len(m.Topics[0].Partitions) != partitions {
		return false
	}
	return !slices.ContainsFunc(m.Topics[0].Partitions, func(p kmsg.MetadataResponseTopicPartition) bool {
		return p.ErrorCode != 0 || p.Leader < 0
	})
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

// EndOffset gives the latest offset of a partition, as ListOffsets answers it. kadm does not ask again when the leader is away.
func EndOffset(t testing.TB, addr, topic string, partition int32) int64 {
	t.Helper()
	ctx, adm := Context(t), Admin(t, addr)
	for {
		listed, err := adm.ListEndOffsets(ctx, topic)
		o, ok := listed.Lookup(topic, partition)
		if err == nil && ok && o.Err == nil {
			return o.Offset
		}
		if Brokers() == 1 || ctx.Err() != nil {
			t.Fatalf("end offset of %s/%d: %v %+v", topic, partition, err, listed)
		}
		pause()
	}
}
